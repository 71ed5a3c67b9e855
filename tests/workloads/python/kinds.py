"""Every kind of object, each 50 000 times and on lines of its own: kinds.py MODE [COUNT], modes as in driver.py.

Prints "kind NAME FIRST_LINE LAST_LINE" for each; in the modes of tracemalloc also "count NAME BLOCKS BYTES": the blocks that have one
of these lines in their traceback when all pieces live. "made NAME" tells how far it is.
"""
import array
import collections
import ctypes
import dataclasses
import datetime
import decimal
import fractions
import functools
import gc
import io
import itertools
import os
import re
import sys
import threading
import tracemalloc
import types
import uuid
import warnings
import weakref

import driver

FRAMES = 8
COUNT = 50_000
WARM_UPS = 3
WARM_COUNT = 300


class Plain:
    def __init__(self, value):
        self.value = value

    def method(self):
        return self.value


class Slots:
    __slots__ = ("first", "second")

    def __init__(self, first):
        self.first = first
        self.second = None


class Referenced:
    __slots__ = ("__weakref__",)


class Refused(Exception):
    pass


Row = collections.namedtuple("Row", "key value")
# Made once: names live on in caches of types.
NAMES = ["attribute_%d" % i for i in range(40)]
PATTERN = re.compile(r"(\w+)-(\d+)")


class Structure(ctypes.Structure):
    _fields_ = [("x", ctypes.c_int), ("y", ctypes.c_double)]


@dataclasses.dataclass
class Record:
    number: int
    text: str = "text"


def instances(n):
    return [Plain(None) for _ in range(n)]


def instances_with_slots(n):
    return [Slots(None) for _ in range(n)]


def instances_with_dict(n):
    made = [Plain(None) for _ in range(n)]
    for instance in made:
        instance.__dict__
    return made


def instances_that_grew(n):
    made = [Plain(None) for _ in range(n)]
    for i, instance in enumerate(made):
        for name in range(6):
            setattr(instance, NAMES[(i + name) % 40], None)
    return made


def texts(n):
    return ["text %d" % i for i in range(n)]


def wide_texts(n):
    return ["\u03b1\u03b2\U0001f40d %d" % i for i in range(n)]


def long_texts(n):
    return ["x" * (600 + i % 500) for i in range(n)]


def bytes_objects(n):
    return [b"%d bytes" % i for i in range(n)]


def long_bytes(n):
    return [bytes(513 + i % 700) for i in range(n)]


def bytearrays(n):
    return [bytearray(40) for i in range(n)]


def grown_bytearrays(n):
    made = [bytearray() for i in range(n)]
    for one in made:
        for _ in range(20):
            one += b"1234567"
    return made


def integers(n):
    return [i + 1_000_000 for i in range(n)]


def big_integers(n):
    return [(i + 3) << 200 for i in range(n)]


def floats(n):
    return [i * 0.5 for i in range(n)]


def complex_numbers(n):
    return [complex(i, 1) for i in range(n)]


def tuples(n):
    return [(None, i % 200) for i in range(n)]


def tuples_of_iterables(n):
    return [tuple(range(i % 30)) for i in range(n)]


def lists(n):
    return [list(range(i % 30)) for i in range(n)]


def list_literals(n):
    return [[None, None, None] for _ in range(n)]


def grown_lists(n):
    made = [[] for _ in range(n)]
    for one in made:
        for _ in range(9):
            one.append(None)
    return made


def dictionaries(n):
    return [dict(first=None, second=None) for _ in range(n)]


def dictionary_literals(n):
    return [{"first": None, 2: None} for _ in range(n)]


def grown_dictionaries(n):
    made = [{} for _ in range(n)]
    for one in made:
        for i in range(9):
            one[i] = None
    return made


def sets(n):
    return [{None, i % 200} for i in range(n)]


def grown_sets(n):
    return [set(range(i % 20)) for i in range(n)]


def frozensets(n):
    return [frozenset((1, i % 200)) for i in range(n)]


def functions(n):
    made = []
    for _ in range(n):

        def function():
            return None

        made.append(function)
    return made


