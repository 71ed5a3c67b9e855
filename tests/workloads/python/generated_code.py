"""Code compiled, run and dropped, so that code objects come and go at the same addresses while their blocks stay."""

SOURCE = """
def build(count):
    kept = set()
    for i in range(count):
        kept.add("text %d of {n}" % i)
        kept.add(b"bytes" * (i + {n}))
    return kept
made = build({n})
"""
# Made once: tracemalloc would keep the name of a file alive for as long as it holds a block of it.
FILE_NAMES = ["<generated %d>" % i for i in range(7)]


def run(n):
    namespace = {}
    exec(compile(SOURCE.format(n=n), FILE_NAMES[n % len(FILE_NAMES)], "exec"), namespace)
    return namespace["made"]


def work():
    kept = []
    for n in range(20, 60):
        kept.append(run(n))
    evaluated = [eval("bytes(%d)" % (i + 500)) for i in range(60)]
    return kept, evaluated
