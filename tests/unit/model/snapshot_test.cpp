#include "model/snapshot.hpp"

#include "support/catch.hpp"

using namespace memtrace;

RULE("the same string is interned once, and the empty one is number 0") {
    Snapshot snapshot;
    Interner interner(snapshot);
    CHECK(interner.string("") == StringId{0});
    const StringId first = interner.string("a.py");
    CHECK(interner.string("b.py") != first);
    CHECK(interner.string("a.py") == first);
    CHECK(snapshot.strings == std::vector<std::string>{"", "a.py", "b.py"});
}

RULE("a string with a zero byte in it is not the string before that byte") {
    Snapshot snapshot;
    Interner interner(snapshot);
    CHECK(interner.string(std::string_view("a\0b", 3)) != interner.string("a"));
}

RULE("frames differ by file, line, function and language, and equal ones are interned once") {
    Snapshot snapshot;
    Interner interner(snapshot);
    const FrameId frame = interner.frame({"a.py", 1, "f", true});
    CHECK(interner.frame({"a.py", 1, "f", true}) == frame);
    CHECK(interner.frame({"b.py", 1, "f", true}) != frame);
    CHECK(interner.frame({"a.py", 2, "f", true}) != frame);
    CHECK(interner.frame({"a.py", 1, "g", true}) != frame);
    CHECK(interner.frame({"a.py", 1, "f", false}) != frame);
    CHECK(snapshot.frames.size() == 5);
    CHECK(snapshot.text(snapshot.frame(frame).function) == "f");
}

RULE("two calls on one line are two frames, told apart by the columns they span") {
    Snapshot snapshot;
    Interner interner(snapshot);
    const FrameId first = interner.frame({"a.py", 1, "f", true, 1, 5, 9});
    CHECK(interner.frame({"a.py", 1, "f", true, 1, 5, 9}) == first);
    CHECK(interner.frame({"a.py", 1, "f", true, 2, 5, 9}) != first);
    CHECK(interner.frame({"a.py", 1, "f", true, 1, 6, 9}) != first);
    CHECK(interner.frame({"a.py", 1, "f", true, 1, 5, 10}) != first);
    CHECK(interner.frame({"a.py", 1, "f", true}) != first);
    CHECK(snapshot.frame(first).end_line == 1);
    CHECK(snapshot.frame(first).column == 5);
    CHECK(snapshot.frame(first).end_column == 9);
}

RULE("an interner continues with the strings and frames a snapshot already has") {
    Snapshot snapshot;
    const FrameId frame = Interner(snapshot).frame({"a.py", 1, "f", true});
    CHECK(Interner(snapshot).frame({"a.py", 1, "f", true}) == frame);
    CHECK(snapshot.frames.size() == 1);
    CHECK(snapshot.strings.size() == 3);
}

RULE("live is what was allocated and not freed, and never less than nothing") {
    Counters counters{10, 1000, 4, 300};
    counters += Counters{1, 50, 0, 0};
    CHECK(counters.live_blocks() == 7);
    CHECK(counters.live_bytes() == 750);
    CHECK(Counters{1, 16, 2, 32}.live_blocks() == 0);
    CHECK(Counters{1, 16, 2, 32}.live_bytes() == 0);
}
