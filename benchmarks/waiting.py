"""What a person waits for: whole-process CPU seconds and peak memory of each verb, first and again.

    python benchmarks/waiting.py [--models jet_tagger quark_gluon small_cnn] [--runs 5] [--json FILE]
    python benchmarks/waiting.py --compare NEW OLD    # make bench-compare

Each run is a process of its own, with those that it starts; *first* has an empty cache, *again* has run before, *retrained* is
the same shape with other weights. CPU seconds depend on the machine and what else it does, so that the record holds them as
ratios to a fixed reference job, which runs before each: ``--compare`` names what takes more than 1.3 times the recorded ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from networks import network

ROOT = Path(__file__).resolve().parent.parent
CNN = "small_cnn"
"""A model that is made by the program of that name."""

MODELS = ("jet_tagger", "quark_gluon", CNN)
WORSE = 1.3
"""Ratio to the recorded ratio from which a job is named."""

NOISE = 0.15
"""Jobs that take so many reference jobs more than recorded, or fewer, are not named: start-up varies that much."""

REFERENCE = """
import hashlib, zlib
data = bytes(range(256)) * 4096
total = 0
for k in range(12):
    total += len(zlib.compress(data[k:] + hashlib.sha256(data).digest(), 6))
table = {}
for k in range(900_000):
    table[k * 7919 % 65537] = table.get(k % 65537, 0) + k
"""
"""Interpreter, hash tables, memory: about a second, and nothing of bittrigger's."""


@dataclass(frozen=True)
class Used:
    """What one process took, its children included; ``peak_mb`` is that of the largest."""

    wall_s: float
    cpu_s: float
    peak_mb: float


@dataclass(frozen=True)
class Row:
    """The medians of a job.

    Attributes:
        ratio: CPU seconds to those of the reference job that ran before it.
    """

    job: str
    wall_s: float
    cpu_s: float
    peak_mb: float
    ratio: float


class JobError(Exception):
    """A job failed."""


