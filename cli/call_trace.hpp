// Single blocks in words: the names of their sites, and each block as it is allocated or freed.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>

#include "reader/collector.hpp"
#include "view_options.hpp"

namespace memtrace::cli {

/// Sites of the kernel's table by their numbers there. Keeps references.
class SiteNames {
public:
    SiteNames(Collector& collector, const View& view) : collector_(collector), view_(view) {}
    struct Name {
        std::uint64_t identity = 0;
        bool passes = false;  ///< The view's filters.
        int pid = 0;
        std::string place;  ///< Of the newest frame.
    };
    const Name& of(std::uint32_t site);

private:
    Collector& collector_;
    const View& view_;
    std::unordered_map<std::uint32_t, Name> known_;
};

/// A frame as bcc's tools write it: "function+0x1f [libfoo.so.1]"; where lines are known "function [dir/file.c:12]".
std::string stack_line(const Snapshot& names, FrameId frame);

/// Keeps references to the session, the names and the view.
class CallTrace {
public:
    CallTrace(Session& session, SiteNames& sites, const View& view) : session_(session), sites_(sites), view_(view) {}
    /// What has happened since, `most` blocks of it at most, a line each; blocks of other sizes or sites than the view's are passed over. A
    /// line more where some could not be told.
    std::string take(std::size_t most);

private:
    [[nodiscard]] std::string line_of(const mt_call_event& event);

    Session& session_;
    SiteNames& sites_;
    const View& view_;
    std::uint64_t untold_ = 0;
};

}  // namespace memtrace::cli
