#include "format/pickle_machine.hpp"

#include <fmt/format.h>

#include "format/pickle_codes.hpp"

namespace memtrace::pickle {
namespace {

/// 2 GiB of them: some 30 values a block with 25 frames of its own.
constexpr std::size_t kMaxValues = std::size_t{1} << 27;
/// A snapshot has one list, two dicts and two objects.
constexpr std::size_t kMaxContainers = 16;
constexpr std::size_t kMaxItems = 64;  ///< Of a dict, which has two.

}  // namespace

Result<Value> Machine::run() {
    if (bytes_.size() > ~std::uint32_t{0}) return Error{"too large to be a tracemalloc snapshot"};
    while (step()) continue;
    if (failure_ == nullptr && stack_.size() != 1) fail("it holds other than one value");
    if (failure_ == nullptr && at_ != bytes_.size()) fail("more follows its end");
    if (failure_ != nullptr) return Error{fmt::format("not a tracemalloc snapshot, or damaged: {} (at byte {})", failure_, at_)};
    return stack_.front();
}

bool Machine::step() {
    if (at_ == bytes_.size()) return fail("it is cut short");
    const auto code = static_cast<unsigned char>(bytes_[at_++]);
    switch (static_cast<Op>(code)) {
        case Op::stop: return false;
        case Op::proto:
            if (const std::uint64_t protocol = read(1); protocol < 2 || protocol > 5) fail("its protocol is none from 2 to 5");
            break;
        case Op::frame:
            if (read(8) > bytes_.size() - at_) fail("it is cut short");
            break;
        case Op::none: push({}); break;
        case Op::int4: push({Kind::integer, 0, static_cast<std::uint64_t>(static_cast<std::int32_t>(read(4)))}); break;
        case Op::uint1: push({Kind::integer, 0, read(1)}); break;
        case Op::uint2: push({Kind::integer, 0, read(2)}); break;
        case Op::long1: read_long(); break;
        case Op::text1: read_text(1); break;
        case Op::text4: read_text(4); break;
        case Op::global: read_global(); break;
        default: step_stack(code);
    }
    return failure_ == nullptr;
}

void Machine::step_stack(unsigned char code) {
    switch (static_cast<Op>(code)) {
        case Op::mark:
            if (!push({})) return;  // counted as a value, so that marks are bounded, too
            stack_.pop_back();
            marks_.push_back(stack_.size());
            break;
        case Op::duplicate: push(has(1) ? stack_.back() : pop()); break;
        case Op::memoize: memoize(memo_.size()); break;
        case Op::put1: memoize(read(1)); break;
        case Op::put4: memoize(read(4)); break;
        case Op::get1: refer(read(1)); break;
        case Op::get4: refer(read(4)); break;
        default: step_container(code);
    }
}

void Machine::step_container(unsigned char code) {
    switch (static_cast<Op>(code)) {
        case Op::empty_tuple: make_tuple(0); break;
        case Op::tuple1: make_tuple(1); break;
        case Op::tuple2: make_tuple(2); break;
        case Op::tuple3: make_tuple(3); break;
        case Op::tuple: make_tuple(pop_mark()); break;
        case Op::empty_list: make(Kind::list, lists_, {}); break;
        case Op::append: append(1); break;
        case Op::appends: append(pop_mark()); break;
        case Op::empty_dict: make(Kind::dict, dicts_, {}); break;
        case Op::set_item: set_items(2); break;
        case Op::set_items: set_items(pop_mark()); break;
        case Op::global_of_stack: {
            const Value name = pop(), module = pop();
            if (name.kind != Kind::text || module.kind != Kind::text) return void(fail("a class without a name"));
            class_named(text(module), text(name));
            break;
        }
        case Op::new_object: make_object(); break;
        case Op::build: build(); break;
        default: fail("an operation that such files do not have"); --at_;
    }
}

bool Machine::fail(const char* reason) {
    if (failure_ == nullptr) failure_ = reason;
    return false;
}

bool Machine::push(Value value) {
    if (values_ == kMaxValues) return fail("more values than such files have");
    ++values_;
    stack_.push_back(value);
    return true;
}

// What lies below a mark belongs to an operation that is still to come.
bool Machine::has(std::size_t count) const { return stack_.size() >= (marks_.empty() ? 0 : marks_.back()) + count; }

Value Machine::pop() {
    if (!has(1)) {
        fail("an operation lacks a value");
        return {};
    }
    const Value value = stack_.back();
    stack_.pop_back();
    return value;
}

std::uint64_t Machine::read(unsigned size) {
    if (bytes_.size() - at_ < size) {
        at_ = bytes_.size();
        fail("it is cut short");
        return 0;
    }
    std::uint64_t number = 0;
    for (unsigned i = 0; i < size; ++i) number |= std::uint64_t{static_cast<unsigned char>(bytes_[at_ + i])} << 8 * i;
    at_ += size;
    return number;
}

void Machine::read_text(unsigned length_size) {
    const std::uint64_t length = read(length_size);
    if (length > bytes_.size() - at_) return void(fail("it is cut short"));
    push({Kind::text, static_cast<std::uint32_t>(length), at_});
    at_ += length;
}

void Machine::read_long() {
    const auto size = static_cast<unsigned>(read(1));
    if (size == 0 || size > 8) return void(fail("a number of more than 64 bits"));
    const unsigned unused = 64 - 8 * size;
    push({Kind::integer, 0, static_cast<std::uint64_t>(static_cast<std::int64_t>(read(size) << unused) >> unused)});
}

std::string_view Machine::read_line() {
    const std::size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) return fail("it is cut short"), std::string_view();
    const std::string_view line = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return line;
}

