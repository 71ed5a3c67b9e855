#include "model/stack.hpp"

#include <array>

namespace memtrace {

// 3.6 to 3.15; 3.14 and later may be built with a function for each instruction, which call each other in their tails.
bool evaluates_python(std::string_view function) {
    constexpr std::array loops{std::string_view("_PyEval_EvalFrameDefault"), std::string_view("_PyEval_EvalFrame"),
                               std::string_view("PyEval_EvalFrameEx"), std::string_view("_PyEval_Vector")};
    if (function.starts_with("_TAIL_CALL_")) return true;
    const std::string_view name = function.substr(0, function.find_first_of("+.("));
    return std::find(loops.begin(), loops.end(), name) != loops.end();
}

std::size_t first_evaluation(const Snapshot& snapshot, std::span<const FrameId> frames) {
    const auto found = std::find_if(frames.begin(), frames.end(),
                                    [&](FrameId id) { return evaluates_python(snapshot.text(snapshot.frame(id).function)); });
    return static_cast<std::size_t>(found - frames.begin());
}

}  // namespace memtrace
