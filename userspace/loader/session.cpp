#include "loader/session.hpp"

#include <algorithm>
#include <fstream>

#include "process/info.hpp"
#include "process/stopped_threads.hpp"

namespace memtrace {
namespace {

std::uint64_t available_memory_bytes() {
    std::ifstream file("/proc/meminfo");
    std::string key, unit;
    std::uint64_t kib = 0;
    while (file >> key >> kib) {
        if (key == "MemAvailable:") return kib * 1024;
        std::getline(file, unit);
    }
    return 1ULL << 30;
}

bool same_place(const PlannedProbe& a, const PlannedProbe& b) { return a.file == b.file && a.offset == b.offset && a.site.address == b.site.address; }

AttachPoint point_of(const PlannedProbe& probe, std::size_t index) {
    const auto at = [&](unsigned argument) { return probe.site.registers[std::min<std::size_t>(probe.first_argument + argument, 5)]; };
    const unsigned ctx = probe.domain_by_ctx ? probe.site.registers[0] : MT_NO_REGISTER;
    return {probe.attach_path, probe.offset, MT_COOKIE(index, 0, probe.domain, probe.interpreter, probe.shape, at(0), at(1), at(2), ctx)};
}

}  // namespace

Result<Plan> make_plan(const Target& target, std::vector<Module>& modules, const ProbeCosts& costs, const PythonOptions& python, Loading loading) {
    Plan plan;
    std::vector<std::string> skipped;
    if (Result<void> done = refresh_modules(target.pid(), modules, skipped); !done) return std::move(done).error();
    if (Result<void> done = plan_libc(modules, costs, plan); !done && loading == Loading::complete) {
        if (!skipped.empty()) return std::move(done).error().in("pid " + std::to_string(target.pid()) + " (" + skipped.front() + ")");
        return std::move(done).error().in("pid " + std::to_string(target.pid()));
    }
    plan_wrappers(modules, plan);
    plan_python(target, modules, costs, python, plan);
    return plan;
}

Result<Session> Session::open(Target target, const Calibration& calibration, const SessionOptions& options) {
    Result<ProcessInfo> info = read_process(target.pid());
    if (!info) return std::move(info).error();
    const std::uint64_t available = available_memory_bytes();
    Capacities capacities = default_capacities(info->rss_bytes, available, options.frames);
    capacities.live_blocks = options.live_blocks.value_or(capacities.live_blocks);
    capacities.sites = options.sites.value_or(capacities.sites);
    // The kernel would try, and end other processes on the way.
    if (const std::uint64_t wanted = table_bytes(capacities); wanted > available / 2)
        return Error{"tables for " + std::to_string(capacities.live_blocks) + " live blocks and " + std::to_string(capacities.sites) +
                         " sites need " + std::to_string(wanted >> 20) + " MiB of kernel memory; " + std::to_string(available >> 20) +
                         " MiB are available",
                     "ask for less than half of that with --live-blocks (32 bytes each), --sites and --frames"};
    Result<KernelSide> kernel = KernelSide::load(capacities, calibration.method, target.pid());
    if (!kernel) return std::move(kernel).error();
    if (Result<void> done = kernel->watch_exec(); !done) return std::move(done).error();
    return Session(std::move(target), calibration, options, *std::move(kernel));
}

Session::Session(Target target, Calibration calibration, const SessionOptions& options, KernelSide kernel)
    : target_(std::make_unique<Target>(std::move(target))), calibration_(calibration), options_(options), kernel_(std::move(kernel)) {}

Session::~Session() {
    if (target_) (void)stop();
}

Result<void> Session::update(Loading loading) {
    PythonOptions python{options_.redirect};
    for (const PlannedRedirect& redirect : written_) python.ours.push_back(redirect.slot);
    Result<Plan> fresh = make_plan(*target_, modules_, calibration_.costs, python, loading);
    if (!fresh) return std::move(fresh).error();
    take_pythons(*fresh);
    const std::size_t first_new = plan_.probes.size();
    for (PlannedProbe& probe : fresh->probes) {
        const bool known = std::any_of(plan_.probes.begin(), plan_.probes.end(), [&](const PlannedProbe& p) { return same_place(p, probe); });
        if (!known && plan_.probes.size() < MT_MAX_PROBES) plan_.probes.push_back(std::move(probe));
    }
    plan_.notes = std::move(fresh->notes);
    plan_.redirects = std::move(fresh->redirects);
    plan_.wrapper_calls = std::move(fresh->wrapper_calls);
    kernel_.process().wrapper_calls_known = 0;
    std::copy(plan_.wrapper_calls.begin(), plan_.wrapper_calls.end(), kernel_.process().wrapper_calls);
    kernel_.process().wrapper_calls_known = plan_.wrapper_calls.size();
    if (Result<void> done = attach_new(first_new); !done) return done;
    if (Result<void> same = target_->check_image(modules_.front().mappings.front().start); !same) return same;
    return loading == Loading::complete ? write_redirects(plan_.redirects) : Result<void>();
}

// Probes that are attached know their interpreter by its index: one that is known keeps it, in the plan and in the kernel.
void Session::take_pythons(Plan& fresh) {
    std::vector<unsigned> index;
    for (PlannedPython& python : fresh.pythons) {
        const auto known = std::find_if(plan_.pythons.begin(), plan_.pythons.end(),
                                        [&](const PlannedPython& other) { return other.python.runtime == python.python.runtime; });
        index.push_back(static_cast<unsigned>(known - plan_.pythons.begin()));
        if (known != plan_.pythons.end())
            *known = std::move(python);
        else if (plan_.pythons.size() < MT_MAX_INTERPRETERS)
            plan_.pythons.push_back(std::move(python));
    }
    for (PlannedProbe& probe : fresh.probes)
        if (probe.interpreter < index.size()) probe.interpreter = std::min(index[probe.interpreter], MT_MAX_INTERPRETERS - 1U);
    mt_process& process = kernel_.process();
    for (std::size_t i = 0; i < plan_.pythons.size(); ++i) process.pythons[i] = plan_.pythons[i].python;
    process.pythons_known = plan_.pythons.size();
}

// Releases first, then returns, then entries: a block that is counted is never freed unseen, a call never entered without its return.
Result<void> Session::attach_new(std::size_t first_new) {
    std::vector<AttachPoint> releases, calls;
    for (std::size_t i = first_new; i < plan_.probes.size(); ++i)
        (needs_return(plan_.probes[i].shape) ? calls : releases).push_back(point_of(plan_.probes[i], i));
    const struct {
        const bpf_program* program;
        const std::vector<AttachPoint>& points;
        bool at_return;
    } steps[] = {{kernel_.release(), releases, false}, {kernel_.leave(), calls, true}, {kernel_.enter(), calls, false}};
    for (const auto& step : steps) {
        Result<Links> links = attach(step.program, calibration_.method, target_->pid(), step.points, step.at_return);
        if (!links) return std::move(links).error();
        links_.push_back(*std::move(links));
    }
    return {};
}

Result<void> Session::write_redirects(const std::vector<PlannedRedirect>& redirects) {
    if (redirects.empty()) return {};
    std::optional<StoppedThreads> stopped;
    const auto begin = std::chrono::steady_clock::now();
    // A debugger (or we, who launched it) may hold it already, or a thread be stuck in the kernel. Then the threads run on: an
    // aligned store of 8 bytes is seen whole or not at all.
    if (Result<StoppedThreads> result = StoppedThreads::stop(target_->pid())) stopped.emplace(*std::move(result));
    for (const PlannedRedirect& redirect : redirects) {
        // The program may have put another function there since: that one is planned for next time, not overwritten.
        const Result<std::uint64_t> now = target_->read<std::uint64_t>(redirect.slot);
        if (!now || *now != redirect.found) continue;
        std::erase_if(written_, [&](const PlannedRedirect& earlier) { return earlier.slot == redirect.slot; });
        written_.push_back(redirect);
        if (Result<void> done = target_->write_pointer(redirect.slot, redirect.target); !done)
            return std::move(done).error().in("redirecting " + redirect.name);
    }
    stopped.reset();
    pause_ = std::chrono::steady_clock::now() - begin;
    return {};
}

bool Session::redirects_changed() const {
    return std::any_of(plan_.redirects.begin(), plan_.redirects.end(), [&](const PlannedRedirect& redirect) {
        const Result<std::uint64_t> now = target_->read<std::uint64_t>(redirect.slot);
        return now && *now != redirect.target;
    });
}

// Only slots that still hold what we wrote are ours to restore.
Result<void> Session::restore_redirects() {
    if (written_.empty() || !target_->alive() || kernel_.process().ended) {
        written_.clear();
        return {};
    }
    const Result<StoppedThreads> stopped = StoppedThreads::stop(target_->pid());
    Result<void> outcome;
    for (const PlannedRedirect& redirect : written_) {
        const Result<std::uint64_t> now = target_->read<std::uint64_t>(redirect.slot);
        if (!now || *now != redirect.target) continue;
        if (Result<void> done = target_->write_pointer(redirect.slot, redirect.original); !done)
            outcome = std::move(done).error().in("restoring " + redirect.name);
    }
    written_.clear();
    return outcome;
}

void Session::start() {
    if (started_ == std::chrono::steady_clock::time_point{}) started_ = std::chrono::steady_clock::now();
    kernel_.count(true);
}

Result<void> Session::image_replaced() {
    written_.clear();
    plan_.redirects.clear();
    modules_.clear();
    mt_process& process = kernel_.process();
    process.pythons_known = 0;
    plan_.pythons.clear();
    process.total.bytes = 0;
    for (mt_usage& usage : process.domains) usage.bytes = 0;
    ++process.slot;
    process.ended = 0;
    return target_->reopen();
}

Result<void> Session::stop() {
    if (stopped_) return {};
    stopped_ = std::chrono::steady_clock::now();
    kernel_.count(false);
    Result<void> restored = restore_redirects();
    links_.clear();
    return restored;
}

std::chrono::nanoseconds Session::traced_for() const { return stopped_.value_or(std::chrono::steady_clock::now()) - started_; }

}  // namespace memtrace
