#include "control/json.hpp"

#include <algorithm>

namespace memtrace::control {
namespace {

// Counted before parsing: what is nested a million deep need not be taken apart to be refused.
std::size_t depth_of(std::string_view text) {
    std::size_t depth = 0, deepest = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') ++i;
            if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            deepest = std::max(deepest, ++depth);
        } else if ((c == ']' || c == '}') && depth > 0) {
            --depth;
        }
    }
    return deepest;
}

const Json* member(const Json& object, const char* name) {
    if (!object.is_object()) return nullptr;
    const auto found = object.find(name);
    return found == object.end() || found->is_null() ? nullptr : &*found;
}

Error wrong(const char* name, const char* wanted) { return Error{std::string("\"") + name + "\" must be " + wanted}; }

}  // namespace

Result<Json> parse_object(std::string_view line, std::size_t depth) {
    if (depth_of(line) > depth) return Error{"JSON nested too deeply"};
    Json json = Json::parse(line.begin(), line.end(), nullptr, false);
    if (json.is_discarded()) return Error{"not JSON"};
    if (!json.is_object()) return Error{"not a JSON object"};
    return json;
}

std::string print(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Result<std::string> text_member(const Json& object, const char* name, std::string missing) {
    const Json* found = member(object, name);
    if (!found) return missing;
    const auto* text = found->get_ptr<const std::string*>();
    if (!text) return wrong(name, "a string");
    return *text;
}

Result<bool> bool_member(const Json& object, const char* name, bool missing) {
    const Json* found = member(object, name);
    if (!found) return missing;
    const auto* value = found->get_ptr<const bool*>();
    if (!value) return wrong(name, "true or false");
    return *value;
}

Result<std::optional<std::int64_t>> integer_member(const Json& object, const char* name) {
    const Json* found = member(object, name);
    if (!found) return std::optional<std::int64_t>();
    if (const auto* natural = found->get_ptr<const std::uint64_t*>()) {
        if (*natural > INT64_MAX) return wrong(name, "smaller");
        return std::optional(static_cast<std::int64_t>(*natural));
    }
    const auto* value = found->get_ptr<const std::int64_t*>();
    if (!value) return wrong(name, "an integer");
    return std::optional(*value);
}

std::string text_of(const Json& object, const char* name) {
    const Json* found = member(object, name);
    const auto* text = found ? found->get_ptr<const std::string*>() : nullptr;
    return text ? *text : "";
}

std::uint64_t count_of(const Json& object, const char* name) {
    const Json* found = member(object, name);
    const auto* value = found ? found->get_ptr<const std::uint64_t*>() : nullptr;
    return value ? *value : 0;
}

double number_of(const Json& object, const char* name) {
    const Json* found = member(object, name);
    return found && found->is_number() ? found->get<double>() : 0;
}

const Json& list_of(const Json& object, const char* name) {
    static const Json none = Json::array();
    const Json* found = member(object, name);
    return found && found->is_array() ? *found : none;
}

}  // namespace memtrace::control
