"""Blocks made by several interpreters of one process, in turns: each runs the same code, from a file of its own name.

The ledger is that of the lines which make bytes objects; "drop" ends the subinterpreters, and all they hold with them.
"""
import sys

try:
    import _interpreters as interpreters  # 3.13
except ImportError:
    import _xxsubinterpreters as interpreters

import stress_common

INTERPRETERS = 4
ROUNDS = 200
KEPT = 25

SOURCE = '''
UNIT = b"x"
kept = {}


def make(size):
    return UNIT * size


def one(size, at):
    kept[at] = make(size)


def work(size):
    for i in range(%d):
        one(size, i %% %d)
''' % (ROUNDS, KEPT)


def setup(number):
    return f'exec(compile({SOURCE!r}, "interpreter_{number}.py", "exec"))'


def work(number):
    return f"work({2000 + 100 * number})"


def main():
    others = [interpreters.create() for _ in range(INTERPRETERS)]
    for number, other in enumerate(others):
        interpreters.run_string(other, setup(number))
    own = {}
    exec(compile(SOURCE, "interpreter_main.py", "exec"), own)
    stress_common.say("ready")
    stress_common.serve({})
    for _ in range(3):
        for number, other in enumerate(others):
            interpreters.run_string(other, work(number))
            own["work"](1500)
    for number in range(INTERPRETERS):
        size = 2033 + 100 * number
        stress_common.ledger_line(f"interpreter_{number}.py:7@obj", KEPT, KEPT * size, 3 * ROUNDS, 3 * ROUNDS * size)
    count = 3 * INTERPRETERS * ROUNDS
    stress_common.ledger_line("interpreter_main.py:7@obj", KEPT, KEPT * 1533, count, count * 1533)
    stress_common.say("done")
    stress_common.serve({})
    for other in others:
        interpreters.destroy(other)
    stress_common.say("dropped")
    stress_common.serve({})
    return 0


sys.exit(main())
