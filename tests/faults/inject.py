"""Gives this process a fault and becomes a command: ``python inject.py FAULT COMMAND...``.

Faults reach everything that the command starts: limits are inherited, and so is a filter of system calls, which answers as a
kernel does that has no processes, or no threads, left.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys

_NO_NEW_PRIVILEGES, _SECCOMP, _FILTER = 38, 22, 2
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_EAGAIN, _ENOSYS = 11, 38
_CLONE, _FORK, _VFORK, _CLONE3 = 56, 57, 58, 435
_CLONE_THREAD = 0x10000

LIMITS = {
    "memory": (resource.RLIMIT_AS, 1 << 20),
    "files": (resource.RLIMIT_NOFILE, 1),
    "disk": (resource.RLIMIT_FSIZE, 1 << 10),
}
"""Limits by name, with the unit of their number: MiB, files that are open, KiB a file."""


def _code(operation: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", operation, yes, no, value)


def refuse(*, processes: bool, threads: bool) -> None:
    """Let no process, or no thread, be started from here on; of x86-64."""
    load, equal, has, give = 0x20, 0x15, 0x45, 0x06
    program = b"".join(
        (
            _code(load, 0),
            _code(equal, _CLONE3, 5, 0),  # the C library falls back to clone, whose flags can be read
            _code(equal, _FORK, 6 if processes else 5, 0),
            _code(equal, _VFORK, 5 if processes else 4, 0),
            _code(equal, _CLONE, 0, 3),
            _code(load, 16),
            _code(has, _CLONE_THREAD, 2 if threads else 1, 2 if processes else 1),
            _code(give, _ERROR | _ENOSYS),
            _code(give, _ALLOW),
            _code(give, _ERROR | _EAGAIN),
        )
    )
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer)))
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) or libc.prctl(_SECCOMP, _FILTER, head, 0, 0):
        raise OSError(ctypes.get_errno(), "no filter of system calls")


def inject(fault: str) -> None:
    """Bring the fault about: ``processes``, ``threads``, or a limit with its number as ``memory=512``."""
    name, _, number = fault.partition("=")
    if name in LIMITS:
        kind, unit = LIMITS[name]
        resource.setrlimit(kind, (int(number) * unit, int(number) * unit))
    elif name != "none":
        refuse(processes=name == "processes", threads=name == "threads")


if __name__ == "__main__":
    inject(sys.argv[1])
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command that was given
