#include "symbolizer/names.hpp"

#include <chrono>

#include "support/catch.hpp"

using memtrace::demangle;
using memtrace::source_path;

RULE("mangled names are demangled and others stay as they are") {
    CHECK(demangle("_ZN4shop3putEi") == "shop::put(int)");
    CHECK(demangle("malloc") == "malloc");
    CHECK(demangle("_Z") == "_Z");
    CHECK(demangle("_ZN4shop").find("_ZN4shop") == 0);
    CHECK(demangle("").empty());
    CHECK(demangle("_ZSt11make_uniqueIN4shop5CacheEJRKiRiEESt10unique_ptrIT_St14default_deleteIS5_EEDpOT0_")
              .starts_with("std::unique_ptr<shop::Cache"));
    CHECK(demangle("_ZNSt6vectorISt4pairINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEES6_ESaIS7_EE12emplace_back"
                   "IJRKS6_SB_EEERS7_DpOT_")
              .starts_with("std::pair<std::__cxx11::basic_string"));
}

RULE("a name longer than 2048 bytes is cut") {
    const std::string plain = demangle(std::string(10'000, 'a'));
    CHECK(plain.size() == 2048);
    CHECK(plain.ends_with("aaa..."));
    CHECK(demangle("_Z" + std::string(10'000, '1')).size() == 2048);
}

RULE("a short name that stands for gigabytes stays mangled") {
    // Each pair names the one before it twice, so the text doubles with every level.
    std::string bomb = "_Z1fISt4pairIiiE";
    const std::string digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (int level = 0; level < 60; ++level) {
        std::string reference = "S";
        if (level > 36) reference += "1";
        if (level > 0) reference += digits.substr(static_cast<std::size_t>((level - 1) % 36), 1);
        reference += "_";
        bomb += "St4pairI" + reference + reference + "E";
    }
    bomb += "Evv";
    const auto start = std::chrono::steady_clock::now();
    const std::string text = demangle(bomb);
    CHECK(text == bomb);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(1));
}

RULE("source paths are made absolute and plain by their text alone") {
    CHECK(source_path("/build/obj", "../src/./a.c") == "/build/src/a.c");
    CHECK(source_path("/build/obj", "/usr/include//x.h") == "/usr/include/x.h");
    CHECK(source_path("/build", "../../../../a.c") == "/a.c");
    CHECK(source_path("", "../src/a.c") == "../src/a.c");
    CHECK(source_path("relative", "a.c") == "a.c");
    CHECK(source_path("/", "a.c") == "/a.c");
    CHECK(source_path("/d", "") == "/d");
}

RULE("of a path longer than 4096 bytes the end is kept") {
    const std::string text = source_path("/", std::string(10'000, 'a') + "/end.c");
    CHECK(text.size() == 4096);
    CHECK(text.ends_with("/end.c"));
    CHECK(text.starts_with("..."));
}
