#include "screen/fault_guard.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>

namespace memtrace::cli::screen {
namespace {

constexpr std::array faults{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

// All that the handler may use.
struct {
    volatile sig_atomic_t armed = 0;
    termios modes{};
    std::array<char, 512> text{};
    std::size_t size = 0;
} restoration;

void on_fault(int signal) {
    if (restoration.armed) {
        (void)!write(STDOUT_FILENO, restoration.text.data(), restoration.size);
        tcsetattr(STDIN_FILENO, TCSANOW, &restoration.modes);
    }
    // Delivered when this returns.
    std::signal(signal, SIG_DFL);
    raise(signal);
}

}  // namespace

FaultGuard::FaultGuard(std::string_view text, const termios& modes) {
    restoration.size = std::min(text.size(), restoration.text.size());
    std::copy_n(text.begin(), restoration.size, restoration.text.begin());
    restoration.modes = modes;
    arm();
    for (const int fault : faults) {
        struct sigaction action = {};
        action.sa_handler = on_fault;
        sigemptyset(&action.sa_mask);
        sigaction(fault, &action, nullptr);
    }
}

FaultGuard::~FaultGuard() {
    disarm();
    for (const int fault : faults) std::signal(fault, SIG_DFL);
}

void FaultGuard::arm() { restoration.armed = 1; }

void FaultGuard::disarm() { restoration.armed = 0; }

}  // namespace memtrace::cli::screen
