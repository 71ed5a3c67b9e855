"""Sets and frozen sets: small, growing, combined, emptied."""


def work():
    small = [{i, i + 1} for i in range(300)]
    growing = set()
    for i in range(2500):
        growing.add(i)
    united = growing | {-1, -2}
    common = growing & set(range(0, 2500, 3))
    frozen = [frozenset((i, i + 1, i + 2)) for i in range(200)]
    drained = set(range(1000))
    while len(drained) > 100:
        drained.pop()
    copies = [growing.copy() for _ in range(3)]
    return small, growing, united, common, frozen, drained, copies
