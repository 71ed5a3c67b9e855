"""Generators, coroutines and asynchronous generators: the traceback of what is allocated while one runs goes through whoever resumed
it, and through chains of "yield from" and "await"."""


def payload(n):
    return bytearray(n + 2000)


def leaf(n):
    held = payload(n)
    yield held
    held = held, payload(n + 1)
    yield held


def middle(n):
    first = payload(n)
    yield from leaf(n)
    return first


def top(n):
    yield from middle(n)


class Pause:
    def __await__(self):
        got = yield payload(3)
        return got, payload(4)


async def inner(n):
    first = await Pause()
    second = await Pause()
    return first, second, payload(n)


async def outer(n):
    return await inner(n), payload(n)


async def produce(n):
    for i in range(n):
        yield payload(i)
        await Pause()


async def consume(n):
    kept = []
    async for item in produce(n):
        kept.append((item, payload(5)))
    kept += [item async for item in produce(n)]
    async with Context() as value:
        kept.append(value)
    return kept


class Context:
    async def __aenter__(self):
        await Pause()
        return payload(6)

    async def __aexit__(self, *error):
        await Pause()


def drive(coroutine):
    kept = []
    try:
        while True:
            kept.append(coroutine.send(None))
    except StopIteration as end:
        kept.append(end.value)
    return kept


def resumed_elsewhere(generator):
    return next(generator)


def thrown_into():
    def catching():
        try:
            yield payload(7)
        except ValueError:
            yield payload(8)

    generator = catching()
    return next(generator), generator.throw(ValueError()), generator


def work():
    generator = top(1)
    first = next(generator)
    second = resumed_elsewhere(generator)
    return (
        first,
        second,
        generator,
        list(top(10)),
        [item for item in top(20)],
        drive(outer(1)),
        drive(consume(3)),
        thrown_into(),
        sum(len(item) if isinstance(item, bytearray) else 0 for item in leaf(30)),
    )
