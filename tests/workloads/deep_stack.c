/* A recursion forty calls deep that allocates at its bottom. CALL names the line of the recursive call. */
#include "ledger.h"

enum { DEPTH = 40, TIMES = 25 };
static struct block blocks[TIMES];
static unsigned call_line;

/* The addition after the call keeps every level's frame: no tail call. */
__attribute__((noinline)) static unsigned descend(unsigned depth, struct block *out)
{
    if (depth == 0) {
        *out = ALLOCATED(malloc(123), 123);
        return 1;
    }
    call_line = __LINE__ + 1;
    return descend(depth - 1, out) + 1;
}

int main(void)
{
    char text[128];
    ledger_ready();
    for (size_t i = 0; i < TIMES; ++i)
        ledger_require(descend(DEPTH, &blocks[i]) == DEPTH + 1, "the recursion is forty deep");
    snprintf(text, sizeof text, "CALL %s:%u\n", __FILE__, call_line);
    ledger_print(text);
    ledger_done(__FILE__);
    return 0;
}
