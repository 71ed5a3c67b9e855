"""Code of files that are strange, or gone: names that are no UTF-8, very long, of a subclass of str, from files deleted or replaced
since, and modules frozen into the interpreter."""
import importlib.util
import os
import tempfile

SOURCE = "def make(n):\n    return bytearray(n + 4000)\n\n\ndef call(n):\n    return make(n)\n"


class Name(str):
    pass


NAMES = [
    "plain.py",
    "caf\u00e9.py",
    "\u03b1\u03b2\u03b3.py",
    "snake \U0001f40d.py",
    os.fsdecode(b"latin \xe9\xe8.py"),
    "/long/" + "d" * 200 + "/" + "x" * 2800 + ".py",
    "/wide/" + "\u03b1" * 3000 + ".py",
    Name("subclass.py"),
    Name("subclass \u03b1.py"),
    "",
    "with\nnewline.py",
]


def load(name):
    namespace = {}
    exec(compile(SOURCE, name, "exec"), namespace)
    return namespace["call"]


def from_file(path):
    with open(path, "w") as file:
        file.write(SOURCE)
    return load(path)


FUNCTIONS = [load(name) for name in NAMES]
FOLDER = tempfile.gettempdir()
DELETED = os.path.join(FOLDER, "memtrace-deleted.py")
REPLACED = os.path.join(FOLDER, "memtrace-replaced.py")
FUNCTIONS.append(from_file(DELETED))
FUNCTIONS.append(from_file(REPLACED))
os.unlink(DELETED)
with open(REPLACED, "w") as other:
    other.write("\n" * 50 + "nothing = 1\n")
os.unlink(REPLACED)


def work():
    kept = [function(i) for i, function in enumerate(FUNCTIONS)]
    # <frozen importlib._bootstrap>
    specification = importlib.util.spec_from_loader("nothing", loader=None)
    kept.append(importlib.util.module_from_spec(specification))
    return kept
