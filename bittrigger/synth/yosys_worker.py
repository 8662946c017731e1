"""Runs Yosys scripts in a process of its own: ``yosys_worker.py [-j JOBS] SCRIPT...`` (one command a line, ``#`` comments).

pyosys holds Yosys as a library that ends the process on an error; here it takes nothing else with it. Of several scripts the
commands that all begin with are run once, and each goes on in a fork, JOBS at a time, so that it finds Yosys just as if it
ran alone; what it has to say goes to ``<script>.log`` then.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from itertools import takewhile
from pathlib import Path
from typing import NoReturn

from pyosys import libyosys

from bittrigger.synth.recipe import TABLES
from bittrigger.synth.tables import map_tables


def commands(script: Path) -> list[str]:
    """The commands of ``script``."""
    lines = script.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and (line == TABLES or not line.startswith("#"))]


def run(lines: list[str], design: libyosys.Design) -> None:
    """Run each command; what Yosys has to say goes to standard output."""
    for line in lines:
        if line == TABLES:
            map_tables(libyosys, design)
        else:
            libyosys.run_pass(line, design)


def flush() -> None:
    """Write out what Yosys has printed so far; it prints through the C library."""
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)


def go_on(lines: list[str], design: libyosys.Design, log: Path) -> int:
    """Start a fork that runs ``lines`` and prints to ``log``; its process."""
    flush()
    child = os.fork()
    if child:
        return child
    with log.open("wb") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    run(lines, design)
    flush()
    os._exit(0)


def wait(running: dict[int, Path]) -> None:
    """Wait for one of the ``running`` forks, which are in the order of their scripts; if it failed, end."""
    child, status = os.wait()
    if status:
        fail(running, child)
    del running[child]


def fail(running: dict[int, Path], failed: int) -> NoReturn:
    """End with the log of the first that fails: of those before ``failed``, one may read the same wrong file and fail too."""
    first, ended = failed, {failed}
    for child in takewhile(lambda child: child != failed, running):
        ended.add(child)
        if os.waitpid(child, 0)[1]:
            first = child
            break
    script = running[first]
    log = script.with_suffix(".log")
    sys.stdout.write(log.read_text(encoding="utf-8", errors="replace"))
    sys.stdout.write(f"\n{script}: failed; its log: {log}\n")
    flush()
    for other in running.keys() - ended:
        os.kill(other, signal.SIGKILL)
    os._exit(1)


def main(scripts: list[Path], jobs: int) -> None:
    """Run ``scripts``, and stop at the first that fails."""
    design = libyosys.Design()
    parts = [commands(script) for script in scripts]
    if len(parts) == 1:
        run(parts[0], design)
        return
    shared = [lines[0] for lines in takewhile(lambda lines: len(set(lines)) == 1, zip(*parts, strict=False))]
    run(shared, design)
    running: dict[int, Path] = {}
    for script, lines in zip(scripts, parts, strict=True):
        if len(running) == jobs:
            wait(running)
        running[go_on(lines[len(shared) :], design, script.with_suffix(".log"))] = script
    while running:
        wait(running)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    at_a_time = 1
    if arguments[:1] == ["-j"]:
        at_a_time, arguments = int(arguments[1]), arguments[2:]
    main([Path(argument) for argument in arguments], at_a_time)
