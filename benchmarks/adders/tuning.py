"""What each tuned constant of the solver is worth: ``python benchmarks/adders/tuning.py [NAME ...]``.

A constant of ``bittrigger/solver/native/solve.cpp`` is halved and doubled (or set otherwise, see ``CONSTANTS``), the solver is
compiled with it, and random kernels are solved at the default effort. A row tells the mean change of the LUTs with its standard
error over the kernels, and the CPU seconds of all.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bittrigger.ir.fixed import Interval
from bittrigger.solver import SolverOptions, graph_luts, native, solve
from bittrigger.system.toolchain import require_tool

CONSTANTS = {
    "SLACK": ("int SLACK = 1;", ("int SLACK = 0;", "int SLACK = 2;")),
    "CLOSE_SLACK": ("CLOSE_SLACK = 3;", ("CLOSE_SLACK = 1;", "CLOSE_SLACK = 5;")),
    "temperature": ("22 * bits", ("11 * bits", "44 * bits")),
    "steps to half the temperature": ("300 * terms", ("75 * terms", "1200 * terms")),
    "finder.seeds": ("finder.seeds = 2", ("finder.seeds = 1", "finder.seeds = 4")),
    "finder.parity": ("finder.parity = 8", ("finder.parity = 4", "finder.parity = 12")),
    "finder.noise": ("finder.noise = 90", ("finder.noise = 45", "finder.noise = 180")),
    "remove, brief": ("options.remove = 2", ("options.remove = 1", "options.remove = 4")),
    "most_expanded, brief": ("most_expanded = 6", ("most_expanded = 3", "most_expanded = 12")),
    "finder.thrift, brief": ("finder.thrift = 2", ("finder.thrift = 1", "finder.thrift = 3")),
    "expand, thorough": ("options.expand = 32", ("options.expand = 8", "options.expand = 128")),
    "generous and revisit, thorough": ("options.revisit = 16", ("options.revisit = 4", "options.revisit = 64")),
    "POLISH": ("POLISH = 40", ("POLISH = 10", "POLISH = 160")),
    "POLISH_SHARE": ("POLISH_SHARE = 144", ("POLISH_SHARE = 48", "POLISH_SHARE = 432")),
}
SHAPES = ((16, 32), (27, 32), (32, 32), (64, 32), (48, 64), (144, 64))
"""Of kernels with two thirds and a quarter of their weights; those of less than 1,000 weights are searched thoroughly."""

TUNED = "solve.cpp"


def kernels() -> Iterator[np.ndarray]:
    """Ternary kernels, always the same."""
    for seed, (n_in, n_out) in enumerate(SHAPES):
        rng = np.random.default_rng(seed)
        for present in (2 / 3, 1 / 4):
            yield rng.choice([-1, 1], (n_in, n_out)) * (rng.random((n_in, n_out)) < present)


def measured() -> tuple[np.ndarray, float]:
    """The LUTs of each kernel with the library that is loaded, and CPU seconds in all."""
    started = time.process_time()
    found = [
        graph_luts(solve(w, np.zeros(w.shape[1], dtype=np.int64), (Interval(-128, 127),) * w.shape[0], SolverOptions()))
        for w in kernels()
    ]
    return np.array(found, dtype=float), time.process_time() - started


def load(folder: Path, text: str, objects: list[Path]) -> None:
    """Compile the tuned file as ``text`` says, and make the solver that library."""
    (folder / TUNED).write_text(text, encoding="utf-8")
    target = folder / f"solver{time.monotonic_ns()}.so"
    command = [require_tool("g++"), *native.FLAGS, "-I", native.SOURCES, folder / TUNED, *objects, "-o", target]
    subprocess.run(command, check=True)
    reference = native.library()
    library = ctypes.CDLL(str(target))
    for name in ("bittrigger_solve", "bittrigger_read", "bittrigger_free"):
        known, mine = getattr(reference, name), getattr(library, name)
        mine.argtypes, mine.restype = known.argtypes, known.restype
    sys.modules["bittrigger.solver.solve"].library = lambda: library  # type: ignore[attr-defined]


def main(wanted: list[str]) -> None:
    """Print a row for each value of each constant."""
    source = (native.SOURCES / TUNED).read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        objects = []
        for path in sorted(native.SOURCES.glob("*.cpp")):
            if path.name != TUNED:
                objects.append(folder / f"{path.stem}.o")
                flags = [flag for flag in native.FLAGS if flag != "-shared"]
                subprocess.run([require_tool("g++"), *flags, "-c", path, "-o", objects[-1]], check=True)
        load(folder, source, objects)
        base, base_s = measured()
        print("| constant | value | LUTs | CPU seconds |\n|---|---|---|---|")
        print(f"| all as they are | | {base.sum():.0f} | {base_s:.1f} |")
        for name, (now, others) in CONSTANTS.items():
            if wanted and name not in wanted:
                continue
            for other in others:
                if source.count(now) != 1:
                    raise SystemExit(f"{name}: {now!r} stands {source.count(now)} times in {TUNED}")
                load(folder, source.replace(now, other), objects)
                luts, seconds = measured()
                change = 100 * (luts / base - 1)
                error = change.std(ddof=1) / len(change) ** 0.5
                print(f"| {name} | {other} | {change.mean():+.2f} ± {error:.2f} % | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
