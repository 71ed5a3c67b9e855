"""Generators suspended midway, generator expressions, coroutines not yet finished, iterators of the library."""
import itertools


def count(limit):
    held = [limit]
    for i in range(limit):
        held.append(i)
        yield i


def delegate(limit):
    yield from count(limit)


class Pause:
    def __await__(self):
        yield self


async def coroutine(depth):
    await Pause()
    return depth


def work():
    started = []
    for i in range(200):
        generator = count(i + 5)
        next(generator)
        next(generator)
        started.append(generator)
    fresh = [count(i) for i in range(100)]
    delegating = []
    for i in range(80):
        generator = delegate(6)
        next(generator)
        delegating.append(generator)
    expressions = [(j * 2 for j in range(i)) for i in range(120)]
    coroutines = []
    for i in range(50):
        pending = coroutine(i)
        pending.send(None)
        coroutines.append(pending)
    chained = [itertools.chain(range(3), [1]) for _ in range(60)]
    consumed = [tuple(count(9)) for _ in range(40)]
    return started, fresh, delegating, expressions, coroutines, chained, consumed
