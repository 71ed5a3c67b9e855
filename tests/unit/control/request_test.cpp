// Requests from peers nobody trusts: what is right is understood, all else refused with words and nothing worse.
#include "control/request.hpp"

#include <random>

#include "control/json.hpp"
#include "support/catch.hpp"

using namespace memtrace;
using namespace memtrace::control;

namespace {

Request parsed(const std::string& line) {
    const Result<Request> request = parse_request(line);
    INFO(line);
    if (!request) FAIL(request.error().what);
    return *request;
}

std::string refused(const std::string& line) {
    const Result<Request> request = parse_request(line);
    INFO(line.substr(0, 200));
    REQUIRE_FALSE(request);
    REQUIRE(!request.error().what.empty());
    return request.error().what;
}

}  // namespace

RULE("every request is read as it was printed") {
    std::vector<Request> requests;
    for (const Do what : {Do::status, Do::memory, Do::checkpoints, Do::clear, Do::reset_peak, Do::stop}) requests.push_back({.what = what});
    requests.push_back({.what = Do::memory, .pid = 4242});
    requests.push_back(
        {.what = Do::checkpoint, .name = "before", .user_data = {{"jobs", "size", -3}, {"größe", "number", 7}}, .stop_threads = false});
    requests.push_back({.what = Do::snapshot, .checkpoint = "before-2"});
    requests.push_back({.what = Do::snapshot, .checkpoint = "", .as_traces = true});
    requests.push_back({.what = Do::where, .pid = 1, .address = UINT64_MAX});
    for (const Request& request : requests) REQUIRE(parsed(print_request(request)) == request);
}

RULE("a checkpoint has tracemem's default name, stops the threads, and takes unknown members as if they were not there") {
    const Request request = parsed(R"({"do": "checkpoint", "colour": [1, {"a": null}]})");
    REQUIRE(request == Request{.what = Do::checkpoint});
    REQUIRE(request.name == "None");
    REQUIRE(request.stop_threads);
}

RULE("addresses may be numbers or texts, decimal or hexadecimal") {
    for (const char* address : {"255", "\"255\"", "\"0xff\""})
        REQUIRE(parsed(R"({"do": "where", "address": )" + std::string(address) + "}").address == 255);
    for (const char* address : {"-1", "1.5", "true", "\"0x\"", "\"\"", "\"12x\"", "\"0x10000000000000000\"", "[1]", "{}"})
        REQUIRE(refused(R"({"do": "where", "address": )" + std::string(address) + "}").find("address") != std::string::npos);
    refused(R"({"do": "where"})");
}

RULE("members of the wrong type or size are refused, each by its name") {
    const std::pair<const char*, const char*> wrong[] = {
        {R"({"do": 1})", "do"},
        {R"({"do": "checkpoint", "name": 5})", "name"},
        {R"({"do": "checkpoint", "name": ["a"]})", "name"},
        {R"({"do": "checkpoint", "name": "a\u0007b"})", "control characters"},
        {R"({"do": "checkpoint", "name": "a\nb"})", "control characters"},
        {R"({"do": "checkpoint", "stop": "no"})", "stop"},
        {R"({"do": "checkpoint", "user_data": {"a": 1}})", "user_data"},
        {R"({"do": "checkpoint", "user_data": [["a", "size"]]})", "user_data"},
        {R"({"do": "checkpoint", "user_data": [["a", "size", 1.5]]})", "user_data"},
        {R"({"do": "checkpoint", "user_data": [["a", "size", 18446744073709551615]]})", "user_data"},
        {R"({"do": "checkpoint", "user_data": [[1, "size", 1]]})", "user_data"},
        {R"({"do": "memory", "pid": 0})", "pid"},
        {R"({"do": "memory", "pid": -4})", "pid"},
        {R"({"do": "memory", "pid": 4294967296})", "pid"},
        {R"({"do": "memory", "pid": 18446744073709551615})", "pid"},
        {R"({"do": "memory", "pid": "1"})", "pid"},
        {R"({"do": "snapshot", "format": "pickle"})", "format"},
        {R"({"do": "snapshot", "checkpoint": 3})", "checkpoint"},
    };
    for (const auto& [line, mentioned] : wrong) {
        INFO(line);
        REQUIRE(refused(line).find(mentioned) != std::string::npos);
    }
    refused(R"({"do": "checkpoint", "name": ")" + std::string(longest_name + 1, 'x') + "\"}");
    std::string data = R"(["a", "size", 1])";
    for (std::size_t i = 0; i < most_user_data; ++i) data += R"(, ["a", "size", 1])";
    refused(R"({"do": "checkpoint", "user_data": [)" + data + "]}");
}

