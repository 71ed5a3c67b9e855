// Operators of the program's own: blocks with a header of 16 bytes, from malloc. What the program asked for is the block, not malloc's.
#include <new>

#include "ledger.h"

namespace {

constexpr std::size_t header = 16;
enum { BLOCKS = 100 };
block blocks[3 * BLOCKS];
void* volatile result;  // or the compiler would leave the call out
volatile std::size_t too_much = ~std::size_t{0} / 4;

void* with_header(std::size_t size) {
    auto* at = static_cast<std::size_t*>(std::malloc(size + header));
    if (at == nullptr) throw std::bad_alloc();
    *at = size;
    return reinterpret_cast<char*>(at) + header;
}

}  // namespace

#define CALLED __attribute__((noinline))

CALLED void* operator new(std::size_t size) { return with_header(size); }
CALLED void* operator new[](std::size_t size) { return with_header(size); }
CALLED void operator delete(void* at) noexcept {
    if (at != nullptr) std::free(static_cast<char*>(at) - header);
}
CALLED void operator delete[](void* at) noexcept { ::operator delete(at); }
CALLED void operator delete(void* at, std::size_t) noexcept { ::operator delete(at); }
CALLED void operator delete[](void* at, std::size_t) noexcept { ::operator delete(at); }

int main() {
    ledger_ready();
    for (int i = 0; i < BLOCKS; ++i) {
        try {
            result = ::operator new(too_much);
            ledger_require(0, "a request for too much throws");
        } catch (const std::bad_alloc&) {}
        blocks[3 * i] = ALLOCATED(::operator new(64), 64);
        blocks[3 * i + 1] = ALLOCATED(::operator new[](1000), 1000);
        blocks[3 * i + 2] = ALLOCATED(malloc(77), 77);
    }
    for (int i = 0; i < BLOCKS; i += 2) {
        ::operator delete (blocks[3 * i].address, std::size_t{64});
        ::operator delete[](blocks[3 * i + 1].address);
        ledger_gone(&blocks[3 * i]);
        ledger_gone(&blocks[3 * i + 1]);
        ledger_free(&blocks[3 * i + 2]);
    }
    ledger_done(__FILE__);
}
