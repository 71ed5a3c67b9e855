"""Closures, default arguments, lambdas, bound methods and partials."""
import functools


class Counter:
    def step(self):
        return 1


def make(value):
    unit = value + 1000

    def inner(times, offset=(1, 2)):
        return unit * times, offset

    return inner


def outer(value):
    def middle():
        def innermost():
            return value

        return innermost

    return middle()


def work():
    simple = [make(i) for i in range(300)]
    nested = [outer(i) for i in range(200)]
    lambdas = [lambda i=i: i for i in range(250)]
    counter = Counter()
    bound = []
    for _ in range(150):
        bound.append(counter.step)
    partials = [functools.partial(make, i) for i in range(120)]
    return simple, nested, lambdas, counter, bound, partials
