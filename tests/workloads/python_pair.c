/* Several CPythons in one process, each in a library of its own: python_pair LIBRARY HOME [LIBRARY HOME ...]. Each "go" on stdin makes all of
 * them, in turns on one thread, run the same code under file names of their own; each prints the ledger of this round. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4, ROUNDS = 3 }; /* of 400 blocks */

static const char setup[] =
    "import os\n"
    "UNIT, kept = b'x', [None] * 50\n"
    "source = '''\n"
    "def make(size):\n"
    "    return UNIT * size\n"
    "def work(size):\n"
    "    for i in range(400):\n"
    "        kept[i %% 50] = make(size)\n"
    "'''\n"
    "exec(compile(source, 'python_%d.py', 'exec'))\n"
    "def ledger(size):\n"
    "    os.write(1, b'LINE python_%d.py:3@obj 50 %%d 1200 %%d\\n' %% (50 * (size + 33), 1200 * (size + 33)))\n";

struct python {
    int (*run)(const char *);
};

static struct python load(const char *library, const char *home, int number)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void (*initialize)(int);
    struct python python;
    char code[2048];

    if (!handle) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    setenv("PYTHONHOME", home, 1);
    initialize = (void (*)(int))dlsym(handle, "Py_InitializeEx");
    python.run = (int (*)(const char *))dlsym(handle, "PyRun_SimpleString");
    initialize(0);
    snprintf(code, sizeof(code), setup, number, number);
    if (python.run(code) != 0)
        exit(2);
    return python;
}

int main(int argc, char **argv)
{
    struct python pythons[MOST];
    char line[64], code[128];
    int count = 0;

    setvbuf(stdout, NULL, _IONBF, 0);
    for (int i = 1; i + 1 < argc && count < MOST; i += 2, count++)
        pythons[count] = load(argv[i], argv[i + 1], count);
    puts("ready");
    while (fgets(line, sizeof(line), stdin) && strcmp(line, "go\n") == 0) {
        for (int round = 0; round < ROUNDS; round++)
            for (int i = 0; i < count; i++) {
                snprintf(code, sizeof(code), "work(%d)\n", 1000 + 300 * i);
                pythons[i].run(code);
            }
        for (int i = 0; i < count; i++) {
            snprintf(code, sizeof(code), "ledger(%d)\n", 1000 + 300 * i);
            pythons[i].run(code);
        }
        puts("done");
    }
    return 0;
}
