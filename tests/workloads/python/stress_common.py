"""What the stress workloads share: their protocol over stdin and stdout, and what the interpreter says of its allocators."""
import ctypes
import os


def say(text):
    os.write(1, text.encode() + b"\n")


def listen():
    """The next line of stdin; ends the program when there is none."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            os._exit(3)
        line += byte
    return line[:-1].decode()


def tables():
    """The fifteen words of the three allocator tables (raw, mem, obj: ctx, malloc, calloc, realloc, free)."""
    table = (ctypes.c_void_p * 5)()
    words = []
    for domain in range(3):
        ctypes.pythonapi.PyMem_GetAllocator(domain, table)
        words += [format(pointer or 0, "x") for pointer in table]
    return " ".join(words)


def serve(requests):
    """Answers "tables" and what else `requests` names (a dictionary of functions) until another line comes, which is returned."""
    while True:
        request = listen()
        if request == "tables":
            say("tables " + tables())
        elif request in requests:
            say(request + " " + str(requests[request]()))
        else:
            return request


def ledger_line(place, live_blocks, live_bytes, allocated_blocks, allocated_bytes):
    say(f"LINE {place} {live_blocks} {live_bytes} {allocated_blocks} {allocated_bytes}")
