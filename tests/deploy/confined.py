"""Runs a program under the seccomp filter that a systemd unit asks for, without systemd.

    python -m tests.deploy.confined UNIT PROGRAM ARGUMENTS…

The lists behind names such as @system-service are systemd's own (`systemd-analyze syscall-filter`); libseccomp is what systemd
loads them with. What a unit refuses here is refused there.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

LIBRARY = "libseccomp.so.2"
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NO_NEW_PRIVS = 38
_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp: one condition on one argument of a call."""

    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def settings(unit: Path) -> dict[str, list[str]]:
    """What a unit sets, each name with all its values."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().replace("\\\n", " ").splitlines():
        name, equal, value = line.partition("=")
        if equal and not line.startswith(("#", "[")):
            found.setdefault(name, []).append(value)
    return found


@cache
def lists() -> dict[str, list[str]]:
    """systemd's named lists of system calls."""
    told = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = {}
    for line in told.stdout.splitlines():
        if line.startswith("@"):
            entries = found[line.strip()] = []
        elif line.startswith("    ") and "#" not in line:
            entries.append(line.strip())
        elif line.startswith("#"):
            entries = []  # what is in no list
    return found


def calls(names: str) -> set[str]:
    """The system calls behind names of lists."""
    found: set[str] = set()
    for name in names.split():
        found |= calls(" ".join(lists()[name])) if name.startswith("@") else {name}
    return found


def allowed(unit: Path) -> set[str]:
    """The system calls that a unit allows."""
    found: set[str] = set()
    for value in settings(unit)["SystemCallFilter"]:
        if value.startswith("~"):
            found -= calls(value[1:])
        else:
            found |= calls(value)
    return found | calls("@default")  # which systemd always allows


def confine(unit: Path) -> None:
    """Put this process under the filter, for good."""
    library = ctypes.CDLL(LIBRARY, use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_rule_add.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint]
    refusal = settings(unit).get("SystemCallErrorNumber")
    context = library.seccomp_init(_ERRNO | getattr(errno, refusal[0]) if refusal else _KILL)
    families = [_FAMILIES[name] for name in settings(unit)["RestrictAddressFamilies"][0].split()]
    for name in allowed(unit) - {"socket"}:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # of this architecture
            library.seccomp_rule_add(context, _ALLOW, number, 0)
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(Comparison),
    ]  # fmt: skip
    for family in families:
        only = Comparison(0, 4, family, 0)  # SCMP_CMP_EQ
        number = library.seccomp_syscall_resolve_name(b"socket")
        library.seccomp_rule_add_array(context, _ALLOW, number, 1, ctypes.byref(only))
    ctypes.CDLL(None).prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    if library.seccomp_load(ctypes.c_void_p(context)):
        raise OSError("the filter cannot be loaded")


if __name__ == "__main__":
    confine(Path(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
