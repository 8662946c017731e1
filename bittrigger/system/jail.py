"""What a process gives up before it reads somebody else's file: programs, networks, other folders; and how much it may take.

Linux takes back none of it. Where the kernel lacks a part (Landlock came with 5.13, its networks with 6.7), the others still
hold; ``enter`` says which do.

Source: linux/landlock.h, linux/seccomp.h and linux/filter.h of Linux 6.12; system call numbers of x86-64 and of AArch64.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
from collections.abc import Sequence
from pathlib import Path

CPU_SECONDS = 3600
"""Most CPU time of all threads together."""

FILE_BYTES = 1 << 30
"""Largest file that may be written."""

MEMORY_SHARE = 0.75
"""Most memory that may be taken, of what the machine has."""

_NO_NEW_PRIVILEGES, _SECCOMP, _DEATH_SIGNAL, _FILTER = 38, 22, 1, 2

_DENIED = {
    "x86_64": (
        0xC000003E,
        *(41, 42, 49, 59, 62, 101, 155, 165, 200, 272, 304, 308, 311, 321, 322, 424, 425, 438),
        *(90, 91, 92, 93, 94, 188, 189, 190, 260, 268, 452),
    ),
    "aarch64": (
        0xC00000B7,
        *(198, 203, 200, 221, 129, 117, 41, 40, 130, 97, 265, 268, 271, 280, 281, 424, 425, 438),
        *(52, 53, 54, 55, 5, 6, 7, 452),
    ),
}
"""Architecture, and the numbers of socket, connect, bind, execve, kill, ptrace, pivot_root, mount, tkill, unshare,
open_by_handle_at, setns, process_vm_writev, bpf, execveat, pidfd_send_signal, io_uring_setup, pidfd_getfd; and of chmod, chown
and setxattr with their kin."""

_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13  # EACCES
_X32 = 0x40000000

_WRITING = (1 << 1) | sum(1 << bit for bit in range(4, 13))
_EXECUTE, _REFER, _TRUNCATE = 1 << 0, 1 << 13, 1 << 14
_NETWORK = 3
"""TCP: to bind and to connect."""

_SCOPES = 3
"""Abstract sockets and signals, within the confined process."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446


def enter(scratch: Path) -> tuple[str, ...]:
    """Confine this process and all that it starts, and let it die with its parent; there is no way back.

    Args:
        scratch: the one folder where files may still be written.

    Returns:
        What holds: ``limits``, ``files``, ``system calls``.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_DEATH_SIGNAL, 9, 0, 0, 0)
    return confine((scratch,), cpu_seconds=CPU_SECONDS)


def confine(folders: Sequence[Path], *, cpu_seconds: int | None = None) -> tuple[str, ...]:
    """Confine this process and all that it starts; there is no way back.

    Args:
        folders: those where files may still be written; they are there.
        cpu_seconds: most processor time; None sets no limit.

    Returns:
        What holds: ``limits``, ``files``, ``system calls``.
    """
    _set_limits(cpu_seconds)
    libc = ctypes.CDLL(None, use_errno=True)
    held = ["limits"]
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
        held += ["files"] if _confine_files(libc, folders) else []
        held += ["system calls"] if _filter_calls(libc) else []
    return tuple(held)


def memory_bytes() -> int:
    """Most memory that a confined process may take: a share of the machine's, or what the user's own limits leave."""
    share = int(MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    limits = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    return min(share, *(limit for limit in limits if limit != resource.RLIM_INFINITY), share)


def _set_limits(cpu_seconds: int | None) -> None:
    wanted = {resource.RLIMIT_DATA: memory_bytes(), resource.RLIMIT_FSIZE: FILE_BYTES, resource.RLIMIT_CORE: 0}
    if cpu_seconds is not None:
        wanted[resource.RLIMIT_CPU] = cpu_seconds
    for kind, value in wanted.items():
        hard = resource.getrlimit(kind)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (most, most))


def _confine_files(libc: ctypes.CDLL, folders: Sequence[Path]) -> bool:
    """Let files be written below ``folders`` alone, and no program be started."""
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if version < 1:
        return False
    rights = _EXECUTE | _WRITING | (_REFER if version > 1 else 0) | (_TRUNCATE if version > 2 else 0)
    attributes = struct.pack("<QQQ", rights, _NETWORK, _SCOPES)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if rules < 0:
        return False
    try:
        for path, allowed in (*((folder, rights & ~_EXECUTE) for folder in folders), (Path(os.devnull), 1 << 1)):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                if libc.syscall(_ADD_RULE, rules, 1, struct.pack("<Qi", allowed, place), ctypes.c_uint32(0)):
                    return False
            finally:
                os.close(place)
        return bool(libc.syscall(_RESTRICT_SELF, rules, ctypes.c_uint32(0)) == 0)
    finally:
        os.close(rules)


def _filter_calls(libc: ctypes.CDLL) -> bool:
    """Refuse the system calls that reach networks, programs and other processes."""
    if platform.machine() not in _DENIED:
        return False
    architecture, *denied = _DENIED[platform.machine()]
    program = b"".join(_instructions(architecture, denied))
    buffer = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer)))
    return bool(libc.prctl(_SECCOMP, _FILTER, head, 0, 0) == 0)


def _instructions(architecture: int, denied: Sequence[int]) -> list[bytes]:
    """A filter program: another architecture and each number of ``denied`` are refused, all else is allowed."""
    load, equal, above, give = 0x20, 0x15, 0x35, 0x06
    refuse = len(denied) + 1  # instructions between the check of the upper range and the refusal

    def code(operation: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("<HBBI", operation, yes, no, value)

    return [
        code(load, 4),
        code(equal, architecture, 0, refuse + 2),
        code(load, 0),
        code(above, _X32, refuse, 0),
        *(code(equal, number, len(denied) - k, 0) for k, number in enumerate(denied)),
        code(give, _ALLOW),
        code(give, _REFUSE),
    ]
