// What a peer may ask of a running tracer: one line of JSON each (docs/decisions/0008).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/snapshot.hpp"
#include "util/result.hpp"

namespace memtrace::control {

/// Of the protocol: raised when an old client could misunderstand a new tracer.
inline constexpr int protocol_version = 1;
inline constexpr std::size_t longest_line = 64 * 1024;
inline constexpr std::size_t longest_name = 1024;
inline constexpr std::size_t most_user_data = 32;
inline constexpr std::size_t longest_title = 256;

enum class Do { status, memory, checkpoint, checkpoints, snapshot, clear, reset_peak, where, stop };

struct Request {
    Do what = Do::status;
    std::optional<int> pid;  ///< `memory`, `where`.
    std::string name = "None";
    std::vector<UserDatum> user_data;
    bool stop_threads = true;
    std::optional<std::string> checkpoint;  ///< Nothing: the state now.
    bool as_traces = false;                 ///< JSON for Python's client instead of a snapshot file.
    std::uint64_t address = 0;
    bool operator==(const Request&) const = default;
};

/// `line`: hostile. Unknown members are ignored; everything else that is wrong is an Error to be told to the peer.
Result<Request> parse_request(std::string_view line);

/// The line that parse_request() reads, without its end.
std::string print_request(const Request& request);

/// {"ok": false, "error": …, "hint": …}
std::string print_refusal(const Error& error);

}  // namespace memtrace::control
