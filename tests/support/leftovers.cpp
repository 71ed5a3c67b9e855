// Asks the kernel and the file system what a tracer has left; see leftovers.hpp.
#include "support/leftovers.hpp"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
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
#include "util/unique_fd.hpp"

namespace memtrace::test {
namespace {

namespace fs = std::filesystem;

// Programs and maps carry mt_; the maps libbpf makes of global data carry the object's name.
// A map of programs is cleared by a worker once its last descriptor is closed. Whoever opens it by id before that worker has run (as
// this very check does) makes kernels (6.18) forget to free it: one that is there may not have been left by us.
bool may_be_forgotten(const bpf_map_info& info) { return info.type == BPF_MAP_TYPE_PROG_ARRAY; }
bool may_be_forgotten(const bpf_prog_info&) { return false; }

bool ours(std::string_view name) { return name.starts_with("mt_") || name.starts_with("memtrace"); }

template <typename Info>
void add_objects(std::set<std::string>& things, const char* kind, int next_id(__u32, __u32*), int open_id(__u32)) {
    for (__u32 id = 0; next_id(id, &id) == 0;) {
        const int fd = open_id(id);
        if (fd < 0) continue;  // gone between the two calls
        Info info{};
        __u32 size = sizeof info;
        if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && ours(info.name) && !may_be_forgotten(info))
            things.insert(std::string(kind) + " " + std::to_string(id) + " " + info.name);
        close(fd);
    }
}

// "map 12" for each descriptor of another living process: not left, but in use by another tracer of this machine.
std::set<std::string> held_by_others() {
    std::set<std::string> held;
    std::error_code gone;
    for (const auto& process : fs::directory_iterator("/proc", gone)) {
        const std::string pid = process.path().filename();
        if (pid.find_first_not_of("0123456789") != std::string::npos || pid == std::to_string(getpid())) continue;
        for (const auto& descriptor : fs::directory_iterator(process.path() / "fdinfo", gone)) {
            std::ifstream file(descriptor.path());
            for (std::string key, id; file >> key >> id;) {
                if (key == "map_id:") held.insert("map " + id);
                if (key == "prog_id:") held.insert("program " + id);
            }
        }
    }
    return held;
}

std::string kind_and_id(const std::string& thing) { return thing.substr(0, thing.find(' ', thing.find(' ') + 1)); }

void add_pinned(std::set<std::string>& things) {
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator("/sys/fs/bpf", missing))
        if (ours(entry.path().filename().string())) things.insert("file " + entry.path().string());
}

// A socket at which somebody answers is that of a tracer at work.
bool answers(const fs::path& path) {
    const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof address.sun_path) return false;
    path.native().copy(address.sun_path, path.native().size());
    return connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

void add_sockets_and_logs(std::set<std::string>& things) {
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator("/run/memtrace-bpf", missing))
        if (!answers(entry.path())) things.insert("file " + entry.path().string());
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
    add_pinned(found.things_);
    add_sockets_and_logs(found.things_);
    add_trace_events(found.things_);
    return found;
}

std::string Leftovers::new_things() const {
    std::string text;
    for (const auto& thing : now().things_)
        if (!things_.contains(thing)) text += thing + "\n";
    return text;
}

void Leftovers::remove_new_dead_sockets() const {
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator("/run/memtrace-bpf", missing))
        // Who keeps the files of a tracer that follows ends a moment after it.
        if (entry.path().extension() == ".sock" && !things_.contains("file " + entry.path().string()) &&
            eventually([&] { return !answers(entry.path()); }))
            fs::remove(entry.path());
}

void Leftovers::require_nothing_new() const {
    // The kernel does not use an id again soon: what has gone will not come back, what comes from now on is another tracer's.
    std::set<std::string> left = now().things_;
    std::erase_if(left, [&](const std::string& thing) { return things_.contains(thing); });
    eventually([&] {
        const Leftovers present = now();
        const std::set<std::string> held = left.empty() ? left : held_by_others();
        std::erase_if(left, [&](const std::string& thing) { return !present.things_.contains(thing) || held.contains(kind_and_id(thing)); });
        return left.empty();
    });
    REQUIRE(left == std::set<std::string>());
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
