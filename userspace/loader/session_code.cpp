// What the processes of a trace load while they are traced.
#include <algorithm>

#include "loader/session.hpp"

namespace memtrace {
namespace {

// Where the kernel does not tell of it.
constexpr auto look_for_code = std::chrono::seconds(1);
// Short-lived children may load the same libraries for ever, each for another while.
constexpr std::size_t most_notes = 64;

}  // namespace

std::chrono::steady_clock::time_point Session::code_due() const {
    auto due = std::chrono::steady_clock::time_point::max();
    for (const auto& process : processes_) due = std::min(due, process->code_due());
    return due;
}

void Session::notice_new_code() {
    bool look = !notice_ && std::chrono::steady_clock::now() - looked_for_code_ > look_for_code;
    if (notice_) {
        const NewCode code = notice_->take([this](int pid) { return find(pid) != nullptr; });
        for (const CodeMapping& mapping : code.mappings)
            if (TracedProcess* process = find(mapping.pid)) process->code_mapped(mapping);
        look = code.lost;
    }
    if (!look) return;
    looked_for_code_ = std::chrono::steady_clock::now();
    for (const auto& process : processes_)
        if (!process->ended()) process->look_for_code();
}

std::vector<TracedProcess*> Session::follow_new_code() {
    notice_new_code();
    std::vector<TracedProcess*> changed;
    for (const auto& process : processes_) {
        const Result<bool> followed = process->follow_new_code();
        if (followed && *followed) changed.push_back(process.get());
        if (!followed) add_once("pid " + std::to_string(process->pid()) + " has loaded what is not seen: " + followed.error().what);
    }
    return changed;
}

// Of programs that are gone, too.
void Session::keep_code_notes(const TracedProcess& process) {
    for (std::string& note : process.code_notes()) add_once(std::move(note));
}

void Session::add_once(std::string note) {
    if (notes_.size() < most_notes && std::find(notes_.begin(), notes_.end(), note) == notes_.end()) add_note(std::move(note));
}

}  // namespace memtrace
