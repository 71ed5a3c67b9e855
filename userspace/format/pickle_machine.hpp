// A pickle's operations carried out on plain values: no class is looked up, nothing is called.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "util/result.hpp"

namespace memtrace::pickle {

enum class Kind : std::uint8_t { none, integer, text, tuple, list, dict, snapshot_class, traces_class, object };

/// A value on the machine's stack. What it refers to belongs to the machine, or (texts) to the bytes.
struct Value {
    Kind kind = Kind::none;
    std::uint32_t size = 0;    ///< text: bytes; tuple: elements.
    std::uint64_t number = 0;  ///< integer: two's complement; text, tuple: where it begins; list, dict, object: which one.
};

/// Reads one pickle of at most 4 GiB. Errors: an operation, a class or a count that no snapshot of tracemalloc has. Memory: 16 bytes a value,
/// of which an operation makes one at most.
class Machine {
public:
    explicit Machine(std::string_view bytes) : bytes_(bytes) {}
    /// The value that the pickle holds.
    Result<Value> run();

    [[nodiscard]] std::string_view text(const Value& text) const { return bytes_.substr(text.number, text.size); }
    [[nodiscard]] std::span<const Value> tuple(const Value& tuple) const { return std::span(elements_).subspan(tuple.number, tuple.size); }
    [[nodiscard]] std::span<const Value> list(const Value& list) const { return lists_[list.number]; }
    /// The value under a key, the last one where there are several; none where there is none.
    [[nodiscard]] Value item(const Value& dict, std::string_view key) const;
    /// What an object of that class was built from: a dict. None where it is of another class or was not built.
    [[nodiscard]] Value state(const Value& object, Kind of_class) const;

private:
    struct Object {
        Kind of_class = Kind::none;
        Value state;
    };

    /// False at the end or after a failure.
    bool step();
    void step_stack(unsigned char code);
    void step_container(unsigned char code);
    bool fail(const char* reason);
    bool push(Value value);
    /// Whether there are so many values above the newest mark.
    [[nodiscard]] bool has(std::size_t count) const;
    Value pop();
    /// The little-endian number in the next bytes.
    std::uint64_t read(unsigned size);
    void read_text(unsigned length_size);
    void read_long();
    void read_global();
    std::string_view read_line();
    void class_named(std::string_view module, std::string_view name);
    void make_tuple(std::size_t size);
    /// How many values lie above the newest mark, which goes.
    std::size_t pop_mark();
    void memoize(std::uint64_t number);
    void refer(std::uint64_t number);
    void append(std::size_t count);
    void set_items(std::size_t count);
    void make_object();
    void build();
    template <typename Item>
    bool make(Kind kind, std::vector<Item>& items, Item item);

    std::string_view bytes_;
    std::size_t at_ = 0;
    std::size_t values_ = 0;  ///< Made so far.
    const char* failure_ = nullptr;
    std::vector<Value> stack_, memo_, elements_;
    std::vector<std::size_t> marks_;
    std::vector<std::vector<Value>> lists_, dicts_;  ///< Dicts: key, value, key, value …
    std::vector<Object> objects_;
};

}  // namespace memtrace::pickle
