"""Random snapshots, and what CPython's own tracemalloc says about them.

    tracemalloc_truth.py snapshots SEED COUNT FOLDER
    tracemalloc_truth.py patterns SEED COUNT FOLDER

Writes FOLDER/data, which the test reads, and FOLDER/expected, which it must print, letter for letter. Names are hex-coded in the data.
"""

import fnmatch
import random
import re
import sys
import tracemalloc

DOMAINS = 5
FILES = [
    "a.py", "b.py", "/srv/a.py", "/srv/a.pyc", "/srv/a.pyc.py", "x.pyc", "x.py", "<unknown>", "<frozen importlib._bootstrap>",
    "\u00e9.py", "\ufffd.py", "\U0001f40d.py", "\ue000.py", "\udcff.py", "\udc80.py", "\u00e9\udcc3", "\u00e9", "new\nline.py", "/srv/.hidden/[a].py",
    "\udce2\udc82", "\u20ac", "", ".pyc",
]
EDGES = [0, 1, 99, 100, 1023, 1024, 10239, 10240, 102399, 102400, 10485759, 1 << 40]
VIEWS = [("lineno", False), ("lineno", True), ("filename", False), ("filename", True), ("traceback", False)]


def encoded(text):
    return text.encode("utf-8", "surrogateescape")


def random_size(rng):
    if rng.randrange(3) == 0:
        return rng.choice(EDGES) + rng.randrange(3)
    return rng.getrandbits(rng.randrange(1, 42))


def random_frame(rng):
    line = rng.randrange(1_000_000) if rng.randrange(8) == 0 else rng.randrange(4)
    return (rng.choice(FILES), line)


def random_stack(rng):
    if rng.randrange(12) == 0:
        return (("<unknown>", 0),)
    stack = [random_frame(rng) for _ in range(rng.choice([1, 1, 2, 2, 3, 4, 8, 25]))]
    if rng.randrange(3) == 0:  # recursion
        stack[1:1] = [stack[0]] * rng.randrange(1, 4)
    return tuple(stack)


def random_pattern(rng):
    kind = rng.randrange(6)
    name = rng.choice(FILES)
    if kind == 0:
        return name
    if kind == 1:
        return rng.choice(["*", "*.py", "*.pyc", "?.py", "/*", "[ab].py", "[!a]*", "*[[]a]*", "<*", "*\n*", "??", "[\ue000-\uffff]*", "[!\udc80-\udcff]*"])
    cut = rng.randrange(len(name) + 1)
    if kind == 2:
        return name[:cut] + "*"
    if kind == 3:
        return "*" + name[cut:]
    if kind == 4:
        return name[:cut] + "?" + name[cut + 1:]
    return "*" + name[cut:cut + 2] + "*"


def random_filters(rng):
    filters, lines = [], []
    for _ in range(rng.choice([0, 0, 1, 1, 2, 3, 5])):
        inclusive = rng.randrange(3) != 0
        sign = "+" if inclusive else "-"
        if rng.randrange(3) == 0:
            domain = rng.randrange(DOMAINS)
            filters.append(tracemalloc.DomainFilter(inclusive, domain))
            lines.append(f"D {sign} {domain}")
        else:
            pattern, all_frames = random_pattern(rng), rng.randrange(2) == 0
            line = rng.randrange(4) if rng.randrange(3) == 0 else None
            filters.append(tracemalloc.Filter(inclusive, pattern, line, all_frames))
            lines.append(f"F {sign} {encoded(pattern).hex() or '-'} {'-' if line is None else line} {int(all_frames)}")
    return filters, lines


def printable(name):
    """What a terminal is shown: bytes that are no text, and control characters, as \\xNN."""
    return "".join(c if c >= " " and not "\udc80" <= c <= "\udcff" else "".join(f"\\x{byte:02x}" for byte in encoded(c)) for c in name)


