// Every way to ask for memory through a function that only passes the request on: each belongs to the line here.
#include <new>

#include "ledger.h"

namespace {

struct alignas(64) Wide {
    char bytes[256];
};

enum { BLOCKS = 120 };
block blocks[7 * BLOCKS];

void allocate() {
    block* at = blocks;
    for (int i = 0; i < BLOCKS; ++i) {
        *at++ = ALLOCATED(::operator new(40), 40);
        *at++ = ALLOCATED(new char[300], 300);
        *at++ = ALLOCATED(::operator new(77, std::nothrow), 77);
        *at++ = ALLOCATED(new (std::nothrow) char[500], 500);
        *at++ = ALLOCATED(new Wide, sizeof(Wide));
        *at++ = ALLOCATED(strdup("sixteen letters."), 17);
        *at++ = ALLOCATED(strndup("sixteen letters.", 7), 8);
    }
}

}  // namespace

int main() {
    ledger_ready();
    allocate();
    for (int i = 0; i < 7 * BLOCKS; i += 3) ledger_free(&blocks[i]);
    ledger_done(__FILE__);
}
