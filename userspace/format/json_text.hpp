// JSON written piece by piece: what is exported may be larger than a tree of it should be in memory.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace memtrace {

/// Appends to a text. Who calls keeps to the order of JSON: key(), then a value; begin, then end. Commas come by themselves.
class JsonWriter {
public:
    explicit JsonWriter(std::string& to) : to_(to) {}

    JsonWriter& begin_object() { return begin('{'); }
    JsonWriter& end_object() { return end('}'); }
    JsonWriter& begin_array() { return begin('['); }
    JsonWriter& end_array() { return end(']'); }
    JsonWriter& key(std::string_view name);
    /// Bytes that are not UTF-8 become the text \xNN, as everywhere a name of the target is printed.
    JsonWriter& value(std::string_view text);
    JsonWriter& value(const char* text) { return value(std::string_view(text)); }
    JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
    JsonWriter& value(bool flag);
    JsonWriter& value(std::uint64_t number);
    JsonWriter& value(std::int64_t number);
    JsonWriter& value(std::uint32_t number) { return value(std::uint64_t{number}); }
    JsonWriter& value(std::int32_t number) { return value(std::int64_t{number}); }
    /// Finite ones only.
    JsonWriter& value(double number);
    template <typename Value>
    JsonWriter& member(std::string_view name, const Value& of) {
        return key(name).value(of);
    }
    /// A line ends here: so that files of many rows can be looked at.
    JsonWriter& line();

private:
    JsonWriter& begin(char bracket);
    JsonWriter& end(char bracket);
    void separate();
    void quote(std::string_view text);

    std::string& to_;
    bool comma_ = false;  ///< A value stands before.
    bool line_ = false;   ///< A line is to begin before the next value.
};

}  // namespace memtrace
