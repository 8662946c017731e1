"""Runs command lines of bittrigger one after another in one process: JSON in, a line of JSON out for each.

The answer holds the exit code, what was printed to standard error, a traceback if one escaped, and the growth of the memory.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
import traceback
import warnings
from pathlib import Path

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def run(arguments: list[str]) -> dict[str, object]:
    """What ``bittrigger ARGUMENTS`` does."""
    from bittrigger.cli import main

    errors, before = io.StringIO(), _begun_mb()
    code: object = 0
    trace = ""
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            main(arguments)
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:  # noqa: BLE001 - whatever escapes is what is looked for
        trace = traceback.format_exc(limit=-8)
    return {"exit": code, "error": errors.getvalue()[-2000:], "trace": trace, "grown_mb": _peak_mb() - before}


def _begun_mb() -> float:
    """The memory of this process, whose peak begins here anew; that of ``getrusage`` holds what its parent had."""
    with contextlib.suppress(OSError):
        CLEAR.write_text("5")
    return _memory_mb("VmRSS")


def _peak_mb() -> float:
    return _memory_mb("VmHWM")


def _memory_mb(name: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 1024


def serve() -> None:
    """Answer each line of standard input."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    warnings.simplefilter("ignore")
    logging.disable(logging.ERROR)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        answers.write(json.dumps(run(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
