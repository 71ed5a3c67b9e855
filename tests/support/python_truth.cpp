// Runs scripts of the corpus under tracemalloc and under the tracer and compares; see python_truth.hpp.
#include "support/python_truth.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/leftovers.hpp"

namespace memtrace::test {

const std::vector<std::string> corpus = {
    "instances.py", "slots.py",  "dictionaries.py", "lists.py",      "tuples.py",         "texts.py",
    "binaries.py",  "floats.py", "big_integers.py", "closures.py",   "generators.py",     "comprehensions.py",
    "recursion.py", "sets.py",   "tracebacks.py",   "containers.py", "generated_code.py", "records.py",
};

namespace {

std::vector<std::string> split(const std::string& line, char separator) {
    std::vector<std::string> parts;
    std::istringstream text(line);
    for (std::string part; std::getline(text, part, separator);) parts.push_back(part);
    return parts;
}

std::string without_folders(const std::string& place) {
    const std::size_t slash = place.rfind('/');
    return slash == std::string::npos || place[0] == '<' ? place : place.substr(slash + 1);
}

// Lines of the driver's own: what it does in one mode and not in another.
bool of_driver(const std::string& place) {
    const std::string name = without_folders(place);
    return name.starts_with("driver.py:") || name.starts_with("tracemalloc.py:");
}

std::string place(const Snapshot& snapshot, FrameId id) {
    const Frame& frame = snapshot.frame(id);
    std::string text = snapshot.text(frame.file) + ":" + std::to_string(frame.line);
    std::replace(text.begin(), text.end(), '\n', '?');  // as the driver prints it
    return text;
}

// Blocks that Python's allocators were asked for.
bool is_pythons(const Snapshot& snapshot, const Site& site) {
    const std::string& domain = snapshot.text(site.domain);
    return domain == "raw" || domain == "mem" || domain == "obj";
}

Account account_of(const Child& ready) { return ready.output().find("ready objects") != std::string::npos ? Account::objects : Account::blocks; }

const char* mode_of(Account account) { return account == Account::blocks ? "blocks" : "objects"; }

// Each line says that it goes on.
void wait_done(Child& process) {
    while (process.wait_line("") != "done") {}
}

Tracebacks printed_tracebacks(const Child& process) {
    Tracebacks tracebacks;
    for (const std::string& line : split(process.output(), '\n')) {
        if (!line.starts_with("trace\t")) continue;
        const std::vector<std::string> parts = split(line, '\t');
        INFO(line);
        REQUIRE(parts.size() >= 5);
        Traceback traceback{{parts.begin() + 4, parts.end()}, static_cast<std::uint32_t>(std::stoul(parts[3]))};
        if (of_driver(traceback.frames.front())) continue;
        PythonLine& total = tracebacks[traceback];
        total.bytes += std::stoll(parts[1]);
        total.blocks += std::stoll(parts[2]);
    }
    INFO(process.transcript().substr(0, 2000));
    REQUIRE(!tracebacks.empty());
    return tracebacks;
}

std::string both(const PythonLine& truth, const PythonLine& seen) {
    return "tracemalloc " + std::to_string(truth.bytes) + " B in " + std::to_string(truth.blocks) + ", seen " + std::to_string(seen.bytes) +
           " B in " + std::to_string(seen.blocks) + "\n";
}

template <typename Groups>
std::map<typename Groups::key_type, std::pair<PythonLine, PythonLine>> joined(const Groups& truth, const Groups& seen) {
    std::map<typename Groups::key_type, std::pair<PythonLine, PythonLine>> all;
    for (const auto& [name, line] : truth) all[name].first = line;
    for (const auto& [name, line] : seen) all[name].second = line;
    return all;
}

template <typename Groups>
Agreement agreement_of(const Groups& truth, const Groups& seen) {
    Agreement result;
    std::int64_t truth_bytes = 0;
    std::int64_t seen_bytes = 0;
    for (const auto& [name, pair] : joined(truth, seen)) {
        ++result.groups;
        result.equal_groups += pair.first == pair.second;
        result.equal_bytes += std::min(pair.first.bytes, pair.second.bytes);
        truth_bytes += pair.first.bytes;
        seen_bytes += pair.second.bytes;
    }
    result.bytes = std::max(truth_bytes, seen_bytes);
    return result;
}

}  // namespace

Tracebacks tracemalloc_says(const Interpreter& interpreter, const std::string& script, unsigned frames, Account& account) {
    Child process = start_script(interpreter, script, mode_of(account), frames);
    account = account_of(process);
    process.send_line("go");
    wait_done(process);
    process.send_line("end");
    REQUIRE(process.wait() == Ending{false, 0});
    return printed_tracebacks(process);
}

BothAccounts trace_with_tracemalloc(const Interpreter& interpreter, const std::string& script) {
    BothAccounts both;
    Child process = start_script(interpreter, script, mode_of(both.account));
    both.account = account_of(process);
    Tracer tracer = Tracer::attach(process);
    process.send_line("go");
    wait_done(process);
    both.snapshot = tracer.stop();
    process.send_line("end");
    REQUIRE(process.wait() == Ending{false, 0});
    both.truth = printed_tracebacks(process);
    return both;
}

Tracebacks traced(const Snapshot& snapshot, With with) {
    Tracebacks tracebacks;
    for (const Site& site : snapshot.sites) {
        const bool wanted = is_pythons(snapshot, site) || (with == With::c_library && snapshot.text(site.domain) == "malloc");
        if (site.counters.live_blocks() == 0 || !wanted || !snapshot.frame(site.frames.front()).python) continue;
        Traceback traceback;
        for (const FrameId frame : site.frames) traceback.frames.push_back(place(snapshot, frame));
        traceback.depth = site.total_frames;
        if (of_driver(traceback.frames.front())) continue;
        PythonLine& total = tracebacks[traceback];
        total.bytes += static_cast<std::int64_t>(site.counters.live_bytes());
        total.blocks += static_cast<std::int64_t>(site.counters.live_blocks());
    }
    return tracebacks;
}

Snapshot trace_script(const Interpreter& interpreter, const std::string& script, const Arguments& options) {
    Child program = start_script(interpreter, script, "traced");
    Tracer tracer = Tracer::attach(program, options);
    program.send_line("go");
    wait_done(program);
    Snapshot snapshot = tracer.stop();
    program.send_line("end");
    INFO(program.transcript());
    REQUIRE(program.wait() == Ending{false, 0});
    return snapshot;
}

PythonLines lines_of(const Tracebacks& tracebacks) {
    PythonLines lines;
    for (const auto& [traceback, total] : tracebacks) {
        PythonLine& line = lines[without_folders(traceback.frames.front())];
        line.bytes += total.bytes;
        line.blocks += total.blocks;
    }
    return lines;
}

std::string differences(const PythonLines& truth, const PythonLines& seen) {
    std::string text;
    for (const auto& [name, pair] : joined(truth, seen))
        if (pair.first != pair.second) text += name + ": " + both(pair.first, pair.second);
    return text;
}

std::string differences(const Tracebacks& truth, const Tracebacks& seen, std::size_t most) {
    std::string text;
    for (const auto& [traceback, pair] : joined(truth, seen)) {
        if (pair.first == pair.second) continue;
        if (most-- == 0) return text + "and more\n";
        std::string shown;
        for (const std::string& frame : traceback.frames) shown += without_folders(frame) + " < ";
        text += shown.substr(0, 300);
        text += "depth " + std::to_string(traceback.depth) + ": " + both(pair.first, pair.second);
    }
    return text;
}

Agreement& Agreement::operator+=(const Agreement& other) {
    groups += other.groups;
    equal_groups += other.equal_groups;
    bytes += other.bytes;
    equal_bytes += other.equal_bytes;
    return *this;
}
double Agreement::group_share() const { return groups ? static_cast<double>(equal_groups) / static_cast<double>(groups) : 0; }
double Agreement::byte_share() const { return bytes ? static_cast<double>(equal_bytes) / static_cast<double>(bytes) : 0; }

Agreement agreement(const PythonLines& truth, const PythonLines& seen) { return agreement_of(truth, seen); }

Agreement agreement(const Tracebacks& truth, const Tracebacks& seen) { return agreement_of(truth, seen); }

bool depth_known(const Tracebacks& tracebacks) {
    return std::all_of(tracebacks.begin(), tracebacks.end(), [](const auto& group) { return group.first.depth != 0; });
}

Tracebacks without_depth(const Tracebacks& tracebacks) {
    Tracebacks result;
    for (const auto& [traceback, total] : tracebacks) {
        PythonLine& line = result[{traceback.frames, 0}];
        line.bytes += total.bytes;
        line.blocks += total.blocks;
    }
    return result;
}

bool KindCount::bytes_agree() const {
    const bool makes_classes = kind == "classes" || kind == "ctypes_arrays" || kind == "ctypes_pointers";
    return std::abs(truth.bytes - seen.bytes) <= (makes_classes ? 4 * truth.blocks : 0);
}

namespace {

// Each kind may take its time.
void make_all(Child& process, const std::vector<KindCount>& kinds) {
    process.send_line("go");
    for (const KindCount& kind : kinds) process.wait_line("made\t" + kind.kind, 10 * patience);
    process.wait_line("done");
}

// The kinds named at the beginning, and which of them each line belongs to.
std::map<std::uint32_t, std::size_t> parse_kinds(const Child& process, std::vector<KindCount>& kinds) {
    std::map<std::uint32_t, std::size_t> kind_of_line;
    kinds.clear();
    for (const std::string& line : split(process.output(), '\n')) {
        const auto parts = split(line, '\t');
        if (parts[0] != "kind") continue;
        for (auto at = std::stoul(parts[2]); at <= std::stoul(parts[3]); ++at) kind_of_line[static_cast<std::uint32_t>(at)] = kinds.size();
        kinds.push_back({parts[1], {}, {}});
    }
    return kind_of_line;
}

}  // namespace

std::vector<KindCount> count_kinds(const Interpreter& interpreter, unsigned count, Account& account) {
    std::vector<KindCount> kinds;
    std::vector<PythonLine> truths;
    {
        Child process = start_python(interpreter, "kinds.py", {mode_of(account), std::to_string(count)});
        account = account_of(process);
        parse_kinds(process, kinds);
        make_all(process, kinds);
        for (const std::string& line : split(process.output(), '\n'))
            if (const auto parts = split(line, '\t'); parts[0] == "count") truths.push_back({std::stoll(parts[3]), std::stoll(parts[2])});
        process.send_line("end");
        process.wait();
    }
    Child process = start_python(interpreter, "kinds.py", {"traced", std::to_string(count)});
    const auto kind_of_line = parse_kinds(process, kinds);
    REQUIRE(truths.size() == kinds.size());
    for (std::size_t i = 0; i < kinds.size(); ++i) kinds[i].truth = truths[i];
    Tracer tracer = Tracer::attach(process, {"--frames", "8", "--live-blocks", "33554432"});
    make_all(process, kinds);
    const Snapshot snapshot = tracer.stop();
    process.send_line("end");
    REQUIRE(process.wait() == Ending{false, 0});
    REQUIRE(lost(snapshot) == "");
    REQUIRE(loss(snapshot, MT_PYTHON_UNREADABLE) == 0);
    REQUIRE(loss(snapshot, MT_EVENTS_DROPPED) == 0);
    const std::string file = interpreter.script("kinds.py");
    for (const Site& site : snapshot.sites) {
        if (!is_pythons(snapshot, site)) continue;
        for (const FrameId id : site.frames) {
            const Frame& frame = snapshot.frame(id);
            const auto kind = kind_of_line.find(frame.line);
            if (!frame.python || kind == kind_of_line.end() || snapshot.text(frame.file) != file) continue;
            kinds[kind->second].seen.bytes += static_cast<std::int64_t>(site.counters.live_bytes());
            kinds[kind->second].seen.blocks += static_cast<std::int64_t>(site.counters.live_blocks());
            break;
        }
    }
    return kinds;
}

std::string not_restored(const Interpreter& interpreter) {
    Child program = start_forever(interpreter);
    const std::string tables = allocator_tables(program);
    const std::uint64_t code = code_hash(program.pid());
    Tracer tracer = Tracer::attach(program);
    require_progress(program);
    const std::string during = allocator_tables(program);
    const Snapshot snapshot = tracer.stop();
    std::string wrong;
    if (const std::string after = allocator_tables(program); after != tables) wrong += "before: " + tables + "\nafter:  " + after + "\n";
    require_progress(program);
    require_code(program.pid(), code);
    program.send_line("results");
    program.wait_line("results right");
    if (domain_total(snapshot, "obj").allocated_blocks == 0) wrong += "nothing was seen\n";
    program.send_line("quit");
    if (program.wait() != Ending{false, 0}) wrong += "it did not end well: " + program.transcript();
    return wrong;
}

}  // namespace memtrace::test
