// The claims that are measured: a name, what came out, and what it may be at most.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace memtrace::bench {

struct Figure {
    std::string name;
    std::string unit;
    double value = 0;
    std::optional<double> at_most;  ///< None: information only.
    std::string detail;             ///< The absolute numbers behind a ratio.
    [[nodiscard]] bool holds() const { return !at_most || value <= *at_most; }
};

/// A table for people.
void print_table(const std::vector<Figure>& figures);
/// The same for scripts, as JSON. False when the file cannot be written.
bool write_json(const std::vector<Figure>& figures, const std::string& path);

}  // namespace memtrace::bench
