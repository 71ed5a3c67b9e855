"""Runs one script of the corpus so that two runs of it can be compared by line: driver.py MODE SCRIPT.

MODE tracemalloc: prints what tracemalloc holds at the end of the script's work() as {"FILE:LINE": [bytes, blocks]}, all lines
of the script and of code it compiles (its file names begin with "<generated").
MODE traced: prints nothing but the protocol, for a tracer to look in from outside.

Both run the same code up to that point. A script defines work(), which returns what shall stay alive, and may define
prepare(), whose objects are older than the measured phase.

The state at "go" is made equal, and as plain as it can be:
 - work() has run WARM_UPS times, so imports, specialised bytecode, shared dictionary keys and caches are complete;
 - a full collection has then emptied the interpreter's free lists (it clears them all), and collection stays off.
After work() a full collection empties them again: blocks that only wait there for their next use count nowhere. What remains
of free lists are objects that live in a block which another line of the same work() allocated, for an object since dead:
tracemalloc has moved the block to the new line, an observer of the allocator keeps it at the line that allocated it.
"""
import gc
import json
import operator
import os
import sys
import tracemalloc

WARM_UPS = 20


def load(path):
    namespace = {"__name__": "script", "__file__": path}
    with open(path, encoding="utf-8") as file:
        exec(compile(file.read(), path, "exec"), namespace)
    return namespace["work"], namespace.get("prepare", int)


def wait_for_line():
    while True:
        byte = os.read(0, 1)
        if byte == b"\n":
            return
        if not byte:
            os._exit(3)


def by_line(snapshot, path):
    lines = {}
    for statistic in snapshot.statistics("lineno"):
        frame = statistic.traceback[0]
        if frame.filename == path or frame.filename.startswith("<generated"):
            name = f"{os.path.basename(frame.filename)}:{frame.lineno}"
            size, count = lines.get(name, (0, 0))
            lines[name] = [size + statistic.size, count + statistic.count]
    return lines


def main():
    mode, path = sys.argv[1:]
    work, prepare = load(path)
    # Takes one int and returns at once, as start() does.
    begin = {"tracemalloc": tracemalloc.start, "traced": operator.index}[mode]
    for _ in range(WARM_UPS):
        prepare()
        kept = work()
        del kept
    prepare()
    gc.collect()
    gc.disable()
    os.write(1, b"ready\n")
    wait_for_line()
    begin(1)
    kept = work()
    gc.collect()
    if mode == "tracemalloc":
        snapshot = tracemalloc.take_snapshot()
        tracemalloc.stop()
        print(json.dumps(by_line(snapshot, path)), flush=True)
    os.write(1, b"done\n")
    wait_for_line()
    del kept


main()
