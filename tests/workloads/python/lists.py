"""Lists: growing by append and extend, literal, repeated, sliced, sorted, shrunk."""


def work():
    grown = []
    for i in range(5000):
        grown.append(None)
    many = []
    for length in range(200):
        row = []
        for i in range(length % 23):
            row.append(i)
        many.append(row)
    literal = [[1, 2, 3] for _ in range(250)]
    extended = []
    for _ in range(100):
        extended.extend((None,) * 7)
    repeated = [None] * 12345
    part = repeated[100:5000:3]
    ordered = sorted(range(3000), key=lambda value: -value)
    shrunk = list(range(4000))
    del shrunk[100:]
    return grown, many, literal, extended, repeated, part, ordered, shrunk
