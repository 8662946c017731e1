"""Runs Yosys scripts one after another in one process that has read the cell library once.

``python -m fuzz.yosys_server LOG``: each line of standard input is a script; ``done SECONDS`` with the CPU time that it took goes
to the descriptor that standard output had at the start. A failing command ends the process, as it does in pyosys.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyosys import libyosys

from fuzz.child import cpu_seconds

LIBRARY = "fuzz_cells"


def main(log: Path) -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 1)
    design = libyosys.Design()
    libyosys.run_pass("read_verilog -lib +/xilinx/cells_sim.v", design)
    libyosys.run_pass(f"design -save {LIBRARY}", design)
    for line in sys.stdin:
        os.ftruncate(1, 0)
        os.lseek(1, 0, os.SEEK_SET)
        before = cpu_seconds()
        libyosys.run_pass(f"design -load {LIBRARY}", design)
        for command in Path(line.strip()).read_text(encoding="utf-8").splitlines():
            libyosys.run_pass(command, design)
        answers.write(f"done {cpu_seconds() - before:.3f}\n")
        answers.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
