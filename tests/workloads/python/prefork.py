"""A server and workers forked from it, all allocating until stdin ends. Commands on stdin, answered by every process with its pid:
"fork" one more worker, "tables" and "progress" as forever.py does."""
import ctypes
import os
import select

KEPT = 200


def tables():
    table = (ctypes.c_void_p * 5)()
    words = []
    for domain in range(3):
        ctypes.pythonapi.PyMem_GetAllocator(domain, table)
        words += [format(pointer or 0, "x") for pointer in table]
    return " ".join(words)


def answer(request, rounds):
    if request == b"tables":
        return b"tables %d %s\n" % (os.getpid(), tables().encode())
    return b"progress %d %d\n" % (os.getpid(), rounds)


def run(source, sinks):
    kept = [None] * KEPT
    rounds = 0
    while True:
        for i in range(KEPT):
            kept[i] = [rounds, float(i), {i: str(rounds)}]
        rounds += 1
        if not select.select([source], [], [], 0)[0]:
            continue
        request = b""
        while not request.endswith(b"\n"):
            byte = os.read(source, 1)
            if not byte:
                return
            request += byte
        if request == b"fork\n":
            reading, writing = os.pipe()
            if os.fork() == 0:
                for sink in sinks:
                    os.close(sink)
                os.close(writing)
                os.write(1, b"worker %d\n" % os.getpid())
                run(reading, [])
                os._exit(0)
            os.close(reading)
            sinks.append(writing)
            continue
        os.write(1, answer(request.strip(), rounds))
        for sink in sinks:
            os.write(sink, request)


tables()  # ctypes is warm before anyone looks
os.write(1, b"ready\n")
run(0, [])
