"""The socket of the tracer of this process: one JSON object a line each way.

A measurement must not count what measuring allocates. So the request for it is made beforehand, its answer is read into a buffer
that stays, and all that is allocated later (the parsing, the number itself) is gone, or replaced its predecessor, before the next one.
"""

from __future__ import annotations

# Not socket, threading, typing: what they bring would be most of what a small program measures.
import _socket
import _thread
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple, Union

_FOLDER = "/run/memtrace-bpf"
_MEMORY_REQUEST = b'{"do":"memory"}\n'
_BUFFER_BYTES = 4096
_TIMEOUT_SECONDS = 60.0  # a checkpoint of a large process is written meanwhile
_TIMEOUT = _socket.timeout
_RETRY_SECONDS = 0.1  # so that a process nobody traces does not look for a socket at every point
_LONGEST_LINE = 64 * 1024 * 1024
_WARM_UP = 16  # interpreters allocate caches at the first calls of a function


class NotTraced(RuntimeError):
    """Nobody traces this process, or the tracer refused: the message says which."""


def socket_path() -> str:
    """Where the tracer of this process listens: $MEMTRACE_BPF_SOCKET, else /run/memtrace-bpf/PID.sock."""
    return os.environ.get("MEMTRACE_BPF_SOCKET") or "%s/%d.sock" % (_FOLDER, os.getpid())


def _number_behind(text: Union[bytes, bytearray], key: bytes, size: int) -> Optional[int]:
    # By hand: a tree of the answer would be several allocations more, and the module json many. In JSON a text cannot look like a key.
    start = text.find(key, 0, size) + len(key)
    if start < len(key):
        return None
    while start < size and text[start] == 32:
        start += 1
    end = start
    while end < size and 48 <= text[end] <= 57:
        end += 1
    return int(text[start:end]) if end > start else None


def _warn_of_losses() -> None:
    import warnings

    warnings.warn("memtrace_bpf: blocks are missing from these numbers; `memtrace-bpf status` says why", RuntimeWarning, stacklevel=5)


