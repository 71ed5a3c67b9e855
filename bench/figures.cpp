#include "figures.hpp"

#include <fmt/format.h>

#include <fstream>

namespace memtrace::bench {

void print_table(const std::vector<Figure>& figures) {
    fmt::print("\n{:<66} {:>9} {:>9}     {}\n", "FIGURE", "MEASURED", "AT MOST", "FROM");
    for (const Figure& figure : figures)
        fmt::print("{:<66} {:>9.3g} {:>9} {:<3} {}\n", figure.name + (figure.unit.empty() ? "" : " [" + figure.unit + "]"), figure.value,
                   figure.at_most ? fmt::format("{:g}", *figure.at_most) : "-", figure.holds() ? "ok" : "NO", figure.detail);
}

bool write_json(const std::vector<Figure>& figures, const std::string& path) {
    std::ofstream out(path);
    out << "{\"figures\": [";
    const char* separator = "\n";
    for (const Figure& figure : figures) {
        out << separator
            << fmt::format(R"(  {{"name": "{}", "unit": "{}", "value": {:.6g}, "at_most": {}, "holds": {}, "detail": "{}"}})", figure.name,
                           figure.unit, figure.value, figure.at_most ? fmt::format("{:.6g}", *figure.at_most) : "null", figure.holds(),
                           figure.detail);
        separator = ",\n";
    }
    out << "\n]}\n";
    return static_cast<bool>(out.flush());
}

}  // namespace memtrace::bench
