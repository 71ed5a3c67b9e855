// Debug files from a server, here one on this machine: nothing waits for it, and nothing needs it.
#include <chrono>
#include <csignal>
#include <filesystem>

#include "support/catch.hpp"
#include "support/files.hpp"
#include "support/process.hpp"
#include "support/tracer.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

void shell(const std::string& command) {
    Child child = run({"sh", "-ec", command});
    INFO(command << child.transcript());
    REQUIRE(child.wait() == Ending{false, 0});
}

// A stripped program, and beside it what a server would have of it.
struct Stripped {
    TemporaryFolder folder;
    std::string program = folder.file("program"), served = folder.file("served");

    Stripped() {
        write_text(folder.file("program.c"), R"(
#include <stdio.h>
#include <stdlib.h>
__attribute__((noinline)) void use(void) { for (int i = 0; i < 10; i++) { void *p = malloc(1000); __asm__ volatile("" :: "r"(p)); } }
int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    puts("ready");
    getchar();
    use();
    puts("done");
    getchar();
    return 0;
}
)");
        shell("cd " + folder.path().string() +
              " && gcc -g -O1 -fno-builtin -fno-omit-frame-pointer -Wl,--build-id=sha1 program.c -o program"
              " && id=$(readelf -n program | sed -n 's/.*Build ID: //p') && mkdir -p served/buildid/$id"
              " && objcopy --only-keep-debug program served/buildid/$id/debuginfo && strip program");
    }

    [[nodiscard]] SpawnOptions with_servers(const std::string& urls) const {
        return {{{"DEBUGINFOD_URLS", urls}, {"DEBUGINFOD_CACHE_PATH", folder.file("cache")}, {"DEBUGINFOD_TIMEOUT", "1"}}};
    }
    // Traces the program from "ready" to "done".
    [[nodiscard]] Snapshot trace(const std::string& urls) const {
        require_root();
        Child child({program});
        child.wait_line("ready");
        Child tracer(tracer_command({"-p", std::to_string(child.pid()), "-o", folder.file("s"), "--debuginfod"}), with_servers(urls));
        tracer.wait_error_line("memtrace-bpf: tracing pid");
        child.send_line("");
        child.wait_line("done", std::chrono::seconds(5));  // whatever the server does
        tracer.signal(SIGINT);
        const Ending ending = tracer.wait();
        INFO(tracer.transcript());
        REQUIRE(ending == Ending{false, 0});
        return load_snapshot(folder.file("s"));
    }
};

std::string place_of_use(const Snapshot& snapshot) {
    for (const Site& site : snapshot.sites)
        if (site.counters.allocated_bytes == 10'000)
            return snapshot.text(snapshot.frame(site.frames.front()).file) + ":" + std::to_string(snapshot.frame(site.frames.front()).line);
    return "";
}

bool has_note(const Snapshot& snapshot, const std::string& part) {
    for (const std::string& note : snapshot.notes)
        if (contains(note, part)) return true;
    return false;
}

void require_library() {
    if (run({"sh", "-c", "ldconfig -p | grep -q libdebuginfod.so.1"}).wait() != Ending{false, 0}) skip("libdebuginfod.so.1 is not installed");
}

}  // namespace

RULE("a debug file on a server gives the program's lines; one that is not there leaves what the file itself has, and a note") {
    require_library();
    const Stripped stripped;
    Child server({"python3", "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", stripped.served, "0"});
    const std::string serving = server.wait_line("Serving HTTP on 127.0.0.1 port ");
    const std::string url = "http://127.0.0.1:" + std::to_string(std::stoi(serving.substr(31)));
    const Snapshot fetched = stripped.trace(url);
    CHECK(place_of_use(fetched) == stripped.folder.file("program.c") + ":4");
    CHECK(lost(fetched) == "");
    std::filesystem::remove_all(stripped.folder.file("cache"));
    std::filesystem::remove_all(stripped.served + "/buildid");
    const Snapshot missing = stripped.trace(url);
    CHECK(place_of_use(missing) == "program:0");
    CHECK(has_note(missing, "the debuginfod servers do not have the debug files of "));
}

RULE("a server that never answers holds up neither the program nor the trace") {
    require_library();
    const Stripped stripped;
    Child server(
        {"python3", "-uc", "import socket, time\ns = socket.create_server(('127.0.0.1', 0))\nprint('port', s.getsockname()[1])\ntime.sleep(60)"});
    const std::string url = "http://127.0.0.1:" + server.wait_line("port ").substr(5);
    const auto begin = std::chrono::steady_clock::now();
    const Snapshot snapshot = stripped.trace(url);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
    CHECK(place_of_use(snapshot) == "program:0");
    CHECK((has_note(snapshot, "still being fetched") || has_note(snapshot, "could not be fetched")));
}

RULE("without servers --debuginfod is refused, saying what to do") {
    require_root();
    Child child = run(tracer_command({"--debuginfod", "--", "/bin/true"}), {{{"DEBUGINFOD_URLS", ""}}});
    CHECK(child.wait() == Ending{false, 1});
    CHECK(contains(child.errors(), "DEBUGINFOD_URLS is not set"));
}
