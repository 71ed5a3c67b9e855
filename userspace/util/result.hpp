// Expected failures travel as values: what failed, on which object, why, and what to do next.
// Nothing of ours throws; only cli/ prints.
#pragma once

#include <cassert>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace memtrace {

/// One failure. `what` names the operation, its object and the reason; `hint` says what to do next (may be empty).
struct Error {
    std::string what;
    std::string hint = {};

    /// The same failure seen from one level up: "CONTEXT: WHAT".
    [[nodiscard]] Error in(std::string_view context) && { return Error{std::string(context) + ": " + std::move(what), std::move(hint)}; }
};

/// An Error whose reason is the text of errno value `code`: "WHAT: No such file or directory".
Error errno_error(std::string what, int code, std::string hint = {});

/// Either a value or the reason there is none. Reading the wrong half is a broken invariant and asserts.
template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    [[nodiscard]] explicit operator bool() const { return state_.index() == 0; }
    [[nodiscard]] T& operator*() & {
        assert(*this);
        return *std::get_if<0>(&state_);
    }
    [[nodiscard]] const T& operator*() const& {
        assert(*this);
        return *std::get_if<0>(&state_);
    }
    [[nodiscard]] T&& operator*() && {
        assert(*this);
        return std::move(*std::get_if<0>(&state_));
    }
    [[nodiscard]] T* operator->() {
        assert(*this);
        return std::get_if<0>(&state_);
    }
    [[nodiscard]] const T* operator->() const {
        assert(*this);
        return std::get_if<0>(&state_);
    }
    [[nodiscard]] const Error& error() const& {
        assert(!*this);
        return *std::get_if<1>(&state_);
    }
    [[nodiscard]] Error&& error() && {
        assert(!*this);
        return std::move(*std::get_if<1>(&state_));
    }

private:
    std::variant<T, Error> state_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)), failed_(true) {}

    [[nodiscard]] explicit operator bool() const { return !failed_; }
    [[nodiscard]] const Error& error() const& {
        assert(failed_);
        return error_;
    }
    [[nodiscard]] Error&& error() && {
        assert(failed_);
        return std::move(error_);
    }

private:
    Error error_;
    bool failed_ = false;
};

}  // namespace memtrace
