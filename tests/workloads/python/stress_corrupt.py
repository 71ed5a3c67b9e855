"""Overwrites its own chain of frames while it allocates, CPython 3.11 only: each attack on a pointer lasts for 200 blocks, then the pointer
is as before. What is overwritten is not needed by the loop that runs meanwhile, only by who looks from outside.

"attack" runs all attacks ("attacked BLOCKS"), "go" makes 500 blocks in good order and prints their ledger.
"""
import ctypes
import random
import sys

import stress_common

UNIT = b"x"
BLOCKS = 200
# Offsets in 3.11: PyFrameObject, _PyInterpreterFrame, PyThreadState, _PyCFrame.
OBJECT_FRAME, FRAME_CODE, FRAME_PREVIOUS, THREAD_CFRAME, CFRAME_FRAME = 24, 32, 48, 56, 8

word = ctypes.c_uint64.from_address
randomness = random.Random(311)
noise = ctypes.create_string_buffer(randomness.randbytes(1 << 16), 1 << 16)
zeros = ctypes.create_string_buffer(1 << 16)


def code_with_hostile_texts():
    """A copy of a code object whose texts and line table claim to be endless."""
    base = ctypes.create_string_buffer(ctypes.string_at(id(stress_common.say.__code__), 512), 512)
    text = ctypes.create_string_buffer(ctypes.string_at(id("a text"), 48), 4096)
    word(ctypes.addressof(text) + 16).value = (1 << 63) - 1
    for at in range(0, 512, 8):
        if word(ctypes.addressof(base) + at).value in (id(stress_common.say.__code__.co_filename), id(stress_common.say.__code__.co_name),
                                                       id(stress_common.say.__code__.co_linetable)):
            word(ctypes.addressof(base) + at).value = ctypes.addressof(text)
    keep.append((base, text))
    return ctypes.addressof(base)


keep = []


def under_attack(pointer, value):
    """Makes blocks while `pointer` (an address) holds `value`; no frame is pushed meanwhile."""
    size = 3000
    target = word(pointer)
    good = target.value
    target.value = value
    for _ in range(BLOCKS):
        UNIT * size
    target.value = good


def frame_address(depth):
    return word(id(sys._getframe(depth + 1)) + OBJECT_FRAME).value


def attacks():
    """Pairs of an address in this thread's chain and what to write there, for the caller's frames. No generator: that would run on a
    _PyCFrame of its own."""
    noisy, empty = ctypes.addressof(noise) & ~15, ctypes.addressof(zeros) & ~15
    values = [0, 1, 8, 0x1000, 0x4141414141414141, 0x7FFFFFFFFFF8, 0xFFFF888000000000, 2**64 - 8, noisy + 16, noisy + 4096 - 8, empty, id(None)]
    this, own, caller = frame_address(0), frame_address(1), frame_address(2)
    cframe = word(ctypes.pythonapi.PyThreadState_Get() + THREAD_CFRAME).value
    assert word(cframe + CFRAME_FRAME).value == this and word(this + FRAME_PREVIOUS).value == own and word(own + FRAME_PREVIOUS).value == caller
    pairs = []
    for value in values + [own, caller, own + 8]:
        pairs += [(caller + FRAME_PREVIOUS, value), (own + FRAME_PREVIOUS, value), (cframe + CFRAME_FRAME, value)]
    for value in values + [own, code_with_hostile_texts()]:
        pairs.append((caller + FRAME_CODE, value))
    return pairs


def attack():
    count = 0
    for pointer, value in attacks():
        under_attack(pointer, value)
        count += BLOCKS
    return count


def through(depth):
    return attack() if depth == 0 else through(depth - 1)


def make(size):
    return UNIT * size  # HERE


ctypes.pythonapi.PyThreadState_Get.restype = ctypes.c_void_p
stress_common.tables()
through(10)
stress_common.say("ready")
while True:
    request = stress_common.serve({})
    if request == "attack":
        stress_common.say("attacked %d" % through(10))
    elif request == "go":
        kept = [make(5000) for _ in range(500)]
        stress_common.ledger_line("stress_corrupt.py:%d@obj" % (make.__code__.co_firstlineno + 1), 500, 500 * 5033, 500, 500 * 5033)
        stress_common.say("done")
    else:
        break
