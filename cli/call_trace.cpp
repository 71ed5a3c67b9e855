#include "call_trace.hpp"

#include <fmt/format.h>

#include <cstring>
#include <ctime>
#include <vector>

#include "format/text.hpp"
#include "model/aggregation.hpp"

namespace memtrace::cli {
namespace {

constexpr unsigned path_parts = 3;

// "13:08:54.123456", of a reading of the monotonic clock.
std::string time_text(std::uint64_t monotonic_ns) {
    timespec monotonic{}, wall{};
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    clock_gettime(CLOCK_REALTIME, &wall);
    const auto in_ns = [](const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; };
    const std::int64_t then = in_ns(wall) - (in_ns(monotonic) - static_cast<std::int64_t>(monotonic_ns));
    const std::time_t second = then / 1'000'000'000;
    std::tm local{};
    localtime_r(&second, &local);
    return fmt::format("{:02}:{:02}:{:02}.{:06}", local.tm_hour, local.tm_min, local.tm_sec, then % 1'000'000'000 / 1000);
}

}  // namespace

std::string stack_line(const Snapshot& names, FrameId id) {
    const Frame& frame = names.frame(id);
    const std::string file = printable(last_path_parts(source_file(names.text(frame.file)), path_parts));
    const std::string function = printable(names.text(frame.function));
    const std::string place = frame.line == 0 ? file : fmt::format("{}:{}", file, frame.line);
    return function.empty() ? fmt::format("[{}]", place) : fmt::format("{} [{}]", function, place);
}

const SiteNames::Name& SiteNames::of(std::uint32_t site) {
    Name& known = known_[site];
    // A place in the table may have got another site since.
    if (known.identity != 0 && known.identity == collector_.site_identity(site)) return known;
    known = {};
    const std::optional<Collector::NumberedSite> found = collector_.site(site);
    if (!found) return known;
    const Snapshot& names = collector_.names();
    known.identity = found->identity;
    known.passes = SiteFilter(names, view_.filters, view_.lines).passes(found->site);
    known.pid = collector_.pid_of(found->site);
    known.place = stack_line(names, Stack(names, found->site, view_.lines).newest());
    return known;
}

std::string CallTrace::line_of(const mt_call_event& event) {
    const SiteNames::Name& site = sites_.of(event.site);
    const BlockBounds& bounds = view_.blocks;
    if (!site.passes || event.size_bytes < bounds.min_size_bytes || event.size_bytes > bounds.max_size_bytes) return {};
    const std::string_view comm(event.comm, strnlen(event.comm, sizeof event.comm));
    return fmt::format("{} {} {}/{} {} {} bytes at 0x{:x} {}\n", time_text(event.time_ns), printable(comm), site.pid, event.tid,
                       event.freed ? "free " : "alloc", event.size_bytes, event.address, site.place);
}

std::string CallTrace::take(std::size_t most) {
    // Copied out first: names are looked up in news that comes through another ring.
    std::vector<mt_call_event> events;
    session_.kernel().take_calls(most, [&](const mt_call_event& event) { events.push_back(event); });
    std::string text;
    for (const mt_call_event& event : events) text += line_of(event);
    const std::uint64_t untold = session_.kernel().calls_untold();
    if (untold != untold_) text += fmt::format("{} events dropped: they came faster than they were read\n", untold - std::exchange(untold_, untold));
    return text;
}

}  // namespace memtrace::cli