void Machine::read_global() {
    const std::string_view module = read_line();
    class_named(module, read_line());
}

void Machine::class_named(std::string_view module, std::string_view name) {
    if (module == kModule && name == kSnapshotClass) return void(push({Kind::snapshot_class, 0, 0}));
    if (module == kModule && name == kTracesClass) return void(push({Kind::traces_class, 0, 0}));
    fail("it asks for something other than tracemalloc's own classes");
}

void Machine::make_tuple(std::size_t size) {
    const Value tuple{Kind::tuple, static_cast<std::uint32_t>(size), elements_.size()};
    if (!has(size)) return void(fail("an operation lacks a value"));
    elements_.insert(elements_.end(), stack_.end() - static_cast<std::ptrdiff_t>(size), stack_.end());
    stack_.resize(stack_.size() - size);
    push(tuple);
}

std::size_t Machine::pop_mark() {
    if (marks_.empty()) return fail("an operation lacks a mark"), 0;
    const std::size_t count = stack_.size() - marks_.back();
    marks_.pop_back();
    return count;
}

// Python numbers them in order, so that a file cannot ask for memory by a large number.
void Machine::memoize(std::uint64_t number) {
    if (!has(1) || number > memo_.size()) return void(fail("it remembers out of order"));
    if (number == memo_.size()) memo_.emplace_back();
    memo_[number] = stack_.back();
}

void Machine::refer(std::uint64_t number) {
    if (number >= memo_.size()) return void(fail("it refers to what is not there"));
    push(memo_[number]);
}

void Machine::append(std::size_t count) {
    if (!has(count + 1) || stack_[stack_.size() - count - 1].kind != Kind::list) return void(fail("an addition to what is no list"));
    std::vector<Value>& list = lists_[stack_[stack_.size() - count - 1].number];
    list.insert(list.end(), stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
}

void Machine::set_items(std::size_t count) {
    if (count % 2 != 0 || !has(count + 1) || stack_[stack_.size() - count - 1].kind != Kind::dict) {
        return void(fail("an addition to what is no dictionary"));
    }
    std::vector<Value>& dict = dicts_[stack_[stack_.size() - count - 1].number];
    if (dict.size() + count > 2 * kMaxItems) return void(fail("more values than such files have"));
    dict.insert(dict.end(), stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
}

template <typename Item>
bool Machine::make(Kind kind, std::vector<Item>& items, Item item) {
    if (items.size() == kMaxContainers) return fail("more lists or objects than such files have");
    items.push_back(std::move(item));
    return push({kind, 0, items.size() - 1});
}

void Machine::make_object() {
    const Value arguments = pop(), of_class = pop();
    const bool is_class = of_class.kind == Kind::snapshot_class || of_class.kind == Kind::traces_class;
    if (!is_class || arguments.kind != Kind::tuple || arguments.size != 0) return void(fail("an object such files do not have"));
    make(Kind::object, objects_, {of_class.kind, {}});
}

void Machine::build() {
    const Value state = pop();
    if (!has(1) || stack_.back().kind != Kind::object || state.kind != Kind::dict) return void(fail("an object such files do not have"));
    objects_[stack_.back().number].state = state;
}

Value Machine::item(const Value& dict, std::string_view key) const {
    Value found;
    if (dict.kind != Kind::dict) return found;
    const std::vector<Value>& items = dicts_[dict.number];
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
        if (items[i].kind == Kind::text && text(items[i]) == key) found = items[i + 1];
    }
    return found;
}

Value Machine::state(const Value& object, Kind of_class) const {
    if (object.kind != Kind::object || objects_[object.number].of_class != of_class) return {};
    return objects_[object.number].state;
}

}  // namespace memtrace::pickle
