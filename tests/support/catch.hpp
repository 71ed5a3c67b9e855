// Catch2 in either of its layouts (version 2: one header; version 3), and the loud skip that both lack or spell differently.
#pragma once

#include <string>

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

namespace memtrace::test {

/// Ends the current RULE as skipped: printed with its reason and counted apart; a skip is never a pass.
[[noreturn]] void skip(const std::string& reason);

/// Runs a test body, turning skip() into a counted skip.
void run_skippable(void (*body)());

}  // namespace memtrace::test

// A test case that may call memtrace::test::skip(). Named by the rule it states.
#define MT_CONCAT_(a, b) a##b
#define MT_CONCAT(a, b) MT_CONCAT_(a, b)
#define RULE_(body, ...)                                            \
    static void body();                                             \
    TEST_CASE(__VA_ARGS__) { memtrace::test::run_skippable(body); } \
    static void body()
#define RULE(...) RULE_(MT_CONCAT(rule_body_, __LINE__), __VA_ARGS__)
