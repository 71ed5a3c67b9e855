#include "probes/usdt_notes.hpp"

#include <elf.h>

#include <cstring>

namespace memtrace {
namespace {

constexpr std::uint32_t type_stapsdt = 3;
constexpr std::string_view owner{"stapsdt", 8};  // with its end
constexpr std::size_t most_marks = 4096;

std::size_t padded(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

// The text at the start of `bytes`, taken off with its end; nothing where it has none.
std::optional<std::string> take_text(std::span<const std::byte>& bytes) {
    const void* end = bytes.empty() ? nullptr : std::memchr(bytes.data(), 0, bytes.size());
    if (!end) return std::nullopt;
    std::string text(reinterpret_cast<const char*>(bytes.data()));
    bytes = bytes.subspan(text.size() + 1);
    return text;
}

std::optional<UsdtProbe> parse_description(std::span<const std::byte> bytes, std::optional<std::uint64_t> base) {
    std::uint64_t words[3];  // place, base at link time, semaphore
    if (bytes.size() < sizeof words) return std::nullopt;
    std::memcpy(words, bytes.data(), sizeof words);
    bytes = bytes.subspan(sizeof words);
    UsdtProbe probe;
    // Prelinking moves the code, and its base, but no notes.
    probe.address = words[0] + (base && words[1] ? *base - words[1] : 0);
    for (std::string* text : {&probe.provider, &probe.name, &probe.arguments}) {
        std::optional<std::string> taken = take_text(bytes);
        if (!taken) return std::nullopt;
        *text = *std::move(taken);
    }
    return probe;
}

}  // namespace

std::vector<UsdtProbe> parse_usdt_notes(std::span<const std::byte> notes, std::optional<std::uint64_t> base) {
    std::vector<UsdtProbe> probes;
    Elf64_Nhdr header;
    while (notes.size() >= sizeof header) {
        std::memcpy(&header, notes.data(), sizeof header);
        notes = notes.subspan(sizeof header);
        if (padded(header.n_namesz) > notes.size()) break;
        const std::span<const std::byte> name = notes.first(header.n_namesz);
        notes = notes.subspan(padded(header.n_namesz));
        if (header.n_descsz > notes.size()) break;
        const bool ours = header.n_type == type_stapsdt && name.size() == owner.size() && std::memcmp(name.data(), owner.data(), owner.size()) == 0;
        if (ours)
            if (std::optional<UsdtProbe> probe = parse_description(notes.first(header.n_descsz), base)) probes.push_back(*std::move(probe));
        notes = notes.subspan(std::min(padded(header.n_descsz), notes.size()));
    }
    return probes;
}

std::vector<UsdtProbe> own_marks(const ElfImage& image) {
    const std::optional<ElfSection> notes = image.section(".note.stapsdt");
    if (!notes) return {};
    const std::optional<ElfSection> base = image.section(".stapsdt.base");
    std::vector<UsdtProbe> marks;
    for (UsdtProbe& probe : parse_usdt_notes(notes->bytes, base ? std::optional(base->address) : std::nullopt))
        if (probe.provider == "memtrace" && probe.name == "mark" && image.offset_of(probe.address) && marks.size() < most_marks)
            marks.push_back(std::move(probe));
    return marks;
}

}  // namespace memtrace
