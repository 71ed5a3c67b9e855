"""A tracer's socket with answers to order: for what a real tracer does not do when a test wants it."""

import json
import os
import socket
import tempfile
import threading


class FakeTracer:
    """Answers with `memory`, or with answers[request]: a dict, bytes to send as they are, or None to hang up."""

    def __init__(self, path=None):
        self.folder = None if path else tempfile.TemporaryDirectory()
        self.path = path or os.path.join(self.folder.name, "tracer.sock")
        self.memory = 1000
        self.answers = {}
        self.greeting = None  # bytes for whoever connects, who is let go then
        self.requests = []
        self.connections = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if self.greeting:
                connection.sendall(self.greeting)
                connection.close()
                continue
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            for line in connection.makefile("rb"):
                request = json.loads(line)
                self.requests.append(request)
                answer = self.answers.get(request["do"], {"ok": True, "current": self.memory, "peak": 2 * self.memory, "pid": 1, "name": request.get("name")})
                if answer is None:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                connection.sendall(answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n")
        except OSError:
            pass

    def end(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        os.unlink(self.path)
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
