// C++: every variant of operator new and delete, with success and without. An exception that leaves operator new is no block.
#include <dlfcn.h>
#include <sys/resource.h>

#include <new>

#include "ledger.h"

namespace {

enum { BLOCKS = 60, VARIANTS = 8 };
block blocks[VARIANTS][BLOCKS];
constexpr std::align_val_t wide{64};
// The compiler must neither know sizes, nor leave out pairs of new and delete.
// Aligned ones are multiples of the alignment: libstdc++ asks malloc for that much.
volatile std::size_t sizes[VARIANTS] = {24, 100, 320, 896, 40, 200, 512, 8000};
volatile std::size_t too_much = ~std::size_t{0} / 4;
volatile std::size_t much = std::size_t{48} << 20;

void allocate(int i) {
    const auto& n = sizes;
    blocks[0][i] = ALLOCATED(::operator new(n[0]), n[0]);
    blocks[1][i] = ALLOCATED(::operator new[](n[1]), n[1]);
    blocks[2][i] = ALLOCATED(::operator new(n[2], wide), n[2]);
    blocks[3][i] = ALLOCATED(::operator new[](n[3], wide), n[3]);
    blocks[4][i] = ALLOCATED(::operator new(n[4], std::nothrow), n[4]);
    blocks[5][i] = ALLOCATED(::operator new[](n[5], std::nothrow), n[5]);
    blocks[6][i] = ALLOCATED(::operator new(n[6], wide, std::nothrow), n[6]);
    blocks[7][i] = ALLOCATED(::operator new[](n[7], wide, std::nothrow), n[7]);
}

// Each delete that fits its block, in turn.
void release(int variant, int i) {
    block& gone = blocks[variant][i];
    void* at = gone.address;
    const std::size_t size = gone.size_bytes;
    const bool sized = i % 4 == 0, array = variant % 2 == 1, aligned = variant % 4 >= 2, quiet = i % 4 == 2;
    if (aligned) {
        if (array)
            sized ? ::operator delete[](at, size, wide) : quiet ? ::operator delete[](at, wide, std::nothrow) : ::operator delete[](at, wide);
        else
            sized ? ::operator delete(at, size, wide) : quiet ? ::operator delete(at, wide, std::nothrow) : ::operator delete(at, wide);
    } else {
        if (array)
            sized ? ::operator delete[](at, size) : quiet ? ::operator delete[](at, std::nothrow) : ::operator delete[](at);
        else
            sized ? ::operator delete(at, size) : quiet ? ::operator delete(at, std::nothrow) : ::operator delete(at);
    }
    ledger_gone(&gone);
}

int caught = 0;
void* volatile result;  // or the compiler would leave the call out

// Deep in the stack, and from different depths: what is called later has other stack pointers than the call that was left.
template <typename Ask>
__attribute__((noinline)) void ask_in_vain(Ask ask, int depth) {
    char room[200];
    asm volatile("" : : "r"(room) : "memory");
    if (depth > 0) return ask_in_vain(ask, depth - 1);
    result = ask();
}

template <typename Ask>
void must_throw(Ask ask) {
    for (int depth = 0; depth < 3; ++depth) {
        try {
            ask_in_vain(ask, depth);
            ledger_require(0, "a request for too much throws");
        } catch (const std::bad_alloc&) {
            ++caught;
            // While the exception lives, and deeper in the stack than what was left.
            ask_in_vain([]() -> void* { return allocate(caught % BLOCKS), nullptr; }, 8);
            for (int variant = 0; variant < VARIANTS; ++variant) release(variant, caught % BLOCKS);
        }
    }
}

void ask_quietly() {
    ledger_require(::operator new(too_much, std::nothrow) == nullptr, "nothrow returns null");
    ledger_require(::operator new[](too_much, std::nothrow) == nullptr, "nothrow returns null");
    ledger_require(::operator new(too_much, wide, std::nothrow) == nullptr, "nothrow returns null");
    ledger_require(::operator new[](too_much, wide, std::nothrow) == nullptr, "nothrow returns null");
}

void ask_for_too_much() {
    must_throw([] { return ::operator new(too_much); });
    must_throw([] { return ::operator new[](too_much); });
    must_throw([] { return ::operator new(too_much, wide); });
    must_throw([] { return ::operator new[](too_much, wide); });
}

void limit_memory(bool yes) {
    rlimit limit{};
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = yes ? 1 << 20 : limit.rlim_max;
    setrlimit(RLIMIT_AS, &limit);
}

// Throws and catches inside of operator new, which then goes on and succeeds.
void make_room() {
    try {
        throw 1;
    } catch (int) {}
    limit_memory(false);
}

block allocate_at_second_try() {
    std::set_new_handler(make_room);
    const std::size_t size = much;
    limit_memory(true);
    block found = ALLOCATED(::operator new(size), size);
    limit_memory(false);
    std::set_new_handler(nullptr);
    return found;
}

}  // namespace

int main() {
    ledger_ready();
    // mimalloc's C edition ends the program where others throw, and knows no new_handler.
    const bool throws = dlsym(RTLD_DEFAULT, "mi_new") == nullptr;
    ask_quietly();
    if (throws) {
        ask_for_too_much();
        std::set_new_handler([] { throw std::bad_alloc(); });
        ask_for_too_much();
        ask_quietly();
        std::set_new_handler(nullptr);
    }
    for (int i = 0; i < BLOCKS; ++i) allocate(i);
    for (int variant = 0; variant < VARIANTS; ++variant)
        for (int i = 0; i < BLOCKS; i += 1 + i % 3) release(variant, i);
    if (throws) ledger_require(allocate_at_second_try().address != nullptr, "the second try succeeds");
    ledger_done(__FILE__);
}
