"""The Python client against a tracer that answers to order, and against none."""

import builtins
import io
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
import unittest
import warnings
from contextlib import redirect_stdout

from fake_tracer import FakeTracer

import memtrace_bpf
from memtrace_bpf import MemLog, NotTraced, _connection, _points


def wait_retry():
    time.sleep(1.5 * _connection._RETRY_SECONDS)


class Traced(unittest.TestCase):
    def setUp(self):
        self.tracer = FakeTracer()
        os.environ["MEMTRACE_BPF_SOCKET"] = self.tracer.path
        _connection.connection._reset()

    def tearDown(self):
        self.tracer.end()
        del os.environ["MEMTRACE_BPF_SOCKET"]
        _connection.connection._reset()

    def test_memory_is_what_the_tracer_says_at_the_call(self):
        self.assertEqual(MEMORY(), 1000)
        self.tracer.memory = 3 << 40
        self.assertEqual(MEMORY(), 3 << 40)
        self.assertEqual(memtrace_bpf.get_traced_memory(), (3 << 40, 6 << 40))

    def test_points_have_ids_of_their_own(self):
        start = len(MEMLOGS)
        self.assertIsNone(MEMPOINT())
        for name in "p", "p", 7, "p-2", "p":
            MEMPOINT(name)
        ids = [log.ID for log in MEMLOGS[start + 1 :]]
        self.assertEqual(ids, ["p", "p-2", "7", "p-2-2", "p-3"])
        self.assertTrue(all(memory == 1000 for memory in MEMLOGS.memories[start:]))

    def test_first_points_of_an_id_are_checkpoints(self):
        for name in "c1", "c1", None, "c2":
            MEMPOINT(name)
        self.assertEqual([r["name"] for r in self.tracer.requests if r["do"] == "checkpoint"], ["c1", "c2"])
        for odd in 'say "\\"', "line\nend", "\u00e9\U0001f40d":
            MEMPOINT(odd)
            self.assertEqual([r["name"] for r in self.tracer.requests if r["do"] == "checkpoint"][-1], odd)
        self.tracer.answers["checkpoint"] = {"ok": False, "error": "no room"}
        MEMPOINT("c3")
        self.assertEqual(MEMLOGS[-1], MemLog("c3", 1000))

    def test_decorated_functions_are_surrounded_by_points(self):
        @MEMTRACE
        def double(x, *, plus=0):
            """Doubles."""
            if x is None:
                raise KeyError("x")
            return 2 * x + plus

        start = len(MEMLOGS)
        self.assertEqual(double(4, plus=1), 9)
        self.assertEqual(double.__doc__, "Doubles.")
        with self.assertRaises(KeyError):
            double(None)
        self.assertEqual([log.ID.split("-")[0] for log in MEMLOGS[start:]], ["Before double()", "After double()"] * 2)

    def test_logs_are_a_list_that_only_points_write(self):
        MEMPOINT("one")
        logs = MEMLOGS
        self.assertEqual(logs[-1], logs[len(logs) - 1])
        self.assertEqual(list(logs), logs[:])
        self.assertIsInstance(logs[:], list)
        self.assertEqual(repr(logs), repr(list(logs)))
        self.assertEqual(logs.filter(lambda log: log.ID == "one")[0].memory, 1000)
        self.assertEqual(logs.map(lambda log: log.ID), logs.IDs)
        before = len(logs)
        for refused in (
            lambda: logs.append(logs[0]),
            lambda: logs.extend([]),
            lambda: logs.insert(0, logs[0]),
            lambda: logs.__setitem__(0, logs[0]),
            lambda: logs.__delitem__(0),
            lambda: logs + [],
            lambda: [] + logs,
            lambda: logs * 2,
            lambda: 2 * logs,
            lambda: logs.clear(),
            lambda: logs.pop(),
        ):
            self.assertRaises(TypeError, refused)
        self.assertEqual(len(logs), before)
        self.assertTrue(all(getattr(builtins, name) is getattr(memtrace_bpf, name) for name in ("MEMLOGS", "MEMPOINT")))

    def test_printed_points_are_index_megabytes_and_id(self):
        self.tracer.memory = 5 * 1024 * 1024 + 12345
        MEMPOINT("printed")
        out = io.StringIO()
        with redirect_stdout(out):
            MEMPRINT()
        self.assertEqual(out.getvalue().splitlines()[-1], "%d 5.01 MB \u2192 printed" % (len(MEMLOGS) - 1))
        narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        with redirect_stdout(narrow):
            MEMPRINT()

    def test_checkpoints_carry_user_data(self):
        self.tracer.answers["checkpoint"] = {"ok": True, "name": "x-2", "memory": 77, "peak": 78, "number": 2}
        self.assertEqual(memtrace_bpf.checkpoint("x", user_data=[("cache", "size", 12)]), MemLog("x-2", 77))
        self.assertEqual(self.tracer.requests[-1]["user_data"], [["cache", "size", 12]])

    def test_snapshots_are_tracemallocs_own(self):
        traces = {"traceback_limit": 3, "frames": [["a.py", 1], ["b.py", 2]], "sites": [[0, [1, 0], 5, [[16, 2], [32, 1]]], [1, [0], 1, [[7, 1]]]]}
        content = json.dumps(traces).encode()
        self.tracer.answers["snapshot"] = b'{"ok": true, "bytes": %d}\n' % len(content) + content
        snapshot = memtrace_bpf.take_snapshot()
        self.assertIsInstance(snapshot, tracemalloc.Snapshot)
        self.assertEqual([str(s) for s in snapshot.statistics("lineno")][0], "b.py:2: size=64 B, count=3, average=21 B")
        self.assertEqual(len(snapshot.filter_traces([tracemalloc.DomainFilter(True, 1)]).traces), 1)
        self.assertEqual(snapshot.traceback_limit, 3)
        for broken in (b"{}", b"[]", b'{"traceback_limit":1,"frames":[],"sites":[[0,[4],1,[[1,1]]]]}'):
            self.tracer.answers["snapshot"] = b'{"ok": true, "bytes": %d}\n' % len(broken) + broken
            self.assertRaises(RuntimeError, memtrace_bpf.take_snapshot)

    def test_objects_are_asked_for_by_their_address(self):
        self.tracer.answers["where"] = {
            "ok": True, "found": True, "address": 1, "size": 2, "frames": [{"file": "new.py", "line": 5}, {"file": "old.py", "line": 1}], "total_frames": 9}
        thing = object()
        trace = memtrace_bpf.get_object_trace(thing)
        self.assertEqual(self.tracer.requests[-1]["address"], id(thing))
        self.assertEqual(str(trace), "old.py:1")  # CPython prints the oldest
        self.tracer.answers["where"] = {"ok": True, "found": False}
        self.assertIsNone(memtrace_bpf.get_object_trace(thing))

    def test_refusals_are_raised_with_their_reason(self):
        for name in "clear", "reset-peak":
            self.tracer.answers[name] = {"ok": False, "error": "not yours", "hint": "be root"}
        for call in memtrace_bpf.clear_traces, memtrace_bpf.reset_peak:
            with self.assertRaisesRegex(NotTraced, r"not yours \(be root\)"):
                call()

    def test_who_is_refused_reads_why(self):
        self.tracer.greeting = b'{"ok": false, "error": "user 7 may not talk to this tracer", "hint": "be root"}\n'
        for _ in range(2):
            with self.assertRaisesRegex(NotTraced, r"refused: user 7 may not talk to this tracer \(be root\)"):
                memtrace_bpf.get_traced_memory()
            wait_retry()
        self.tracer.greeting = None
        self.assertEqual(MEMORY(), 1000)

    def test_answers_nobody_understands_are_no_memory(self):
        MEMORY()
        for answer in b"\n", b"{}\n", b"nonsense\n", b'{"ok":true,"current":}\n', b"[1]\n", b'{"ok":true,"current":-5,"peak":1}\n', b"x" * 10000 + b"\n":
            self.tracer.answers["memory"] = answer
            with self.assertRaises(RuntimeError):
                memtrace_bpf.get_traced_memory()
        self.tracer.answers.clear()
        wait_retry()
        self.assertEqual(MEMORY(), 1000)

    def test_an_answer_in_pieces_is_read_whole(self):
        MEMORY()
        sizes = []
        self.tracer.answers["memory"] = b'{"current":12345678901234,"ok":true,"pad":"%s","peak":2}\n' % (b"y" * 3000)
        sizes.append(memtrace_bpf.get_traced_memory())
        self.assertEqual(sizes, [(12345678901234, 2)])

    def test_a_tracer_that_ends_and_one_that_comes_later_are_noticed(self):
        self.assertEqual(MEMORY(), 1000)
        self.tracer.end()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.assertIsNone(MEMORY())
        wait_retry()
        ended, self.tracer = self.tracer, FakeTracer(self.tracer.path)
        self.addCleanup(ended.folder.cleanup)
        self.tracer.memory = 5
        self.assertEqual(MEMORY(), 5)

    def test_threads_get_whole_answers(self):
        failures = []

        def work():
            for _ in range(200):
                if MEMORY() != 1000:
                    failures.append(1)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_a_child_has_a_connection_of_its_own(self):
        MEMORY()
        before = len(self.tracer.connections)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of forks with threads: those of the tracer that is faked here
            child = os.fork()
        if child == 0:
            os._exit(0 if MEMORY() == 1000 else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(len(self.tracer.connections), before + 1)
        self.assertEqual(MEMORY(), 1000)


class Untraced(unittest.TestCase):
    def run_python(self, program, **environment):
        environment = {**os.environ, "PYTHONWARNINGS": "", "PYTHONPATH": os.path.dirname(os.path.dirname(memtrace_bpf.__file__)), **environment}
        return subprocess.run([sys.executable, "-B", "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)

    def test_points_record_none_after_one_warning_and_the_program_runs(self):
        done = self.run_python("import memtrace_bpf\nfor i in range(3): MEMPOINT('a')\n@MEMTRACE\ndef f(): return 5\nprint(f(), MEMORY(), MEMLOGS.memories)")
        self.assertEqual(done.stdout, "5 None [None, None, None, None, None, None]\n")
        self.assertEqual(done.stderr.count("RuntimeWarning"), 1, done.stderr)

    def test_warnings_as_errors_stop_at_the_import_alone(self):
        done = self.run_python("import warnings; warnings.simplefilter('error')\ntry: import memtrace_bpf\nexcept RuntimeWarning: print('stopped')")
        self.assertEqual(done.stdout, "stopped\n")

    def test_all_else_raises_a_runtime_error(self):
        for call in "get_traced_memory()", "take_snapshot()", "checkpoint('x')", "clear_traces()", "reset_peak()", "get_object_trace(1)":
            done = self.run_python("import memtrace_bpf\ntry: memtrace_bpf.%s\nexcept RuntimeError as e: print(e)" % call)
            self.assertIn("nobody traces this process", done.stdout)

    def test_points_cost_next_to_nothing(self):
        done = self.run_python(
            "import memtrace_bpf, time\nMEMORY()\nbest = 1\nfor _ in range(5):\n  t = time.perf_counter()\n  for i in range(10000): MEMORY()\n"
            "  best = min(best, (time.perf_counter() - t) / 10000)\nprint(best)")
        self.assertLess(float(done.stdout), 20e-6)  # some 2 us

    def test_importing_loads_no_large_module(self):
        done = self.run_python("import sys; before = set(sys.modules); import memtrace_bpf; print(*sorted(set(sys.modules) - before))")
        loaded = done.stdout.split()
        for large in "json", "socket", "typing", "threading", "asyncio", "tracemalloc", "pickle", "logging":
            self.assertNotIn(large, loaded)
