// When a process that maps code is looked at, and what is told of the time until then.
#include "loader/mapped_code.hpp"

#include <unistd.h>

#include "process/maps.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace std::chrono_literals;

namespace {

using Clock = MappedCode::Clock;
constexpr Clock::time_point never = Clock::time_point::max();

CodeMapping library(std::uint64_t inode, Clock::time_point time, std::uint64_t start = 0x10000) {
    return {
        .pid = 1, .start = start, .end = start + 0x1000, .device = 7, .inode = inode, .path = "/lib/" + std::to_string(inode) + ".so", .time = time};
}

Plan with_probes_in(std::initializer_list<std::uint64_t> inodes) {
    Plan plan;
    for (const std::uint64_t inode : inodes) {
        PlannedProbe probe;
        probe.device = 7;
        probe.inode = inode;
        plan.probes.push_back(probe);
    }
    return plan;
}

}  // namespace

RULE("what was mapped when a process was read is known, whatever is told of it later") {
    MappedCode code;
    code.read(::getpid());
    const Result<std::vector<Mapping>> maps = read_maps(::getpid());
    for (const Mapping& mapping : *maps)
        if (mapping.executable && mapping.inode != 0)
            code.mapped(
                {.start = mapping.start, .file_offset = mapping.file_offset, .device = mapping.device, .inode = mapping.inode, .time = Clock::now()});
    CHECK(code.due() == never);
    code.look(::getpid());
    CHECK(code.due() == never);
    code.mapped(library(1, Clock::now()));
    CHECK(code.due() <= Clock::now());
}

RULE("new code is due once: at once the first time, after a rest the next, and never where its place does not matter") {
    MappedCode code;
    const Clock::time_point begin = Clock::now();
    code.mapped(library(1, begin));
    CHECK(code.due() <= begin);
    code.handled(with_probes_in({}), false, begin, begin + 10ms);
    CHECK(code.due() == never);
    code.mapped(library(1, begin));
    CHECK(code.due() == never);
    code.mapped(library(2, begin));
    CHECK(code.due() == begin + 20ms);
    code.handled(with_probes_in({}), false, begin + 20ms, begin + 220ms);
    code.mapped(library(1, begin, 0x90000));
    CHECK(code.due() == begin + 240ms);
    code.handled(with_probes_in({}), false, begin + 240ms, begin + 241ms);
    code.place_is_indifferent({.inode = 1, .device = 7});
    code.mapped(library(1, begin, 0xa0000));
    CHECK(code.due() == never);
}

RULE("code that cannot be read yet is tried again for two seconds") {
    MappedCode code;
    const Clock::time_point begin = Clock::now();
    code.mapped(library(1, begin));
    code.handled(with_probes_in({}), true, begin, begin + 1s);
    CHECK(code.due() == begin + 1s + 5ms);
    code.handled(with_probes_in({1}), false, begin + 1010ms, begin + 1020ms);
    CHECK(code.due() == never);
    CHECK(code.notes() ==
          std::vector<std::string>{"/lib/1.so was loaded while it was traced: what was allocated through it in the first 1020.0 ms is not seen"});
    code.mapped(library(2, begin));
    code.handled(with_probes_in({}), true, begin, begin + 3s);
    CHECK(code.due() == never);
}

RULE("only libraries with probes in them are told of, the longest unseen of many") {
    MappedCode code;
    const Clock::time_point begin = Clock::now();
    for (std::uint64_t inode = 1; inode <= 20; ++inode) code.mapped(library(inode, begin - std::chrono::milliseconds(inode)));
    code.handled(with_probes_in({3, 5, 6, 7, 8, 9, 10, 11, 12, 13}), false, begin, begin);
    const std::vector<std::string> notes = code.notes();
    REQUIRE(notes.size() == 9);
    CHECK(notes.front().starts_with("/lib/13.so was loaded"));
    CHECK(notes[7].starts_with("/lib/6.so was loaded"));
    CHECK(notes.back() == "2 more libraries were loaded likewise, and seen sooner than these");
}

RULE("what was loaded right before the end of its program is told of as never seen") {
    MappedCode code;
    code.mapped(library(1, Clock::now()));
    code.mapped(library(2, Clock::now()));
    code.ended();
    CHECK(code.due() == never);
    CHECK(code.notes() ==
          std::vector<std::string>{"/lib/2.so, with 1 other libraries, was loaded too shortly before the end to be looked at: what was "
                                   "allocated through it is not seen"});
    code.mapped(library(3, Clock::now()));
    code.replaced();
    code.ended();
    CHECK(code.notes().size() == 1);
}
