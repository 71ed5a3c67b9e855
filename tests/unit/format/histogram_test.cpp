// The exact text of histograms, and their JSON.
#include "format/histogram.hpp"

#include "format/text.hpp"
#include "support/catch.hpp"

using namespace memtrace;

namespace {

BlockHistograms sample() {
    BlockHistograms histograms;
    histograms.add({24, age_step(std::chrono::milliseconds(3)), 1600});
    histograms.add({31, age_step(std::chrono::milliseconds(3)), 1});
    histograms.add({100, age_step(std::chrono::seconds(2)), 100});
    histograms.add({1 << 20, age_step(std::chrono::hours(3)), 3});
    return histograms;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + '\n';
    return text;
}

}  // namespace

RULE("the plain text of histograms is exactly this") {
    BlockHistograms histograms;
    histograms.add({0, age_step(std::chrono::milliseconds(0)), 1});
    histograms.add({5, age_step(std::chrono::milliseconds(1)), 4});
    CHECK(joined(format_histograms(histograms, {.bar = 8})) ==
          "size                           blocks        bytes\n"
          "[0 B, 1 B)                          1          0 B  ##\n"
          "[1 B, 2 B)                          0          0 B\n"
          "[2 B, 4 B)                          0          0 B\n"
          "[4 B, 8 B)                          4         20 B  ########\n"
          "age                            blocks        bytes\n"
          "[0 ms, 1 ms)                        1          0 B  ##\n"
          "[1 ms, 2 ms)                        4         20 B  ########\n");
}

RULE("bars are as long as their bins have blocks, never nothing where there are some; eighths where characters can show them") {
    const std::vector<std::string> plain = format_histograms(sample(), {});
    CHECK(plain[1] == "[16 B, 32 B)                     1601     37.5 KiB  " + std::string(40, '#'));
    CHECK(plain.at(2) == "[32 B, 64 B)                        0          0 B");
    CHECK(plain.at(3) == "[64 B, 128 B)                     100      10000 B  ##");
    CHECK(plain.at(17) == "[1 MiB, 2 MiB)                      3     3072 KiB  #");
    const std::vector<std::string> unicode = format_histograms(sample(), {.unicode = true});
    CHECK(unicode.at(3).ends_with("  \u2588\u2588\u258c"));
    CHECK(unicode.at(17).ends_with("  \u258f"));
    CHECK(format_histograms(sample(), {.colour = true}).at(17).ends_with("  \033[36m#\033[0m"));
    CHECK(format_histograms({}, {}).empty());
}

RULE("JSON tells the bins that have blocks, with their edges") {
    std::string text;
    JsonWriter to(text);
    BlockHistograms histograms;
    histograms.add({24, age_step(std::chrono::milliseconds(1500)), 2});
    write_histograms(to, histograms);
    CHECK(text ==
          R"({"sizes":[{"from":16,"to":31,"blocks":2,"bytes":48}],"ages":[{"from_seconds":1.024,"to_seconds":2.048,"blocks":2,"bytes":48}]})");
}

RULE("rates are told with as many digits as make sense, and not at all without a time") {
    CHECK(format_rate(0, std::chrono::seconds(5)) == "0/s");
    CHECK(format_rate(1, std::chrono::seconds(4)) == "0.25/s");
    CHECK(format_rate(125, std::chrono::seconds(10)) == "12.5/s");
    CHECK(format_rate(12345, std::chrono::seconds(10)) == "1234/s");
    CHECK(format_rate(1, {}) == "");
    CHECK(format_byte_rate(std::uint64_t{20480} * 10, std::chrono::seconds(10)) == "20.0 KiB/s");
    CHECK(format_byte_rate(1, {}) == "");
}
