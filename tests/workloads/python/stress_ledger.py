"""Blocks at known lines, for what goes wrong around them: "go" makes 1000 blocks, keeps the last 100 and prints the ledger of
this round, as often as one likes. "exec" begins anew.

stress_ledger.py [--replace-allocator | --undumpable | --slow-end | --at-once]
"""
import atexit
import ctypes
import mmap
import os
import struct
import sys
import time

import stress_common

UNIT = b"x"
KEPT = 100
COUNT = 1000
SIZE = 4000
FOREIGN_SIZE = 7777
PR_SET_DUMPABLE = 4
OBJECT_DOMAIN = 2

kept = [None] * KEPT
native = []


def make(size):
    return UNIT * size  # HERE


def go():
    for i in range(COUNT):
        kept[i % KEPT] = make(SIZE)
    malloc = ctypes.CDLL(None).malloc
    malloc.restype = ctypes.c_void_p
    native[:] = [malloc(FOREIGN_SIZE) for _ in range(KEPT)]


def ledger():
    block = SIZE + 33
    stress_common.ledger_line("stress_ledger.py:%d@obj" % (make.__code__.co_firstlineno + 1), KEPT, KEPT * block, COUNT, COUNT * block)
    stress_common.say("NATIVE %d %d" % (KEPT, KEPT * FOREIGN_SIZE))
    stress_common.say("done")


def replace_allocator():
    """Puts functions in anonymous memory into a table: each only jumps to the one that stood there."""
    table = (ctypes.c_void_p * 5)()
    ctypes.pythonapi.PyMem_GetAllocator(OBJECT_DOMAIN, table)
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    protection, flags = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    address = libc.mmap(None, mmap.PAGESIZE, protection, flags, -1, 0)  # stays to the very end
    for i in range(1, 5):
        jump = b"\x48\xb8" + struct.pack("<Q", table[i]) + b"\xff\xe0"  # mov rax, function; jmp rax
        ctypes.memmove(address + 32 * i, jump, len(jump))
        table[i] = address + 32 * i
    ctypes.pythonapi.PyMem_SetAllocator(OBJECT_DOMAIN, table)


def end_slowly():
    stress_common.say("ending")
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        kept[0] = [make(SIZE), {}]


class AtEnd:
    """Lives until the interpreter takes its modules apart."""

    def __del__(self, make=make, now=time.monotonic, size=SIZE):
        until = now() + 0.6
        while now() < until:
            [make(size), {}]


option = sys.argv[1] if len(sys.argv) > 1 else ""
if option == "--replace-allocator":
    replace_allocator()
elif option == "--undumpable":
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)
elif option == "--slow-end":
    atexit.register(end_slowly)
    sys.at_end = AtEnd()
stress_common.tables()  # ctypes is warm before anyone looks
if option == "--at-once":
    go()
    ledger()
    os._exit(0)  # nothing is freed
stress_common.say("ready")
while True:
    request = stress_common.serve({})
    if request == "exec":
        os.execv(sys.executable, [sys.executable, sys.argv[0]])
    if request != "go":
        break
    go()
    ledger()
