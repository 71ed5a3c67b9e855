"""The examples in the client's documentation, in a process whose tracer is faked."""

import doctest
import os
import unittest

from fake_tracer import FakeTracer

import memtrace_bpf
from memtrace_bpf import _connection, _points


class Documented(unittest.TestCase):
    def test_examples_do_what_they_say(self):
        tracer = FakeTracer()
        os.environ["MEMTRACE_BPF_SOCKET"] = tracer.path
        _connection.connection._reset()
        try:
            for module, least in (memtrace_bpf, 2), (_points, 8):
                results = doctest.testmod(module, verbose=False)
                self.assertEqual(results.failed, 0)
                self.assertGreaterEqual(results.attempted, least)
        finally:
            tracer.end()
            del os.environ["MEMTRACE_BPF_SOCKET"]
            _connection.connection._reset()
