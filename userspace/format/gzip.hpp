// Bytes in and out of one gzip member, in memory; reading is bounded before anything is trusted.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "util/result.hpp"

namespace memtrace {

/// How much a gzip file may grow. No file may exceed max_bytes; beyond free_bytes it must also stay below max_ratio times its
/// compressed size, which deflate can drive to 1032 with a file made for that.
struct InflateLimits {
    std::uint64_t max_bytes = 0;
    std::uint64_t free_bytes = 0;
    std::uint64_t max_ratio = 0;

    /// What `compressed_bytes` may become.
    [[nodiscard]] std::uint64_t allowed(std::uint64_t compressed_bytes) const;
};

/// One gzip member without name or time: equal bytes give equal files. `level` as in zlib, 1 (fast) to 9.
Result<std::string> gzip(std::string_view raw, int level);

/// Whether bytes begin as a gzip file does, as far as they go.
bool looks_like_gzip(std::string_view bytes);

/// The reverse of gzip(). Errors: empty, not gzip, cut short, damaged, followed by other bytes, larger than the limits allow.
Result<std::string> gunzip(std::string_view compressed, const InflateLimits& limits);

}  // namespace memtrace
