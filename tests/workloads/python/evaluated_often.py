"""The same few lines compiled and run 300 000 times: code objects come and go, the places stay the same few. Says how far it is."""
import os

SOURCES = ["bytes(%d)" % (600 + i) for i in range(10)]
WARM_UPS = 20
ROUNDS = 300_000
KEEP_EVERY = 1000
calls = []


def prepare():
    calls.append(None)


def work():
    # All but the last call warm up.
    rounds = ROUNDS if len(calls) > WARM_UPS else 20
    kept = []
    for i in range(rounds):
        made = eval(compile(SOURCES[i % 10], "<often>", "eval"))
        if i % KEEP_EVERY < 10:
            kept.append(made)
        if i % 10_000 == 9_999:
            os.write(1, b"goes on\n")
    return kept
