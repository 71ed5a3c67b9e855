"""Comprehensions of each kind, nested and over several lines."""


def work():
    squares = [i * i for i in range(700)]
    table = [[column + 300 for column in range(row % 20)] for row in range(120)]
    flat = [cell for row in table for cell in row if cell % 2]
    by_name = {
        "key %d" % i: [
            i,
            i + 1000,
        ]
        for i in range(150)
    }
    unique = {i % 450 + 600 for i in range(900)}
    frozen = frozenset(i * 7 for i in range(250))
    pairs = list(zip(squares, squares))
    return squares, table, flat, by_name, unique, frozen, pairs
