// Ages in steps: model/age.hpp.
#include "model/age.hpp"

#include "support/catch.hpp"

using namespace memtrace;
using namespace std::chrono_literals;

RULE("an age lies in its step: not younger than it and less than a sixteenth older") {
    for (std::int64_t ms = 0; ms < 100'000'000; ms += 1 + ms / 97) {
        const std::chrono::milliseconds age(ms);
        const std::chrono::milliseconds least = age_of(age_step(age));
        INFO(ms << " ms");
        REQUIRE(least <= age);
        REQUIRE((age - least) * 16 <= age);
    }
}

RULE("older blocks have later steps, and the first age of a step is in it") {
    for (std::uint16_t step = 0; step < 592; ++step) {
        REQUIRE(age_of(AgeStep(step)) < age_of(AgeStep(step + 1)));
        REQUIRE(age_step(age_of(AgeStep(step))) == AgeStep(step));
    }
}

RULE("a negative age is none, and ages without end share a last step") {
    CHECK(age_step(-5s) == AgeStep{});
    CHECK(age_step(std::chrono::nanoseconds::max()) == age_step(std::chrono::hours(24 * 365 * 50)));
}
