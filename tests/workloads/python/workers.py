"""Processes that Python makes, each holding a known number of blocks on a known line. argv[1]: how they are made.
Prints "PROCESS PID FILE:LINE BLOCKS BYTES BLOCKS BYTES" for each; between "ready" and "done" it waits for lines as the C workloads do."""
import multiprocessing
import os
import subprocess
import sys

SIZE = 5000
CONTENT = SIZE - 33  # what else a bytes object has


def hold(blocks):
    kept = [None] * blocks
    for i in range(blocks):
        kept[i] = bytes(CONTENT)  # one block of SIZE bytes
    line = hold.__code__.co_firstlineno + 3
    os.write(1, b"PROCESS %d %s:%d %d %d %d %d\n" % (os.getpid(), __file__.encode(), line, blocks, blocks * SIZE, blocks, blocks * SIZE))
    return kept


def work(blocks, connection):
    kept = hold(blocks)
    connection.recv()
    os._exit(0 if len(kept) == blocks else 1)


def wait():
    if "MEMTRACE_WORKLOAD_NOWAIT" in os.environ:
        return
    byte = b""
    while byte != b"\n":
        byte = os.read(0, 1)
        if not byte:
            os._exit(3)


def say(text):
    os.write(1, text)
    wait()


def with_context(method):
    context = multiprocessing.get_context(method)
    processes = []
    for number in range(3):
        here, there = context.Pipe()
        process = context.Process(target=work, args=(20 + number, there))
        process.start()
        processes.append((process, here))
    for process, here in processes:
        here.send("end")
        process.join()
        assert process.exitcode == 0


def with_subprocess():
    for number in range(3):
        subprocess.run([sys.executable, "-P", __file__, "leaf", str(30 + number)], check=True)
    kept = hold(10)
    subprocess.run("true; exit 0", shell=True, check=True)
    return kept


def main():
    if sys.argv[1] == "leaf":
        kept = hold(int(sys.argv[2]))
        os._exit(0 if kept else 1)
    say(b"ready\n")
    kept = with_subprocess() if sys.argv[1] == "subprocess" else with_context(sys.argv[1])
    say(b"done\n")
    os._exit(0 if kept is None or len(kept) == 10 else 1)  # with what it holds


if __name__ == "__main__":
    main()
