#include "format/gzip.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>

namespace memtrace {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib: the largest window, in gzip's framing.
constexpr int kMemoryLevel = 9;       // zlib: 256 KiB for speed.

/// Output leaves zlib in pieces of this size, so that memory follows what was really produced.
using Piece = std::array<Bytef, 64 * 1024>;

/// Hands the next stretch of `input` to zlib, whose counters have 32 bits.
void feed(z_stream& stream, std::string_view& input) {
    if (stream.avail_in != 0 || input.empty()) return;
    const std::size_t size = std::min<std::size_t>(input.size(), std::numeric_limits<uInt>::max());
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(input.data()));  // zlib reads only; its type predates const.
    stream.avail_in = static_cast<uInt>(size);
    input.remove_prefix(size);
}

/// Owns a stream's state inside zlib.
struct Deflater {
    explicit Deflater(int level) : status(deflateInit2(&stream, level, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY)) {}
    Deflater(const Deflater&) = delete;
    Deflater& operator=(const Deflater&) = delete;
    ~Deflater() { deflateEnd(&stream); }
    z_stream stream{};
    int status;
};

struct Inflater {
    Inflater() : status(inflateInit2(&stream, kGzipWindow)) {}
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;
    ~Inflater() { inflateEnd(&stream); }
    z_stream stream{};
    int status;
};

Error zlib_error(const char* operation, const z_stream& stream, int status) {
    return Error{fmt::format("{}: {}", operation, stream.msg != nullptr ? stream.msg : zError(status))};
}

Error too_large(std::uint64_t compressed_bytes, std::uint64_t allowed_bytes) {
    return Error{fmt::format("its {} bytes expand to more than the {} bytes allowed", compressed_bytes, allowed_bytes),
                 "the file was made to exhaust memory, or is damaged"};
}

}  // namespace

std::uint64_t InflateLimits::allowed(std::uint64_t compressed_bytes) const {
    const bool product_fits = max_ratio == 0 || compressed_bytes <= std::numeric_limits<std::uint64_t>::max() / max_ratio;
    return product_fits ? std::min(max_bytes, std::max(free_bytes, compressed_bytes * max_ratio)) : max_bytes;
}

Result<std::string> gzip(std::string_view raw, int level) {
    Deflater deflater(level);
    z_stream& stream = deflater.stream;
    if (deflater.status != Z_OK) return zlib_error("cannot start compressing", stream, deflater.status);
    std::string compressed;
    Piece piece;
    int status = Z_OK;
    while (status != Z_STREAM_END) {
        feed(stream, raw);
        stream.next_out = piece.data();
        stream.avail_out = piece.size();
        status = deflate(&stream, raw.empty() ? Z_FINISH : Z_NO_FLUSH);
        if (status != Z_OK && status != Z_STREAM_END) return zlib_error("cannot compress", stream, status);
        compressed.append(reinterpret_cast<const char*>(piece.data()), piece.size() - stream.avail_out);
    }
    return compressed;
}

bool looks_like_gzip(std::string_view bytes) {
    constexpr std::string_view kMagic = "\x1f\x8b";
    const std::size_t known = std::min(bytes.size(), kMagic.size());
    return bytes.substr(0, known) == kMagic.substr(0, known);
}

Result<std::string> gunzip(std::string_view compressed, const InflateLimits& limits) {
    if (compressed.empty()) return Error{"the file is empty", "it was never written; take a new snapshot"};
    if (!looks_like_gzip(compressed)) return Error{"not a gzip file", "snapshots are gzip'ed pprof profiles"};
    const std::uint64_t compressed_bytes = compressed.size();
    const std::uint64_t allowed_bytes = limits.allowed(compressed_bytes);

    Inflater inflater;
    z_stream& stream = inflater.stream;
    if (inflater.status != Z_OK) return zlib_error("cannot start decompressing", stream, inflater.status);
    std::string raw;
    Piece piece;
    int status = Z_OK;
    while (status != Z_STREAM_END) {
        feed(stream, compressed);
        stream.next_out = piece.data();
        stream.avail_out = piece.size();
        status = inflate(&stream, Z_NO_FLUSH);
        // No progress although there is room for output: the input is used up.
        if (status == Z_BUF_ERROR) return Error{"the file is cut short", "it was copied or written incompletely"};
        if (status != Z_OK && status != Z_STREAM_END) return zlib_error("the file is damaged", stream, status);
        const std::size_t produced = piece.size() - stream.avail_out;
        if (produced > allowed_bytes - raw.size()) return too_large(compressed_bytes, allowed_bytes);
        raw.append(reinterpret_cast<const char*>(piece.data()), produced);
    }
    if (const std::size_t rest = stream.avail_in + compressed.size(); rest != 0) {
        return Error{fmt::format("the file is damaged: {} more bytes follow its end", rest)};
    }
    return raw;
}

}  // namespace memtrace
