# The documented session of memtrace_bpf, in a process that is traced by now: one fact a line.
import sys

print("ready", flush=True)
sys.stdin.readline()

import memtrace_bpf


def tell(name, *values):
    print(name, *values, flush=True)


tell("import", MEMLOGS[0].ID, MEMLOGS[0].memory is not None)
first = MEMORY()
second = MEMORY()
third = MEMORY()
tell("twice", second - first, third - second < 64)  # the first number is still held, the second one's place is taken

before = MEMORY()
block = bytearray(1_000_000)
after = MEMORY()
tell("megabyte", after - before - 1_000_000)
del block

MEMPOINT("before")
data = list(range(int(sys.argv[1])))
MEMPOINT("after")
MEMPOINT("after")
tell("IDs", *MEMLOGS.IDs[-3:])
logs = {log.ID: log.memory for log in MEMLOGS}
tell("factor", logs["after"] > 100 * logs["before"], logs["before"], logs["after"])
tell("grew", logs["after"] - logs["before"])


@MEMTRACE
def answer():
    return 42


tell("answer", answer(), *MEMLOGS.IDs[-2:])
tell("trace", memtrace_bpf.get_object_trace(data) is not None, memtrace_bpf.get_object_trace(10**30))
current, peak = memtrace_bpf.get_traced_memory()
tell("peak", current <= peak)
checkpoint = memtrace_bpf.checkpoint("full", user_data=[("numbers", "size", len(data))])
tell("checkpoint", checkpoint.ID, abs(checkpoint.memory - MEMORY()) < 100_000)
tell("checkpoint", memtrace_bpf.checkpoint("full").ID)

del data
texts = [bytes(100_000) for _ in range(100)]
snapshot = memtrace_bpf.take_snapshot()
top = snapshot.statistics("lineno")[0]
tell("top", top.traceback[0].filename.rpartition("/")[2], top.count, top.size - 100 * 100_000)
del snapshot, top, texts
memtrace_bpf.reset_peak()
current, peak = memtrace_bpf.get_traced_memory()
tell("reset", peak - current < 100_000, current < 50_000_000)
memtrace_bpf.clear_traces()
tell("clear", MEMORY() < 1_000_000)
MEMPRINT()
tell("done")
sys.stdin.readline()
