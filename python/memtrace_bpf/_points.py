"""Named points: what the process held at each of them."""

from __future__ import annotations

import functools
import sys
from collections import namedtuple
from collections.abc import Sequence

from ._connection import NotTraced, connection

_MEGABYTE = 1024 * 1024
_MOST_CHECKPOINTS = 1000  # of points: so that a loop over new names does not fill the tracer's room

TYPE_CHECKING = False  # typing is larger than all else here: only checkers see it
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterator, List, NamedTuple, NoReturn, Optional, TypeVar, Union, overload

    Function = TypeVar("Function", bound=Callable[..., Any])
    Item = TypeVar("Item")

    class MemLog(NamedTuple):
        ID: str
        memory: Optional[int]

    class _Logs(Sequence[MemLog]): ...

else:
    MemLog = namedtuple("MemLog", "ID memory")
    MemLog.__doc__ = """A point: its ID, and the traced live bytes then; None where nobody traced the process.

    >>> MemLog('start', 1024)
    MemLog(ID='start', memory=1024)
    """
    _Logs = Sequence


class _MemLogs(_Logs):
    """All points so far, in their order: a list that only MEMPOINT() writes.

    >>> MEMPOINT('first'); MEMPOINT('first'); MEMPOINT('last')
    >>> MEMLOGS.IDs[-3:]
    ['first', 'first-2', 'last']
    >>> MEMLOGS.filter(lambda log: log.ID == 'first-2') == [MEMLOGS[-2]]
    True
    >>> MEMLOGS.map(lambda log: len(log.ID))[-3:]
    [5, 7, 4]
    >>> MEMLOGS.append(MEMLOGS[0])
    Traceback (most recent call last):
        ...
    TypeError: only MEMPOINT() adds to MEMLOGS
    """

    def __init__(self) -> None:
        self._logs: List[MemLog] = []

    @property
    def memories(self) -> List[Optional[int]]:
        """The memory of each point."""
        return [log.memory for log in self._logs]

    @property
    def IDs(self) -> List[str]:
        """The ID of each point."""
        return [log.ID for log in self._logs]

    def filter(self, predicate: Callable[[MemLog], Any]) -> List[MemLog]:
        """The points for which the predicate holds."""
        return [log for log in self._logs if predicate(log)]

    def map(self, function: Callable[[MemLog], Item]) -> List[Item]:
        """What the function makes of each point."""
        return [function(log) for log in self._logs]

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, index: int) -> MemLog: ...

        @overload
        def __getitem__(self, index: slice) -> List[MemLog]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[MemLog, List[MemLog]]:
        return self._logs[index]

    def __len__(self) -> int:
        return len(self._logs)

    def __iter__(self) -> Iterator[MemLog]:
        return iter(self._logs)

    def __repr__(self) -> str:
        return repr(self._logs)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("only MEMPOINT() adds to MEMLOGS")

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse
    __setitem__ = __delitem__ = __add__ = __radd__ = __iadd__ = __mul__ = __rmul__ = __imul__ = _refuse


MEMLOGS = _MemLogs()
_used: Dict[str, int] = {}  # of each ID, the last suffix given
_warned = False
_checkpoints_left = _MOST_CHECKPOINTS
_last: Optional[int] = None


def _warn(reason: NotTraced) -> None:
    global _warned
    if not _warned:
        _warned = True
        import warnings

        warnings.warn("memtrace_bpf: %s: points record None" % reason, RuntimeWarning, stacklevel=3)


def MEMORY() -> Optional[int]:
    """Traced live bytes of this process, exact at this moment; None where nobody traces it.

    Called twice in a row it gives the same number, for the number given last is kept here in the place of its predecessor.
    """
    global _last
    try:
        _last = connection.memory()[0]
    except NotTraced as reason:
        _warn(reason)
        return None
    return _last


def _unique(name: str) -> str:
    if name not in _used:
        _used[name] = 1
        return name
    while True:
        _used[name] += 1
        candidate = "%s-%d" % (name, _used[name])
        if candidate not in _used:
            _used[candidate] = 1
            return candidate


def _escaped(name: str) -> bytes:
    """The inside of a JSON text. By hand: the module json would be the largest thing a small program measures."""
    plain = all(" " <= character <= "~" and character not in '"\\' for character in name)
    return name.encode() if plain else "".join("\\u%04x" % unit for unit in _utf16(name)).encode()


def _utf16(name: str) -> Iterator[int]:
    encoded = name.encode("utf-16-le", "surrogatepass")
    return (encoded[i] | encoded[i + 1] << 8 for i in range(0, len(encoded), 2))


def _record(name: str) -> None:
    global _last
    memory = MEMORY()
    if memory is not None:
        # Another object, made as those are: the one given last is kept by MEMLOGS, too, and would not be replaced.
        _last = int("%d" % memory)
    MEMLOGS._logs.append(MemLog(_unique(name), memory))


def MEMPOINT(id: Any = None) -> None:
    """Records a point: str(id), with -2, -3 … where that was used before, and MEMORY().

    The first point of an ID that was given is a checkpoint of the tracer, too: `memtrace-bpf diff -p PID ID1 ID2` tells what changed
    between two of them, line by line. Its making is not measured.
    """
    global _checkpoints_left
    name = str(id)
    if id is not None and name not in _used and _checkpoints_left > 0:
        try:
            connection.exchange(b'{"do":"checkpoint","name":"%s"}\n' % _escaped(name))
            _checkpoints_left -= 1
        except NotTraced:
            pass  # MEMORY() says why; a tracer without room for checkpoints still measures
    _record(name)


def MEMPRINT() -> None:
    """Prints a line a point: its index, megabytes (1024 * 1024 bytes), and ID."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    arrow = "→" if "→".encode(encoding, "ignore") else "->"
    for index, log in enumerate(MEMLOGS):
        megabytes = "None" if log.memory is None else "%.2f" % (log.memory / _MEGABYTE)
        line = "%d %s MB %s %s" % (index, megabytes, arrow, log.ID)
        print(line.encode(encoding, "backslashreplace").decode(encoding))


def MEMTRACE(function: Function) -> Function:
    """Decorates a function: points "Before NAME()" and "After NAME()" around each call.

    >>> @MEMTRACE
    ... def answer():
    ...     return 42
    >>> answer()
    42
    >>> MEMLOGS.IDs[-2:]
    ['Before answer()', 'After answer()']
    """

    @functools.wraps(function)
    def traced(*arguments: Any, **named: Any) -> Any:
        _record("Before %s()" % function.__name__)
        try:
            return function(*arguments, **named)
        finally:
            _record("After %s()" % function.__name__)

    return traced  # type: ignore[return-value]
