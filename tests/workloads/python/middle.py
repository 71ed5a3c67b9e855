"""The tracer comes in the middle: blocks of prepare() are older than the trace; work() frees half of them and makes new ones."""

OLD = 600
old = []


def prepare():
    old[:] = [bytes(1000 + i) for i in range(OLD)]
    old.extend([i, i] for i in range(OLD))


def work():
    del old[::2]
    fresh = [bytes(1000 + i) for i in range(OLD)]
    rows = [[i, i] for i in range(OLD)]
    for row in old[-100:]:
        row.extend((None,) * 50)
    return fresh, rows, list(old)
