// Presets: what is stored, what comes back, and what a file may not hold.
#include "cli/presets.hpp"

#include "support/catch.hpp"
#include "unit/format/samples.hpp"

using namespace memtrace::cli;
using memtrace::test::read_file;
using memtrace::test::ScratchFolder;
using memtrace::test::write_file;

using Words = std::vector<std::string>;

RULE("view options are saved under a name, others are not, and come back where the name is given") {
    const ScratchFolder folder;
    const std::string file = folder / "config/presets";
    const auto saved = with_presets({"stats", "a.pb.gz", "--by", "file", "--filter=-<frozen *>", "-n", "3", "--cumulative", "--save-preset", "mine"},
                                    file);
    REQUIRE(saved);
    CHECK(*saved == Words{"stats", "a.pb.gz", "--by", "file", "--filter=-<frozen *>", "-n", "3", "--cumulative"});
    CHECK(read_file(file) == "[mine]\n--by file\n--filter -<frozen *>\n--cumulative\n");

    const auto used = with_presets({"diff", "--preset=mine", "a", "b"}, file);
    REQUIRE(used);
    CHECK(*used == Words{"diff", "--by=file", "--filter=-<frozen *>", "--cumulative", "a", "b"});
}

RULE("saving a preset keeps the others, and one made from another holds both") {
    const ScratchFolder folder;
    const std::string file = folder / "presets";
    REQUIRE(with_presets({"--by", "file", "--save-preset", "a"}, file));
    REQUIRE(with_presets({"--preset", "a", "--older", "5m", "--save-preset", "b"}, file));
    CHECK(read_file(file) == "[a]\n--by file\n[b]\n--by file\n--older 5m\n");
}

RULE("an unknown preset is refused, and so is a file with anything but sections and options of views") {
    const ScratchFolder folder;
    const std::string file = folder / "presets";
    CHECK_FALSE(with_presets({"--preset", "a"}, file));
    for (const char* text : {"--by file\n", "[a]\n--output /etc/passwd\n", "[a]\nrm -rf\n", "[a]\n--cumulative yes\n", "[a]\n--by\n"}) {
        write_file(file, text);
        const auto words = with_presets({"--preset", "a"}, file);
        INFO(text);
        REQUIRE_FALSE(words);
        CHECK(words.error().what.find("line") != std::string::npos);
    }
    write_file(file, "# mine\n\n[a]\n  --by  file \n");
    CHECK(*with_presets({"--preset", "a"}, file) == Words{"--by=file"});
    write_file(file, std::string(2 << 20, '#'));
    CHECK_FALSE(with_presets({"--preset", "a"}, file));
    CHECK_FALSE(with_presets({"--preset", "a"}, folder.path().string()));
}

RULE("without presets the words stay as they are, and no file is needed") {
    CHECK(*with_presets({"-p", "1", "--by", "file"}, "/nonexistent/presets") == Words{"-p", "1", "--by", "file"});
    CHECK_FALSE(with_presets({"--save-preset", ""}, "/nonexistent/presets"));
    CHECK_FALSE(with_presets({"--filter", "a\nb", "--save-preset", "x"}, "/nonexistent/presets"));
}