def display_top(snapshot, key_type="lineno", limit=3):
    """The "pretty top" of tracemalloc's documentation, which returns its lines instead of printing them."""
    out = []
    snapshot = snapshot.filter_traces((
        tracemalloc.Filter(False, "<frozen importlib._bootstrap>"),
        tracemalloc.Filter(False, "<unknown>"),
    ))
    top_stats = snapshot.statistics(key_type)
    out.append("Top %s lines" % limit)
    for index, stat in enumerate(top_stats[:limit], 1):
        frame = stat.traceback[0]
        out.append("#%s: %s:%s: %.1f KiB" % (index, printable(frame.filename), frame.lineno, stat.size / 1024))
    other = top_stats[limit:]
    if other:
        size = sum(stat.size for stat in other)
        out.append("%s other: %.1f KiB" % (len(other), size / 1024))
    total = sum(stat.size for stat in top_stats)
    out.append("Total allocated size: %.1f KiB" % (total / 1024))
    return out


def snapshots(rng, count, data, expected):
    before = tracemalloc.Snapshot([], 25)
    for _ in range(count):
        traces = []
        for _ in range(rng.randrange(30)):
            domain, stack = rng.randrange(DOMAINS), random_stack(rng)
            sizes = [random_size(rng) for _ in range(rng.randrange(5))]
            frames = " ".join(f"{encoded(name).hex() or '-'}:{line}" for name, line in stack)
            data.write(f"T {domain} {','.join(map(str, sizes)) or '-'} {frames}\n")
            # What the interpreter does before it stores a frame.
            stack = tuple((tracemalloc._normalize_filename(name), line) for name, line in stack)
            traces += [(domain, size, stack) + ((len(stack),) if sys.version_info >= (3, 9) else ()) for size in sizes]
        filters, lines = random_filters(rng)
        data.writelines(line + "\n" for line in lines)
        least, most = 0, 1 << 63
        if rng.randrange(4) == 0:
            least, most = sorted((random_size(rng), random_size(rng)))
            data.write(f"B {least} {most}\n")
        data.write(".\n")
        after = tracemalloc.Snapshot(traces, 25)
        old, new = (tracemalloc.Snapshot([trace for trace in one.filter_traces(filters).traces._traces if least <= trace[1] <= most], 25)
                    for one in (before, after))
        for key, cumulative in VIEWS:
            for rows in new.statistics(key, cumulative), new.compare_to(old, key, cumulative):
                expected.writelines(encoded(f"{row}\n") for row in rows)
                expected.write(b"--\n")
        for row in new.statistics("traceback")[:3]:
            expected.writelines(encoded(f"{line}\n") for line in row.traceback.format() + row.traceback.format(most_recent_first=True))
        expected.writelines(encoded(f"{line}\n") for line in display_top(new))
        before = after


def patterns(rng, count, data, expected):
    alphabet = "ab-![]*?^\\&|~.\n/\u00e9\ue000\U0001f40d\udcff"
    for _ in range(count):
        pattern = "".join(rng.choice(alphabet) for _ in range(rng.randrange(9)))
        if rng.randrange(2) == 0:
            pattern = "[" + pattern + "]" + rng.choice(["", "*", "b"])
        name = "".join(rng.choice(alphabet if rng.randrange(3) == 0 else "ab-") for _ in range(rng.randrange(3)))
        data.write(f"{encoded(pattern).hex() or '-'} {encoded(name).hex() or '-'}\n")
        try:
            result = "1" if fnmatch.fnmatch(name, pattern) else "0"
        except re.error:  # some versions make expressions of ranges like [b-a] that are none
            result = "?"
        expected.write(result.encode())


def main():
    what, seed, count, folder = sys.argv[1:]
    with open(folder + "/data", "w", encoding="ascii") as data, open(folder + "/expected", "wb") as expected:
        {"snapshots": snapshots, "patterns": patterns}[what](random.Random(int(seed)), int(count), data, expected)


main()
