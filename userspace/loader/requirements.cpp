#include "loader/requirements.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

namespace memtrace {
namespace {

struct Capability {
    unsigned bit;
    const char* name;
    const char* purpose;
};
// Numbers: include/uapi/linux/capability.h; spelled out because 38 and 39 are missing from older headers.
constexpr Capability needed[] = {{39, "CAP_BPF", "load BPF programs"},
                                 {38, "CAP_PERFMON", "attach them to programs"},
                                 {CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "read another process's memory"},
                                 {CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "open files through /proc/PID/map_files"}};

unsigned long long effective_capabilities() {
    std::ifstream status("/proc/self/status");
    std::string line;
    while (std::getline(status, line))
        if (line.rfind("CapEff:", 0) == 0) return std::stoull(line.substr(7), nullptr, 16);
    return 0;
}

Requirement permissions() {
    const unsigned long long held = effective_capabilities();
    std::string missing;
    for (const Capability& capability : needed)
        if (!(held >> capability.bit & 1)) missing += std::string(missing.empty() ? "" : ", ") + capability.name + " (to " + capability.purpose + ")";
    const std::string user = "uid " + std::to_string(geteuid());
    if (missing.empty()) return {"permissions", Verdict::good, user + ", all capabilities needed", ""};
    return {"permissions", Verdict::missing, user + " lacks " + missing, "run it as root: sudo memtrace-bpf ..."};
}

Requirement kernel_types() {
    if (access("/sys/kernel/btf/vmlinux", R_OK) == 0) return {"kernel types (BTF)", Verdict::good, "/sys/kernel/btf/vmlinux", ""};
    return {"kernel types (BTF)", Verdict::missing, "/sys/kernel/btf/vmlinux is not there",
            "use a kernel built with CONFIG_DEBUG_INFO_BTF=y (every distribution's since about 2021)"};
}

// libbpf asks the kernel by loading a tiny program; without permission the answer would be no, whatever the kernel can.
Requirement helper(const char* name, bpf_func_id id, const char* since) {
    const int answer = libbpf_probe_bpf_helper(BPF_PROG_TYPE_KPROBE, id, nullptr);
    if (answer == 1) return {name, Verdict::good, "yes", ""};
    utsname names{};
    uname(&names);
    return {name, Verdict::missing, std::string("not in this kernel (") + names.release + ")", std::string("use Linux ") + since + " or newer"};
}

Requirement uprobes() {
    if (access("/sys/bus/event_source/devices/uprobe/type", R_OK) == 0) return {"uprobes", Verdict::good, "yes", ""};
    return {"uprobes", Verdict::missing, "the kernel has no uprobe event source", "use a kernel built with CONFIG_UPROBE_EVENTS=y, and mount /sys"};
}

}  // namespace

std::vector<Requirement> check_requirements() {
    std::vector<Requirement> all{permissions(), kernel_types(), uprobes()};
    if (all[0].verdict != Verdict::good) return all;
    all.push_back(helper("attach cookies", BPF_FUNC_get_attach_cookie, "5.15"));
    all.push_back(helper("task storage", BPF_FUNC_task_storage_get, "5.11"));
    all.push_back(helper("ring buffer", BPF_FUNC_ringbuf_reserve, "5.8"));
    return all;
}

Result<void> require_all() {
    for (const Requirement& requirement : check_requirements())
        if (requirement.verdict == Verdict::missing) return Error{requirement.name + ": " + requirement.found, requirement.effect};
    return {};
}

}  // namespace memtrace
