"""Recursion: 500 deep, mutual, and through C; one allocation at the bottom of each."""


def payload(n):
    return bytearray(n + 3000)


def descend(depth):
    if depth == 0:
        return payload(1)
    return descend(depth - 1)


def even(depth):
    return payload(2) if depth == 0 else odd(depth - 1)


def odd(depth):
    return payload(3) if depth == 0 else even(depth - 1)


def through_c(depth):
    return payload(4) if depth == 0 else list(map(through_c, [depth - 1]))


def work():
    return (
        descend(500),
        even(90),
        through_c(60),
        descend(18),
    )
