"""Tells what interpreter runs it: "build MAJOR MINOR VERSION DEBUG ENDBR64 FREE_THREADED", the last three 0 or 1; then waits for
the end of stdin, for its mappings to be looked at."""
import ctypes
import os
import sys
import sysconfig

version = sys.version_info
function = ctypes.cast(ctypes.pythonapi.PyObject_Malloc, ctypes.c_void_p).value
endbr64 = ctypes.string_at(function, 4) == b"\xf3\x0f\x1e\xfa"
debug = hasattr(sys, "gettotalrefcount")
free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
text = "build %d %d %s %d %d %d\n" % (version[0], version[1], sys.version.split()[0], debug, endbr64, free_threaded)
os.write(1, text.encode() + b"ready\n")
while os.read(0, 1):
    pass
