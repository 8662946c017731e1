"""Damaged files for every reader of the command line: a clear error, no traceback, no hang, nothing left behind.

``python -m fuzz.readers -n 1000`` runs many.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import click
import numpy as np

from fuzz import damage, fronts
from fuzz.child import Child

TIMEOUT_S = 60.0
MAX_GROWTH_MB = 800.0
"""Most memory that a small file may cost."""

KEPT = {"build/proof.json", "build/sim", "build/simulation.json"}
"""What proofs and simulations leave in a build, whatever their outcome."""

PATTERNS = ("empv1", "empv2", "apx")

TARGETS = (
    "h5",
    "keras",
    "keras_3",
    "design",
    "manifest",
    "report",
    "inputs",
    "matrix",
    "ranges",
    "pattern",
    *fronts.KINDS,
)


@dataclass(frozen=True)
class Verdict:
    """What a reader made of one damaged file; memory in MB by which the process grew."""

    target: str
    seed: int
    refused: bool
    wrong: str
    grown_mb: float = 0.0


@dataclass
class Reader:
    """A process that runs command lines, started again when it has died."""

    _child: Child = field(default_factory=lambda: Child("fuzz.reader_child", stderr=subprocess.DEVNULL), repr=False)

    def run(self, arguments: list[str]) -> dict[str, object]:
        """The answer of ``fuzz.reader_child``; its ``trace`` says so if the process died or took too long."""
        line = self._child.ask(json.dumps(arguments), TIMEOUT_S)
        if line:
            return dict(json.loads(line))
        hung = self._child.runs
        self.close()
        return {"exit": None, "error": "", "trace": "took too long" if hung else "the process died", "grown_mb": 0.0}

    def close(self) -> None:
        """End the process."""
        self._child.close()


def prepare(folder: Path) -> None:
    """Make the good files that are damaged later: models, a build, arrays."""
    from bittrigger.compile.convert import convert
    from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
    from bittrigger.settings import Settings
    from fuzz.model import create_model
    from fuzz.spec import Node, Spec

    nodes = (
        Node("input", "x", (), {"shape": [4]}),
        Node("qactivation", "q", (0,), {"quantizer": "quantized_bits(6,2,alpha=1)"}),
        Node("qdense", "d", (1,), {"units": 3, "kernel": "ternary()", "bias": "quantized_bits(6,2,alpha=1)"}),
        Node("batchnorm", "n", (2,)),
        Node("qactivation", "a", (3,), {"quantizer": "quantized_tanh(5)"}),
        Node("qdense", "o", (4,), {"units": 2, "kernel": "quantized_bits(3,0,alpha=1)", "use_bias": False}),
    )
    folder.mkdir(parents=True, exist_ok=True)
    model = create_model(Spec(1, "net", nodes, (5,)))
    with quiet_tensorflow():
        for suffix in ("h5", "keras"):
            model.save(folder / f"m.{suffix}")
    settings = Settings(effort="fast")
    convert(folder / "m.h5", folder / "build", settings, synthesize=False)
    for kind in PATTERNS:
        _write_patterns(folder, kind)
    fronts.prepare_fronts(folder)


def _write_patterns(folder: Path, kind: str) -> None:
    """The outputs that a board must give, in a pattern file of ``kind``."""
    from bittrigger.cli import cli

    arguments = ["patterns", "write", str(folder / "build"), "-o", str(folder / f"in.{kind}"), "-f", kind, "-n", "6"]
    arguments += ["--expected", str(folder / f"out.{kind}"), "--tmux", "1", "--frames", "100"]
    cli.main(arguments, standalone_mode=False)


def check_one(reader: Reader, good: Path, folder: Path, target: str, seed: int) -> Verdict:
    """Damage one file of kind ``target`` and let ``reader`` read it, below ``folder``, which is emptied."""
    random = Random(f"{target} {seed}")  # noqa: S311 - reproducible, not secret
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    arguments = _damaged(random, good, folder, target)
    before = _files(folder) - KEPT
    answer = reader.run(arguments)
    wrong = ""
    if answer["trace"]:
        wrong = str(answer["trace"])
    elif answer["exit"] not in (0, 1, 2, *([3] if target == "netlist" else [])):  # 3: what a tool wrote is not readable
        wrong = f"exit code {answer['exit']}: {answer['error']}"
    elif answer["exit"] and not any(line.startswith("error: ") for line in str(answer["error"]).splitlines()):
        wrong = f"exit code {answer['exit']} without a message: {answer['error']}"
    elif float(str(answer["grown_mb"])) > MAX_GROWTH_MB:
        wrong = f"memory grew by {answer['grown_mb']} MB"
    elif answer["exit"] and _files(folder) - KEPT != before:
        wrong = f"left behind or gone: {sorted((_files(folder) - KEPT) ^ before)}"
    return Verdict(target, seed, answer["exit"] in (1, 2, 3), wrong, float(str(answer["grown_mb"])))


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.parent.rglob("*") if path.is_relative_to(folder)}


def _damaged(random: Random, good: Path, folder: Path, target: str) -> list[str]:  # noqa: PLR0911 - a kind of file each
    """The command line that reads a damaged file below ``folder``."""
    match target:
        case "h5" | "keras":
            path = Path(shutil.copy(good / f"m.{target}", folder / f"m.{target}"))
            (damage.damaged_h5 if target == "h5" else damage.damaged_keras)(random, path)
            return ["convert", str(path), "-o", str(folder / "out"), "--no-synth", "--effort", "fast"]
        case "keras_3":
            path = Path(shutil.copy(Path(__file__).parents[1] / "keras_3" / "sample.keras", folder / "m.keras"))
            damage.damaged_keras(random, path)
            return ["convert", str(path), "-o", str(folder / "out"), "--no-synth", "--effort", "fast"]
        case "design" | "manifest" | "report":
            build = Path(shutil.copytree(good / "build", folder / "build"))
            names = {"design": "design.json", "manifest": "bittrigger.json", "report": "report.json"}
            damage.damaged_text(random, build / names[target])
            simulate, prove = ["simulate", str(build), "-x", "oracle", "-n", "3"], ["prove", str(build), "--no-netlist"]
            return random.choice([simulate, prove] if target == "design" else [simulate, ["report", str(build)]])
        case "inputs":
            path = folder / random.choice(["x.npy", "x.npz"])
            damage.damaged_array(random, np.random.default_rng(1).normal(size=(5, 4)), path)
            return ["simulate", str(good / "build"), "-x", "oracle", "--inputs", str(path)]
        case "pattern":
            return _damaged_pattern(random, good, folder)
        case _ if target in fronts.KINDS:
            return fronts.damaged_front(random, good, folder, target)
        case _:
            matrix = folder / "matrix.npy"
            values = np.random.default_rng(1).integers(-1, 2, size=(4, 3))
            if target == "matrix":
                damage.damaged_array(random, values, matrix)
                return ["solve", str(matrix), "--effort", "fast"]
            np.save(matrix, values)
            damage.damaged_array(random, np.array([[-4, 3]] * 4), folder / "ranges.npy")
            return ["solve", str(matrix), "--ranges", str(folder / "ranges.npy"), "--effort", "fast"]


def _damaged_pattern(random: Random, good: Path, folder: Path) -> list[str]:
    kind, lenient = random.choice(PATTERNS), random.choice([[], ["--lenient"]])
    path = folder / f"out.{kind}"
    path.write_bytes(damage.damaged_bytes(random, (good / path.name).read_bytes()))
    if random.random() < 0.5:
        options = ["-n", "6", "--tmux", "1", *random.choice([[], ["--format", kind]])]
        return ["patterns", "check", str(good / "build"), str(path), *options, *lenient]
    return ["patterns", "convert", str(path), str(folder / "new"), "--to", random.choice(PATTERNS), *lenient]


def check_many(scratch: Path, count: int, first: int = 0, targets: Sequence[str] = TARGETS) -> Iterator[Verdict]:
    """One verdict for each kind of file and seed."""
    prepare(scratch / "good")
    reader = Reader()
    try:
        for seed in range(first, first + count):
            for target in targets:
                yield check_one(reader, scratch / "good", scratch / "case", target, seed)
    finally:
        reader.close()


@click.command()
@click.option("--count", "-n", default=100, show_default=True, help="Damaged files of each kind.")
@click.option("--first", default=0, show_default=True, help="First seed.")
@click.option("--only", multiple=True, type=click.Choice(TARGETS), help="Kinds of files.  [default: all]")
def main(count: int, first: int, only: tuple[str, ...]) -> None:
    """Let every reader read damaged files; exit with 1 if one does anything but refuse them."""
    seen: Counter[str] = Counter()
    failed, most = False, 0.0
    with tempfile.TemporaryDirectory(prefix="bittrigger-readers-") as scratch:
        for verdict in check_many(Path(scratch), count, first, only or TARGETS):
            seen[f"{verdict.target} {'refused' if verdict.refused else 'read'}"] += 1
            most = max(most, verdict.grown_mb)
            if verdict.wrong:
                failed = True
                click.echo(f"{verdict.target} seed {verdict.seed}: {verdict.wrong}")
    for name, number in sorted(seen.items()):
        click.echo(f"{name}: {number}")
    click.echo(f"{sum(seen.values())} files; the reading process grew by at most {most:.0f} MB at a file")
    sys.exit(failed)


if __name__ == "__main__":
    main()
