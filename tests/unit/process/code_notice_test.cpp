// The kernel's notice of newly mapped code.
#include "process/code_notice.hpp"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "support/catch.hpp"
#include "support/files.hpp"

using namespace memtrace;
using namespace memtrace::test;

namespace {

constexpr std::size_t page = 4096;

CodeNotice opened() {
    Result<CodeNotice> notice = CodeNotice::open();
    INFO((notice ? "" : notice.error().what));
    REQUIRE(notice);
    return *std::move(notice);
}

std::string file_with_pages(const TemporaryFolder& folder, const std::string& name) {
    write_text(folder.file(name), std::string(4 * page, 'x'));
    return folder.file(name);
}

// Runs `work` in a child and waits for its end.
int child_that(const std::function<void()>& work) {
    const int pid = fork();
    if (pid == 0) {
        work();
        _exit(0);
    }
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
    return pid;
}

void map(const std::string& path, int protection) {
    const int fd = open(path.c_str(), O_RDONLY);
    mmap(nullptr, 2 * page, protection, MAP_PRIVATE, fd, page);
}

std::vector<std::byte> record_of(std::uint64_t inode, const std::string& name, std::uint64_t time) {
    perf_event_header header{PERF_RECORD_MMAP2, 0, 0};
    const std::uint32_t ids[] = {42, 43};
    const std::uint64_t place[] = {0x1000, 0x2000, 0x3000};
    const std::uint32_t device[] = {8, 1};
    const std::uint64_t file[] = {inode, 0};
    const std::uint32_t flags[] = {PROT_EXEC, MAP_PRIVATE};
    std::string text;
    const auto add = [&](const auto& part) { text.append(reinterpret_cast<const char*>(&part), sizeof part); };
    add(header), add(ids), add(place), add(device), add(file), add(flags);
    text += name;
    add(time);
    const auto size = static_cast<std::uint16_t>(text.size());
    std::memcpy(text.data() + offsetof(perf_event_header, size), &size, sizeof size);
    const std::span<const std::byte> bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

}  // namespace

RULE("code that a process maps is told of with its place, its file and the time; data and other processes' code are not") {
    require_root();
    const TemporaryFolder folder;
    const std::string path = file_with_pages(folder, "library");
    CodeNotice notice = opened();
    const auto before = std::chrono::steady_clock::now();
    child_that([&] { map(path, PROT_READ | PROT_EXEC); });
    const int pid = child_that([&] {
        map(path, PROT_READ);
        map(path, PROT_READ | PROT_EXEC);
    });
    const auto after = std::chrono::steady_clock::now();
    pollfd poll_fd{notice.poll_fd(), POLLIN, 0};
    CHECK(poll(&poll_fd, 1, 0) == 1);
    const NewCode code = notice.take([&](int of) { return of == pid; });
    CHECK_FALSE(code.lost);
    REQUIRE(code.mappings.size() == 1);
    const CodeMapping& mapping = code.mappings.front();
    CHECK(mapping.pid == pid);
    CHECK(mapping.end - mapping.start == 2 * page);
    CHECK(mapping.file_offset == page);
    CHECK(mapping.path == path);
    struct stat status {};
    REQUIRE(stat(path.c_str(), &status) == 0);
    CHECK(mapping.inode == status.st_ino);
    CHECK(mapping.time > before);
    CHECK(mapping.time < after);
    CHECK(notice.take([&](int of) { return of == pid; }).mappings.empty());
}

RULE("data that becomes code is told of, memory without a file is not") {
    require_root();
    const TemporaryFolder folder;
    const std::string path = file_with_pages(folder, "library");
    CodeNotice notice = opened();
    const int pid = child_that([&] {
        const int fd = open(path.c_str(), O_RDONLY);
        void* at = mmap(nullptr, page, PROT_READ, MAP_PRIVATE, fd, 0);
        mprotect(at, page, PROT_READ | PROT_EXEC);
        mmap(nullptr, page, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    });
    const NewCode code = notice.take([&](int of) { return of == pid; });
    REQUIRE(code.mappings.size() == 1);
    CHECK(code.mappings.front().path == path);
}

RULE("more mappings than the records have room for are told of as lost, and the next ones as usual") {
    require_root();
    const TemporaryFolder folder;
    const std::string path = file_with_pages(folder, "library");
    CodeNotice notice = opened();
    const auto map_and_unmap = [&](int times) {
        const int fd = open(path.c_str(), O_RDONLY);
        for (int i = 0; i < times; ++i) munmap(mmap(nullptr, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0), page);
    };
    const int many = child_that([&] { map_and_unmap(4000); });
    // The kernel tells of a loss when there is room again.
    const NewCode first = notice.take([&](int of) { return of == many; });
    const int few = child_that([&] { map_and_unmap(3); });
    const NewCode second = notice.take([&](int of) { return of == few; });
    CHECK(first.mappings.size() < 4000);
    CHECK(first.mappings.size() > 100);
    CHECK(second.mappings.size() == 3);
    const NewCode both_cpus = (child_that([&] { map_and_unmap(1); }), notice.take([](int) { return true; }));
    CHECK((first.lost || second.lost || both_cpus.lost));
}

RULE("after a take the machine's mappings wake nobody for a while") {
    require_root();
    CodeNotice notice = opened();
    child_that([] { execl("/bin/true", "true", nullptr); });
    CHECK(notice.poll_fd() >= 0);
    notice.take([](int) { return false; });
    CHECK(notice.poll_fd() == -1);
}

RULE("a record is believed no further than it reaches") {
    CodeMapping mapping;
    const std::vector<std::byte> whole = record_of(7, std::string("/lib/x.so\0\0\0\0\0\0\0", 16), 99);
    REQUIRE(parse_code_record(whole, mapping));
    CHECK(mapping.pid == 42);
    CHECK(mapping.start == 0x1000);
    CHECK(mapping.end == 0x3000);
    CHECK(mapping.file_offset == 0x3000);
    CHECK(mapping.device == makedev(8, 1));
    CHECK(mapping.inode == 7);
    CHECK(mapping.path == "/lib/x.so");
    CHECK(mapping.time.time_since_epoch() == std::chrono::nanoseconds(99));
    CHECK_FALSE(parse_code_record(record_of(0, "//anon", 1), mapping));
    for (std::size_t size = 0; size < 80; ++size) CHECK_FALSE(parse_code_record(std::span(whole).first(size), mapping));
    const std::vector<std::byte> endless = record_of(7, std::string(3000, 'a'), 1);
    REQUIRE(parse_code_record(endless, mapping));
    CHECK(mapping.path == std::string(3000, 'a'));
}
