// The user who typed sudo, and acting with their rights.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

namespace memtrace {

struct Invoker {
    uid_t uid;
    gid_t gid;
};

/// From SUDO_UID and SUDO_GID; none: nobody typed sudo, or we are not root and may not act for them.
std::optional<Invoker> invoker();

/// While it lives this process has the file rights of the user who typed sudo, where one did: names that others have chosen may lead anywhere.
/// For programs of one thread.
class AsInvoker {
public:
    AsInvoker();
    ~AsInvoker();
    AsInvoker(const AsInvoker&) = delete;
    AsInvoker& operator=(const AsInvoker&) = delete;
    /// The rights could not be changed: nothing may be opened.
    [[nodiscard]] bool failed() const { return failed_; }

private:
    std::optional<Invoker> user_;
    std::vector<gid_t> groups_;  ///< Those of before.
    bool failed_ = false;
};

}  // namespace memtrace
