/* Keeps as many blocks of 1000 bytes as it is told to by lines "more N"; answers "done". Idle otherwise. Ends with its stdin or "quit". */
#include "ledger.h"

int main(void)
{
    char line[64];
    unsigned long count = 0;
    ledger_print("ready\n");
    for (;;) {
        size_t length = 0;
        while (length == 0 || line[length - 1] != '\n')
            if (length == sizeof line - 1 || read(0, line + length++, 1) != 1)
                return 0;
        line[length] = 0;
        if (sscanf(line, "more %lu", &count) != 1)
            return 0;
        while (count-- > 0)
            *(void *volatile *)malloc(1000) = line;
        ledger_print("done\n");
    }
}
