// File names of periodic snapshots: the placeholders of PEP 454's TakeSnapshot.
#include "cli/snapshot_name.hpp"

#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>

#include "support/catch.hpp"

using memtrace::cli::snapshot_name;

namespace {

// A time zone for one rule.
class TimeZone {
public:
    explicit TimeZone(const char* name) {
        if (const char* before = std::getenv("TZ")) before_ = before;
        set(name);
    }
    ~TimeZone() { set(before_ ? before_->c_str() : nullptr); }
    TimeZone(const TimeZone&) = delete;
    TimeZone& operator=(const TimeZone&) = delete;

private:
    static void set(const char* name) {
        name ? ::setenv("TZ", name, 1) : ::unsetenv("TZ");
        ::tzset();
    }
    std::optional<std::string> before_;
};

// 2013-09-24 16:33:48 UTC, the example of the PEP, and almost a second more.
const auto moment = std::chrono::system_clock::from_time_t(1380040428) + std::chrono::milliseconds(999);

}  // namespace

RULE("pid, counter and timestamp replace their placeholders") {
    const TimeZone utc("UTC0");
    CHECK(snapshot_name("trace-$pid-$counter.pb.gz", 4242, 7, moment) == "trace-4242-0007.pb.gz");
    CHECK(snapshot_name("/var/log/$timestamp.pb.gz", 1, 1, moment) == "/var/log/2013-09-24-16-33-48.pb.gz");
    CHECK(snapshot_name("$pid$counter$timestamp", 1, 2, moment) == "100022013-09-24-16-33-48");
}

RULE("the timestamp is local time") {
    const TimeZone east("EST-2");  // POSIX: two hours east of Greenwich
    CHECK(snapshot_name("$timestamp", 1, 1, moment) == "2013-09-24-18-33-48");
}

RULE("counters sort by name up to 9999 and are never cut") {
    CHECK(snapshot_name("$counter", 1, 0, moment) == "0000");
    CHECK(snapshot_name("$counter", 1, 9999, moment) == "9999");
    CHECK(snapshot_name("$counter", 1, 10000, moment) == "10000");
    CHECK(snapshot_name("$counter", 1, 4294967295U, moment) == "4294967295");
}

RULE("a placeholder may stand several times, and what is none stays as it is") {
    CHECK(snapshot_name("$pid/$pid", 5, 1, moment) == "5/5");
    CHECK(snapshot_name("$home ${pid} $PID %d pid $", 5, 1, moment) == "$home ${pid} $PID %d pid $");
    CHECK(snapshot_name("", 5, 1, moment).empty());
}