class Connection:
    """Opened at the first request, again after a fork or when the tracer has changed. For any number of threads."""

    def __init__(self) -> None:
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._socket: Optional[_socket.socket] = None
        self._retry_at = 0.0
        self._told_of_losses = False
        self._reset()

    def _reset(self) -> None:
        # In a child the descriptor is a copy: the parent's connection must not carry the child's requests.
        self._lock = _thread.RLock()
        self._busy = False
        self._drop()
        self._retry_at = 0.0

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> _socket.socket:
        if self._socket is not None:
            return self._socket
        now = time.monotonic()
        if now < self._retry_at:
            raise NotTraced("nobody traces this process")
        path = socket_path()
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        connection.settimeout(_TIMEOUT_SECONDS)
        try:
            connection.connect(path)
        except OSError as error:
            connection.close()
            self._retry_at = now + _RETRY_SECONDS
            raise NotTraced("nobody traces this process (%s: %s)" % (path, error.strerror)) from None
        self._socket = connection
        refusal = None
        for _ in range(_WARM_UP):
            try:
                size = self._exchange_memory()
            except OSError:
                if refusal is None:
                    raise
                # Who may not talk to the tracer is told so once, and let go.
                self._drop()
                self._retry_at = now + _RETRY_SECONDS
                raise NotTraced("refused: " + refusal) from None
            if self._number(b'"current":', size) is None:
                refusal = self._refusal(bytes(self._view[:size]))
        return connection

    def _exchange_memory(self) -> int:
        """Sends the request for the memory; how many bytes of the answer are in the buffer."""
        connection = self._socket
        assert connection is not None
        try:
            connection.sendall(_MEMORY_REQUEST)
        except BrokenPipeError:  # it may have said why before it closed
            pass
        size = connection.recv_into(self._view)
        while size and self._buffer[size - 1] != 10:
            more = connection.recv_into(self._view[size:])
            size = size + more if more else 0
        if not size:
            raise ConnectionResetError("the tracer has ended")
        return size

    def memory(self) -> Tuple[int, int]:
        """Traced live bytes of this process at this moment, and their peak."""
        with self._lock:
            if self._busy:
                raise NotTraced("this thread is in the middle of another request")
            self._busy = True
            try:
                size = self._exchange_again()
                current = self._number(b'"current":', size)
                peak = self._number(b'"peak":', size)
                if current is None or peak is None:
                    raise NotTraced(self._refusal(bytes(self._view[:size])))
                if self._number(b'"lost":', size) and not self._told_of_losses:
                    self._told_of_losses = True
                    _warn_of_losses()
                return current, peak
            except NotTraced:
                raise
            except BaseException:  # interrupted: an answer may still come, which the next request must not take for its own
                self._drop()
                raise
            finally:
                self._busy = False

    def _exchange_again(self) -> int:
        try:
            self._open()
            return self._exchange_memory()
        except OSError:  # the tracer has ended; there may be another one
            self._drop()
        try:
            self._open()
            return self._exchange_memory()
        except OSError as error:
            self._drop()
            raise NotTraced("the tracer does not answer (%s)" % error) from None

    def _number(self, key: bytes, size: int) -> Optional[int]:
        return _number_behind(self._buffer, key, size)

    @staticmethod
    def _refusal(line: bytes) -> str:
        import json

        try:
            answer = json.loads(line)
            hint = answer.get("hint")
            return str(answer["error"]) + (" (%s)" % hint if hint else "")
        except (ValueError, KeyError, AttributeError, TypeError):
            return "the tracer's answer is not understood"

    def ask(self, request: Dict[str, Any]) -> Tuple[Dict[str, Any], bytes]:
        """Any request: the answer, and the bytes that follow it. Raises NotTraced."""
        import json

        answer, content = self.exchange(json.dumps(request).encode() + b"\n")
        try:
            parsed = json.loads(answer)
            good = parsed["ok"] is True
        except (ValueError, KeyError, TypeError):
            raise NotTraced("the tracer's answer is not understood") from None
        if not good:
            raise NotTraced(self._refusal(answer))
        return parsed, content

    def exchange(self, line: bytes) -> Tuple[bytes, bytes]:
        """Any line: the answer's line, whatever it says, and the bytes that follow it. Raises NotTraced."""
        with self._lock:
            if self._busy:
                raise NotTraced("this thread is in the middle of another request")
            self._busy = True
            try:
                try:
                    return self._send_and_receive(line)
                except _TIMEOUT:  # it may still be at it: a second request would be a second checkpoint
                    raise
                except OSError:  # the tracer has ended; there may be another one
                    self._drop()
                    return self._send_and_receive(line)
            except OSError as error:
                self._drop()
                raise NotTraced("the tracer does not answer (%s)" % error) from None
            except NotTraced:
                raise
            except BaseException:
                self._drop()
                raise
            finally:
                self._busy = False

    def _send_and_receive(self, line: bytes) -> Tuple[bytes, bytes]:
        connection = self._open()
        connection.sendall(line)
        return self._receive(connection)

    def _receive(self, connection: _socket.socket) -> Tuple[bytes, bytes]:
        received = bytearray()
        while b"\n" not in received:
            self._receive_more(connection, received)
            if len(received) > _LONGEST_LINE:
                raise ConnectionResetError("an answer without end")
        answer, _, content = received.partition(b"\n")
        wanted = _number_behind(answer, b'"bytes":', len(answer)) or 0
        while len(content) < wanted:
            self._receive_more(connection, content)
        return bytes(answer), bytes(content)

    def _receive_more(self, connection: _socket.socket, to: bytearray) -> None:
        size = connection.recv_into(self._view)
        if not size:
            raise ConnectionResetError("the tracer has ended")
        to += self._view[:size]


connection = Connection()
os.register_at_fork(after_in_child=connection._reset)