def closures(n):
    def make(value):
        return lambda: value

    return [make(None) for _ in range(n)]


def functions_with_defaults(n):
    return [lambda a=None, *, b=None: a for _ in range(n)]


def bound_methods(n):
    instance = Plain(None)
    return [instance.method for _ in range(n)]


def bound_builtins(n):
    return [[].append for _ in range(n)]


def wrapped_slots(n):
    return [(1).__add__ for _ in range(n)]


def generators(n):
    def count():
        yield 1

    made = [count() for _ in range(n)]
    for one in made:
        next(one)
    return made


def generator_expressions(n):
    return [(x for x in ()) for _ in range(n)]


def coroutines(n):
    async def nothing():
        return None

    return [nothing() for _ in range(n)]


def async_generators(n):
    async def nothing():
        yield None

    return [nothing() for _ in range(n)]


def exceptions(n):
    return [ValueError(None) for _ in range(n)]


def raised_exceptions(n):
    made = []
    for _ in range(n):
        try:
            raise Refused
        except Refused as error:
            made.append(error)
    return made


def operating_system_errors(n):
    return [OSError(2, "none", "name") for _ in range(n)]


def named_tuples(n):
    return [Row(None, None) for _ in range(n)]


def data_classes(n):
    return [Record(1) for _ in range(n)]


def namespaces(n):
    return [types.SimpleNamespace(a=None) for _ in range(n)]


def list_iterators(n):
    source = [1]
    return [iter(source) for _ in range(n)]


def iterators_of_builtins(n):
    source = [1]
    return [(zip(source, source), map(str, source), enumerate(source), reversed(source), filter(None, source)) for _ in range(n)]


def iterators_of_containers(n):
    a, b, c = {1: 1}, {1}, (1,)
    return [(iter(a), iter(a.items()), iter(b), iter(c), iter("a"), iter(range(3))) for _ in range(n)]


def iterators_of_itertools(n):
    return [(itertools.chain((), ()), itertools.islice((), 1), itertools.count(), itertools.tee(())) for _ in range(n)]


def callable_iterators(n):
    return [iter(int, 1) for _ in range(n)]


def views(n):
    source = {}
    return [(source.keys(), source.items(), source.values()) for _ in range(n)]


def memory_views(n):
    source = bytearray(100)
    return [memoryview(source)[i % 50 :] for i in range(n)]


def arrays(n):
    return [array.array("i", (1, 2, 3)) for _ in range(n)]


def deques(n):
    return [collections.deque((1,)) for _ in range(n)]


def ordered_dictionaries(n):
    return [collections.OrderedDict(a=None, b=None) for _ in range(n)]


def default_dictionaries(n):
    made = [collections.defaultdict(list) for _ in range(n)]
    for one in made:
        one[1]
    return made


def counters(n):
    return [collections.Counter("ab") for _ in range(n)]


def dates(n):
    return [(datetime.datetime(2000, 1, 1), datetime.date(2000, 1, 1), datetime.timedelta(1), datetime.time(1)) for _ in range(n)]


def decimals(n):
    return [decimal.Decimal(i) for i in range(n)]


def long_decimals(n):
    return [decimal.Decimal("1" * 200) for i in range(n)]


def fraction_objects(n):
    return [fractions.Fraction(i + 1000, 1009) for i in range(n)]


def matches(n):
    return [PATTERN.match("text-12") for _ in range(n)]


def match_parts(n):
    made = []
    for _ in range(n):
        made.append(PATTERN.match("text-12").groups())
    return made


