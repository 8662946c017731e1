"""Starting Yosys: one process for any number of scripts."""

from __future__ import annotations

import sys
from pathlib import Path

from bittrigger.system.toolchain import run_tool

WORKER = Path(__file__).with_name("yosys_worker.py")


def run_scripts(scripts: list[Path], log: Path, jobs: int, timeout_s: float) -> None:
    """Run ``scripts``, which lie in one folder, there; ``log`` holds what a single one says, or what all begin with.

    Args:
        jobs: scripts at a time; each then has a log of its own.

    Raises:
        ToolError: if Yosys fails or takes longer than ``timeout_s``.
    """
    names = [script.name for script in scripts]
    command = [sys.executable, str(WORKER), "-j", str(jobs), *names]
    run_tool(command, log=log, cwd=scripts[0].parent, timeout_s=timeout_s)
