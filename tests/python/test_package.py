"""What `pip install .` installs."""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import unittest

import memtrace_bpf

CLIENT = os.path.dirname(os.path.dirname(os.path.abspath(memtrace_bpf.__file__)))


def read(*parts):
    with open(os.path.join(CLIENT, *parts), encoding="utf-8") as file:
        return file.read()


class Package(unittest.TestCase):
    def test_the_wheel_is_made_without_any_other_package_and_can_be_imported(self):
        spec = importlib.util.spec_from_file_location("build_backend", os.path.join(CLIENT, "build_backend.py"))
        backend = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(backend)
        with tempfile.TemporaryDirectory() as folder:
            wheel = os.path.join(folder, backend.build_wheel(folder))
            program = "import memtrace_bpf, importlib.metadata as m; print(memtrace_bpf.__version__, m.version('memtrace-bpf'))"
            environment = {**os.environ, "PYTHONPATH": wheel, "PYTHONWARNINGS": "ignore"}
            done = subprocess.run([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, universal_newlines=True)
            self.assertEqual(done.stdout, "%s %s\n" % (memtrace_bpf.__version__, memtrace_bpf.__version__))

    def test_the_module_has_the_version_of_the_program(self):
        self.assertEqual(memtrace_bpf.__version__, re.search(r"^VERSION := (\S+)$", read("..", "Makefile"), re.MULTILINE)[1])
