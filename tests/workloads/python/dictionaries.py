"""Dictionaries: literal, growing, copied, merged, emptied, from keywords and from a comprehension."""


def keywords(**values):
    return values


def work():
    literal = [{"a": 1, "b": 2} for _ in range(300)]
    growing = {}
    for i in range(3000):
        growing[i] = None
    copied = growing.copy()
    merged = dict({**growing, "more": None}, **{"last": None})
    called = []
    for i in range(150):
        called.append(keywords(first=None, second=None, third=None))
    inverted = {str(i): i for i in range(500, 1100)}
    half = dict.fromkeys(range(1000))
    for i in range(0, 1000, 2):
        del half[i]
    return literal, growing, copied, merged, called, inverted, half
