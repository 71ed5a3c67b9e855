"""Floats and complex numbers that stay alive, with temporaries in between."""


def work():
    halves = [i / 2 for i in range(900)]
    roots = []
    for i in range(400):
        roots.append(i**0.5)
    total = 0.0
    totals = []
    for value in halves:
        total = total + value * 2.0
        totals.append(total)
    waves = [complex(i, -i) for i in range(300)]
    parsed = [float("%d.25" % i) for i in range(100)]
    return halves, roots, totals, waves, parsed
