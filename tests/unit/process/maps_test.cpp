#include "process/maps.hpp"

#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "support/catch.hpp"

using memtrace::Mapping;
using memtrace::parse_maps;
using memtrace::Result;

namespace {

const std::string kLibrary = "7f12a0000000-7f12a0022000 r-xp 00028000 fe:01 1835023                    /usr/lib/x86_64-linux-gnu/libc.so.6\n";

std::string line_with_path(const std::string& path) { return "1000-2000 r-xp 00000000 08:01 77                    " + path + "\n"; }

Mapping only(const std::string& text) {
    const Result<std::vector<Mapping>> mappings = parse_maps(text);
    REQUIRE(mappings);
    REQUIRE(mappings->size() == 1);
    return mappings->front();
}

}  // namespace

RULE("a line of the mappings gives its range, rights, offset, device, inode and path") {
    const Mapping mapping = only(kLibrary);
    CHECK(mapping.start == 0x7f12a0000000);
    CHECK(mapping.end == 0x7f12a0022000);
    CHECK(mapping.file_offset == 0x28000);
    CHECK(mapping.device == makedev(0xfe, 1));
    CHECK(mapping.inode == 1835023);
    CHECK(mapping.readable);
    CHECK_FALSE(mapping.writable);
    CHECK(mapping.executable);
    CHECK(mapping.path == "/usr/lib/x86_64-linux-gnu/libc.so.6");
    CHECK_FALSE(mapping.deleted);
    CHECK(mapping.contains(0x7f12a0000000));
    CHECK(mapping.contains(0x7f12a0021fff));
    CHECK_FALSE(mapping.contains(0x7f12a0022000));
}

RULE("no lines are no mappings, as for a kernel thread") {
    const Result<std::vector<Mapping>> mappings = parse_maps("");
    REQUIRE(mappings);
    CHECK(mappings->empty());
}

RULE("anonymous and special mappings have no path or their bracketed name") {
    CHECK(only("1000-2000 rw-p 00000000 00:00 0 \n").path.empty());
    CHECK(only("1000-2000 rw-p 00000000 00:00 0                          [heap]\n").path == "[heap]");
    CHECK(only("1000-2000 rw-p 00000000 00:00 0                          [anon:my own name]\n").path == "[anon:my own name]");
    CHECK(only("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n").path == "[vsyscall]");
}

RULE("spaces in a path are kept and an escaped newline is restored, while other backslashes are the name's own") {
    CHECK(only(line_with_path("/opt/my app/lib one.so")).path == "/opt/my app/lib one.so");
    CHECK(only(line_with_path("/tmp/a\\012b\\012.so")).path == "/tmp/a\nb\n.so");
    CHECK(only(line_with_path("/tmp/a\\040b\\134c\\01")).path == "/tmp/a\\040b\\134c\\01");
}

RULE("the mark of a deleted file is taken off its path") {
    const Mapping mapping = only(line_with_path("/tmp/gone (really).so (deleted)"));
    CHECK(mapping.deleted);
    CHECK(mapping.path == "/tmp/gone (really).so");
    CHECK_FALSE(only(line_with_path("/tmp/(deleted)")).deleted);
    CHECK(only("1000-2000 rw-s 00000000 00:01 0                          /SYSV00000000 (deleted)\n").deleted);
}

RULE("a line that the kernel would not write is an error that names the line") {
    for (const char* bad : {
             "\n",
             "1000\n",
             "1000-2000\n",
             "1000-2000 r-xp\n",
             "1000-2000 r-xp 00000000 08:01\n",
             "1000-2000 r-xp 00000000 08:01 77\n",
             "2000-1000 r-xp 00000000 08:01 77 \n",
             "1000-1000 r-xp 00000000 08:01 77 \n",
             "1000-2000 rwxq 00000000 08:01 77 \n",
             "1000-2000 xr-p 00000000 08:01 77 \n",
             "-1000-2000 r-xp 00000000 08:01 77 \n",
             "0x1000-2000 r-xp 00000000 08:01 77 \n",
             "11111111111111111-2000 r-xp 00000000 08:01 77 \n",
             "1000-2000 r-xp 00000000 08:01 99999999999999999999999 \n",
             "1000-2000 r-xp 00000000 0801 77 \n",
         }) {
        INFO(bad);
        const Result<std::vector<Mapping>> mappings = parse_maps(kLibrary + bad + kLibrary);
        REQUIRE_FALSE(mappings);
        CHECK(mappings.error().what.find("line 2 ") == 0);
    }
    CHECK_FALSE(parse_maps(std::string("1000-2000 r-xp 00000000 08:01 77   /a\0b\n", 39)));
}

RULE("a last line without its newline, and one longer than any path, are errors") {
    CHECK_FALSE(parse_maps(kLibrary.substr(0, kLibrary.size() - 1)));
    CHECK_FALSE(parse_maps(line_with_path("/" + std::string(100'000, 'a'))));
    CHECK(parse_maps(line_with_path("/" + std::string(4094, 'a'))));
}

RULE("more than a million mappings are refused") {
    std::string text;
    for (int i = 0; i < 1'000'000; ++i) text += "1000-2000 rw-p 00000000 00:00 0 \n";
    CHECK(parse_maps(text)->size() == 1'000'000);
    CHECK_FALSE(parse_maps(text + kLibrary));
}

RULE("the mappings of a live process include what it just mapped, under a name with a newline") {
    const std::string path = "/tmp/memtrace maps\n" + std::to_string(::getpid());
    std::ofstream(path) << std::string(8192, 'x');
    std::FILE* file = std::fopen(path.c_str(), "r");
    REQUIRE(file != nullptr);
    void* memory = ::mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE, ::fileno(file), 4096);
    REQUIRE(memory != MAP_FAILED);
    ::unlink(path.c_str());
    const Result<std::vector<Mapping>> mappings = memtrace::read_maps(::getpid());
    REQUIRE(mappings);
    bool seen = false;
    for (const Mapping& mapping : *mappings) {
        if (!mapping.contains(reinterpret_cast<std::uint64_t>(memory))) continue;
        seen = true;
        CHECK(mapping.path == path);
        CHECK(mapping.deleted);
        CHECK(mapping.file_offset == 4096);
        std::ostringstream expected;
        expected << "/proc/" << ::getpid() << "/map_files/" << std::hex << mapping.start << "-" << mapping.end;
        CHECK(memtrace::mapped_file_path(::getpid(), mapping) == expected.str());
    }
    CHECK(seen);
    ::munmap(memory, 8192);
    std::fclose(file);
}

RULE("reading the mappings of no process says so") {
    const Result<std::vector<Mapping>> mappings = memtrace::read_maps(0x7ffffffe);
    REQUIRE_FALSE(mappings);
    CHECK(mappings.error().what == "no process with pid 2147483646");
}
