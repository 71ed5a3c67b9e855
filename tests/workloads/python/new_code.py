"""New code all the time: 20 000 times a source of another name, whose one line keeps a bytearray and its 1001 bytes. Says how far it is."""
import os

WARM_UPS = 20
ROUNDS = 20_000
SOURCE = "made = bytearray(1000)\n"
calls = []


def prepare():
    calls.append(None)


def work():
    kept = []
    for n in range(ROUNDS if len(calls) > WARM_UPS else 20):
        namespace = {}
        exec(compile(SOURCE, "<new %d>" % n, "exec"), namespace)
        kept.append(namespace["made"])
        if n % 1000 == 999:
            os.write(1, b"goes on\n")
    return kept
