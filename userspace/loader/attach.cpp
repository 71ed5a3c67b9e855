#include "loader/attach.hpp"

#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <map>

namespace memtrace {
namespace {

// bpf(2)'s argument for BPF_LINK_CREATE of uprobe_multi, spelled out because the headers and libbpf of Debian 12 predate it.
// Layout: include/uapi/linux/bpf.h since Linux 6.6.
struct UprobeMultiAttr {
    std::uint32_t program_fd;
    std::uint32_t target_fd;
    std::uint32_t attach_type;
    std::uint32_t flags;
    std::uint64_t path;
    std::uint64_t offsets;
    std::uint64_t reference_counter_offsets;
    std::uint64_t cookies;
    std::uint32_t count;
    std::uint32_t multi_flags;
    std::uint32_t pid;
    std::uint32_t padding;
};
constexpr std::uint32_t trace_uprobe_multi = 48;  // BPF_TRACE_UPROBE_MULTI
constexpr std::uint32_t multi_flag_return = 1;    // BPF_F_UPROBE_MULTI_RETURN

Result<UniqueFd> link_multi(int program_fd, int pid, const std::string& path, const std::vector<std::uint64_t>& offsets,
                            const std::vector<std::uint64_t>& cookies, bool at_return) {
    UprobeMultiAttr attr{};
    attr.program_fd = static_cast<std::uint32_t>(program_fd);
    attr.attach_type = trace_uprobe_multi;
    attr.path = reinterpret_cast<std::uint64_t>(path.c_str());
    attr.offsets = reinterpret_cast<std::uint64_t>(offsets.data());
    attr.cookies = reinterpret_cast<std::uint64_t>(cookies.data());
    attr.count = static_cast<std::uint32_t>(offsets.size());
    attr.multi_flags = at_return ? multi_flag_return : 0;
    attr.pid = static_cast<std::uint32_t>(pid);
    const long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof attr);
    if (fd < 0) return errno_error("attaching " + std::to_string(offsets.size()) + " probes to " + path, errno);
    return UniqueFd(static_cast<int>(fd));
}

Result<Links> attach_multi(const bpf_program* program, int pid, const std::vector<AttachPoint>& points, bool at_return) {
    struct PerFile {
        std::vector<std::uint64_t> offsets;
        std::vector<std::uint64_t> cookies;
    };
    std::vector<std::string> order;
    std::map<std::string, PerFile> files;
    for (const AttachPoint& point : points) {
        PerFile& file = files[point.path];
        if (file.offsets.empty()) order.push_back(point.path);
        file.offsets.push_back(point.offset);
        file.cookies.push_back(point.cookie);
    }
    Links links;
    for (const std::string& path : order) {
        const PerFile& file = files[path];
        Result<UniqueFd> fd = link_multi(bpf_program__fd(program), pid, path, file.offsets, file.cookies, at_return);
        if (!fd) return std::move(fd).error();
        links.add(*std::move(fd));
    }
    return links;
}

Result<Links> attach_perf(const bpf_program* program, int pid, const std::vector<AttachPoint>& points, bool at_return) {
    Links links;
    for (const AttachPoint& point : points) {
        LIBBPF_OPTS(bpf_uprobe_opts, options, .bpf_cookie = point.cookie, .retprobe = at_return);
        bpf_link* link = bpf_program__attach_uprobe_opts(program, pid, point.path.c_str(), point.offset, &options);
        if (!link) return errno_error("attaching a probe to " + point.path + " at offset " + std::to_string(point.offset), errno);
        links.add(link);
    }
    return links;
}

}  // namespace

Links& Links::operator=(Links&& other) noexcept {
    if (this != &other) {
        clear();
        fds_ = std::move(other.fds_);
        links_ = std::exchange(other.links_, {});
    }
    return *this;
}

Links::~Links() { clear(); }

void Links::clear() {
    fds_.clear();
    for (bpf_link* link : links_) bpf_link__destroy(link);
    links_.clear();
}

std::vector<Links> Links::split() && {
    std::vector<Links> parts(fds_.size() + links_.size());
    for (std::size_t i = 0; i < fds_.size(); ++i) parts[i].add(std::move(fds_[i]));
    for (std::size_t i = 0; i < links_.size(); ++i) parts[fds_.size() + i].add(links_[i]);
    fds_.clear();
    links_.clear();
    return parts;
}

void prepare(bpf_program* program, AttachMethod method) {
    bpf_program__set_expected_attach_type(
        program, method == AttachMethod::uprobe_multi ? static_cast<bpf_attach_type>(trace_uprobe_multi) : static_cast<bpf_attach_type>(0));
}

Result<Links> attach(const bpf_program* program, AttachMethod method, int pid, const std::vector<AttachPoint>& points, bool at_return) {
    if (points.empty()) return Links();
    return method == AttachMethod::uprobe_multi ? attach_multi(program, pid, points, at_return) : attach_perf(program, pid, points, at_return);
}

}  // namespace memtrace
