// Function bounds from .eh_frame_hdr, the sorted table that stripped files keep for unwinding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>

namespace memtrace {

/// What a frame description entry covers.
struct FrameExtent {
    std::uint64_t start = 0;
    std::uint64_t size = 0;
};

/// File-backed bytes at a virtual address; empty when there are none.
using BytesAt = std::function<std::span<const std::byte>(std::uint64_t address, std::size_t size)>;

/// The entry that contains `address`. `index` and `index_size` are those of PT_GNU_EH_FRAME. Only what every x86-64 linker
/// writes is read (table datarel|sdata4, entries pcrel|sdata4; Linux Standard Base, "Exception Frames"); nothing otherwise.
std::optional<FrameExtent> find_frame(const BytesAt& bytes_at, std::uint64_t index, std::uint64_t index_size, std::uint64_t address);

}  // namespace memtrace
