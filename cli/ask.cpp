// `checkpoint`, `checkpoints`, `snapshot`, `status`, `where`, `stop`: requests to a running trace.
#include "ask.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "commands.hpp"
#include "control/socket_path.hpp"
#include "control_view.hpp"
#include "format/output_file.hpp"
#include "format/pprof.hpp"
#include "format/text.hpp"
#include "logged_ending.hpp"

namespace memtrace::cli {
namespace {

using control::Client;
using control::count_of;
using control::Do;
using control::Json;
using control::Request;
using control::text_of;

// Probes of a program with many of them are removed for seconds.
constexpr auto end_limit = std::chrono::minutes(2);

void say(const std::string& text) { std::fputs(text.c_str(), stdout); }

Result<int> show_checkpoint(const Json& json) {
    say(printable(text_of(json, "name")) + ": " + format_size(count_of(json, "memory")) + " in " + std::to_string(count_of(json, "blocks")) +
        " blocks\n");
    if (const std::uint64_t lost = count_of(json, "lost"))
        std::fprintf(stderr, "memtrace-bpf: %s\n  -> %s\n", (std::to_string(lost) + " events are missing from these numbers").c_str(),
                     "`memtrace-bpf status` says why; --live-blocks and --sites give more room");
    return 0;
}

Result<int> save(const ControlOptions& options, const std::string& bytes) {
    if (options.output == "-") {
        if (isatty(STDOUT_FILENO)) return Error{"a snapshot is no text for a terminal", "-o FILE, or `-o - | …`"};
        if (std::fwrite(bytes.data(), 1, bytes.size(), stdout) != bytes.size() || std::fflush(stdout) != 0)
            return errno_error("writing the snapshot to standard output", errno);
        return 0;
    }
    if (Result<void> done = write_output(options.output, bytes); !done) return std::move(done).error().in("snapshot " + options.output);
    return 0;
}

// Who answers at a socket elsewhere may be anybody, and name any file.
bool is_own(const std::filesystem::path& log, const ControlOptions& options, const Json& reply) {
    if (options.socket.empty()) return log == control::log_of(static_cast<int>(count_of(reply, "pid")));
    return log == std::filesystem::absolute(options.socket + ".log");
}

// What it could not do at its end it tells in its log, which it removes otherwise.
Result<int> stop(const ControlOptions& options) {
    Result<Client> client = Client::connect(options.pid, options.socket);
    if (!client) return std::move(client).error();
    const Result<Client::Reply> reply = client->ask(options.request);
    if (!reply) return reply.error();
    if (!client->wait_for_end(end_limit)) return Error{"the tracer has not ended after two minutes", "see what holds it: `ps -C memtrace-bpf`"};
    const std::string log = text_of(reply->json, "log");
    std::error_code code;
    if (const std::optional<LoggedEnding> ending = is_own(log, options, reply->json) ? read_ending(log) : std::nullopt) {
        std::fputs(ending->said.c_str(), stderr);
        unlink(log.c_str());
        rmdir(control::socket_folder);  // refused while anything is in it
        return ending->status;
    }
    if (!log.empty() && std::filesystem::exists(log, code)) return Error{"the trace ended with a failure", "its messages are in " + log};
    say("the trace of pid " + std::to_string(count_of(reply->json, "pid")) + " has ended\n");
    return 0;
}

// As of grep: found or not.
Result<int> show_block(const ControlOptions& options, const Json& json) {
    const auto found = json.find("found");
    const bool is_found = found != json.end() && *found == true;
    if (options.json) say(control::print(json) + "\n");
    if (!options.json && is_found) say(render_block(json));
    if (is_found) return 0;
    if (!options.json) std::fputs("memtrace-bpf: no block that is traced is live at this address\n", stderr);
    return 1;
}

Result<int> show(const ControlOptions& options, const Client::Reply& reply) {
    switch (options.request.what) {
        case Do::checkpoint: return show_checkpoint(reply.json);
        case Do::checkpoints: say(options.json ? control::print(reply.json) + "\n" : render_checkpoints(reply.json)); return 0;
        case Do::snapshot: return save(options, reply.bytes);
        case Do::status: say(options.json ? control::print(reply.json) + "\n" : render_status(reply.json)); return 0;
        case Do::where: return show_block(options, reply.json);
        default: return 0;
    }
}

}  // namespace

Result<Client::Reply> ask_trace(int pid, const std::string& socket, const Request& request) {
    Result<Client> client = Client::connect(pid, socket);
    if (!client) return std::move(client).error();
    return client->ask(request);
}

Result<Snapshot> fetch_snapshot(int pid, const std::string& socket, const std::string& checkpoint) {
    Request request{.what = Do::snapshot};
    if (!checkpoint.empty()) request.checkpoint = checkpoint;
    const Result<Client::Reply> reply = ask_trace(pid, socket, request);
    if (!reply) return reply.error();
    return decode_snapshot(reply->bytes);
}

Result<int> ask(const ControlOptions& options) {
    ControlOptions asked = options;
    const Do what = options.request.what;
    if (options.pid && (what == Do::checkpoint || what == Do::where)) asked.request.pid = options.pid;
    if (what == Do::stop) return stop(asked);
    const Result<Client::Reply> reply = ask_trace(options.pid, options.socket, asked.request);
    if (!reply) return reply.error();
    return show(options, *reply);
}

}  // namespace memtrace::cli
