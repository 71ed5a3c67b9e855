// Pickles as attackers and damage make them: nothing is executed, nothing crashes, nothing takes memory without end.
#include <cstdlib>
#include <random>

#include "format/tracemalloc_file.hpp"
#include "samples.hpp"
#include "support/catch.hpp"
#define MEMTRACE_FUZZ_IN_UNIT_TESTS
#include "fuzz/tracemalloc_fuzz.cpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

void fuzz(std::string_view bytes) { fuzz_tracemalloc(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()); }

std::string what(std::string_view bytes) {
    const Result<Snapshot> read = decode_tracemalloc(bytes);
    return read ? "(was accepted)" : read.error().what;
}

template <std::size_t Size>
constexpr std::string_view bytes(const char (&text)[Size]) {
    return {text, Size - 1};
}

const std::string kNot = "not a tracemalloc snapshot, or damaged: ";

/// Files in the form of ours and, where there is a Python, of its own in two protocols.
std::vector<std::string> real_files() {
    std::mt19937_64 random(3);
    std::vector<std::string> files;
    for (int i = 0; i < 4; ++i) files.push_back(encode_tracemalloc(random_snapshot(random), Lines::native, i % 2 == 0 ? 8 : 15)->bytes);
    const ScratchFolder folder;
    write_file(folder / "dump.py", R"(
import pickle, sys, tracemalloc
tracemalloc.start(3)
keep = [bytes(100 + i) for i in range(40)]
snapshot = tracemalloc.take_snapshot()
for protocol in 2, 4:
    open(sys.argv[protocol // 2], 'wb').write(pickle.dumps(snapshot, protocol))
)");
    const std::string at = folder.path().string();
    if (output_of("/usr/bin/python3 -I " + at + "/dump.py " + at + "/2 " + at + "/4")) {
        files.push_back(read_file(folder / "2"));
        files.push_back(read_file(folder / "4"));
    }
    return files;
}

}  // namespace

RULE("what a pickle asks to call is refused, not called, whoever writes it") {
    const ScratchFolder folder;
    const std::string victim = (folder / "victim").string();
    const std::string system = "cposix\nsystem\n(X" + std::string(1, static_cast<char>(victim.size() + 6)) + std::string(3, '\0') + "touch " + victim;
    for (const std::string& pickle : {"\x80\x02" + system + "tR.", "\x80\x04" + system + "\x85R.", "\x80\x02" + system + "o."}) {
        CHECK(what(pickle).starts_with(kNot + "it asks for something other than tracemalloc's own classes"));
    }
    CHECK(what(bytes("\x80\x04\x8c\x08"
                     "builtins\x8c\x04"
                     "eval\x93\x8c\x01"
                     "1\x85R."))
              .starts_with(kNot + "it asks for something other"));
    CHECK(what(bytes("\x80\x04\x8c\x0btracemalloc\x8c\x05start\x93)R.")).starts_with(kNot + "it asks for something other"));
    CHECK(what(bytes("\x80\x02"
                     "ctracemalloc\nSnapshot\n)R."))
              .starts_with(kNot + "an operation that such files do not have"));
    CHECK(what(bytes("\x80\x02"
                     "ctracemalloc.os\nsystem\n."))
              .starts_with(kNot + "it asks for something other"));
    CHECK(folder.entries() == 0);
}

RULE("operations no such file has are refused by their place") {
    // Persistent ids, extension codes, reductions, buffers, floats, sets, memory by index.
    for (const char code : {'P', 'Q',    '\x82', '\x83', '\x84', 'R',    'i',    'o', '\x92', '\x97', '\x98', 'G',    'F', 'I', 'L', 'S', 'V', 'U',
                            'T', '\x8b', '\x8f', '\x90', '\x91', '\x88', '\x89', 'g', 'p',    '\x8d', '\x8e', '\x96', 'B', 'C', 'd', 'l', '0', '1'}) {
        CAPTURE(static_cast<int>(static_cast<unsigned char>(code)));
        CHECK(what(std::string("\x80\x04)") + code + std::string(40, '\0')) == kNot + "an operation that such files do not have (at byte 3)");
    }
}

RULE("a pickle of another shape is refused") {
    CHECK(what("") == "the file is empty");
    CHECK(what("some text") == "not a snapshot of tracemalloc (a pickle in a protocol from 2 to 5)");
    CHECK(what("\x80") == kNot + "it is cut short (at byte 1)");
    CHECK(what("\x80\x04") == kNot + "it is cut short (at byte 2)");
    CHECK(what(bytes("\x80\x04.")) == kNot + "it holds other than one value (at byte 3)");
    CHECK(what(bytes("\x80\x04N.")) == kNot + "it has no list of blocks");
    CHECK(what(bytes("\x80\x04N.N")) == kNot + "more follows its end (at byte 4)");
    CHECK(what(bytes("\x80\x04NN.")) == kNot + "it holds other than one value (at byte 5)");
    CHECK(what(bytes("\x80\x04\x80\x06N.")) == kNot + "its protocol is none from 2 to 5 (at byte 4)");
    CHECK(what(bytes("\x80\x04t.")) == kNot + "an operation lacks a mark (at byte 3)");
    CHECK(what(bytes("\x80\x04N(\x85.")) == kNot + "an operation lacks a value (at byte 5)");
    CHECK(what(bytes("\x80\x04](Nae.")) == kNot + "an addition to what is no list (at byte 6)");
    CHECK(what(bytes("\x80\x04h\x05.")) == kNot + "it refers to what is not there (at byte 4)");
    CHECK(what(bytes("\x80\x04Nr\xff\xff\xff\x7f.")) == kNot + "it remembers out of order (at byte 8)");
    CHECK(what(bytes("\x80\x04X\xff\xff\xff\xff.")) == kNot + "it is cut short (at byte 7)");
    CHECK(what(bytes("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.")) == kNot + "it is cut short (at byte 11)");
    CHECK(what(bytes("\x80\x04\x8a\x09"
                     "012345678.")) == kNot + "a number of more than 64 bits (at byte 4)");
}

RULE("blocks of other shapes are refused") {
    const auto with_block = [](std::string_view block) {
        std::string pickle(
            bytes("\x80\x02"
                  "ctracemalloc\nSnapshot\n)\x81}(X\x06\0\0\0traces"));
        pickle += bytes("ctracemalloc\n_Traces\n)\x81}X\x07\0\0\0_traces](");
        return what(pickle + std::string(block) + std::string(bytes("esbX\x0f\0\0\0traceback_limitK\x01ub.")));
    };
    CHECK(with_block(bytes("(K\0K\1X\1\0\0\0aK\2\x86\x85t")) == "(was accepted)");
    CHECK(with_block(bytes("(K\0K\1X\1\0\0\0aK\2\x86\x85K\7K\7t")) == "(was accepted)");
    CHECK(with_block("N") == kNot + "a block is no tuple of domain, size and frames");
    CHECK(with_block(bytes("K\0K\1\x86")) == kNot + "a block is no tuple of domain, size and frames");
    CHECK(with_block(bytes("K\0K\1)\x87")) == kNot + "a block has no frames");
    CHECK(with_block(bytes("K\0K\1K\1\x87")) == kNot + "a block has no frames");
    CHECK(with_block(bytes("NK\1K\1\x85\x87")) == kNot + "a block's domain is no number");
    CHECK(with_block(bytes("J\xff\xff\xff\xffK\1K\1\x85\x87")) == kNot + "a block's domain is no number");
    CHECK(with_block(bytes("K\0J\xff\xff\xff\xffK\1\x85\x87")) == kNot + "a block's size is no number");
    CHECK(with_block(bytes("K\0K\1K\1\x85\x87")) == kNot + "a frame is no tuple of a file and a line");
    CHECK(with_block(bytes("K\0K\1K\1K\1\x86\x85\x87")) == kNot + "a frame is no tuple of a file and a line");
    CHECK(with_block(bytes("(K\0K\1X\1\0\0\0aK\2\x86\x85X\1\0\0\0at")) == kNot + "a block's depth is no number");
}

RULE("lists and objects without end are refused") {
    CHECK(what("\x80\x04" + std::string(1000, ']') + ".") == kNot + "more lists or objects than such files have (at byte 19)");
    CHECK(what("\x80\x04" + std::string(1000, '}') + ".") == kNot + "more lists or objects than such files have (at byte 19)");
    std::string items = "\x80\x04}(";
    for (int i = 0; i < 200; ++i) items += "NN";
    CHECK(what(items + "u.") == kNot + "more values than such files have (at byte 405)");
}

RULE("a list that holds itself is read to its end") {
    CHECK(what(bytes("\x80\x04]\x94h\x00"
                     "a.")) == kNot + "it has no list of blocks");
}

RULE("a real file cut anywhere is refused") {
    for (const std::string& file : real_files()) {
        for (std::size_t size = 0; size < file.size(); size += 1 + size / 500)
            REQUIRE_FALSE(decode_tracemalloc(std::string_view(file).substr(0, size)));
    }
}

RULE("real files mutated at random never crash the reader, and what it accepts can be written again") {
    constexpr unsigned kSeed = 20'261'121;
    std::mt19937_64 random(kSeed);
    const std::vector<std::string> files = real_files();
    for (int i = 0; i < 20'000; ++i) {
        const std::string& file = files[random() % files.size()];
        std::string changed = file.substr(0, 4000);  // the rest is alike
        if (changed.size() < file.size()) changed += file.substr(file.size() - 60);
        for (std::uint64_t edits = 1 + random() % 4; edits > 0 && !changed.empty(); --edits) {
            const std::size_t at = random() % changed.size();
            const std::size_t length = std::min<std::size_t>(random() % 9, changed.size() - at);
            switch (random() % 3) {
                case 0: changed[at] = static_cast<char>(random()); break;
                case 1: changed.erase(at, length); break;
                default: changed.insert(at, file.substr(random() % file.size(), length));
            }
        }
        fuzz(changed);
    }
}