RULE("what is no request is refused") {
    for (const char* line :
         {"", " ", "{", "}", "[]", "null", "5", "\"status\"", "status", "{\"do\"}", "{\"do\": \"status\"", "{\"do\": \"status\"} x", "{}",
          R"({"do": "format-disk"})", R"({"do": "STATUS"})", R"({"do": null})", "{\"do\": \"status\", \"x\": 1e999}", "GET / HTTP/1.1\r"})
        refused(line);
    refused(std::string("{\"do\": \"status\0\"}", 17));
    refused("{\"do\": \"status\", \"x\": \"\xff\xfe\"}");
    refused("{\"do\": \"checkpoint\", \"name\": \"\xed\xa0\x80\"}");
}

RULE("nesting is refused before it costs anything") {
    for (const char* bracket : {"[", "{\"a\":"}) {
        std::string line = R"({"do": "status", "x": )";
        for (int i = 0; i < 30'000; ++i) line += bracket;
        REQUIRE(refused(line) == "JSON nested too deeply");
    }
    REQUIRE(parsed(R"({"do": "status", "x": "[[[[[[[[[[[[[[[[{{{{{{{{\"[[["})").what == Do::status);
}

RULE("no line, however mangled, does more than be refused") {
    const std::string seeds[] = {print_request({.what = Do::checkpoint, .pid = 7, .name = "a", .user_data = {{"t", "size", 5}}}),
                                 print_request({.what = Do::where, .pid = 7, .address = 123456}),
                                 print_request({.what = Do::snapshot, .checkpoint = "x", .as_traces = true})};
    std::mt19937 random(8);  // the same lines in every run
    unsigned understood = 0;
    for (int i = 0; i < 30'000; ++i) {
        std::string line = seeds[random() % std::size(seeds)];
        for (unsigned changes = random() % 4 + 1; changes > 0; --changes) {
            const std::size_t at = random() % line.size();
            switch (random() % 4) {
                case 0: line[at] = static_cast<char>(random()); break;
                case 1: line.erase(at, random() % 4); break;
                case 2: line.insert(at, 1, "{}[]\":,\\0e-"[random() % 11]); break;
                default: line.insert(at, line.substr(random() % line.size(), random() % 8)); break;
            }
            if (line.empty()) line = "{";
        }
        if (const Result<Request> request = parse_request(line)) {
            ++understood;
            (void)print_request(*request);
        }
    }
    REQUIRE(understood > 100);
    REQUIRE(understood < 25'000);
}

RULE("what is printed is one line of valid UTF-8, whatever the names are") {
    const std::string text = print({{"command", "a\xff\n\xc3"}});
    REQUIRE(text.find('\n') == std::string::npos);
    REQUIRE(parse_object(text));
    const std::string refusal = print_refusal({"bad \x80 thing", "do\nthis"});
    REQUIRE(refusal.find('\n') == std::string::npos);
    const Result<Json> json = parse_object(refusal);
    REQUIRE(json);
    REQUIRE((*json)["ok"] == false);
    REQUIRE(text_of(*json, "hint") == "do\nthis");
}
