// Binary search in .eh_frame_hdr, then the length from the entry in .eh_frame it points to.
#include "probes/frame_index.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace memtrace {
namespace {

// DW_EH_PE_* of the Linux Standard Base.
constexpr std::uint8_t encoded_pcrel_sdata4 = 0x1b;
constexpr std::uint8_t encoded_datarel_sdata4 = 0x3b;
constexpr std::uint8_t encoded_udata4 = 0x03;
constexpr std::size_t header_size = 12;  // version and three encodings, pointer to .eh_frame, number of entries
constexpr std::size_t row_size = 8;      // function start, frame description entry

template <typename T>
T load(std::span<const std::byte> bytes, std::size_t offset) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

std::uint64_t relative(std::uint64_t base, std::int32_t distance) { return base + static_cast<std::uint64_t>(std::int64_t{distance}); }

}  // namespace

std::optional<FrameExtent> find_frame(const BytesAt& bytes_at, std::uint64_t index, std::uint64_t index_size, std::uint64_t address) {
    const auto table = bytes_at(index, index_size);
    if (table.size() < header_size || load<std::uint8_t>(table, 0) != 1 || load<std::uint8_t>(table, 1) != encoded_pcrel_sdata4 ||
        load<std::uint8_t>(table, 2) != encoded_udata4 || load<std::uint8_t>(table, 3) != encoded_datarel_sdata4) {
        return std::nullopt;
    }
    const std::size_t rows = std::min<std::size_t>(load<std::uint32_t>(table, 8), (table.size() - header_size) / row_size);
    const auto start_of = [&](std::size_t row) { return relative(index, load<std::int32_t>(table, header_size + row * row_size)); };
    std::size_t low = 0;
    std::size_t high = rows;
    while (low < high) {  // the first row that starts above `address`
        const std::size_t middle = low + (high - low) / 2;
        if (start_of(middle) <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0) return std::nullopt;
    const std::uint64_t start = start_of(low - 1);

    const std::uint64_t entry = relative(index, load<std::int32_t>(table, header_size + (low - 1) * row_size + 4));
    // length, CIE pointer, start, size. The start must agree with the table's, which also tells that it is encoded pcrel|sdata4.
    const auto bytes = bytes_at(entry, 16);
    if (bytes.empty() || relative(entry + 8, load<std::int32_t>(bytes, 8)) != start) return std::nullopt;
    const std::uint64_t size = load<std::uint32_t>(bytes, 12);
    if (address < start || address - start >= size) return std::nullopt;
    return FrameExtent{start, size};
}

}  // namespace memtrace
