"""1.2 million mixed objects (2.2 million allocations), made and dropped, timed from inside.

Each input line is the number of calls that it runs below; it prints the seconds that took.
"""
import gc
import sys
import time


class Thing:
    def __init__(self, i):
        self.number = i * 1000003
        self.pair = (i, self.number)


def churn():
    keep = []
    for i in range(300_000):
        keep.append(Thing(i))
    texts = [str(i) + "x" for i in range(300_000)]
    floats = [i * 0.5 for i in range(300_000)]
    lists = [[i] for i in range(150_000)]
    dicts = [{i: i} for i in range(150_000)]
    return keep, texts, floats, lists, dicts


def below(calls):
    return below(calls - 1) if calls > 1 else churn()


gc.disable()
print("ready", flush=True)
for line in sys.stdin:
    depth = int(line)
    begin = time.perf_counter()
    objects = below(depth)
    del objects
    print(f"{time.perf_counter() - begin:.4f}", flush=True)
