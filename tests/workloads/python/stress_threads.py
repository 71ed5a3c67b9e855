"""Eight threads that run Python, numpy, zlib, sqlite3 and hashlib at the same time, each in functions of its own: stress_threads.py SECONDS.

The functions of thread K lie in a file of their own, thread_K.py, and ask for sizes no other thread asks for. The ledger names
lines with the domain behind an @, since lines hold blocks of other domains too: those, and whatever else the threads do, are not in it.

Meanwhile the main thread starts threads that are no Python's: their start routine is the C library's malloc. "NATIVE BLOCKS BYTES".
"""
import ctypes
import hashlib
import sqlite3
import sys
import threading
import time
import zlib

import stress_common

try:
    import numpy
except ImportError:
    numpy = None

THREADS = 8
KEPT = 40
FOREIGN_SIZE = 54321

SOURCE = '''
def texts_NUMBER(size, kept, rounds):
    for i in range(50):
        block = UNIT * size  # HERE texts obj
        kept[(rounds * 50 + i) % KEPT] = block
    return 50


class Thing_NUMBER:
    def __init__(self, number):
        self.number = number
        self.pair = (number, str(number))


def things_NUMBER(depth, number):
    if depth:
        return things_NUMBER(depth - 1, number) + 1
    things = [Thing_NUMBER(number + i) for i in range(100)]
    table = {thing.number: thing.pair for thing in things}
    return len(table)


def arrays_NUMBER(size, kept, rounds):
    for i in range(10):
        array = zeros(size, U1)  # HERE arrays malloc
        array[-1] = NUMBER
        kept[(rounds * 10 + i) % KEPT] = array
    return 10


def unpack_NUMBER(window_bits, kept, rounds):
    half = len(PACKED) // 2
    for i in range(5):
        unpacker = decompressobj(-window_bits)
        text = unpacker.decompress(PACKED[:half])  # HERE windows raw
        text += unpacker.decompress(PACKED[half:])
        assert text == PLAIN
        kept[(rounds * 5 + i) % KEPT] = unpacker
    return 5


def rows_NUMBER(connection, rounds):
    with connection:
        for i in range(5):
            connection.execute("insert into rows values (?, ?)", (rounds * 5 + i, PLAIN))
        connection.execute("delete from rows where number < ?", (rounds * 5 - 20,))
    (count, total), = connection.execute("select count(*), sum(length(text)) from rows")
    assert count == min(25, rounds * 5 + 5) and total == count * len(PLAIN)


def digest_NUMBER():
    assert sha256(PLAIN * 50).hexdigest() == DIGEST


def work_NUMBER(until):
    size = 1000 + 10 * NUMBER
    texts, arrays, windows = [None] * KEPT, [None] * KEPT, [None] * KEPT
    counts = [0, 0, 0]
    connection = connect(":memory:")
    connection.execute(f"pragma page_size = {512 << NUMBER}")
    connection.execute("create table rows (number integer, text blob)")
    rounds = 0
    while now() < until:
        counts[0] += texts_NUMBER(size, texts, rounds)
        assert things_NUMBER(4, rounds) == 104
        if zeros:
            counts[1] += arrays_NUMBER(3 * size, arrays, rounds)
        counts[2] += unpack_NUMBER(8 + NUMBER, windows, rounds)
        rows_NUMBER(connection, rounds)
        digest_NUMBER()
        rounds += 1
    return counts, (texts, arrays, windows), connection
'''

PLAIN = bytes(range(256)) * 40
COMMON = {
    "UNIT": b"x",
    "KEPT": KEPT,
    "PLAIN": PLAIN,
    "PACKED": (lambda packer: packer.compress(PLAIN) + packer.flush())(zlib.compressobj(0, zlib.DEFLATED, -15)),
    "DIGEST": hashlib.sha256(PLAIN * 50).hexdigest(),
    "sha256": hashlib.sha256,
    "decompressobj": zlib.decompressobj,
    "connect": lambda name: sqlite3.connect(name, check_same_thread=False),
    "now": time.monotonic,
    "zeros": numpy and numpy.zeros,
    "U1": numpy and numpy.dtype("u1"),
}


def functions_of(number):
    namespace = dict(COMMON)
    source = "\n" * (100 * number) + SOURCE.replace("NUMBER", str(number))
    exec(compile(source, f"thread_{number}.py", "exec"), namespace)
    return namespace[f"work_{number}"]


def places(number):
    """{name: "FILE:LINE@DOMAIN"} of the lines marked HERE."""
    found = {}
    for line, text in enumerate(SOURCE.split("\n"), 1 + 100 * number):
        if "# HERE" in text:
            name, domain = text.split("# HERE ")[1].split()
            found[name] = f"thread_{number}.py:{line}@{domain}"
    return found


def report(number, counts, kept):
    at = places(number)
    size = 1000 + 10 * number
    for name, count, holding, block in zip(at, counts, kept, (size + 33, 3 * size, 1 << (8 + number))):
        if count:
            live = sum(thing is not None for thing in holding)
            stress_common.ledger_line(at[name], live, live * block, count, count * block)


def run_foreign_threads(until):
    """Threads without any Python; how many there were."""
    library = ctypes.CDLL(None)
    library.pthread_create.argtypes = [ctypes.c_void_p] * 4
    library.pthread_join.argtypes = [ctypes.c_void_p] * 2
    routine = ctypes.cast(library.malloc, ctypes.c_void_p)
    handle, block = ctypes.c_void_p(), ctypes.c_void_p()
    count = 0
    while time.monotonic() < until:
        assert library.pthread_create(ctypes.byref(handle), None, routine, FOREIGN_SIZE) == 0
        assert library.pthread_join(handle, ctypes.byref(block)) == 0 and block.value
        count += 1
        time.sleep(0.01)
    return count


def main():
    seconds = float(sys.argv[1])
    ctypes.CDLL("libgcc_s.so.1")  # or the first thread to end would load it, no Python's thread any more
    sys.setswitchinterval(0.0005)
    workers = [functions_of(number) for number in range(THREADS)]
    results = [None] * THREADS
    stress_common.say("ready")
    stress_common.serve({})
    until = time.monotonic() + seconds

    def run(number):
        results[number] = workers[number](until)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    foreign = run_foreign_threads(until)
    for thread in threads:
        thread.join()
    stress_common.say(f"NATIVE {foreign} {foreign * FOREIGN_SIZE}")
    for number, result in enumerate(results):
        if result is None:
            stress_common.say(f"thread {number} failed")
            return 1
        report(number, *result[:2])
    stress_common.say("done")
    stress_common.serve({})
    return 0


sys.exit(main())
