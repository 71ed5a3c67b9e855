// Every CPython found on this machine against its own tracemalloc, as a table: `make test-matrix`. Differences that have a reason are
// told below the interpreter's row as known, all others as WRONG, and those fail. Takes a minute or two each.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/python.hpp"
#include "support/python_truth.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

constexpr unsigned deep = 25;
constexpr double least_frames_share = 0.999;

unsigned pieces() {
    const char* given = std::getenv("PIECES");
    return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10)) : 50'000;
}

// One interpreter's row, filled as far as it gets.
struct Row {
    std::string coverage = "-", lines = "-", bytes = "-", frames = "-", objects = "-", restore = "-";
    std::vector<std::string> remarks;  ///< Differences that are explained.
    std::vector<std::string> wrong;
};

std::string percent(double share) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.2f %%", 100 * share);
    return text;
}

constexpr const char* no_account_of_blocks =
    "free lists: debug builds before 3.13 have no account of blocks, so recycled ones count at their new object's line there";
constexpr const char* no_depth = "depth: tracemalloc before 3.9 does not know how deep a truncated traceback was";
constexpr const char* one_depth =
    "depth: stacks that differ only below the frames kept are one site, with the depth of the first; bytes with equal depth: ";

constexpr const char* address_sized = ": an int that holds the address of a class takes 28 bytes or 32";

void measure_coverage(const Interpreter& interpreter, Row& row) {
    Account account = Account::blocks;
    const std::vector<KindCount> kinds = count_kinds(interpreter, pieces(), account);
    std::size_t complete = 0;
    for (const KindCount& kind : kinds) {
        const bool agrees = kind.seen.blocks == kind.truth.blocks && kind.bytes_agree();
        complete += agrees;
        if (kind.seen == kind.truth) continue;
        char text[256];
        std::snprintf(text, sizeof(text), "%s: coverage %.5f (%lld of %lld blocks, %lld of %lld bytes)", kind.kind.c_str(),
                      static_cast<double>(kind.seen.blocks) / static_cast<double>(kind.truth.blocks), static_cast<long long>(kind.seen.blocks),
                      static_cast<long long>(kind.truth.blocks), static_cast<long long>(kind.seen.bytes), static_cast<long long>(kind.truth.bytes));
        if (agrees)
            row.remarks.push_back(std::string(text) + address_sized);
        else
            (account == Account::blocks ? row.wrong : row.remarks).emplace_back(text);
    }
    row.coverage = std::to_string(complete) + "/" + std::to_string(kinds.size());
}

void measure_corpus(const Interpreter& interpreter, const PythonBuild& build, Row& row) {
    Agreement lines;
    Agreement frames;
    Agreement depths;
    Agreement objects;
    Account account = Account::blocks;
    for (const std::string& script : corpus) {
        const Tracebacks truth = tracemalloc_says(interpreter, script, deep, account);
        const Snapshot flat = trace_script(interpreter, script);
        const Tracebacks stacks = traced(trace_script(interpreter, script, {"--frames", std::to_string(deep)}));
        const PythonLines expected = lines_of(truth);
        const PythonLines seen = lines_of(traced(flat));
        const std::string of_script = script + ", ";
        std::string different = differences(expected, seen);
        if (account == Account::blocks && !different.empty()) row.wrong.push_back(of_script + "lines:\n" + different);
        if (const std::string what = lost(flat); !what.empty()) row.wrong.push_back(of_script + "lost: " + what);
        if (loss(flat, MT_PYTHON_UNREADABLE) != 0) row.wrong.push_back(of_script + "unreadable frames");
        lines += agreement(expected, seen);
        if (std::string other = differences(without_depth(truth), without_depth(stacks)); account == Account::blocks && !other.empty())
            row.wrong.push_back(of_script + "tracebacks:\n" + other);
        frames += agreement(without_depth(truth), without_depth(stacks));
        depths += agreement(truth, stacks);
        Account other = Account::objects;
        objects += agreement(lines_of(tracemalloc_says(interpreter, script, 1, other)), seen);
    }
    row.lines = percent(lines.group_share());
    row.bytes = percent(lines.byte_share());
    row.frames = percent(frames.byte_share());
    row.objects = percent(objects.byte_share());
    if (account == Account::objects) row.remarks.emplace_back(no_account_of_blocks);
    if (build.minor == 8)
        row.remarks.emplace_back(no_depth);
    else if (depths.byte_share() < frames.byte_share())
        row.remarks.push_back(one_depth + percent(depths.byte_share()));
    if (account == Account::blocks && frames.byte_share() < least_frames_share) row.wrong.push_back("frames: " + row.frames);
}

void measure_restore(const Interpreter& interpreter, Row& row) {
    const std::string wrong = not_restored(interpreter);
    row.restore = wrong.empty() ? "yes" : "NO";
    if (!wrong.empty()) row.wrong.push_back("restore: " + wrong);
}

// A measurement that cannot be made is one more thing that is wrong; the requirement that failed has been printed.
template <typename Measure>
void attempt(const char* what, Row& row, const Measure& measure) {
    try {
        measure();
    } catch (...) {
        row.wrong.push_back(std::string(what) + ": could not be measured, see above");
    }
}

void print_row(const std::string& version, const std::string& kind, const Row& row, double seconds, const std::string& path) {
    std::printf("%-8s %-24s %9s %9s %9s %9s %9s %8s %6.0f s  %s\n", version.c_str(), kind.c_str(), row.coverage.c_str(), row.lines.c_str(),
                row.bytes.c_str(), row.frames.c_str(), row.objects.c_str(), row.restore.c_str(), seconds, path.c_str());
    for (const std::string& text : row.remarks) std::printf("         known: %s\n", text.c_str());
    for (const std::string& text : row.wrong) std::printf("         WRONG: %s\n", text.c_str());
    std::fflush(stdout);
}

}  // namespace

RULE("every interpreter's blocks, lines and tracebacks are what its own tracemalloc says, and its tables are as before afterwards") {
    require_root();
    std::printf("coverage: kinds of objects of which every block and byte is seen, %u pieces each\n", pieces());
    std::printf("lines, bytes, frames: share equal to tracemalloc's account of blocks; frames: bytes on the same traceback, of %u frames\n", deep);
    std::printf("objects: bytes on the line where tracemalloc counts objects: the rest live in blocks recycled by free lists\n");
    std::printf("%-8s %-24s %9s %9s %9s %9s %9s %8s %8s  %s\n", "version", "build", "coverage", "lines", "bytes", "frames", "objects", "restored",
                "time", "path");
    for (const Interpreter& interpreter : find_pythons()) {
        Row row;
        PythonBuild build;
        const auto begin = std::chrono::steady_clock::now();
        attempt("build", row, [&] { build = build_of(interpreter); });
        if (!build.traceable() && row.wrong.empty()) {
            std::printf("%-8s %-24s not supported  %s\n", build.version.c_str(), build.kind().c_str(), interpreter.name.c_str());
            continue;
        }
        attempt("restore", row, [&] { measure_restore(interpreter, row); });
        attempt("corpus", row, [&] { measure_corpus(interpreter, build, row); });
        attempt("coverage", row, [&] { measure_coverage(interpreter, row); });
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        print_row(build.version, build.kind(), row, took.count(), interpreter.name);
        CHECK(row.wrong.empty());
    }
}
