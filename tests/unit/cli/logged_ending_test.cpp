// What the one who stops a trace in the background reads of how it ended.
#include "cli/logged_ending.hpp"

#include <fstream>

#include "support/catch.hpp"
#include "support/files.hpp"

using namespace memtrace::cli;
using memtrace::test::TemporaryFolder;

RULE("a log tells how its trace ended by its last line; another last line tells nothing") {
    const TemporaryFolder folder;
    const auto ending_of = [&](const std::string& text) {
        std::ofstream(folder.file("log")) << text;
        return read_ending(folder.file("log"));
    };
    const auto ending = ending_of("memtrace-bpf: tracing\nmemtrace-bpf: the peak was\x1b 3 MiB\n" + ending_line(3));
    REQUIRE(ending);
    CHECK(ending->status == 3);
    CHECK(ending->said == "memtrace-bpf: tracing\nmemtrace-bpf: the peak was\\x1b 3 MiB\n");
    CHECK(ending_of(ending_line(255))->said.empty());
    CHECK_FALSE(ending_of(""));
    CHECK_FALSE(ending_of("memtrace-bpf: tracing\n"));
    CHECK_FALSE(ending_of(ending_line(3) + "memtrace-bpf: more\n"));
    CHECK_FALSE(ending_of("not " + ending_line(3)));
    CHECK_FALSE(ending_of(ending_line(0)));
    CHECK_FALSE(ending_of(ending_line(256)));
    CHECK_FALSE(ending_of(ending_line(-1)));
    CHECK_FALSE(read_ending(folder.file("none")));
    CHECK(ending_of(std::string(1 << 20, 'x') + "\nmemtrace-bpf: last\n" + ending_line(1))->said == "memtrace-bpf: last\n");
}
