// The runner of one test program: Catch2's session, then the closing line "N passed, N failed, N skipped".
#define CATCH_CONFIG_RUNNER
#include "support/catch.hpp"

#include <cstdio>
#include <iostream>

namespace {

struct SkipRequest {
    std::string reason;
};
unsigned passed = 0;
unsigned failed = 0;
unsigned skipped = 0;
bool current_skipped = false;

#if __has_include(<catch2/catch_all.hpp>)
using ListenerBase = Catch::EventListenerBase;
#else
using ListenerBase = Catch::TestEventListenerBase;
#endif

// Counts whole test cases, so that the closing line speaks of rules, not assertions.
class Counter : public ListenerBase {
public:
    using ListenerBase::ListenerBase;
    void testCaseStarting(const Catch::TestCaseInfo&) override { current_skipped = false; }
    void testCaseEnded(const Catch::TestCaseStats& stats) override {
        if (stats.totals.testCases.failed > 0) {
            ++failed;
        } else if (current_skipped) {
            ++skipped;
        } else {
            ++passed;
        }
    }
};
CATCH_REGISTER_LISTENER(Counter)

}  // namespace

void memtrace::test::skip(const std::string& reason) { throw SkipRequest{reason}; }

void memtrace::test::run_skippable(void (*body)()) {
    try {
        body();
    } catch (const SkipRequest& request) {
        current_skipped = true;
        std::cout << "SKIPPED: " << request.reason << std::endl;
    }
}

int main(int argc, char** argv) {
    const int status = Catch::Session().run(argc, argv);
    std::printf("%u passed, %u failed, %u skipped\n", passed, failed, skipped);
    return status != 0 || failed > 0 ? 1 : 0;
}
