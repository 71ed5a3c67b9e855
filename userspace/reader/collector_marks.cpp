// The collector's named moments.
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "reader/collector.hpp"

namespace memtrace {
namespace {

constexpr std::size_t most_marks = 100'000;
constexpr std::size_t most_user_data = 500'000;   // of all marks: half of what a snapshot's file may hold
constexpr std::size_t most_mark_names = 200'000;  // a program may make up any number; further ones may occur twice

std::chrono::nanoseconds now_of(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace

// "f-2" may have been somebody's own name.
std::string Collector::add_mark(Mark mark) {
    if (const auto known = mark_names_.find(mark.name); known != mark_names_.end()) {
        const std::string name = mark.name;
        do mark.name = name + "-" + std::to_string(known->second++);
        while (mark_names_.contains(mark.name));
    }
    if (mark_names_.size() < most_mark_names) mark_names_.emplace(mark.name, 2);
    mark_data_ += mark.user_data.size();
    marks_.push_back(std::move(mark));
    while (marks_.size() > most_marks || (mark_data_ > most_user_data && marks_.size() > 1)) {
        mark_data_ -= marks_.front().user_data.size();
        marks_.pop_front();
        ++marks_dropped_;
    }
    return marks_.back().name;
}

// What was not in memory yet when the kernel looked: most names are constants.
std::string Collector::read_name(const Target& target, std::uint64_t address) {
    const std::uint64_t page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
    std::string name;
    while (name.size() < MT_MARK_NAME_BYTES - 1) {
        std::vector<std::byte> bytes(std::min<std::uint64_t>(MT_MARK_NAME_BYTES - 1 - name.size(), page - address % page));
        if (!target.read(address, bytes)) break;
        const auto end = std::find(bytes.begin(), bytes.end(), std::byte{0});
        name.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(end - bytes.begin()));
        if (end != bytes.end()) break;
        address += bytes.size();
    }
    return name;
}

// Those that came while the reading was finished may be older than it: the ring is read last.
void Collector::add_marks(const Reading& reading, Snapshot& snapshot) const {
    for (std::size_t i = 0; i < marks_.size(); ++i)
        if (i + marks_dropped_ < reading.marks || marks_[i].time <= reading.time) snapshot.marks.push_back(marks_[i]);
    snapshot.marks_dropped = marks_dropped_;
}

// The kernel's clock against the wall clock now: it does not show in the differences between marks when somebody sets the latter.
void Collector::handle_mark(const mt_mark_event& event, std::span<const std::byte> record) {
    const TracedProcess* process = process_at(event.process);
    Mark mark;
    mark.pid = process ? process->pid() : 0;
    mark.traced_bytes = event.bytes;
    mark.time = std::chrono::sys_time<std::chrono::nanoseconds>(now_of(CLOCK_REALTIME) -
                                                                (now_of(CLOCK_MONOTONIC) - std::chrono::nanoseconds(event.time_ns)));
    if (event.kind == MT_MARK_NAMED) {
        if (record.size() < sizeof(mt_named_mark_event)) return;
        const auto& named = reinterpret_cast<const mt_named_mark_event&>(event);
        mark.name.assign(named.name, std::min<std::size_t>(event.name_bytes, MT_MARK_NAME_BYTES - 1));
        if (event.name_unread && process) mark.name = read_name(process->target(), event.name_unread);
        if (mark.name.empty()) mark.name = "<unreadable>";
    } else {
        if (event.mark >= session_.marks().size()) return;
        const WantedMark& wanted = session_.marks()[event.mark];
        mark.name = (event.kind == MT_MARK_BEFORE ? "Before " : "After ") + (wanted.symbol.empty() ? wanted.text : wanted.symbol) + "()";
    }
    add_mark(std::move(mark));
}

}  // namespace memtrace
