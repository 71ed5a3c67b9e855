// Asks the kernel and the file system what a tracer has left; see leftovers.hpp.
#include "support/leftovers.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

#include "process/maps.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"

namespace memtrace::test {
namespace {

namespace fs = std::filesystem;

// Programs and maps carry mt_; the maps libbpf makes of global data carry the object's name.
bool ours(std::string_view name) { return name.starts_with("mt_") || name.starts_with("memtrace"); }

template <typename Info>
void add_objects(std::set<std::string>& things, const char* kind, int next_id(__u32, __u32*), int open_id(__u32)) {
    for (__u32 id = 0; next_id(id, &id) == 0;) {
        const int fd = open_id(id);
        if (fd < 0) continue;  // gone between the two calls
        Info info{};
        __u32 size = sizeof info;
        if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && ours(info.name))
            things.insert(std::string(kind) + " " + std::to_string(id) + " " + info.name);
        close(fd);
    }
}

void add_files(std::set<std::string>& things, const fs::path& folder, bool all) {
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(folder, missing))
        if (all || ours(entry.path().filename().string())) things.insert("file " + entry.path().string());
}

void add_trace_events(std::set<std::string>& things) {
    for (const char* path : {"/sys/kernel/tracing/uprobe_events", "/sys/kernel/debug/tracing/uprobe_events"}) {
        std::ifstream file(path);
        for (std::string line; std::getline(file, line);)
            if (line.find("memtrace") != std::string::npos || line.find("mt_") != std::string::npos) things.insert("trace event " + line);
    }
}

}  // namespace

Leftovers Leftovers::now() {
    require_root();
    Leftovers found;
    add_objects<bpf_prog_info>(found.things_, "program", bpf_prog_get_next_id, bpf_prog_get_fd_by_id);
    add_objects<bpf_map_info>(found.things_, "map", bpf_map_get_next_id, bpf_map_get_fd_by_id);
    add_files(found.things_, "/sys/fs/bpf", false);
    add_files(found.things_, "/run/memtrace-bpf", true);
    add_trace_events(found.things_);
    return found;
}

std::string Leftovers::new_things() const {
    std::string text;
    for (const auto& thing : now().things_)
        if (!things_.contains(thing)) text += thing + "\n";
    return text;
}

void Leftovers::require_nothing_new() const {
    std::string left;
    eventually([&] {
        left = new_things();
        return left.empty();
    });
    REQUIRE(left == "");
}

std::uint64_t code_hash(pid_t pid) {
    const auto maps = read_maps(pid);
    if (!maps) FAIL(maps.error().what);
    const std::string path = "/proc/" + std::to_string(pid) + "/mem";
    const int memory = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (memory < 0) FAIL("cannot open " << path);
    std::uint64_t hash = 14695981039346656037U;  // FNV-1a
    std::vector<unsigned char> bytes;
    for (const auto& mapping : *maps) {
        if (!mapping.executable || mapping.inode == 0) continue;
        bytes.resize(mapping.end - mapping.start);
        const ssize_t count = pread(memory, bytes.data(), bytes.size(), static_cast<off_t>(mapping.start));
        bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
        for (const unsigned char byte : bytes) hash = (hash ^ byte) * 1099511628211U;
    }
    close(memory);
    return hash;
}

void require_code(pid_t pid, std::uint64_t hash) {
    REQUIRE(eventually([&] { return code_hash(pid) == hash; }));
}

}  // namespace memtrace::test
