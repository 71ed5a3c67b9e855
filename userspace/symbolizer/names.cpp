#include "symbolizer/names.hpp"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

namespace memtrace {
namespace {

constexpr std::size_t kMaxNameBytes = 2048;
// The demangler's work space on the stack grows with this: about 100 bytes for each.
constexpr std::size_t kMaxMangledBytes = 4096;
constexpr std::size_t kMaxDemangledBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxPathBytes = 4096;
constexpr std::string_view kCut = "...";

// Length of the back reference at the start of `text`: S_, S1Z_, T_, T0_ …; 0 when it is something else.
std::size_t reference_length(std::string_view text) {
    if (text.front() != 'S' && text.front() != 'T') return 0;
    const std::size_t end = text.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1);
    return end != text.npos && text[end] == '_' ? end + 1 : 0;
}

// Whether the text may be out of all proportion: __cxa_demangle writes all of it, and 300 mangled bytes can stand for
// gigabytes. A reference repeats at most everything before it, a pack expansion ("Dp", "sp") its pattern for each element;
// references in a conversion operator ("cv") also mean what comes later. Of libLLVM's names 0.3 % are refused.
bool may_explode(std::string_view mangled) {
    const bool forward = mangled.find("cv") != mangled.npos;
    double bytes = forward ? 8.0 * static_cast<double>(mangled.size()) : 0;
    for (std::string_view rest = mangled; !rest.empty() && bytes <= kMaxDemangledBytes;) {
        const std::size_t reference = reference_length(rest);
        if (reference > 0) {
            bytes *= 2;
        } else if (rest.starts_with("Dp") || rest.starts_with("sp")) {
            bytes *= static_cast<double>(mangled.size());
        } else {
            bytes += 8;
        }
        rest.remove_prefix(std::max<std::size_t>(reference, 1));
    }
    return bytes > kMaxDemangledBytes;
}

std::string shortened(std::string_view name) {
    if (name.size() <= kMaxNameBytes) return std::string(name);
    return std::string(name.substr(0, kMaxNameBytes - kCut.size())).append(kCut);
}

}  // namespace

std::string demangle(std::string_view name) {
    if (!name.starts_with("_Z") || name.size() > kMaxMangledBytes || may_explode(name)) return shortened(name);
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> text(abi::__cxa_demangle(std::string(name).c_str(), nullptr, nullptr, &status), std::free);
    return shortened(text ? std::string_view(text.get()) : name);
}

std::string source_path(std::string_view directory, std::string_view path) {
    std::string joined(path);
    if (!path.starts_with('/') && directory.starts_with('/')) joined = std::string(directory).append("/").append(path);
    const bool absolute = joined.starts_with('/');
    if (absolute) {
        std::vector<std::string_view> parts;
        for (std::string_view rest = joined; !rest.empty();) {
            const std::string_view part = rest.substr(0, rest.find('/'));
            rest.remove_prefix(std::min(part.size() + 1, rest.size()));
            if (part == "..") {
                if (!parts.empty()) parts.pop_back();
            } else if (!part.empty() && part != ".") {
                parts.push_back(part);
            }
        }
        std::string normal;
        for (const std::string_view part : parts) normal.append("/").append(part);
        joined = std::move(normal);
    }
    if (joined.size() > kMaxPathBytes) joined.replace(0, joined.size() - kMaxPathBytes + kCut.size(), kCut);
    return joined;
}

}  // namespace memtrace
