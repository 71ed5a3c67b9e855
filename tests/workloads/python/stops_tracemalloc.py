"""Stops tracemalloc, which an option of the interpreter has started, when the measured phase begins. A tracer looks ten times a second
whether allocators were replaced, so some time is left to it; then come 1000 blocks of 633 bytes on one line."""
import time
import tracemalloc

WARM_UPS = 20
SECONDS = 2
calls = []
kept = [None] * 1000


def prepare():
    calls.append(None)


def work():
    if len(calls) > WARM_UPS:
        tracemalloc.stop()
        time.sleep(SECONDS)
    for i in range(1000):
        kept[i] = bytes(600)
    return kept
