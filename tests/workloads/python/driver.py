"""Runs one script of the corpus so that two runs of it can be compared block by block: driver.py MODE FRAMES SCRIPT.

MODE blocks: prints what tracemalloc holds at the end of the script's work(), each block where it was allocated.
MODE objects: the same as tracemalloc tells it to everybody: a block out of one of the interpreter's free lists counts where its
  new object was made, though no allocator was asked for it.
MODE traced: prints nothing but the protocol, for a tracer to look in from outside.

All run the same code up to that point. A script defines work(), which returns what shall stay alive, and may define
prepare(), whose objects are older than the measured phase.

The state at "go" is made equal, and as plain as it can be:
 - work() has run WARM_UPS times, so imports, specialised bytecode, shared dictionary keys and caches are complete;
 - a full collection has then emptied the interpreter's free lists, and collection stays off;
 - what starting tracemalloc leaves in free lists is emptied in the same way, in every mode.
After work() a full collection empties them again: blocks that only wait there for their next use count nowhere.

One line a group of equal blocks: "trace BYTES BLOCKS DEPTH FILE:LINE FILE:LINE ...", newest frame first, tabs between; DEPTH is 0
where this version of tracemalloc does not know it. A newline in a name is printed as "?".
"""
import ctypes
import gc
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


class Switch:
    """Whether tracemalloc hears of objects made in recycled blocks. Its hooks in the allocators work on while it does not."""

    def __init__(self):
        self.word = None
        self.set_tracer = None
        if sys.version_info >= (3, 13):
            self.set_tracer = ctypes.pythonapi.PyRefTracer_SetTracer
            self.set_tracer.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
        elif hasattr(sys, "gettotalrefcount"):
            pass  # assertions of debug builds hold tracemalloc to its flag
        elif sys.version_info >= (3, 12):
            self.word = self.flag_in(ctypes.pythonapi, "_PyRuntime", 16384)
        else:
            self.word = self.flag_in(ctypes.pythonapi, "_Py_tracemalloc_config", 3)

    @staticmethod
    def flag_in(library, symbol, length):
        # {initialized, tracing, max_nframe}
        words = (ctypes.c_int * length).in_dll(library, symbol)
        number = 31337
        limit = tracemalloc.is_tracing() and tracemalloc.get_traceback_limit()
        tracemalloc.stop()
        tracemalloc.start(number)
        found = [i for i in range(1, length) if words[i] == number and words[i - 1] == 1]
        tracemalloc.stop()
        if limit:
            tracemalloc.start(limit)
        if len(found) != 1:
            sys.exit("tracemalloc's flag is not found: %r" % found)
        address = ctypes.addressof(words) + ctypes.sizeof(ctypes.c_int) * (found[0] - 1)
        return ctypes.c_int.from_address(address)

    def works(self):
        return self.word is not None or self.set_tracer is not None

    def off(self):
        if self.set_tracer is not None:
            self.set_tracer(None, None)
        elif self.word is not None:
            self.word.value = 0

    def on(self):
        if self.word is not None:
            self.word.value = 1


def start(mode, frames, switch):
    if mode != "traced":
        tracemalloc.start(frames)
        tracemalloc.clear_traces()  # -X tracemalloc has started it long ago
    if mode == "blocks":
        switch.off()


def print_groups(groups):
    out = []
    for (frames, depth), (size, count) in groups.items():
        places = ["%s:%d" % (name.replace("\n", "?"), line) for name, line in frames]
        line = "\t".join(["trace", str(size), str(count), str(depth)] + places)
        out.append(os.fsencode(line))
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in out))
    sys.stdout.buffer.flush()


def groups_of(traces):
    groups = {}
    for trace in traces:
        key = (trace[2], trace[3] if len(trace) > 3 else 0)
        size, count = groups.get(key, (0, 0))
        groups[key] = (size + trace[1], count + 1)
    return groups


def traces(switch):
    """tracemalloc's own blocks are none of the script's."""
    switch.on()
    found = tracemalloc._get_traces()
    tracemalloc.stop()
    return found


def main():
    mode, frames, path = sys.argv[1:]
    frames = int(frames)
    if not getattr(sys.flags, "safe_path", False):
        del sys.path[0]  # a script of the corpus must not be taken for a module of the library
    switch = Switch()
    if mode == "blocks" and not switch.works():
        mode = "objects"
    work, prepare = load(path)
    for _ in range(WARM_UPS):
        prepare()
        kept = work()
        del kept
    prepare()
    gc.collect()
    gc.disable()
    os.write(1, b"ready %s\n" % mode.encode())
    wait_for_line()
    start(mode, frames, switch)
    gc.collect()
    kept = work()
    gc.collect()
    if mode != "traced":
        print_groups(groups_of(traces(switch)))
    os.write(1, b"done\n")
    wait_for_line()
    del kept


if __name__ == "__main__":
    main()
