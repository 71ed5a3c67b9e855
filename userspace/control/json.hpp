// JSON of one line, from and for others: what comes is bounded and checked, what goes is always valid UTF-8. No exceptions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "util/result.hpp"

namespace memtrace::control {

using Json = nlohmann::json;

/// A line that holds one object. Errors: no JSON, no object, invalid UTF-8, nested deeper than `depth`.
Result<Json> parse_object(std::string_view line, std::size_t depth = 8);

/// On one line, without its end. Bytes that are no UTF-8 become U+FFFD.
std::string print(const Json& json);

// Members of an object. Absent ones and null give `missing`; wrong types are errors that name the member.
Result<std::string> text_member(const Json& object, const char* name, std::string missing = "");
Result<bool> bool_member(const Json& object, const char* name, bool missing);
Result<std::optional<std::int64_t>> integer_member(const Json& object, const char* name);

// The same where the other side is trusted to be right, and anything else reads as nothing.
std::string text_of(const Json& object, const char* name);
std::uint64_t count_of(const Json& object, const char* name);
double number_of(const Json& object, const char* name);
/// An array; empty where there is none.
const Json& list_of(const Json& object, const char* name);

}  // namespace memtrace::control
