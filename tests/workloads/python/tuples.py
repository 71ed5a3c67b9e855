"""Tuples: packed, nested, sliced, from iterables, as arguments and as dictionary keys."""


def collect(*values):
    return values


def work():
    pairs = []
    for i in range(600):
        pairs.append((i, None))
    nested = [((i,), (i, (i, i))) for i in range(200)]
    long = tuple(range(2500))
    sliced = [long[i : i + 30] for i in range(0, 300, 7)]
    collected = [collect(1, None, i) for i in range(300)]
    keys = {(i, i): None for i in range(150)}
    grown = ()
    for i in range(60):
        grown += (None,)
    return pairs, nested, long, sliced, collected, keys, grown
