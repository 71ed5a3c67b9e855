#include "configurations.hpp"

#include <bpf/libbpf.h>

#include "calibrate.skel.h"
#include "loader/session.hpp"
#include "memleak.skel.h"
#include "process/stopped_threads.hpp"
#include "reader/collector.hpp"

namespace memtrace::bench {
namespace {

class Floor : public Configuration {
public:
    explicit Floor(Target target) : target_(std::move(target)) {}
    ~Floor() override {
        write(&PlannedRedirect::original);
        links_.clear();
        calibrate_bpf__destroy(object_);
    }
    Result<void> attach_all(const Calibration& calibration) {
        std::vector<Module> modules;
        Result<Plan> plan = make_plan(target_, modules, calibration.costs, {});
        if (!plan) return std::move(plan).error();
        plan_ = *std::move(plan);
        object_ = calibrate_bpf__open();
        prepare(object_->progs.mt_empty, calibration.method);
        if (calibrate_bpf__load(object_) != 0) return Error{"loading the empty program"};
        std::vector<AttachPoint> all, returning;
        for (const PlannedProbe& probe : plan_.probes) {
            const AttachPoint point{probe.attach_path, probe.offset, 0};
            all.push_back(point);
            if (needs_return(probe.shape)) returning.push_back(point);
        }
        for (const auto& [points, at_return] : {std::pair(&returning, true), std::pair(&all, false)}) {
            Result<Links> links = attach(object_->progs.mt_empty, calibration.method, target_.pid(), *points, at_return);
            if (!links) return std::move(links).error();
            links_.push_back(*std::move(links));
        }
        write(&PlannedRedirect::target);
        return {};
    }

private:
    void write(std::uint64_t PlannedRedirect::*value) {
        const Result<StoppedThreads> stopped = StoppedThreads::stop(target_.pid());
        for (const PlannedRedirect& redirect : plan_.redirects) (void)target_.write_pointer(redirect.slot, redirect.*value);
    }
    Target target_;
    Plan plan_;
    calibrate_bpf* object_ = nullptr;
    std::vector<Links> links_;
};

class TracerConfiguration : public Configuration {
public:
    explicit TracerConfiguration(Session session) : session_(std::move(session)) {}
    Result<void> begin() {
        if (Result<void> done = session_.update(Loading::complete); !done) return done;
        collector_ = std::make_unique<Collector>(session_);
        session_.start();
        return {};
    }

private:
    Session session_;
    std::unique_ptr<Collector> collector_;
};

class Memleak : public Configuration {
public:
    ~Memleak() override {
        links_.clear();
        memleak_bpf__destroy(object_);
    }
    Result<void> attach_all(int pid) {
        Result<Target> target = Target::open(pid);
        if (!target) return std::move(target).error();
        std::vector<Module> modules;
        std::vector<std::string> skipped;
        if (Result<void> done = refresh_modules(pid, modules, skipped); !done) return done;
        object_ = memleak_bpf__open();
        if (memleak_bpf__load(object_) != 0) return Error{"loading the baseline"};
        for (const Module& module : modules) {
            const auto malloc_symbol = module.image.find_symbol("malloc");
            const auto free_symbol = module.image.find_symbol("free");
            if (!malloc_symbol || !free_symbol) continue;
            const AttachPoint at_malloc{module.attach_path, module.image.offset_of(malloc_symbol->address).value_or(0), 0};
            const AttachPoint at_free{module.attach_path, module.image.offset_of(free_symbol->address).value_or(0), 0};
            if (Result<void> done = add(object_->progs.baseline_malloc_return, pid, at_malloc, true); !done) return done;
            if (Result<void> done = add(object_->progs.baseline_malloc, pid, at_malloc, false); !done) return done;
            if (Result<void> done = add(object_->progs.baseline_free, pid, at_free, false); !done) return done;
        }
        return {};
    }

private:
    Result<void> add(const bpf_program* program, int pid, const AttachPoint& point, bool at_return) {
        Result<Links> links = attach(program, AttachMethod::perf_event, pid, {point}, at_return);
        if (!links) return std::move(links).error();
        links_.push_back(*std::move(links));
        return {};
    }
    memleak_bpf* object_ = nullptr;
    std::vector<Links> links_;
};

}  // namespace

Attached attach_floor(int pid, const Calibration& calibration) {
    Result<Target> target = Target::open(pid);
    if (!target) return std::move(target).error();
    auto floor = std::make_unique<Floor>(*std::move(target));
    if (Result<void> done = floor->attach_all(calibration); !done) return std::move(done).error();
    return std::unique_ptr<Configuration>(std::move(floor));
}

Attached attach_tracer(int pid, const Calibration& calibration, unsigned frames) {
    Result<Target> target = Target::open(pid);
    if (!target) return std::move(target).error();
    SessionOptions options;
    options.frames = frames;
    options.live_blocks = 4U << 20;
    Result<Session> session = Session::open(*std::move(target), calibration, options);
    if (!session) return std::move(session).error();
    auto tracer = std::make_unique<TracerConfiguration>(*std::move(session));
    if (Result<void> done = tracer->begin(); !done) return std::move(done).error();
    return std::unique_ptr<Configuration>(std::move(tracer));
}

Attached attach_memleak(int pid, const Calibration&) {
    auto baseline = std::make_unique<Memleak>();
    if (Result<void> done = baseline->attach_all(pid); !done) return std::move(done).error();
    return std::unique_ptr<Configuration>(std::move(baseline));
}

}  // namespace memtrace::bench
