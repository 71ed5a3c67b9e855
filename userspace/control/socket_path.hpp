// Where a running tracer is reached.
#pragma once

#include <filesystem>
#include <string>

#include "util/result.hpp"
#include "util/unique_fd.hpp"

namespace memtrace::control {

inline constexpr const char* socket_folder = "/run/memtrace-bpf";

/// /run/memtrace-bpf/PID.sock
std::filesystem::path socket_of(int pid);
/// /run/memtrace-bpf/PID.log: what a tracer in the background has to say.
std::filesystem::path log_of(int pid);

/// Makes the folder above where it is not there. Errors: something else has its name, or others than root may write into it.
Result<void> make_socket_folder();

/// Connects to the socket at `path`. Errors of others than ENOENT and ECONNREFUSED (nobody listens there) are told as such;
/// those two give a descriptor that is none.
Result<UniqueFd> connect_to(const std::filesystem::path& path, bool blocking);

}  // namespace memtrace::control
