#include "loader/calibrate.hpp"

#include <bpf/libbpf.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>

#include "calibrate.skel.h"
#include "process/maps.hpp"

namespace memtrace {
namespace {

// One function per instruction kind, each beginning with that instruction, none doing anything else.
asm(R"(
    .pushsection .text
    .balign 16
    .type memtrace_cal_nop, @function
memtrace_cal_nop:    nop; ret
    .balign 16
    .type memtrace_cal_nop5, @function
memtrace_cal_nop5:   .byte 0x0f, 0x1f, 0x44, 0x00, 0x00; ret
    .balign 16
    .type memtrace_cal_push, @function
memtrace_cal_push:   push %rbx; pop %rbx; ret
    .balign 16
    .type memtrace_cal_jump, @function
memtrace_cal_jump:   jmp 1f
1:  ret
    .balign 16
    .type memtrace_cal_call, @function
memtrace_cal_call:   call 1f; ret
1:  ret
    .balign 16
    .type memtrace_cal_branch, @function
memtrace_cal_branch: je 1f
1:  ret
    .balign 16
    .type memtrace_cal_other, @function
memtrace_cal_other:  test %rdi, %rdi; ret
    .popsection
)");
extern "C" {
void memtrace_cal_nop();
void memtrace_cal_nop5();
void memtrace_cal_push();
void memtrace_cal_jump();
void memtrace_cal_call();
void memtrace_cal_branch();
void memtrace_cal_other();
}

using Function = void (*)();
// In the order of InstructionKind.
constexpr Function functions[] = {memtrace_cal_nop,  memtrace_cal_nop5,   memtrace_cal_push, memtrace_cal_jump,
                                  memtrace_cal_call, memtrace_cal_branch, memtrace_cal_other};
static_assert(std::size(functions) == instruction_kind_count);

constexpr int rounds = 5;   // the best of these counts: interruptions only ever add time
constexpr int calls = 200;  // of a round; single-stepped ones take 10 µs each

double time_per_call_ns(Function function) {
    double best = 1e12;
    for (int round = 0; round < rounds; ++round) {
        const auto begin = std::chrono::steady_clock::now();
        for (int i = 0; i < calls; ++i) function();
        const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
        best = std::min(best, took.count() / calls);
    }
    return best;
}

Result<std::vector<AttachPoint>> own_points() {
    Result<std::vector<Mapping>> maps = read_maps(getpid());
    if (!maps) return std::move(maps).error();
    std::vector<AttachPoint> points;
    for (const Function function : functions) {
        const auto address = reinterpret_cast<std::uint64_t>(function);
        const auto mapping = std::find_if(maps->begin(), maps->end(), [&](const Mapping& m) { return m.contains(address); });
        if (mapping == maps->end()) return Error{"our own code is not in /proc/self/maps"};
        points.push_back({"/proc/self/exe", address - mapping->start + mapping->file_offset, 0});
    }
    return points;
}

struct Skeleton {
    calibrate_bpf* object = nullptr;
    Skeleton() = default;
    Skeleton(const Skeleton&) = delete;
    Skeleton& operator=(const Skeleton&) = delete;
    ~Skeleton() { calibrate_bpf__destroy(object); }
};

Result<void> load(Skeleton& skeleton, AttachMethod method) {
    skeleton.object = calibrate_bpf__open();
    if (!skeleton.object) return errno_error("opening the calibration program", errno);
    prepare(skeleton.object->progs.mt_empty, method);
    if (const int code = calibrate_bpf__load(skeleton.object))
        return errno_error("loading a BPF program", -code, "run `memtrace-bpf doctor` to see what this kernel and user lack");
    return {};
}

// A second thread of ours for as long as it lives. Made by clone(2): a pthread would install handlers for glibc's internal signals,
// and a program launched by us would no longer find them as our caller had set them.
class SecondThread {
public:
    SecondThread() {
        constexpr int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
        tid_ = clone(wait_for_end, stack_.data() + stack_.size(), flags, &end_);
    }
    SecondThread(const SecondThread&) = delete;
    SecondThread& operator=(const SecondThread&) = delete;
    ~SecondThread() {
        end_ = true;
        while (tid_ > 0 && syscall(SYS_tgkill, getpid(), tid_, 0) == 0) sched_yield();
    }
    [[nodiscard]] int tid() const { return tid_; }

private:
    static int wait_for_end(void* end) {
        while (!*static_cast<std::atomic<bool>*>(end)) syscall(SYS_sched_yield);
        return 0;
    }
    alignas(16) std::array<char, 64 * 1024> stack_{};
    std::atomic<bool> end_ = false;
    int tid_ = -1;
};

// Linux 6.6 to 6.9 compare the thread, not the process, and so miss all threads but one. They give themselves away by
// accepting the id of a thread that is no process.
bool filters_by_thread(const Skeleton& skeleton, const std::vector<AttachPoint>& points) {
    const auto other = std::make_unique<SecondThread>();
    return static_cast<bool>(attach(skeleton.object->progs.mt_empty, AttachMethod::uprobe_multi, other->tid(), {points[0]}, false));
}

// Measures with probes in place; an Error when this method does not work here.
Result<Calibration> measure(AttachMethod method, const std::vector<AttachPoint>& points, const std::vector<double>& bare_ns) {
    Skeleton skeleton;
    if (Result<void> loaded = load(skeleton, method); !loaded) return std::move(loaded).error();
    Result<Links> links = attach(skeleton.object->progs.mt_empty, method, getpid(), points, false);
    if (!links) return std::move(links).error();
    if (method == AttachMethod::uprobe_multi && filters_by_thread(skeleton, points)) return Error{"this kernel's uprobe_multi filters by thread"};
    Calibration result{method, {}};
    for (std::size_t i = 0; i < instruction_kind_count; ++i) result.costs.entry_ns[i] = std::max(0.0, time_per_call_ns(functions[i]) - bare_ns[i]);
    const auto push = static_cast<std::size_t>(InstructionKind::push);
    Result<Links> returns = attach(skeleton.object->progs.mt_empty, method, getpid(), {points[push]}, true);
    if (!returns) return std::move(returns).error();
    result.costs.return_ns = std::max(0.0, time_per_call_ns(functions[push]) - bare_ns[push] - result.costs.entry_ns[push]);
    result.own_probes->push_back(*std::move(links));
    result.own_probes->push_back(*std::move(returns));
    return result;
}

}  // namespace

Result<Calibration> calibrate() {
    Result<std::vector<AttachPoint>> points = own_points();
    if (!points) return std::move(points).error();
    std::vector<double> bare_ns;
    for (const Function function : functions) bare_ns.push_back(time_per_call_ns(function));
    if (Result<Calibration> multi = measure(AttachMethod::uprobe_multi, *points, bare_ns)) return multi;
    return measure(AttachMethod::perf_event, *points, bare_ns);
}

}  // namespace memtrace
