#include "symbolizer/bus_guard.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace memtrace {
namespace {

thread_local int guarded = 0;

void on_bus_error(int signal, siginfo_t* info, void*) {
    static const auto page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    if (guarded > 0 && info->si_code == BUS_ADRERR) {
        void* page = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(info->si_addr) & ~(page_bytes - 1));
        if (::mmap(page, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED) return;
    }
    // Not ours: the instruction runs again and meets the default action.
    ::signal(signal, SIG_DFL);
}

}  // namespace

BusGuard::BusGuard() {
    struct sigaction action = {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &previous_);
    ++guarded;
}

BusGuard::~BusGuard() {
    --guarded;
    ::sigaction(SIGBUS, &previous_, nullptr);
}

}  // namespace memtrace
