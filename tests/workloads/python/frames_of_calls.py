"""Calls of every sort between Python and C on the way to an allocation: each block stays, so each traceback shows."""
import _thread
import ctypes
import functools
import re


def payload(n):
    return bytearray(n + 1000)


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        held = payload(1)
        return held, function(*args)

    return wrapper


@decorated
@decorated
def twice_decorated(n):
    return payload(n)


@functools.lru_cache(maxsize=None)
def cached(n):
    return payload(n)


class Meta(type):
    def __new__(mcs, name, bases, namespace):
        namespace["from_meta"] = payload(2)
        return super().__new__(mcs, name, bases, namespace)

    def __call__(cls, *args):
        instance = super().__call__(*args)
        instance.called = payload(3)
        return instance


class Base(metaclass=Meta):
    def __init__(self):
        self.base = payload(4)


class Special(Base):
    def __init__(self):
        super().__init__()
        self.own = payload(5)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return payload(6)

    @property
    def value(self):
        return payload(7)

    def __getitem__(self, index):
        return payload(index)

    def __add__(self, other):
        return payload(8)

    def __eq__(self, other):
        KEPT.append(payload(9))
        return True

    def __hash__(self):
        KEPT.append(payload(10))
        return 1

    def __enter__(self):
        return payload(11)

    def __exit__(self, *error):
        KEPT.append(payload(12))

    def __call__(self, n):
        return payload(n)

    def __iter__(self):
        yield payload(13)
        yield payload(14)

    def __del__(self):
        KEPT.append(payload(15))

    def __format__(self, spec):
        KEPT.append(payload(16))
        return ""


class Missing(dict):
    def __missing__(self, key):
        return payload(17)


KEPT = []
CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def compare(a, b):
    KEPT.append(payload(18))
    return 0


COMPARE = CALLBACK(compare)
EXPRESSION = compile("payload(19), [payload(i) for i in range(2)], (lambda: payload(20))()", "<expression>", "eval")
STATEMENTS = compile("def inner():\n    return payload(21)\n\nclass Body:\n    field = payload(22)\n    other = inner()\n", "<statements>", "exec")


def callbacks():
    array = (ctypes.c_int * 2)(2, 1)
    ctypes.CDLL(None).qsort(array, ctypes.c_size_t(2), ctypes.c_size_t(4), COMPARE)
    return (
        sorted([3, 1, 2], key=lambda value: KEPT.append(payload(value)) or value),
        list(map(lambda value: payload(value), range(3))),
        list(filter(lambda value: payload(value), range(2))),
        functools.reduce(lambda total, value: total + [payload(value)], range(3), []),
        max((1, 2), key=lambda value: KEPT.append(payload(value)) or value),
        re.sub("a", lambda match: KEPT.append(payload(23)) or "b", "aa"),
        functools.partial(payload, 24)(),
        list(iter(lambda: KEPT.append(payload(25)) or 1, 1)),
    )


def protocols():
    special = Special()
    kept = [special, special.missing, special.value, special[3], special + 1, special(4), list(special), special == special]
    kept.append({special: None})
    with special as entered:
        kept.append(entered)
    kept.append(f"{special}")
    kept.append(Missing()["key"])
    del special
    dropped = Special()
    del dropped
    return kept


def comprehensions():
    return (
        [payload(i) for i in range(2)],
        {i: payload(i) for i in range(2)},
        [[payload(j) for j in range(2)] for i in range(2)],
        list(payload(i) for i in range(2)),
        [(lambda: payload(i))() for i in range(2)],
        tuple(sorted((payload(i) for i in range(2)), key=lambda value: (len(value), payload(1))[0])),
    )


def class_bodies():
    class Outer:
        field = payload(26)

        class Inner:
            field = [payload(i) for i in range(2)]

    return Outer


def evaluated():
    namespace = {"payload": payload}
    exec(STATEMENTS, namespace)
    return eval(EXPRESSION, namespace), namespace, eval("payload(27)")


# Older than what is measured: when a thread's own blocks go is its affair.
ASKED = _thread.allocate_lock()
ANSWERED = _thread.allocate_lock()
ANSWERS = []


def serve():
    while True:
        ASKED.acquire()
        ANSWERS.append(payload(28))
        ANSWERED.release()


def prepare():
    if not ASKED.locked():
        ASKED.acquire()
        ANSWERED.acquire()
        _thread.start_new_thread(serve, ())


def in_a_thread():
    ANSWERS.clear()
    ASKED.release()
    ANSWERED.acquire()
    return list(ANSWERS)


def handled():
    try:
        raise ValueError(payload(29))
    except ValueError as error:
        kept = payload(30), error.args
    finally:
        last = payload(31)
    return kept, last


def work():
    KEPT.clear()
    cached.cache_clear()
    return (
        twice_decorated(1),
        cached(5),
        callbacks(),
        protocols(),
        comprehensions(),
        class_bodies(),
        evaluated(),
        in_a_thread(),
        handled(),
        (lambda: (lambda: payload(32))())(),
    )
