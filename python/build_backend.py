"""Makes the wheel and the source archive of memtrace_bpf (PEP 517): a handful of files that need no building."""

import base64
import hashlib
import pathlib
import re
import tarfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = HERE / "memtrace_bpf"
VERSION = re.search(r'__version__ = "([^"]+)"', (PACKAGE / "__init__.py").read_text(encoding="utf-8"))[1]
NAME = "memtrace_bpf-" + VERSION
EPOCH = (1980, 1, 1, 0, 0, 0)  # equal sources make equal wheels


def metadata():
    lines = [
        "Metadata-Version: 2.1",
        "Name: memtrace-bpf",
        "Version: " + VERSION,
        "Summary: Named memory points and checkpoints in a process that memtrace-bpf traces",
        "Requires-Python: >=3.8",
        "Description-Content-Type: text/markdown",
    ]
    return "\n".join(lines) + "\n\n" + (HERE / "README.md").read_text(encoding="utf-8")


def modules():
    return sorted([*PACKAGE.glob("*.py"), PACKAGE / "py.typed"])


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    files = {"memtrace_bpf/" + path.name: path.read_bytes() for path in modules()}
    info = NAME + ".dist-info/"
    files[info + "METADATA"] = metadata().encode()
    files[info + "WHEEL"] = b"Wheel-Version: 1.0\nGenerator: memtrace-bpf\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = ""
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += "%s,sha256=%s,%d\n" % (name, digest, len(content))
    files[info + "RECORD"] = (record + info + "RECORD,,\n").encode()
    wheel = NAME + "-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return wheel


def build_sdist(sdist_directory, config_settings=None):
    sdist = NAME + ".tar.gz"
    with tarfile.open(pathlib.Path(sdist_directory) / sdist, "w:gz") as archive:
        for path in [HERE / "pyproject.toml", HERE / "README.md", HERE / "build_backend.py", *modules()]:
            archive.add(path, "%s/%s" % (NAME, path.relative_to(HERE)))
    return sdist
