// The checkpoints of a trace: their names, and where their snapshots are kept.
#include "control/checkpoints.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "support/catch.hpp"
#include "support/files.hpp"

using namespace memtrace;
using namespace memtrace::control;
using namespace memtrace::test;

namespace {

Result<void> add(CheckpointStore& store, const std::string& name, std::string bytes) {
    return store.add({store.unique_name(name), {}, {}, {}}, std::move(bytes));
}

std::string names(const CheckpointStore& store) {
    std::string text;
    for (const Checkpoint& checkpoint : store.all()) text += checkpoint.name + " ";
    return text;
}

std::string content(unsigned number) { return std::string(10'000 + number, static_cast<char>('a' + number % 26)); }

}  // namespace

RULE("a repeated name gets -2, -3, and so on, and passes over names that were given so") {
    CheckpointStore store(1 << 20, "");
    for (const char* name : {"a", "a", "b", "a-3", "a", "a", "a-3", "", ""}) REQUIRE(add(store, name, "x"));
    REQUIRE(names(store) == "a a-2 b a-3 a-4 a-5 a-3-2  -2 ");
    REQUIRE(store.find("a-4") == 4U);
    REQUIRE_FALSE(store.find("c"));
}

RULE("beyond the limit of memory snapshots are kept in a file without a name, each as it was") {
    const TemporaryFolder folder;
    CheckpointStore store(50'000, folder.path());
    for (unsigned i = 0; i < 40; ++i) REQUIRE(add(store, "c", content(i)));
    REQUIRE(store.memory_bytes() <= 50'000);
    REQUIRE(store.disk_bytes() > 300'000);
    REQUIRE(folder.listing() == "");
    for (unsigned i = 0; i < 40; ++i) {
        const Result<std::string> bytes = store.snapshot(i);
        REQUIRE(bytes);
        REQUIRE(*bytes == content(i));
    }
}

RULE("names and user data count as memory, and without room for them there is no checkpoint") {
    const TemporaryFolder folder;
    CheckpointStore store(20'000, folder.path());
    unsigned added = 0;
    Result<void> done;
    while (added < 1000 && (done = store.add({store.unique_name("n"), {}, {}, {{std::string(200, 't'), "size", 1}}}, content(0)))) ++added;
    REQUIRE(added > 5);
    REQUIRE(added < 100);
    REQUIRE(done.error().hint.find("--checkpoint-memory") != std::string::npos);
    REQUIRE(store.all().size() == added);
    REQUIRE(store.memory_bytes() <= 20'000);
}

RULE("a folder that is not there refuses the checkpoint, and those before it stay") {
    CheckpointStore store(11'000, "/no/such/folder");
    REQUIRE(add(store, "a", content(0)));
    const Result<void> refused = add(store, "a", content(1));
    REQUIRE_FALSE(refused);
    REQUIRE(refused.error().what.find("/no/such/folder") != std::string::npos);
    REQUIRE(refused.error().hint.find("--checkpoint-dir") != std::string::npos);
    REQUIRE(names(store) == "a ");
    REQUIRE(*store.snapshot(0) == content(0));
    REQUIRE(add(store, "a", "small"));
    REQUIRE(names(store) == "a a-2 ");
}

RULE("a full disk refuses the checkpoint with the reason, gives its room back, and keeps the others") {
    const TemporaryFolder folder;
    if (geteuid() != 0 || mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0) skip("cannot mount a tmpfs");
    {
        CheckpointStore store(10'000, folder.path());
        unsigned added = 0;
        Result<void> done;
        while (added < 100 && (done = add(store, "c", content(added)))) ++added;
        REQUIRE(added == 6);
        REQUIRE(done.error().what.find("No space left") != std::string::npos);
        for (unsigned i = 0; i < added; ++i) REQUIRE(*store.snapshot(i) == content(i));
        REQUIRE(std::filesystem::space(folder.path()).available >= 4096);
        REQUIRE(add(store, "c", std::string(4000, 'z')));
        REQUIRE(*store.snapshot(added) == std::string(4000, 'z'));
    }
    REQUIRE(umount(folder.path().c_str()) == 0);  // refused while a file is open in it
}
