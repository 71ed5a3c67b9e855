// A running trace and those who mean it no good: rubbish, crowds, other users, full disks.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cstdlib>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <list>
#include <thread>

#include "control/client.hpp"
#include "support/catch.hpp"
#include "support/commands.hpp"
#include "support/python.hpp"
#include "support/small_disk.hpp"
#include "util/unique_fd.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

namespace fs = std::filesystem;

// Each of a thousand peers takes a descriptor here, too.
void allow_many_files() {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
    REQUIRE(setrlimit(RLIMIT_NOFILE, &files) == 0);
}

UniqueFd connect_raw(const Child& target) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_of(target).c_str(), sizeof address.sun_path - 1);
    REQUIRE(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return fd;
}

void require_answers(const Child& target) {
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(json_command(target, {"status"})["ok"] == true);
    REQUIRE(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}

// What another user can run.
class Public {
public:
    Public() {
        require_root();
        for (const std::string& file : {tracer_path(), workload_path("forever")}) fs::copy_file(file, folder_.file(fs::path(file).filename()));
    }
    [[nodiscard]] Arguments as(const std::string& uid, Arguments command) const {
        command.front() = folder_.file(command.front());
        Arguments whole{"setpriv", "--reuid=" + uid, "--regid=" + uid, "--clear-groups"};
        whole.insert(whole.end(), command.begin(), command.end());
        return whole;
    }

private:
    TemporaryFolder folder_;
};

}  // namespace

