"""Commands of bittrigger, one after the other in a process of their own: TensorFlow is imported one time for all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

RUNNER = """
import contextlib, io, json, logging, sys
from bittrigger.cli import main
results = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
            code = 0
        except SystemExit as stop:
            code = stop.code
    logging.getLogger().handlers.clear()  # they print to what this command printed to
    light = not any(name in sys.modules for name in ("tensorflow", "keras", "qkeras"))
    results.append([code or 0, out.getvalue(), err.getvalue(), light])
print(json.dumps(results))
"""


@dataclass(frozen=True)
class Done:
    """What became of a command.

    Attributes:
        light: whether TensorFlow was left alone up to its end.
    """

    code: int
    out: str
    err: str
    light: bool


def call(*commands: list[object], cwd: Path | None = None) -> list[Done]:
    """Run commands, each given by its words without the program."""
    words = json.dumps([[str(word) for word in command] for command in commands])
    command = [sys.executable, "-c", RUNNER, words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr
    return [Done(*found) for found in json.loads(done.stdout.splitlines()[-1])]
