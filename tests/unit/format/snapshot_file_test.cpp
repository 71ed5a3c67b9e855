#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "format/pprof.hpp"
#include "samples.hpp"
#include "support/catch.hpp"
#include "util/unique_fd.hpp"

using namespace memtrace;
using namespace memtrace::test;
namespace fs = std::filesystem;

namespace {

std::string failure(const Result<void>& result) { return result ? "" : result.error().what; }

struct stat status_of(const fs::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return status;
}

/// Sets environment variables of sudo, or removes them, for one scope.
class SudoVariables {
public:
    SudoVariables(const char* uid, const char* gid) {
        set("SUDO_UID", uid);
        set("SUDO_GID", gid);
    }
    SudoVariables(const SudoVariables&) = delete;
    SudoVariables& operator=(const SudoVariables&) = delete;
    ~SudoVariables() {
        set("SUDO_UID", nullptr);
        set("SUDO_GID", nullptr);
    }

private:
    static void set(const char* name, const char* value) { value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name); }
};

/// No file of this process may grow beyond `bytes` in this scope: a disk that fills up.
class FileSizeLimit {
public:
    explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
        const rlimit limited{bytes, before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &limited) == 0);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;
    ~FileSizeLimit() {
        ::setrlimit(RLIMIT_FSIZE, &before_);
        std::signal(SIGXFSZ, handler_);
    }

private:
    void (*handler_)(int);
    rlimit before_{};
};

/// Root may write anywhere: tests of permissions act as nobody for one scope.
class WithoutRoot {
public:
    WithoutRoot() : was_root_(::geteuid() == 0) {
        constexpr uid_t kNobody = 65534;
        if (was_root_) REQUIRE(::seteuid(kNobody) == 0);
    }
    WithoutRoot(const WithoutRoot&) = delete;
    WithoutRoot& operator=(const WithoutRoot&) = delete;
    ~WithoutRoot() {
        if (was_root_) ::seteuid(0);
    }

private:
    bool was_root_;
};

}  // namespace

RULE("a written snapshot is read back, belongs to its writer only, and nothing else is left in the folder") {
    const ScratchFolder folder;
    const SudoVariables no_sudo(nullptr, nullptr);
    const mode_t before = ::umask(0);
    const Result<void> written = write_snapshot(rich_snapshot(), folder / "a.mt");
    ::umask(before);
    REQUIRE(written);
    const Result<Snapshot> read = read_snapshot(folder / "a.mt");
    REQUIRE(read);
    CHECK(*read == rich_snapshot());
    CHECK(status_of(folder / "a.mt").st_mode == (S_IFREG | 0600));
    CHECK(status_of(folder / "a.mt").st_uid == ::geteuid());
    CHECK(folder.entries() == 1);
}

RULE("a name without folder is written in the current one") {
    const ScratchFolder folder;
    const fs::path before = fs::current_path();
    fs::current_path(folder.path());
    const Result<void> written = write_snapshot(Snapshot(), "a.mt");
    fs::current_path(before);
    CHECK(written);
    CHECK(fs::exists(folder / "a.mt"));
}

