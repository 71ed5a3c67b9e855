#include "symbolizer/debug_file.hpp"

#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <zlib.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace memtrace {
namespace {

constexpr std::size_t kMaxBuildIdBytes = 64;

std::string build_id_path(std::span<const std::byte> build_id) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string path = "/usr/lib/debug/.build-id/";
    for (std::size_t i = 0; i < build_id.size(); ++i) {
        if (i == 1) path += '/';
        const auto value = std::to_integer<unsigned>(build_id[i]);
        path += kDigits[value >> 4];
        path += kDigits[value & 15];
    }
    return path + ".debug";
}

// The target's own tree first: in a container it holds what fits the container's libraries.
std::optional<ObjectFile> open_in(const UniqueFd& target_root, const std::string& path, ObjectFile::Kind kind, auto&& belongs) {
    for (const bool in_target : {true, false}) {
        const UniqueFd marked = in_target ? mark_file_in_root(target_root, path) : mark_file(AT_FDCWD, path);
        Result<ObjectFile> file = marked ? ObjectFile::open(marked, kind) : Error{"none"};
        if (file && belongs(*file)) return *std::move(file);
    }
    return std::nullopt;
}

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) { return std::ranges::equal(a, b); }

std::optional<ObjectFile> find_by_build_id(std::span<const std::byte> build_id, const UniqueFd& target_root, ObjectFile::Kind kind) {
    if (build_id.size() < 3 || build_id.size() > kMaxBuildIdBytes) return std::nullopt;
    return open_in(target_root, build_id_path(build_id), kind, [&](const ObjectFile& file) { return same_bytes(file.build_id(), build_id); });
}

bool checksum_is(const ObjectFile& file, GElf_Word wanted) {
    std::vector<Bytef> block(std::size_t{1} << 16);
    uLong checksum = crc32(0, nullptr, 0);
    for (off_t at = 0;;) {
        const ssize_t got = ::pread(file.fd(), block.data(), block.size(), at);
        if (got <= 0) return got == 0 && checksum == wanted;
        checksum = crc32(checksum, block.data(), static_cast<uInt>(got));
        at += got;
    }
}

// The directories gdb looks in, in its order.
std::vector<std::string> link_candidates(const std::string& path, const std::string& name) {
    const std::string directory = path.substr(0, path.rfind('/') + 1);
    std::vector<std::string> candidates;
    if (directory + name != path) candidates.push_back(directory + name);
    candidates.push_back(directory + ".debug/" + name);
    candidates.push_back("/usr/lib/debug" + directory + name);
    return candidates;
}

std::optional<ObjectFile> find_by_link(const ObjectFile& main, std::span<const std::byte> build_id, const std::string& path,
                                       const UniqueFd& target_root) {
    GElf_Word checksum = 0;
    const char* link = dwelf_elf_gnu_debuglink(main.elf(), &checksum);
    if (link == nullptr || !path.starts_with('/')) return std::nullopt;
    const std::string_view name = std::string_view(link).substr(0, 256);
    if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos) return std::nullopt;
    for (const std::string& candidate : link_candidates(path, std::string(name))) {
        std::optional<ObjectFile> found = open_in(target_root, candidate, ObjectFile::Kind::program, [&](const ObjectFile& file) {
            return build_id.empty() ? checksum_is(file, checksum) : same_bytes(file.build_id(), build_id);
        });
        if (found) return found;
    }
    return std::nullopt;
}

std::optional<ObjectFile> find_on_servers(std::span<const std::byte> build_id, Debuginfod* servers, ObjectFile::Kind kind) {
    const UniqueFd marked = servers ? servers->find(build_id) : UniqueFd();
    Result<ObjectFile> file = marked ? ObjectFile::open(marked, kind) : Error{"none"};
    if (file && same_bytes(file->build_id(), build_id)) return *std::move(file);
    return std::nullopt;
}

}  // namespace

std::optional<ObjectFile> find_debug_file(const ObjectFile& main, const std::string& path, const UniqueFd& target_root, Debuginfod* servers) {
    const std::span<const std::byte> build_id = main.build_id();
    if (std::optional<ObjectFile> found = find_by_build_id(build_id, target_root, ObjectFile::Kind::program)) return found;
    if (std::optional<ObjectFile> found = find_by_link(main, build_id, path, target_root)) return found;
    return find_on_servers(build_id, servers, ObjectFile::Kind::program);
}

std::optional<ObjectFile> find_shared_debug_file(std::span<const std::byte> build_id, const std::string& name, const UniqueFd& target_root,
                                                 Debuginfod* servers) {
    if (std::optional<ObjectFile> found = find_by_build_id(build_id, target_root, ObjectFile::Kind::shared_debug)) return found;
    if (!name.starts_with('/')) return find_on_servers(build_id, servers, ObjectFile::Kind::shared_debug);
    std::optional<ObjectFile> found = open_in(target_root, name, ObjectFile::Kind::shared_debug,
                                              [&](const ObjectFile& file) { return same_bytes(file.build_id(), build_id); });
    return found ? std::move(found) : find_on_servers(build_id, servers, ObjectFile::Kind::shared_debug);
}

}  // namespace memtrace
