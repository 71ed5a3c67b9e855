// A path as the socket calls want it.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <filesystem>

#include "util/result.hpp"

namespace memtrace::control {

struct SocketAddress {
    sockaddr_un name{};
    /// Errors: too long (107 bytes) or empty.
    static Result<SocketAddress> of(const std::filesystem::path& path);
    [[nodiscard]] const sockaddr* pointer() const { return reinterpret_cast<const sockaddr*>(&name); }
};

}  // namespace memtrace::control
