"""What the process apart is told to do by ``test_apart``."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from bittrigger.errors import MismatchError, UnsupportedModelError
from bittrigger.system import apart


def echo(head, body, answer):
    answer(head, body)
    answer({"again": True}, b"")


def nested(_head, _body, answer):
    answer({"possible": apart.is_possible("tensorflow")}, b"")


def attempt(head, _body, answer):
    """What a payload would try; says which of it was refused."""
    outside, precious = Path(head["outside"]), Path(head["precious"])
    tries = {
        "write": lambda: outside.write_text("x"),
        "append": lambda: precious.open("a"),
        "truncate": lambda: os.truncate(precious, 0),
        "remove": precious.unlink,
        "rename": lambda: precious.rename(outside),
        "link": lambda: outside.symlink_to(precious),
        "folder": outside.mkdir,
        "rights": lambda: precious.chmod(0),
        "program": lambda: subprocess.run(["true"], check=True),
        "network": lambda: socket.create_connection(("127.0.0.1", 9)),
        "local network": lambda: socket.socket(socket.AF_UNIX),
        "signal": lambda: os.kill(os.getppid(), 0),
    }
    refused = []
    for name, action in tries.items():
        try:
            action()
        except PermissionError:
            refused.append(name)
    os.system(f"touch {outside}")  # noqa: S605 - what a payload does
    scratch = Path(os.environ["TMPDIR"]) / "mine"
    scratch.write_text("allowed")
    answer({"refused": refused, "open": len(list(Path("/proc/self/fd").iterdir()))}, b"")


def refuse(_head, _body, _answer):
    raise UnsupportedModelError("model file x: no; allowed is y; do z")


def differ(_head, _body, _answer):
    raise MismatchError("they differ", event=3, column=1, codes=(4, 5))


def fail(_head, _body, _answer):
    raise ZeroDivisionError("ours")


def crash(_head, _body, _answer):
    ctypes.string_at(0)


def abort(_head, _body, _answer):
    os.abort()


def leave(_head, _body, _answer):
    os._exit(0)


def die(_head, _body, _answer):
    signal.raise_signal(signal.SIGKILL)


def hoard(_head, _body, _answer):
    bytearray(1 << 45)


def sleep(_head, _body, _answer):
    time.sleep(600)


def lie(_head, _body, _answer):
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if int(path.name) > 2:
                os.write(int(path.name), b"\xff" * 4096)
    time.sleep(600)
