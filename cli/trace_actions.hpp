// What keys of the full-screen display ask of a trace: the same requests that commands make through its socket.
#pragma once

#include "control/service.hpp"
#include "screen/screen.hpp"

namespace memtrace::cli {

/// Keeps references.
class TraceActions {
public:
    TraceActions(Collector& collector, control::Service& service) : collector_(collector), service_(service) {}
    /// Does it, and tells on the screen what came of it. What concerns the display alone is none of its business.
    void run(const screen::Action& action, screen::Screen& screen);

private:
    Result<control::Answer> ask(const control::Request& request);
    Result<void> mark(const std::string& name, screen::Screen& screen);
    Result<void> list(screen::Screen& screen);
    Result<void> compare(screen::Screen& screen);
    Result<void> write(const std::string& path, bool replace, screen::Screen& screen);
    Result<void> change(control::Do what, const char* done, screen::Screen& screen);

    Collector& collector_;
    control::Service& service_;
};

/// Writes the snapshot, unless the file exists and is not to be replaced: that is asked for then.
Result<void> write_from_screen(const Snapshot& snapshot, const std::string& path, bool replace, screen::Screen& screen);

}  // namespace memtrace::cli
