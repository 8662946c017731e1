"""Work in a process apart, confined by ``jail``: what reads somebody else's file can take nothing with it and change nothing.

One process serves all requests, forked before anything large is imported, so that it costs milliseconds. Requests and answers are
JSON with bytes behind it; nothing is unpickled, so that whoever gains the process gains no more than wrong answers.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import select
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from bittrigger import errors
from bittrigger.errors import BittriggerError, InternalError, MismatchError, ToolError
from bittrigger.system import jail

Json = dict[str, Any]
Message = tuple[Json, bytes]
Answer = Callable[[Json, bytes], None]
Work = Callable[[Json, bytes, Answer], None]

WALL_SECONDS = 7200.0
"""Longest wait for an answer."""

MAX_BYTES = 4 << 30
"""Largest answer."""


@dataclass
class _Process:
    pid: int
    requests: BinaryIO
    answers: BinaryIO
    scratch: Path
    lives: bool = True


_state: dict[str, _Process] = {}
_inside = False
"""Whether this is the process apart itself, which does what it is asked."""


def is_possible(heavy: str) -> bool:
    """Whether work can be done apart: not where ``heavy``, what the process is to hold, is here already and threads run in it."""
    return sys.platform == "linux" and heavy not in sys.modules and not _inside


def ask(work: str, head: Json, body: bytes = b"") -> Generator[Message, None, None]:
    """Let the process apart do ``work`` and give its answers one by one.

    Args:
        work: ``module:function`` of a ``Work``.

    Raises:
        BittriggerError: what the work raised.
        ToolError: if the process dies, or takes too long.
    """
    process = _state.get("process") or _start()
    _state["process"] = process
    finished = False
    try:
        _send(process.requests, {"work": work, "head": head}, body)
        while True:
            answer, content = _receive(process)
            if "answer" in answer:
                yield answer["answer"], content
                continue
            finished = "bug" not in answer
            _raise(answer)
            return
    except (BrokenPipeError, EOFError, ValueError, TypeError) as error:
        raise ToolError(_obituary(process)) from error
    finally:
        if not finished:
            stop()


def stop() -> None:
    """End the process apart, if there is one, and remove its scratch folder."""
    process = _state.pop("process", None)
    if process is None:
        return
    if process.lives:
        os.kill(process.pid, signal.SIGKILL)
        os.waitpid(process.pid, 0)
    for stream in (process.requests, process.answers):
        with contextlib.suppress(OSError):
            stream.close()
    shutil.rmtree(process.scratch, ignore_errors=True)


def _start() -> _Process:
    scratch = Path(tempfile.mkdtemp(prefix="bittrigger-apart-"))
    from_parent, to_child = os.pipe()
    from_child, to_parent = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # threads of a terminal's progress line: none is used in the child
        pid = os.fork()
    if not pid:
        _child(from_parent, to_parent, scratch)
    os.close(from_parent)
    os.close(to_parent)
    atexit.register(stop)
    return _Process(pid, os.fdopen(to_child, "wb"), os.fdopen(from_child, "rb", buffering=0), scratch)


def _child(requests: int, answers: int, scratch: Path) -> NoReturn:
    """Serve until the other side closes."""
    global _inside  # noqa: PLW0603 - a fork has state of its own
    _inside = True
    try:
        log = os.open(scratch / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
            if number > 2 and number not in (requests, answers):
                with contextlib.suppress(OSError):
                    os.close(number)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other side ends this one
        os.environ |= {"TMPDIR": str(scratch), "MPLCONFIGDIR": str(scratch)}
        tempfile.tempdir = None
        jail.enter(scratch)
        _serve(os.fdopen(requests, "rb"), os.fdopen(answers, "wb"))
    finally:
        os._exit(0)


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    while True:
        head = requests.read(16)
        if len(head) < 16:
            return
        request, body = (requests.read(size) for size in struct.unpack("<QQ", head))
        order = json.loads(request)
        _send(answers, _done(order, body, lambda answer, content: _send(answers, {"answer": answer}, content)))


def _done(order: Json, body: bytes, answer: Answer) -> Json:
    """Do the work, and say how it ended."""
    try:
        module, _, name = order["work"].partition(":")
        work: Work = getattr(importlib.import_module(module), name)
        work(order["head"], body, answer)
    except BittriggerError as error:
        facts = vars(error) if isinstance(error, MismatchError) else {}
        return {"error": type(error).__name__, "message": str(error), "facts": facts}
    except MemoryError:
        return {
            "error": "ToolError",
            "message": f"it needs more than {jail.memory_bytes() >> 20} MiB of memory",
            "facts": {},
        }
    except Exception:  # noqa: BLE001 - shown by the other side, as a bug of ours
        return {"bug": traceback.format_exc()}
    return {}


def _raise(answer: Json) -> None:
    if "bug" in answer:
        raise InternalError(f"in the process apart:\n{answer['bug']}")
    if "error" not in answer:
        return
    kind = getattr(errors, str(answer["error"]), None)
    if not (isinstance(kind, type) and issubclass(kind, BittriggerError)):
        raise InternalError(f"in the process apart: {answer}")
    if kind is MismatchError:
        facts = answer["facts"]
        codes = facts.get("codes")
        raise MismatchError(
            answer["message"],
            event=facts.get("event"),
            column=facts.get("column"),
            codes=None if codes is None else (codes[0], codes[1]),
        )
    raise kind(answer["message"])


def _send(stream: BinaryIO, head: Json, body: bytes = b"") -> None:
    text = json.dumps(head, separators=(",", ":")).encode()
    stream.write(struct.pack("<QQ", len(text), len(body)))
    stream.write(text)
    stream.write(body)
    stream.flush()


def _receive(process: _Process) -> Message:
    deadline = time.monotonic() + WALL_SECONDS
    sizes = struct.unpack("<QQ", _read(process, 16, deadline))
    if sum(sizes) > MAX_BYTES:
        raise ToolError(f"the process that reads the model answered with {sum(sizes)} bytes; allowed are {MAX_BYTES}")
    text, body = (_read(process, size, deadline) for size in sizes)
    answer = json.loads(text)
    return dict(answer), body


def _read(process: _Process, size: int, deadline: float) -> bytes:
    parts = []
    while size:
        if not select.select([process.answers], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise ToolError(
                f"the process that reads the model gave no answer within {WALL_SECONDS:g} s and was stopped"
            )
        part = process.answers.read(min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _obituary(process: _Process) -> str:
    """How the process ended, and what it said last."""
    status = os.waitpid(process.pid, 0)[1]
    process.lives = False
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    reasons = {
        signal.SIGXCPU: f"took more than {jail.CPU_SECONDS} s of processor time",
        signal.SIGKILL: "was killed, perhaps for want of memory",
        signal.SIGABRT: f"gave up, perhaps because it needs more than {jail.memory_bytes() >> 20} MiB of memory",
        0: "ended before its answer",
    }
    reason = reasons.get(number, f"died of {signal.strsignal(number)}" if number else "")
    with contextlib.suppress(OSError):
        lines = (process.scratch / "log").read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
        reason += "".join(f"\n  {line[:200]}" for line in lines)
    return f"the process that reads the model {reason}"