def patterns(n):
    made = []
    for i in range(n // 50):
        made.append(re.compile("a%d[bc]+" % i))
        re.purge()
    return made


def weak_references(n):
    objects = [Referenced() for _ in range(n)]
    return objects, [weakref.ref(item) for item in objects]


def weak_dictionaries(n):
    objects = [Referenced() for _ in range(n)]
    return objects, weakref.WeakValueDictionary(enumerate(objects))


def partials(n):
    return [functools.partial(int, "1", base=2) for _ in range(n)]


def ctypes_numbers(n):
    return [ctypes.c_int(i) for i in range(n)]


def ctypes_structures(n):
    return [Structure(1, 2.0) for _ in range(n)]


def ctypes_arrays(n):
    kind = ctypes.c_int * 100
    return [kind() for _ in range(n)]


def ctypes_pointers(n):
    target = ctypes.c_int(5)
    return [ctypes.pointer(target) for _ in range(n)]


def slices(n):
    return [slice(None, i) for i in range(n)]


def ranges(n):
    return [range(5, i + 1000) for i in range(n)]


def codes(n):
    return [compile("a = b + 1", "<compiled>", "exec") for _ in range(n)]


def evaluated(n):
    return [eval("[1, x]", {"x": None}) for _ in range(n)]


def modules(n):
    return [types.ModuleType("module") for _ in range(n)]


def classes(n):
    return [type("Made", (), {"x": None}) for _ in range(n)]


def cells(n):
    return [types.CellType(None) for _ in range(n)]


def properties(n):
    return [(property(None), staticmethod(int), classmethod(int)) for _ in range(n)]


def proxies(n):
    return [types.MappingProxyType({}) for _ in range(n)]


def text_buffers(n):
    return [(io.StringIO("text"), io.BytesIO(b"bytes")) for _ in range(n)]


def locks(n):
    return [threading.Lock() for _ in range(n)]


def identifiers(n):
    return [uuid.UUID(int=i) for i in range(n)]


def joined(n):
    return [",".join(("a", str(i))) for i in range(n)]


def split(n):
    return ["a,%d,c" % i for i in range(n)][-1].split(","), [("b,%d" % i).split(",") for i in range(n)]


def sliced(n):
    source = "x" * 1000
    return [source[i % 300 : 700] for i in range(n)]


def unpacked(n):
    made = []
    for i in range(n):
        first, *rest = (1, 2, 3)
        made.append(rest)
    return made


def with_keywords(n):
    def keep(*positional, **named):
        return positional, named

    return [keep(1, 2, a=None) for _ in range(n)]


def dictionaries_by_comprehension(n):
    return {i: None for i in range(n)}


def sets_by_comprehension(n):
    return {i for i in range(n)}


KINDS = [value for value in list(globals().values()) if isinstance(value, types.FunctionType) and value.__module__ == __name__]


def last_line(function):
    def lines(code):
        # The third of a triple of co_lines() is None where bytecode has no line.
        own = [line for _, _, line in code.co_lines() if line] if hasattr(code, "co_lines") else lnotab_lines(code)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                own += lines(constant)
        return own

    return max(lines(function.__code__))


def lnotab_lines(code):
    import dis

    return [line for _, line in dis.findlinestarts(code)]


def main():
    mode = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else COUNT
    warnings.simplefilter("ignore")  # coroutines that nobody awaits
    switch = driver.Switch()
    if mode == "blocks" and not switch.works():
        mode = "objects"
    spans = {}
    for make in KINDS:
        spans[make.__name__] = (make.__code__.co_firstlineno, last_line(make))
    for _ in range(WARM_UPS):
        for make in KINDS:
            make(WARM_COUNT)
    kept = []
    gc.collect()
    gc.disable()
    for name, (first, last) in spans.items():
        print("kind\t%s\t%d\t%d" % (name, first, last))
    print("ready", mode, flush=True)
    driver.wait_for_line()
    results = []
    for make in KINDS:
        driver.start(mode, FRAMES, switch)
        gc.collect()
        kept.append(make(count))
        gc.collect()
        gc.freeze()
        os.write(1, b"made\t%s\n" % make.__name__.encode())
        if mode == "traced":
            continue
        first, last = spans[make.__name__]
        blocks = size = 0
        for trace in driver.traces(switch):
            if any(line >= first and line <= last and name == __file__ for name, line in trace[2]):
                blocks += 1
                size += trace[1]
        results.append((make.__name__, blocks, size))
    for result in results:
        print("count\t%s\t%d\t%d" % result)
    print("done", flush=True)
    driver.wait_for_line()
    os._exit(0)


if __name__ == "__main__":
    main()
