// One trace of one process, from the first look at it to the last pointer put back.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loader/calibrate.hpp"
#include "loader/kernel_side.hpp"
#include "probes/plan.hpp"
#include "process/target.hpp"
#include "python/plan.hpp"
#include "util/result.hpp"

namespace memtrace {

struct SessionOptions {
    std::optional<std::uint64_t> live_blocks;  ///< Default: default_capacities().
    std::optional<std::uint32_t> sites;
    std::uint32_t frames = 1;
    bool redirect = true;
};

enum class Loading : bool { complete, in_progress };

/// What would be done to a process, without doing it.
/// `loading`: the dynamic loader is still at work, so that an allocator may not be there yet.
Result<Plan> make_plan(const Target& target, std::vector<Module>& modules, const ProbeCosts& costs, const PythonOptions& python, Loading loading);

/// Move-only. Destroying it undoes everything in reverse: redirected pointers first, then probes, then maps.
class Session {
public:
    /// Loads the kernel side; the target is not touched yet.
    static Result<Session> open(Target target, const Calibration& calibration, const SessionOptions& options);
    Session(Session&&) noexcept = default;
    Session& operator=(Session&&) = delete;
    ~Session();

    /// Plans for what the process maps now and adds the probes and redirects that are not there yet. A running target is held
    /// still while its pointers change; while it is loading the caller holds it, and its pointers are left alone.
    Result<void> update(Loading loading);
    /// Counting begins.
    void start();
    /// Whether the program has replaced a redirected pointer since; update() then finds out what by.
    [[nodiscard]] bool redirects_changed() const;
    /// The process runs another program now: what was counted stays, its blocks and pointers are gone. Counting goes on.
    Result<void> image_replaced();
    /// Puts pointers back and removes the probes; counting ends. Errors say which pointer could not be put back.
    Result<void> stop();
    /// One sentence more for every report: something that is not seen.
    void add_note(std::string note) { plan_.notes.push_back(std::move(note)); }
    /// Frees what only update() needs.
    void forget_modules() { modules_.clear(); }

    [[nodiscard]] const Target& target() const { return *target_; }
    [[nodiscard]] KernelSide& kernel() { return kernel_; }
    [[nodiscard]] const KernelSide& kernel() const { return kernel_; }
    [[nodiscard]] const Plan& plan() const { return plan_; }
    [[nodiscard]] AttachMethod method() const { return calibration_.method; }
    /// Since start(); until stop() when it was called.
    [[nodiscard]] std::chrono::nanoseconds traced_for() const;
    /// How long the target was held still when its pointers were changed last.
    [[nodiscard]] std::chrono::nanoseconds pause() const { return pause_; }

private:
    Session(Target target, Calibration calibration, const SessionOptions& options, KernelSide kernel);
    void take_pythons(Plan& fresh);
    Result<void> attach_new(std::size_t first_new);
    Result<void> write_redirects(const std::vector<PlannedRedirect>& redirects);
    Result<void> restore_redirects();

    std::unique_ptr<Target> target_;
    Calibration calibration_;
    SessionOptions options_;
    KernelSide kernel_;
    Plan plan_;
    std::vector<Module> modules_;
    std::vector<Links> links_;
    std::vector<PlannedRedirect> written_;
    std::chrono::steady_clock::time_point started_{};
    std::optional<std::chrono::steady_clock::time_point> stopped_;
    std::chrono::nanoseconds pause_{};
};

}  // namespace memtrace
