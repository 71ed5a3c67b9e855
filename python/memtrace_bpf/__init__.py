"""Named memory points and checkpoints, in a process that `memtrace-bpf -p PID` traces.

Importing makes MEMPOINT, MEMORY, MEMPRINT, MEMTRACE and MEMLOGS available everywhere, and records the first point:

>>> import memtrace_bpf
>>> MEMLOGS[0].ID
'memtrace_bpf import'

Memory is what the tracer counts as live in this process: blocks allocated since it began and not yet freed. In a process nobody traces
points record None, after one warning, and all else raises NotTraced, which is a RuntimeError. A tracer that comes later is found.
"""

from __future__ import annotations

import builtins

from ._connection import NotTraced, connection, socket_path
from ._points import MEMLOGS, MEMORY, MEMPOINT, MEMPRINT, MEMTRACE, MemLog, _record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tracemalloc
    from typing import Any, Iterable, List, Optional, Tuple

__version__ = "0.1.0"
__all__ = [
    "MEMLOGS",
    "MEMORY",
    "MEMPOINT",
    "MEMPRINT",
    "MEMTRACE",
    "MemLog",
    "NotTraced",
    "checkpoint",
    "clear_traces",
    "get_object_trace",
    "get_traced_memory",
    "reset_peak",
    "socket_path",
    "take_snapshot",
]


def checkpoint(name: str = "None", user_data: Iterable[Tuple[str, str, int]] = ()) -> MemLog:
    """Makes the tracer keep a whole snapshot of this moment, with all other threads stopped meanwhile.

    user_data: (title, format, value) each, the same titles in the same order each time, so that differences can be shown; the format
    "size" is for bytes, any other for plain numbers. Returns the name it got (-2, -3 … behind one used before) and the memory.
    Raises NotTraced.
    """
    data = [[str(title), str(form), int(value)] for title, form, value in user_data]
    answer, _ = connection.ask({"do": "checkpoint", "name": str(name), "user_data": data})
    return MemLog(str(answer["name"]), int(answer["memory"]))


def get_traced_memory() -> Tuple[int, int]:
    """Traced live bytes of this process now, and their peak. Raises NotTraced."""
    return connection.memory()


def reset_peak() -> None:
    """Makes the peak what is live now. Raises NotTraced."""
    connection.ask({"do": "reset-peak"})


def clear_traces() -> None:
    """Makes the tracer forget every block so far; tracing goes on. Raises NotTraced."""
    connection.ask({"do": "clear"})


def get_object_trace(obj: Any) -> Optional[tracemalloc.Traceback]:
    """Where the memory of an object was allocated; None where the tracer does not know its block. Raises NotTraced.

    Only the block that holds the object itself: what a list refers to lies elsewhere.
    """
    answer, _ = connection.ask({"do": "where", "address": id(obj)})
    if not answer.get("found"):
        return None
    frames = [(str(frame["file"]), int(frame["line"])) for frame in answer["frames"]]
    return _traceback(frames, int(answer.get("total_frames", len(frames))))


def _traceback(frames: List[Tuple[str, int]], total: int) -> tracemalloc.Traceback:
    import sys
    import tracemalloc

    depth = (total,) if sys.version_info >= (3, 9) else ()
    return tracemalloc.Traceback(tuple(frames), *depth)


def take_snapshot() -> tracemalloc.Snapshot:
    """All live blocks that the tracer knows, as Python's own tracemalloc would have them: statistics(), compare_to() and dump() work.

    Domain 0 is that of Python's objects, 1 of malloc(), 2 of mmap(). Raises NotTraced.
    """
    import json
    import sys
    import tracemalloc

    _, content = connection.ask({"do": "snapshot", "format": "traces"})
    try:
        data = json.loads(content)
        frames = [(str(name), int(line)) for name, line in data["frames"]]
        traces: List[Tuple[Any, ...]] = []
        for domain, stack, total, sizes in data["sites"]:
            traceback = tuple(frames[index] for index in stack)
            depth = (int(total),) if sys.version_info >= (3, 9) else ()
            for size, count in sizes:
                traces += [(int(domain), int(size), traceback, *depth)] * int(count)
        limit = int(data["traceback_limit"])
    except (ValueError, KeyError, TypeError, IndexError):
        raise NotTraced("the tracer's answer is not understood") from None
    return tracemalloc.Snapshot(traces, limit)


for _name in ("MEMPOINT", "MEMORY", "MEMPRINT", "MEMTRACE", "MEMLOGS"):
    setattr(builtins, _name, globals()[_name])
_record("memtrace_bpf import")
