#include "control/request.hpp"

#include <array>
#include <charconv>
#include <climits>
#include <utility>

#include "control/json.hpp"

namespace memtrace::control {
namespace {

constexpr std::array<std::pair<Do, const char*>, 9> names{{{Do::status, "status"},
                                                           {Do::memory, "memory"},
                                                           {Do::checkpoint, "checkpoint"},
                                                           {Do::checkpoints, "checkpoints"},
                                                           {Do::snapshot, "snapshot"},
                                                           {Do::clear, "clear"},
                                                           {Do::reset_peak, "reset-peak"},
                                                           {Do::where, "where"},
                                                           {Do::stop, "stop"}}};

const char* name_of(Do what) {
    for (const auto& [known, name] : names)
        if (known == what) return name;
    return "";
}

// Names are shown on terminals and stand in files: no control characters.
Result<std::string> checked_name(std::string name, const char* what, std::size_t longest) {
    if (name.size() > longest) return Error{std::string(what) + " is longer than " + std::to_string(longest) + " bytes"};
    for (const char c : name)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return Error{std::string(what) + " has control characters"};
    return name;
}

Result<UserDatum> parse_datum(const Json& json) {
    const Error wrong{"\"user_data\" must be a list of [title, format, value] with an integer value"};
    if (!json.is_array() || json.size() != 3) return wrong;
    const auto* title = json[0].get_ptr<const std::string*>();
    const auto* format = json[1].get_ptr<const std::string*>();
    if (!title || !format || !json[2].is_number_integer()) return wrong;
    if (json[2].is_number_unsigned() && json[2].get<std::uint64_t>() > INT64_MAX) return wrong;
    Result<std::string> good_title = checked_name(*title, "a title of user data", longest_title);
    if (!good_title) return std::move(good_title).error();
    Result<std::string> good_format = checked_name(*format, "a format of user data", longest_title);
    if (!good_format) return std::move(good_format).error();
    return UserDatum{*std::move(good_title), *std::move(good_format), json[2].get<std::int64_t>()};
}

Result<void> parse_user_data(const Json& object, Request& request) {
    const auto found = object.find("user_data");
    if (found == object.end() || found->is_null()) return {};
    if (!found->is_array()) return Error{"\"user_data\" must be a list"};
    if (found->size() > most_user_data) return Error{"more than " + std::to_string(most_user_data) + " user data"};
    for (const Json& json : *found) {
        Result<UserDatum> datum = parse_datum(json);
        if (!datum) return std::move(datum).error();
        request.user_data.push_back(*std::move(datum));
    }
    return {};
}

// A number, or its text: JSON of some languages has no integers beyond 2^53.
Result<std::uint64_t> parse_address(const Json& object) {
    const auto found = object.find("address");
    if (found == object.end()) return Error{"\"address\" is missing"};
    if (const auto* number = found->get_ptr<const std::uint64_t*>()) return *number;
    if (const auto* text = found->get_ptr<const std::string*>()) {
        const bool hexadecimal = text->starts_with("0x");
        const char* const begin = text->data() + (hexadecimal ? 2 : 0);
        const char* const end = text->data() + text->size();
        std::uint64_t address = 0;
        const auto [stop, error] = std::from_chars(begin, end, address, hexadecimal ? 16 : 10);
        if (error == std::errc() && stop == end) return address;
    }
    return Error{"\"address\" must be a number, or a text such as \"0x7f00\""};
}

Result<void> parse_pid(const Json& object, Request& request) {
    const Result<std::optional<std::int64_t>> pid = integer_member(object, "pid");
    if (!pid) return pid.error();
    if (*pid && (**pid <= 0 || **pid > INT_MAX)) return Error{"\"pid\" is no process id"};
    if (*pid) request.pid = static_cast<int>(**pid);
    return {};
}

Result<void> parse_checkpoint(const Json& object, Request& request) {
    Result<std::string> name = text_member(object, "name", "None");
    if (name) name = checked_name(*std::move(name), "the name", longest_name);
    if (!name) return std::move(name).error();
    if (name->empty()) return Error{"a checkpoint's name cannot be empty"};
    request.name = *std::move(name);
    return parse_user_data(object, request);
}

Result<void> parse_snapshot(const Json& object, Request& request) {
    if (object.contains("checkpoint") && !object["checkpoint"].is_null()) {
        Result<std::string> checkpoint = text_member(object, "checkpoint");
        if (!checkpoint) return std::move(checkpoint).error();
        request.checkpoint = *std::move(checkpoint);
    }
    const Result<std::string> format = text_member(object, "format", "pprof");
    if (!format) return format.error();
    if (*format != "pprof" && *format != "traces") return Error{"\"format\" must be \"pprof\" or \"traces\""};
    request.as_traces = *format == "traces";
    return {};
}

}  // namespace

Result<Request> parse_request(std::string_view line) {
    const Result<Json> json = parse_object(line);
    if (!json) return json.error();
    const Result<std::string> word = text_member(*json, "do");
    if (!word) return word.error();
    Request request;
    bool known = false;
    for (const auto& [what, name] : names) {
        if (*word != name) continue;
        request.what = what;
        known = true;
    }
    if (!known) return Error{"unknown request", "the tracer may be older than the program that asks"};
    Result<void> done = parse_pid(*json, request);
    const Result<bool> stop = bool_member(*json, "stop", true);
    if (!stop) return stop.error();
    request.stop_threads = *stop;
    if (done && request.what == Do::checkpoint) done = parse_checkpoint(*json, request);
    if (done && request.what == Do::snapshot) done = parse_snapshot(*json, request);
    if (done && request.what == Do::where) {
        const Result<std::uint64_t> address = parse_address(*json);
        if (!address) return address.error();
        request.address = *address;
    }
    if (!done) return std::move(done).error();
    return request;
}

std::string print_request(const Request& request) {
    Json json{{"do", name_of(request.what)}};
    if (request.pid) json["pid"] = *request.pid;
    if (request.what == Do::checkpoint) json["name"] = request.name;
    for (const UserDatum& datum : request.user_data) json["user_data"].push_back({datum.title, datum.format, datum.value});
    if (!request.stop_threads) json["stop"] = false;
    if (request.checkpoint) json["checkpoint"] = *request.checkpoint;
    if (request.as_traces) json["format"] = "traces";
    if (request.what == Do::where) json["address"] = request.address;
    return print(json);
}

std::string print_refusal(const Error& error) {
    Json json{{"ok", false}, {"error", error.what}};
    if (!error.hint.empty()) json["hint"] = error.hint;
    return print(json);
}

}  // namespace memtrace::control
