"""Runs a Yosys script in a process of its own: ``python yosys_worker.py SCRIPT`` (one command a line, ``#`` comments).

pyosys holds Yosys as a library that ends the process on an error; here it takes nothing else with it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pyosys import libyosys


def main(script: Path) -> None:
    """Run each command of ``script``; what Yosys has to say goes to standard output."""
    design = libyosys.Design()
    for line in script.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            libyosys.run_pass(line, design)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
