"""What each executor costs and how fast it is on the jet tagger: python benchmarks/executors.py [--build DIR] [--json FILE].

Seconds of the first run of one event: *first* with every cache of the user empty, *new design* with only what is shared
between designs cached, *cached* when nothing has changed. Events a second are those of a long run less the run of one event.
The netlist of ``gates`` is synthesised for the first two. All outputs are compared with the oracle on every bit.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from networks import network
from spent import cpu_seconds

from bittrigger import __version__
from bittrigger.build.folder import Build, load_build
from bittrigger.compile.convert import convert
from bittrigger.ir.graph import evaluate
from bittrigger.simulate import EXECUTORS, Executor
from bittrigger.simulate.compare import compare, create_executor, left_out
from bittrigger.simulate.vectors import random_codes
from bittrigger.synth.yosys import synthesize

MODEL = network("jet_tagger")
EVENTS = {
    "oracle": 200_000,
    "keras": 100_000,
    "csim": 50_000,
    "emulator": 1_000_000,
    "rtl": 100_000,
    "rtl-fast": 1_000_000,
    "rtl-icarus": 300,
    "gates": 40_000,
}
GOALS = {"rtl": 20_000, "rtl-fast": 1_000_000}
CHECKED = 20_000


@dataclass(frozen=True)
class Cost:
    """Wall and CPU seconds, those of child processes included."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Row:
    """One executor; None where it did not run."""

    executor: str
    first: Cost | None = None
    new_design: Cost | None = None
    cached: Cost | None = None
    events: int | None = None
    events_per_s: int | None = None
    events_per_cpu_s: int | None = None
    goal: int | None = None
    not_run: str | None = None


def cost(action: Callable[[], object]) -> Cost:
    """What ``action`` took."""
    wall, used = time.perf_counter(), cpu_seconds()
    action()
    return Cost(round(time.perf_counter() - wall, 2), round(cpu_seconds() - used, 2))


def measure(name: str, build: Build, scratch: Path) -> Row:
    """One row of the table."""
    reason = left_out(name, MODEL)
    if reason is not None:
        return Row(name, not_run=reason)
    codes = random_codes(build.graph, EVENTS[name], 1)

    outputs = []

    def run(events: int, executor: Executor | None = None) -> None:
        outputs.append((executor or create_executor(name, build, model=MODEL)).run(codes[:events]))

    def build_and_run() -> None:
        if name == "gates":
            synthesize(build.pipeline, build.folder / "rtl", build.folder / "synth")
        run(1)

    def without_build() -> Cost:
        for folder in ("sim", "synth"):
            shutil.rmtree(build.folder / folder, ignore_errors=True)
        return cost(build_and_run)

    os.environ["BITTRIGGER_CACHE"] = str(scratch / f"cache-{name}")
    first, new_design = without_build(), without_build()
    cached = cost(lambda: run(1))
    executor = create_executor(name, build, model=MODEL)
    run(1, executor)
    one = cost(lambda: run(1, executor))
    many = cost(lambda: run(len(codes), executor))
    for found in outputs:
        checked = found[:CHECKED]
        compare(build.graph, evaluate(build.graph, codes[: len(checked)]), checked, ("oracle", name))
    rates = (
        round(len(codes) / max(0.01, long - short)) for long, short in ((many.wall, one.wall), (many.cpu, one.cpu))
    )
    return Row(name, first, new_design, cached, len(codes), *rates, GOALS.get(name))


def header() -> str:
    """The first lines of the table in the documentation."""
    lines = [
        "| executor | first run, s (CPU s) | new design, s (CPU s) | cached, s | events/s | events per CPU s | goal |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join(lines)


def line(row: Row) -> str:
    """One line of the table."""
    if row.first is None or row.new_design is None or row.cached is None:
        return f"| {row.executor} | not run: {row.not_run} | | | | | |"
    builds = [f"{item.wall:.1f} ({item.cpu:.1f})" for item in (row.first, row.new_design)]
    goal = "" if row.goal is None else f"{row.goal:,}: {'met' if row.events_per_s >= row.goal else 'MISSED'}"
    cells = [
        row.executor,
        *builds,
        f"{row.cached.wall:.2f}",
        f"{row.events_per_s:,}",
        f"{row.events_per_cpu_s:,}",
        goal,
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure, print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, help="a build of models/jet_tagger, copied; by default it is converted")
    parser.add_argument("--executors", nargs="+", default=list(EXECUTORS), choices=EXECUTORS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if options.build:
            build = load_build(Path(shutil.copytree(options.build, scratch / "build")))
        else:
            build, _ = convert(MODEL, scratch / "build", synthesize=False)
        build = replace(build, folder=scratch / "build")
        print(header())
        rows = []
        for executor in options.executors:
            rows.append(measure(executor, build, scratch))
            print(line(rows[-1]), flush=True)
    if options.json:
        data = {
            "tool": "bittrigger",
            "version": __version__,
            "design": "jet_tagger",
            "rows": [asdict(row) for row in rows],
        }
        options.json.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
