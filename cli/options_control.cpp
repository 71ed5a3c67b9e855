// The commands that talk to a running trace.
#include <charconv>

#include "options_parts.hpp"

namespace memtrace::cli {
namespace {

using control::Do;

CLI::App* add_command(CLI::App& app, ControlOptions& options, Do what, const char* name, const char* description) {
    CLI::App* command = app.add_subcommand(name, description);
    // Options of a command are set before its callback, and this one alone knows which it was.
    command->callback([&options, what] { options.request.what = what; });
    add_reach_options(*command, options.pid, options.socket);
    return command;
}

std::optional<std::uint64_t> parse_address(const std::string& text) {
    const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
    const char* const end = text.data() + text.size();
    std::uint64_t address = 0;
    const auto [stop, error] = std::from_chars(text.data() + (hexadecimal ? 2 : 0), end, address, hexadecimal ? 16 : 10);
    return error == std::errc() && stop == end ? std::optional(address) : std::nullopt;
}

void add_no_stop(CLI::App& command, ControlOptions& options) {
    command.add_flag_callback(
        "--no-stop", [&options] { options.request.stop_threads = false; },
        "Do not stop the program's threads meanwhile: the numbers may disagree a little");
}

void add_json(CLI::App& command, ControlOptions& options) { command.add_flag("--json", options.json, "As one line of JSON"); }

}  // namespace

void add_reach_options(CLI::App& app, int& pid, std::string& socket) {
    app.add_option("-p,--pid", pid, "Process that is traced")->check(between(1, INT32_MAX))->type_name("PID");
    app.add_option("--socket", socket, "Socket of its tracer, where that has one of its own (also: MEMTRACE_BPF_SOCKET)")->type_name("PATH");
}

void add_control_commands(CLI::App& app, ControlOptions& options) {
    CLI::App* checkpoint = add_command(app, options, Do::checkpoint, "checkpoint", "Keep the state of a running trace under a name");
    checkpoint->add_option("NAME", options.request.name, "A repeated name gets -2, -3 ...")->required();
    add_no_stop(*checkpoint, options);
    add_json(*add_command(app, options, Do::checkpoints, "checkpoints", "The checkpoints of a running trace"), options);
    CLI::App* snapshot = add_command(app, options, Do::snapshot, "snapshot", "Write the state of a running trace, or a checkpoint, to a file");
    snapshot->add_option("-o,--output", options.output, "The file; - is standard output")->required()->type_name("FILE");
    snapshot->add_option("--checkpoint", options.request.checkpoint, "A checkpoint's name (default: the state now)")->type_name("NAME");
    add_no_stop(*snapshot, options);
    add_json(*add_command(app, options, Do::status, "status", "What a running trace has seen and costs"), options);
    add_command(app, options, Do::clear, "clear", "Forget all blocks of a running trace; it goes on, and their frees count as untracked");
    add_command(app, options, Do::reset_peak, "reset-peak", "Let the peak of a running trace begin at what is live now");
    CLI::App* where = add_command(app, options, Do::where, "where", "Who allocated the block at an address");
    where
        ->add_option_function<std::string>(
            "ADDRESS", [&options](const std::string& text) { options.request.address = *parse_address(text); },
            "0x7f00..., or Python's id(): any address in the block")
        ->check(CLI::Validator([](const std::string& text) { return parse_address(text) ? "" : "\"" + text + "\" is no address"; }, ""))
        ->required();
    add_json(*where, options);
    add_command(app, options, Do::stop, "stop", "End a running trace");
}

}  // namespace memtrace::cli
