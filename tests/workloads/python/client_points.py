# Tells its memory for each line it reads.
import sys

print("ready", flush=True)
sys.stdin.readline()

import memtrace_bpf

print("memory", MEMORY(), flush=True)
for line in sys.stdin:
    print("memory", MEMORY(), flush=True)
