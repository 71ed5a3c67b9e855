// What a process holds and held at most: loader/usage.hpp.
#include "loader/usage.hpp"

#include "support/catch.hpp"

using namespace memtrace;

RULE("the peak of what only grew is what it is now") { CHECK(read_usage({100, 0}).peak_bytes == 100); }

RULE("a peak that was reached before stays, until more is held") {
    CHECK(read_usage({60, 100}).peak_bytes == 100);
    CHECK(read_usage({160, 100}).peak_bytes == 160);
}

RULE("what an exec took away was held: it counts for the peak") {
    mt_usage grown{100, 40};
    empty_usage(grown);
    CHECK(read_usage(grown).bytes == 0);
    CHECK(read_usage(grown).peak_bytes == 100);
}

RULE("a peak that begins anew begins at what is held") {
    mt_usage usage{60, 100};
    reset_peak(usage);
    CHECK(read_usage(usage).peak_bytes == 60);
}
