"""Code that has never run before. Each input line is one request:

NAME        makes a function of that name, which allocates one block; prints the time (CLOCK_MONOTONIC, ns) right before.
F/S         makes F functions that allocate one block each, from S / F different lines: S distinct stacks; prints how many.
"""
import sys
import time

UNIT = b"x"


def make(name):
    namespace = {"UNIT": UNIT}
    exec(compile(f"def {name}(size):\n    return UNIT * size\n", f"{name}.py", "exec"), namespace)
    return namespace[name]


def make_caller(ways):
    """A function that calls its argument from as many lines."""
    lines = "".join("    function(600)\n" for _ in range(ways))
    namespace = {}
    exec(compile(f"def caller(function):\n{lines}", "caller.py", "exec"), namespace)
    return namespace["caller"]


print("ready", flush=True)
for line in sys.stdin:
    request = line.strip()
    if "/" in request:
        functions, stacks = map(int, request.split("/"))
        caller = make_caller(stacks // functions)
        for number in range(functions):
            caller(make(f"leaf_{number}"))
        print(stacks)
    else:
        function = make(request)
        begin = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        function(600)
        print(begin)
    sys.stdout.flush()
