"""Seconds of each stage of `bittrigger convert`, and its peak memory: python benchmarks/convert.py [MODEL] [--runs 3]."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from networks import network


def measure(model: Path, folder: Path) -> dict[str, float]:
    """One conversion in a process of its own: seconds by stage, start-up and wall time included."""
    command = [sys.executable, "-m", "bittrigger", "convert", str(model), "-o", str(folder)]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    stages = json.loads((folder / "bittrigger.json").read_text())["stage_seconds"]
    return stages | {"start-up and writing": wall - sum(stages.values()), "wall": wall}


def help_seconds() -> float:
    """The fastest of five runs of `bittrigger --help`."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "bittrigger", "--help"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=network("jet_tagger"))
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = [measure(options.model, Path(scratch) / f"run{k}") for k in range(options.runs)]
    peak_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{options.model.parent.name}, {options.runs} runs, median, {os.cpu_count()} cores\n")
    print("| stage | seconds |\n|---|---|")
    for stage in runs[0]:
        print(f"| {stage} | {median(run[stage] for run in runs):.2f} |")
    print(f"\npeak memory of the largest process: {peak_mb:.0f} MB\n`bittrigger --help`: {help_seconds():.2f} s")


if __name__ == "__main__":
    main()