RULE("an existing file is replaced as a whole: whoever has it open keeps the old content") {
    const ScratchFolder folder;
    write_file(folder / "a.mt", "old");
    fs::permissions(folder / "a.mt", fs::perms::all);
    const UniqueFd old(::open((folder / "a.mt").c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(write_snapshot(Snapshot(), folder / "a.mt"));
    std::string content(10, '\0');
    REQUIRE(::read(old.get(), content.data(), content.size()) == 3);
    CHECK(content.starts_with("old"));
    CHECK(read_snapshot(folder / "a.mt"));
    CHECK(status_of(folder / "a.mt").st_mode == (S_IFREG | 0600));
}

RULE("when the disk is full the existing file keeps its content and nothing is left behind") {
    const ScratchFolder folder;
    write_file(folder / "a.mt", "old");
    Result<void> written;
    {
        const FileSizeLimit limit(100);
        written = write_snapshot(rich_snapshot(), folder / "a.mt");
    }
    CHECK(failure(written) == "snapshot " + (folder / "a.mt").string() + ": cannot write: File too large");
    CHECK(read_file(folder / "a.mt") == "old");
    CHECK(folder.entries() == 1);
}

RULE("in a folder without write permission the existing file keeps its content") {
    const ScratchFolder folder;
    write_file(folder / "a.mt", "old");
    fs::permissions(folder.path(), fs::perms(0555));
    Result<void> written;
    {
        const WithoutRoot nobody;
        written = write_snapshot(Snapshot(), folder / "a.mt");
    }
    CHECK(failure(written) ==
          "snapshot " + (folder / "a.mt").string() + ": cannot create a file in " + folder.path().string() + ": Permission denied");
    CHECK(read_file(folder / "a.mt") == "old");
}

RULE("a folder that is not there is named") {
    const Result<void> written = write_snapshot(Snapshot(), "/no/such/folder/a.mt");
    CHECK(failure(written) == "snapshot /no/such/folder/a.mt: cannot open its folder /no/such/folder: No such file or directory");
}

RULE("a snapshot that cannot be stored leaves the existing file alone") {
    const ScratchFolder folder;
    write_file(folder / "a.mt", "old");
    Snapshot broken;
    broken.sites.resize(1);
    CHECK_FALSE(write_snapshot(broken, folder / "a.mt"));
    CHECK(read_file(folder / "a.mt") == "old");
}

RULE("a folder in the place of the file is refused") {
    const ScratchFolder folder;
    CHECK(failure(write_snapshot(Snapshot(), folder.path())) == "snapshot " + folder.path().string() + ": it is a folder");
    CHECK_FALSE(read_snapshot(folder.path()));
}

RULE("a full device reports that it is full and stays what it is") {
    CHECK(failure(write_snapshot(Snapshot(), "/dev/full")) == "snapshot /dev/full: cannot write: No space left on device");
    CHECK(S_ISCHR(status_of("/dev/full").st_mode));
    CHECK(write_snapshot(Snapshot(), "/dev/null"));
    CHECK(S_ISCHR(status_of("/dev/null").st_mode));
}

RULE("a fifo is written into, not replaced") {
    const ScratchFolder folder;
    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    const UniqueFd reader(::open((folder / "fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(reader);
    REQUIRE(write_snapshot(rich_snapshot(), folder / "fifo"));
    std::string bytes(64 * 1024, '\0');
    const ssize_t size = ::read(reader.get(), bytes.data(), bytes.size());
    REQUIRE(size > 0);
    CHECK(decode_snapshot(bytes.substr(0, static_cast<std::size_t>(size))));
    CHECK(S_ISFIFO(status_of(folder / "fifo").st_mode));
}

RULE("the name of an open descriptor is written into at its position, also when that is a regular file") {
    const ScratchFolder folder;
    const UniqueFd file(::open((folder / "out").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    REQUIRE(::write(file.get(), "log\n", 4) == 4);
    for (const std::string name : {"/dev/fd/", "/proc/self/fd/", "/dev/../dev/fd/"}) {
        REQUIRE(write_snapshot(Snapshot(), name + std::to_string(file.get())));
    }
    const std::string one = *encode_snapshot(Snapshot());
    CHECK(read_file(folder / "out") == "log\n" + one + one + one);
    CHECK(failure(write_snapshot(Snapshot(), "/dev/fd/999")) == "snapshot /dev/fd/999: cannot write: Bad file descriptor");
}

RULE("a symbolic link is replaced and what it points to is left alone") {
    const ScratchFolder folder;
    write_file(folder / "victim", "precious");
    fs::create_symlink("victim", folder / "link");
    fs::create_symlink("nothing", folder / "dangling");
    REQUIRE(write_snapshot(Snapshot(), folder / "link"));
    REQUIRE(write_snapshot(Snapshot(), folder / "dangling"));
    CHECK(read_file(folder / "victim") == "precious");
    CHECK(S_ISREG(status_of(folder / "link").st_mode));
    CHECK(S_ISREG(status_of(folder / "dangling").st_mode));
    CHECK_FALSE(fs::exists(folder / "nothing"));
}

RULE("under sudo the file belongs to who typed it, when both numbers are valid") {
    if (::geteuid() != 0) skip("only root gives files away");
    const ScratchFolder folder;
    const auto owner = [&](const char* uid, const char* gid) {
        const SudoVariables sudo(uid, gid);
        REQUIRE(write_snapshot(Snapshot(), folder / "a.mt"));
        CHECK(status_of(folder / "a.mt").st_mode == (S_IFREG | 0600));
        return std::pair(status_of(folder / "a.mt").st_uid, status_of(folder / "a.mt").st_gid);
    };
    const std::pair<uid_t, gid_t> root(0, ::getegid());
    CHECK(owner("1000", "1001") == std::pair<uid_t, gid_t>(1000, 1001));
    CHECK(owner(nullptr, nullptr) == root);
    CHECK(owner("1000", nullptr) == root);
    CHECK(owner("1000x", "1000") == root);
    CHECK(owner("", "1000") == root);
    CHECK(owner("-1", "1000") == root);
    CHECK(owner("4294967295", "1000") == root);
    CHECK(owner("4294967296", "1000") == root);
}

RULE("without root the variables of sudo are not looked at") {
    const ScratchFolder folder;
    fs::permissions(folder.path(), fs::perms::all);
    const SudoVariables sudo("1000", "1000");
    const WithoutRoot nobody;
    REQUIRE(write_snapshot(Snapshot(), folder / "a.mt"));
    CHECK(status_of(folder / "a.mt").st_uid == ::geteuid());
}

RULE("a file that cannot be read is named with the reason") {
    const ScratchFolder folder;
    const auto reading = [&](const char* name) { return read_snapshot(folder / name); };
    const std::string prefix = "snapshot " + folder.path().string();
    CHECK(reading("none").error().what == prefix + "/none: cannot open: No such file or directory");
    write_file(folder / "empty", "");
    CHECK(reading("empty").error().what == prefix + "/empty: the file is empty");
    write_file(folder / "text", "text");
    CHECK(reading("text").error().what == prefix + "/text: not a gzip file");
    CHECK(read_snapshot("/dev/zero").error().what == "snapshot /dev/zero: not a gzip file");
}
