// Processes that fork, execute and end, followed by ptrace alone: what is told, what is held, and that all run on. Needs no root.
#include "process/process_tree.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <thread>

#include "process/thread_list.hpp"
#include "support/catch.hpp"

using namespace memtrace;

namespace {

using Kind = TreeEvent::Kind;

/// A child that waits for its turn and then runs `body`; killed and reaped with this object.
class Subject {
public:
    explicit Subject(int (*body)()) {
        int ends[2];
        REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
        pid_ = fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            char byte = 0;
            close(ends[1]);
            _exit(read(ends[0], &byte, 1) == 1 ? body() : 99);
        }
        close(ends[0]);
        go_ = ends[1];
    }
    Subject(const Subject&) = delete;
    Subject& operator=(const Subject&) = delete;
    ~Subject() {
        close(go_);
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, __WALL);
    }
    [[nodiscard]] int pid() const { return pid_; }
    void go() const { REQUIRE(write(go_, "g", 1) == 1); }

private:
    pid_t pid_ = 0;
    int go_ = -1;
};

int await(pid_t child) {
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

int forks_twice() {
    for (int i = 0; i < 2; ++i) {
        const pid_t child = fork();
        if (child == 0) _exit(7);
        if (await(child) != 7) return 1;
    }
    return 0;
}

int vforks_and_executes() {
    const pid_t child = vfork();
    if (child == 0) {
        execl("/bin/true", "true", nullptr);
        _exit(9);
    }
    return await(child);
}

int forks_from_a_thread() {
    int result = 1;
    std::thread([&] {
        const pid_t child = fork();
        if (child == 0) _exit(7);
        result = await(child) == 7 ? 0 : 2;
    }).join();
    return result;
}

/// All events until the tree is empty; what is held goes on.
std::vector<TreeEvent> run(ProcessTree& tree) {
    std::vector<TreeEvent> events;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!tree.empty() && std::chrono::steady_clock::now() < deadline) {
        const std::optional<TreeEvent> event = tree.next();
        if (!event) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            continue;
        }
        events.push_back(*event);
        if (event->kind == Kind::ended) continue;
        tree.resume(event->thread);
        tree.resume(event->pid);
    }
    REQUIRE(tree.empty());
    return events;
}

std::map<Kind, int> counts(const std::vector<TreeEvent>& events) {
    std::map<Kind, int> of;
    for (const TreeEvent& event : events) ++of[event.kind];
    return of;
}

std::vector<TreeEvent> follow(int (*body)()) {
    const Subject subject(body);
    ProcessTree tree;
    std::vector<std::string> left_out;
    const Result<std::vector<int>> members = tree.seize(subject.pid(), left_out);
    REQUIRE(members);
    REQUIRE(*members == std::vector<int>{subject.pid()});
    subject.go();
    std::vector<TreeEvent> events = run(tree);
    REQUIRE(!events.empty());
    REQUIRE(events.back().pid == subject.pid());
    CHECK(events.back().ending.value == 0);
    return events;
}

}  // namespace

RULE("forks are told of with who forked, and so are ends") {
    const std::vector<TreeEvent> events = follow(forks_twice);
    const int root = events.back().pid;
    REQUIRE(counts(events) == std::map<Kind, int>{{Kind::forked, 2}, {Kind::ended, 3}});
    CHECK(events[0].kind == Kind::forked);
    CHECK(events[0].parent == root);
    CHECK(events[0].thread == root);
    CHECK(events[1].kind == Kind::ended);
    CHECK(events[1].pid == events[0].pid);
    CHECK(events[1].ending.value == 7);
}

RULE("what shares its parent's memory is told of when it executes, not before") {
    const std::vector<TreeEvent> events = follow(vforks_and_executes);
    REQUIRE(counts(events) == std::map<Kind, int>{{Kind::executed, 1}, {Kind::ended, 2}});
}

RULE("a thread that forks is named; threads themselves are no news") {
    const std::vector<TreeEvent> events = follow(forks_from_a_thread);
    REQUIRE(counts(events) == std::map<Kind, int>{{Kind::forked, 1}, {Kind::ended, 2}});
    CHECK(events[0].parent == events.back().pid);
    CHECK(events[0].thread != events[0].parent);
}

RULE("what is held runs on when the tree is given up") {
    const Subject subject(forks_twice);
    {
        ProcessTree tree;
        std::vector<std::string> left_out;
        REQUIRE(tree.seize(subject.pid(), left_out));
        subject.go();
        std::optional<TreeEvent> event;
        while (!(event = tree.next())) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        REQUIRE(event->kind == Kind::forked);  // both are held now
    }
    int status = 0;
    REQUIRE(waitpid(subject.pid(), &status, 0) == subject.pid());
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
}

RULE("descendants are found, parents before their children") {
    const Subject subject([] {
        if (fork() == 0) {
            if (fork() == 0) {
                pause();
                _exit(0);
            }
            pause();
            _exit(0);
        }
        pause();
        return 0;
    });
    subject.go();
    std::vector<int> found;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while ((found = descendants_of(subject.pid())).size() < 2 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    REQUIRE(found.size() == 2);
    CHECK(descendants_of(found[0]) == std::vector<int>{found[1]});
    for (const int pid : found) kill(pid, SIGKILL);
}
