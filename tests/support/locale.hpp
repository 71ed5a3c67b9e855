// The character locale of one rule.
#pragma once

#include <clocale>
#include <string>

#include "support/catch.hpp"

namespace memtrace::test {

/// Set while it lives; skips the rule where the machine has no such locale.
class Locale {
public:
    explicit Locale(const char* name) : before_(std::setlocale(LC_CTYPE, nullptr)) {
        if (!std::setlocale(LC_CTYPE, name)) skip(std::string("there is no locale ") + name);
    }
    ~Locale() { std::setlocale(LC_CTYPE, before_.c_str()); }
    Locale(const Locale&) = delete;
    Locale& operator=(const Locale&) = delete;

private:
    std::string before_;
};

}  // namespace memtrace::test
