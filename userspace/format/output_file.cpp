// Files on disk: replaced as a whole or not at all.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "format/output_file.hpp"
#include "util/invoker.hpp"
#include "util/unique_fd.hpp"

namespace memtrace {
namespace {

namespace fs = std::filesystem;

/// What such files hold (paths, symbols, sizes of a process) is its owner's business only.
constexpr mode_t kMode = S_IRUSR | S_IWUSR;

template <typename Number>
std::optional<Number> parse(std::string_view text) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// N of a name that means this process's descriptor N. Opening such a name would follow a link to whatever file the
/// descriptor has, and replacing it would put a file in the place of /dev/stdout.
std::optional<int> named_descriptor(const fs::path& path) {
    const std::string name = path.lexically_normal();
    if (name == "/dev/stdout") return STDOUT_FILENO;
    if (name == "/dev/stderr") return STDERR_FILENO;
    for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
        if (name.starts_with(folder)) return parse<int>(std::string_view(name).substr(folder.size()));
    }
    return std::nullopt;
}

Result<void> write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return errno_error("cannot write", errno, errno == ENOSPC ? "free some space or choose another folder" : "");
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> write_into(const fs::path& path, std::string_view bytes) {
    // Without a reader the opening of a fifo would wait for one.
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return errno == ENXIO ? Error{"nobody reads that fifo"} : errno_error("cannot open", errno);
    struct stat now {};
    if (::fstat(fd.get(), &now) != 0) return errno_error("cannot inspect", errno);
    // Asked again of what was really opened: the name may have been given to another file since.
    if (!S_ISCHR(now.st_mode) && !S_ISFIFO(now.st_mode)) return Error{"changed while it was opened", "write to another folder"};
    if (const std::optional<Invoker> ours = invoker(); S_ISFIFO(now.st_mode) && now.st_uid != ::geteuid() && !(ours && now.st_uid == ours->uid))
        return Error{"that fifo is another user's"};
    if (::fcntl(fd.get(), F_SETFL, 0) != 0) return errno_error("cannot write", errno);
    return write_all(fd.get(), bytes);
}

/// The user who typed sudo: the file is for them. Root alone may give files away.
void give_to_sudo_user(int fd) {
    const std::optional<Invoker> owner = invoker();
    if (!owner) return;
    // File systems without owners refuse this; a file that belongs to root is better than none.
    [[maybe_unused]] const int ignored = ::fchown(fd, owner->uid, owner->gid);
}

/// A new file in a folder, removed again unless it has been renamed into place.
class TemporaryFile {
public:
    static Result<TemporaryFile> create(const fs::path& folder) {
        TemporaryFile file;
        file.folder_ = UniqueFd(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!file.folder_) return errno_error(fmt::format("cannot open its folder {}", folder.string()), errno);
        constexpr int kAttempts = 16;  // Names have 64 random bits: a second try is for a file left behind, more for a broken source.
        for (int attempt = 0; attempt < kAttempts; ++attempt) {
            std::uint64_t random = 0;
            if (::getrandom(&random, sizeof random, 0) != sizeof random) return errno_error("cannot get a random name", errno);
            std::string name = fmt::format(".memtrace-bpf-{:016x}.tmp", random);
            constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
            file.fd_ = UniqueFd(::openat(file.folder_.get(), name.c_str(), kFlags, kMode));
            if (file.fd_) {
                file.name_ = std::move(name);
                return file;
            }
            if (errno != EEXIST) break;
        }
        return errno_error(fmt::format("cannot create a file in {}", folder.string()), errno, "choose a folder you may write to");
    }

    TemporaryFile(TemporaryFile&& other) noexcept
        : folder_(std::move(other.folder_)), fd_(std::move(other.fd_)), name_(std::exchange(other.name_, {})) {}
    TemporaryFile& operator=(TemporaryFile&&) = delete;
    ~TemporaryFile() {
        if (!name_.empty()) ::unlinkat(folder_.get(), name_.c_str(), 0);
    }

    Result<void> write(std::string_view bytes) {
        if (Result<void> written = write_all(fd_.get(), bytes); !written) return written;
        give_to_sudo_user(fd_.get());
        if (::fchmod(fd_.get(), kMode) != 0) return errno_error("cannot set its mode", errno);
        if (::fsync(fd_.get()) != 0) return errno_error("cannot write", errno);
        return {};
    }

    Result<void> rename_to(const fs::path& name) {
        if (::renameat(folder_.get(), name_.c_str(), folder_.get(), name.c_str()) != 0) return errno_error("cannot replace", errno);
        name_.clear();
        // So that the new name survives a power cut too. Not every file system can; the file itself is safe either way.
        const UniqueFd folder(::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (folder) ::fsync(folder.get());
        return {};
    }

private:
    TemporaryFile() = default;

    UniqueFd folder_;
    UniqueFd fd_;
    std::string name_;
};

Result<void> replace_file(const fs::path& path, std::string_view bytes) {
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    Result<TemporaryFile> file = TemporaryFile::create(folder);
    if (!file) return std::move(file).error();
    if (Result<void> written = file->write(bytes); !written) return written;
    return file->rename_to(path.filename());
}

}  // namespace

Result<void> write_output(const fs::path& path, std::string_view bytes) {
    if (const std::optional<int> fd = named_descriptor(path)) return write_all(*fd, bytes);
    struct stat now {};
    const bool exists = ::lstat(path.c_str(), &now) == 0;
    if (!exists && errno != ENOENT) return errno_error("cannot inspect", errno);
    if (!exists || S_ISREG(now.st_mode) || S_ISLNK(now.st_mode)) return replace_file(path, bytes);
    if (S_ISCHR(now.st_mode) || S_ISFIFO(now.st_mode)) return write_into(path, bytes);
    if (S_ISDIR(now.st_mode)) return Error{"it is a folder", "name a file in it"};
    return Error{"it is neither a file nor something to write a file into"};
}

Result<std::string> read_input(const fs::path& path, std::uint64_t max_bytes, bool (*may_be_one)(std::string_view), const char* what) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOCTTY | O_CLOEXEC));
    if (!fd) return errno_error("cannot open", errno);
    std::string bytes;
    std::array<char, 64 * 1024> piece;
    while (true) {
        const ssize_t size = ::read(fd.get(), piece.data(), piece.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) return errno_error("cannot read", errno);
        if (size == 0) return bytes;
        bytes.append(piece.data(), static_cast<std::size_t>(size));
        // Endless sources (/dev/zero) are told by their first bytes, not by the memory they fill.
        if (!may_be_one(bytes)) return bytes;
        if (bytes.size() > max_bytes) return Error{fmt::format("too large to be {}", what)};
    }
}

}  // namespace memtrace
