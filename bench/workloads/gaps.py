"""Notes how long it is held up: each input line is a number of seconds to look at the clock again and again; prints the longest time between two
looks, in ms. Each look allocates two blocks (the clock's number, and a list)."""
import sys
import time


def longest_gap(seconds):
    now = time.perf_counter
    last = now()
    until = last + seconds
    longest = 0.0
    while last < until:
        current = now()
        kept = [current]
        if current - last > longest:
            longest = current - last
        last = kept[0]
    return longest


print("ready", flush=True)
for line in sys.stdin:
    print(f"{longest_gap(float(line)) * 1e3:.4f}", flush=True)
