/* Allocates and frees until stdin ends or says "quit"; answers "progress" with how many blocks it has made. */
#include <poll.h>

#include "ledger.h"

enum { LIVE = 100, BETWEEN_POLLS = 512 };
static void *blocks[LIVE];

/* Answers one request. Returns 0 when the program shall end. */
static int serve(unsigned long made)
{
    char line[64] = "", text[64];
    size_t length = 0;
    while (length == 0 || line[length - 1] != '\n')
        if (length == sizeof line - 1 || read(0, line + length++, 1) != 1)
            return 0;
    if (strcmp(line, "progress\n") != 0)
        return 0;
    snprintf(text, sizeof text, "progress %lu\n", made);
    ledger_print(text);
    return 1;
}

int main(void)
{
    struct pollfd input = {0, POLLIN, 0};
    ledger_print("ready\n");
    for (unsigned long made = 0;; ++made) {
        free(blocks[made % LIVE]);
        blocks[made % LIVE] = malloc(16 + made % 200);
        if (made % BETWEEN_POLLS == 0 && poll(&input, 1, 0) > 0 && !serve(made))
            return 0;
    }
}
