// What one process loads while it is traced.
#include <algorithm>

#include "loader/traced_process.hpp"
#include "python/interpreter.hpp"

namespace memtrace {
namespace {

// Wherever it is mapped, probes in the file are there; what is known of addresses is not.
bool depends_on_place(const Module& module, const Plan& plan) {
    return module.image.find_symbol("_PyRuntime") || std::any_of(plan.wrapper_calls.begin(), plan.wrapper_calls.end(),
                                                                 [&](const auto& call) { return module.contains(call.return_address - 1); });
}

}  // namespace

Result<void> TracedProcess::check_image() const {
    if (modules_.empty()) return Error{"pid " + std::to_string(pid()) + " maps no code any more"};
    return target_.check_image(modules_.front().mappings.front().start);
}

Result<bool> TracedProcess::follow_new_code() {
    const auto begin = std::chrono::steady_clock::now();
    if (begin < code_due()) return false;
    const Result<void> done = update(Loading::complete);
    const bool gone = !done && !check_image();
    // A CPython whose library is not relocated yet has no tables to be found.
    const bool incomplete = !gone && (!done || python_modules(modules_).size() > plan_.pythons.size());
    for (const Module& module : modules_)
        if (done && !depends_on_place(module, plan_)) code_.place_is_indifferent(module.mappings.front());
    if (!incomplete) forget_modules();
    if (gone) {
        code_.postpone(begin);
        return false;
    }
    code_.handled(plan_, incomplete, begin, std::chrono::steady_clock::now());
    if (!done) return done.error();
    return true;
}

}  // namespace memtrace
