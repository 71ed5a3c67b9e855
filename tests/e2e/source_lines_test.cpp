// Whose files a report may quote.
#include <sys/stat.h>

#include "format/pprof.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

RULE("source lines are read with the rights of the user who typed sudo: a snapshot may name any file") {
    require_root();
    const TemporaryFolder folder;
    const std::string secret = folder.file("secret.py");
    write_text(secret, "the password\n");
    REQUIRE(chmod(secret.c_str(), 0600) == 0);
    Snapshot snapshot;
    {
        Interner interner(snapshot);
        snapshot.processes.emplace_back();
        Site site;
        site.domain = interner.string("obj");
        site.frames.push_back(interner.frame({secret, 1, "f", true}));
        site.counters = {1, 100, 0, 0};
        snapshot.sites.push_back(site);
    }
    const std::string file = folder.file("snapshot.pb.gz");
    REQUIRE(write_snapshot(snapshot, file));

    const std::vector<std::string> command{tracer_path(), "stats", "--pretty", file};
    Child as_root = run(command);
    REQUIRE(as_root.wait() == Ending{false, 0});
    CHECK(as_root.output().find("the password") != std::string::npos);

    Child as_nobody = run(command, {.environment = {{"SUDO_UID", "65534"}, {"SUDO_GID", "65534"}}});
    REQUIRE(as_nobody.wait() == Ending{false, 0});
    CHECK(as_nobody.output().find("secret.py") != std::string::npos);
    CHECK(as_nobody.output().find("the password") == std::string::npos);
}