def run(command: list[str], cache: Path) -> Used:
    """Run ``command`` with the cache folder ``cache``.

    Raises:
        JobError: if it fails, with what it said.
    """
    started = time.perf_counter()
    environment = {**os.environ, "BITTRIGGER_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryFile() as log:
        actions = [(os.POSIX_SPAWN_DUP2, log.fileno(), stream) for stream in (1, 2)]
        child = os.posix_spawn(command[0], command, environment, file_actions=actions)
        _, status, usage = os.wait4(child, 0)
        if status:
            log.seek(0)
            raise JobError(f"{' '.join(command)}\n{log.read().decode(errors='replace')[-3000:]}")
    return Used(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def verb(*words: object) -> list[str]:
    """A command line of bittrigger."""
    return [sys.executable, "-m", "bittrigger", *map(str, words)]


def retrained(model: Path, target: Path) -> Path:
    """``model`` as another training might leave it: the rows of each kernel in another order."""
    import h5py
    import numpy as np

    shutil.copy(model, target)
    rng = np.random.default_rng(int(time.time_ns() % 2**32))

    def shuffle(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and "kernel" in name and item.ndim > 1:
            values = item[...]
            item[...] = values[rng.permutation(len(values))]

    with h5py.File(target, "r+") as file:
        file.visititems(shuffle)
    return target


class Waiting:
    """Runs jobs and keeps their figures, and the names of those that failed."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.figures: dict[str, list[tuple[Used, float]]] = {}
        self.failed: set[str] = set()
        self.cache = scratch / "cache"

    def job(self, name: str, command: list[str]) -> None:
        """Run ``command`` once, the reference job before it."""
        reference = run([sys.executable, "-c", REFERENCE], self.cache).cpu_s
        try:
            used = run(command, self.cache)
        except JobError as error:
            self.failed.add(name)
            print(f"{name}: failed\n{error}", file=sys.stderr, flush=True)
            return
        self.figures.setdefault(name, []).append((used, used.cpu_s / reference))
        print(
            f"{name}: {used.wall_s:.1f} s, {used.cpu_s:.1f} CPU s, {used.peak_mb:.0f} MB", file=sys.stderr, flush=True
        )

    def once(self, model: str, number: int) -> None:
        """Every verb on ``model``, with a cache of its own."""
        self.cache = self.scratch / f"cache-{model}-{number}"
        source, build = network(model), self.scratch / f"{model}-{number}"
        if model == CNN:
            source = self.scratch / f"{CNN}.h5"
            run([sys.executable, str(ROOT / "benchmarks" / f"{CNN}.py"), str(source)], self.cache)
        run(
            [sys.executable, "-c", "from bittrigger.solver.native import library; library()"], self.cache
        )  # as installed
        self.job(f"{model}: convert, first", verb("convert", source, "-o", build))
        self.job(f"{model}: convert, again", verb("convert", source, "-o", build, "--overwrite"))
        self.job(f"{model}: prove, first", verb("prove", build))
        self.job(f"{model}: prove, again", verb("prove", build))
        self.job(f"{model}: simulate -x all, first", verb("simulate", build, "-x", "all"))
        self.job(f"{model}: simulate -x all, again", verb("simulate", build, "-x", "all"))
        self.job(f"{model}: report", verb("report", build))
        other = retrained(source, self.scratch / f"{model}-{number}.h5")
        self.job(f"{model}: convert, retrained", verb("convert", other, "-o", build, "--overwrite", "--name", model))
        self.job(f"{model}: prove, retrained", verb("prove", build))
        if model != "jet_tagger":  # which has no layer that repeats
            self.job(f"{model}: convert --ii 9, first", verb("convert", source, "-o", build, "--overwrite", "--ii", 9))
        shutil.rmtree(build, ignore_errors=True)
        shutil.rmtree(self.cache, ignore_errors=True)

    def rows(self) -> list[Row]:
        """The medians so far."""

        def middle(runs: list[tuple[Used, float]], read: Callable[[Used], float]) -> float:
            return round(median(read(used) for used, _ in runs), 2)

        return [
            Row(
                name,
                middle(runs, lambda used: used.wall_s),
                middle(runs, lambda used: used.cpu_s),
                middle(runs, lambda used: used.peak_mb),
                round(median(ratio for _, ratio in runs), 3),
            )
            for name, runs in self.figures.items()
        ]


def table(rows: list[Row]) -> str:
    """The table of the documentation."""
    lines = ["| job | wall s | CPU s | CPU to reference | peak MB |", "|---|---|---|---|---|"]
    lines += [f"| {r.job} | {r.wall_s:.1f} | {r.cpu_s:.1f} | {r.ratio:.2f} | {r.peak_mb:.0f} |" for r in rows]
    return "\n".join(lines)


def worse(new: dict[str, float], old: dict[str, float]) -> list[str]:
    """The jobs of ``new`` whose ratio is worse than recorded in ``old``, in words; and recorded ones that are missing."""
    found = [f"{job}: not measured; recorded {old[job]:.2f}" for job in sorted(old.keys() - new.keys())]
    slower = [
        job for job in sorted(new.keys() & old.keys()) if new[job] > WORSE * old[job] and new[job] - old[job] > NOISE
    ]
    return found + [
        f"{job}: {new[job]:.2f}; recorded {old[job]:.2f}; {new[job] / old[job]:.2f} times" for job in slower
    ]


def read(path: Path) -> dict[str, float]:
    """The ratio of each job in a JSON that this program wrote."""
    return {row["job"]: row["ratio"] for row in json.loads(path.read_text(encoding="utf-8"))["jobs"]}


def measure(models: list[str], runs: int, keep: Callable[[list[Row]], None]) -> set[str]:
    """Run all jobs ``runs`` times, and ``keep`` what is known after each; the names of those that failed."""
    programs = {
        "benchmarks/emulator.py": ["emulator.py"],  # compiled and run, the solver included
        "benchmarks/csim.py": ["csim.py"],
        "benchmarks/csim.py, 64-256-256-10": ["csim.py", "--sizes", "64", "256", "256", "10", "--events", "2000"],
    }
    with tempfile.TemporaryDirectory() as name:
        waiting = Waiting(Path(name))
        for number in range(runs):
            for words in (["--help"], ["budgets"], ["parts"]):
                waiting.job(words[0], verb(*words))
            for model in models:
                waiting.once(model, number)
                keep(waiting.rows())
            for job, (program, *options) in programs.items():
                waiting.job(job, [sys.executable, str(ROOT / "benchmarks" / program), *options])
            keep(waiting.rows())
        print(table(waiting.rows()))
        return waiting.failed


def main() -> None:
    """Measure and print a table, or compare two measurements."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("NEW", "OLD"))
    options = parser.parse_args()
    if options.compare:
        found = worse(*map(read, options.compare))
        print("\n".join(found) or f"nothing takes more than {WORSE} times what is recorded")
        raise SystemExit(bool(found))

    def keep(rows: list[Row]) -> None:
        if options.json:
            data = {"runs": options.runs, "cores": os.cpu_count(), "jobs": [asdict(row) for row in rows]}
            options.json.parent.mkdir(parents=True, exist_ok=True)
            options.json.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")

    failed = measure(options.models, options.runs, keep)
    if failed:
        raise SystemExit(f"failed: {'; '.join(sorted(failed))}")


if __name__ == "__main__":
    main()