RULE("peers that send rubbish, half requests, endless lines or nothing, or never read, keep nobody from being answered") {
    allow_many_files();
    Child program = start_workload("forever");
    Background trace(program);
    std::list<UniqueFd> peers;
    const std::string rubbish[] = {"GET / HTTP/1.1\r\n\r\n",
                                   "\n\n\n\n",
                                   std::string(1000, '\0') + "\n",
                                   "{\"do\": \"sta",
                                   std::string(60'000, '[') + "\n",
                                   "{\"do\": \"status\"}\n{\"do\": \"status\"}\n",
                                   "{\"do\": \"snapshot\"}\n{\"do\": \"snapshot\"}\n",
                                   "\xff\xfe\xfd\n",
                                   ""};
    for (int i = 0; i < 1000; ++i) {
        peers.push_back(connect_raw(program));
        const std::string& text = rubbish[static_cast<std::size_t>(i) % std::size(rubbish)];
        (void)send(peers.back().get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    require_answers(program);
    const UniqueFd endless = connect_raw(program);
    const std::string piece(64 * 1024, 'x');
    for (int i = 0; i < 100; ++i)
        if (send(endless.get(), piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN) break;
    for (int i = 0; i < 20; ++i) {
        peers.pop_front();
        peers.push_back(connect_raw(program));
        require_answers(program);
    }
    require_progress(program);
    peers.clear();
    require_answers(program);
    trace.stop();
}

RULE("a thousand clients at once are all answered, each as often as it asks") {
    allow_many_files();
    Child program = start_workload("forever");
    Background trace(program);
    std::list<UniqueFd> peers;
    for (int i = 0; i < 1000; ++i) peers.push_back(connect_raw(program));
    for (int round = 0; round < 2; ++round) {
        for (const UniqueFd& peer : peers) REQUIRE(send(peer.get(), "{\"do\": \"memory\"}\n", 17, MSG_NOSIGNAL) == 17);
        unsigned answered = 0;
        for (const UniqueFd& peer : peers) {
            char answer[512];
            const ssize_t size = recv(peer.get(), answer, sizeof answer, 0);
            answered += size > 0 && std::string_view(answer, static_cast<std::size_t>(size)).starts_with("{\"current\"");
        }
        REQUIRE(answered == 1000);
    }
    require_answers(program);
    trace.stop();
}

RULE("the owner of a traced process is answered; another user is refused and told so, and changes nothing") {
    const Public programs;
    Child program(programs.as("65534", {"forever"}));
    program.wait_line("ready");
    Background trace(program);
    const std::string pid = std::to_string(program.pid());
    const TemporaryFolder folder;
    fs::permissions(folder.path(), fs::perms::all);
    for (const Arguments& arguments : std::vector<Arguments>{{"memtrace-bpf", "status", "-p", pid},
                                                             {"memtrace-bpf", "checkpoint", "theirs", "-p", pid},
                                                             {"memtrace-bpf", "checkpoint", "mine", "-p", pid},
                                                             {"memtrace-bpf", "snapshot", "-p", pid, "-o", folder.file("s.pb.gz")},
                                                             {"memtrace-bpf", "clear", "-p", pid},
                                                             {"memtrace-bpf", "stop", "-p", pid}}) {
        Child stranger = run(programs.as("65533", arguments));
        INFO(stranger.transcript());
        REQUIRE(stranger.wait() == Ending{false, 1});
        REQUIRE(contains(stranger.errors(), "may not talk to this tracer"));
    }
    REQUIRE(json_command(program, {"status"})["checkpoints"] == 0);
    Child owner = run(programs.as("65534", {"memtrace-bpf", "checkpoint", "mine", "-p", pid}));
    INFO(owner.transcript());
    REQUIRE(owner.wait() == Ending{false, 0});
    Child saved = run(programs.as("65534", {"memtrace-bpf", "snapshot", "-p", pid, "--checkpoint", "mine", "-o", folder.file("s.pb.gz")}));
    INFO(saved.transcript());
    REQUIRE(saved.wait() == Ending{false, 0});
    struct stat status {};
    REQUIRE(stat(folder.file("s.pb.gz").c_str(), &status) == 0);
    REQUIRE(status.st_uid == 65534);  // written by who asked
    REQUIRE(load_snapshot(folder.file("s.pb.gz")).processes.at(0).pid == program.pid());
    Child stopped = run(programs.as("65534", {"memtrace-bpf", "stop", "-p", pid}));
    INFO(stopped.transcript());
    REQUIRE(stopped.wait() == Ending{false, 0});
    REQUIRE_FALSE(fs::exists(socket_of(program)));
}

RULE("checkpoints beyond the memory for them lie on disk, each as it was, and no name is left there") {
    const TemporaryFolder folder;
    Child program = start_workload("forever");
    Background trace(program, {"--checkpoint-memory", "20KiB", "--checkpoint-dir", folder.path()});
    for (int i = 0; i < 30; ++i) command(program, {"checkpoint", "c"});
    const nlohmann::json status = json_command(program, {"status"});
    REQUIRE(status["checkpoint_memory"] <= 20 * 1024);
    REQUIRE(status["checkpoint_disk"] > 0);
    REQUIRE(folder.listing() == "");
    const nlohmann::json list = json_command(program, {"checkpoints"})["checkpoints"];
    REQUIRE(list.size() == 30);
    for (const auto& entry : list) {
        const Snapshot snapshot = snapshot_of(program, {"--checkpoint", entry["name"].get<std::string>()});
        REQUIRE(snapshot.name == entry["name"]);
        REQUIRE(snapshot.processes[0].traced_bytes == entry["memory"]);
        REQUIRE(inconsistencies(snapshot) == "");
    }
    trace.stop();
}

RULE("a checkpoint for which there is no room is refused with the reason; the others and the trace stay") {
    const SmallDisk disk("size=4k");
    Child program = start_workload("forever");
    Background trace(program, {"--checkpoint-memory", "4KiB", "--checkpoint-dir", disk.folder().path()});
    unsigned kept = 0;
    std::string refusal;
    while (refusal.empty() && kept < 100) {
        Child child = run(tracer_command({"checkpoint", "c", "-p", std::to_string(program.pid())}));
        if (child.wait() == Ending{false, 0})
            ++kept;
        else
            refusal = child.errors();
    }
    REQUIRE(kept > 0);
    REQUIRE(kept < 100);
    REQUIRE(contains(refusal, "no room for another checkpoint"));
    REQUIRE(contains(refusal, "No space left"));
    REQUIRE(contains(refusal, "--checkpoint-"));
    REQUIRE(json_command(program, {"checkpoints"})["checkpoints"].size() == kept);
    REQUIRE(snapshot_of(program, {"--checkpoint", "c"}).name == "c");
    require_progress(program);
    trace.stop();
}

RULE("under load each checkpoint agrees with itself") {
    Child program = start_workload("busy_threads");
    Background trace(program);
    auto client = control::Client::connect(program.pid(), "");
    REQUIRE(client);
    std::vector<double> pauses;
    // All of a thousand take a minute or two.
    const std::size_t checkpoints = std::getenv("MEMTRACE_LONG") ? 1000 : 200;
    for (std::size_t i = 0; i < checkpoints; ++i) {
        const auto reply = client->ask({.what = control::Do::checkpoint, .name = "load"});
        if (!reply) FAIL(reply.error().what);
        pauses.push_back(reply->json["pause"]);
        if (i % 10) continue;
        const Snapshot snapshot = snapshot_of(program, {"--checkpoint", reply->json["name"].get<std::string>()});
        REQUIRE(inconsistencies(snapshot) == "");
        REQUIRE(snapshot.processes[0].traced_bytes == reply->json["memory"]);
        for (const Site& site : snapshot.sites) {
            std::uint64_t blocks = 0, bytes = 0;
            for (const BlockGroup& group : site.blocks) {
                blocks += group.count;
                bytes += group.count * group.size_bytes;
            }
            REQUIRE(blocks == site.counters.live_blocks());
            REQUIRE(bytes == site.counters.live_bytes());
        }
    }
    std::sort(pauses.begin(), pauses.end());
    WARN("pauses of the target at " << checkpoints << " checkpoints: p50 " << pauses[checkpoints / 2] * 1e3 << " ms, p99 "
                                    << pauses[checkpoints * 99 / 100] * 1e3 << " ms");
    trace.stop();
}

RULE("a trace whose display nobody reads goes on: it answers, ends when it is told to, and says what it left out") {
    Child program = start_workload("forever");
    Child tracer(tracer_command({"-p", std::to_string(program.pid()), "--interval", "0.05", "--frames", "8", "--by", "traceback"}));
    tracer.wait_error_line("memtrace-bpf: tracing pid");
    std::this_thread::sleep_for(std::chrono::seconds(8));  // 160 displays of more than 500 bytes fill the 64 KiB of a pipe
    require_answers(program);
    tracer.signal(SIGTERM);
    CHECK(tracer.wait() == Ending{false, 0});
    CHECK(contains(tracer.output(), "Final report"));
    CHECK(contains(tracer.output(), "displays were left out: nobody read those before them"));
}

RULE("a request is answered at once, not with the next round of the trace's own work") {
    Child program = start_workload("forever");
    Background trace(program);
    Result<control::Client> client = control::Client::connect(program.pid(), {});
    REQUIRE(client);
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i) REQUIRE(client->ask({.what = control::Do::memory}));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));  // in rounds of 50 ms they would take five
}
