"""Runs Yosys scripts in a process of its own: ``python yosys_worker.py SCRIPT...`` (one command a line, ``#`` comments).

pyosys holds Yosys as a library that ends the process on an error; here it takes nothing else with it. Of several scripts the
commands that all begin with are run once, and each goes on in a fork, so that it finds Yosys just as if it ran alone; what
it has to say goes to ``<script>.log`` then.
"""

from __future__ import annotations

import ctypes
import os
import sys
from itertools import takewhile
from pathlib import Path

from pyosys import libyosys


def commands(script: Path) -> list[str]:
    """The commands of ``script``."""
    lines = script.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def run(lines: list[str], design: libyosys.Design) -> None:
    """Run each command; what Yosys has to say goes to standard output."""
    for line in lines:
        libyosys.run_pass(line, design)


def flush() -> None:
    """Write out what Yosys has printed so far; it prints through the C library."""
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)


def go_on(lines: list[str], design: libyosys.Design, log: Path) -> int:
    """Run ``lines`` in a fork that prints to ``log``, and return its exit status."""
    flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with log.open("wb") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    run(lines, design)
    flush()
    os._exit(0)


def main(scripts: list[Path]) -> None:
    """Run ``scripts``, and stop at the first that fails."""
    design = libyosys.Design()
    parts = [commands(script) for script in scripts]
    if len(parts) == 1:
        run(parts[0], design)
        return
    shared = [lines[0] for lines in takewhile(lambda lines: len(set(lines)) == 1, zip(*parts, strict=False))]
    run(shared, design)
    for script, lines in zip(scripts, parts, strict=True):
        log = script.with_suffix(".log")
        status = go_on(lines[len(shared) :], design, log)
        if status:
            sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))
            sys.stdout.write(f"\n{script}: failed; its log: {log}\n")
            flush()
            os._exit(1)


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
