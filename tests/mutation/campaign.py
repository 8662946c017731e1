"""Break the product one token at a time and see whether its own checks notice: ``make mutants``."""

from __future__ import annotations

import argparse
import compileall
import json
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import Queue

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mutation.designs import ORDER, write_designs
from mutation.mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
CHECK = Path(__file__).with_name("check.py")
TIMEOUT_S = 400
TARGETS = ("verilog", "hls", "emulator")
ALONE = ("adder3", "cells")
"""What is checked without a design."""

SCOPE = {
    "bittrigger/passes/*.py": TARGETS,
    "bittrigger/schedule/schedule.py": TARGETS,
    "bittrigger/schedule/fold.py": ("verilog",),
    "bittrigger/schedule/engine.py": ("verilog",),
    "bittrigger/ir/forms/engine.py": ("verilog",),
    "bittrigger/ir/forms/tally.py": ("verilog",),
    "bittrigger/ir/forms/serial.py": ("verilog",),
    "bittrigger/schedule/serial.py": ("verilog",),
    "bittrigger/ir/nodes/product.py": TARGETS,
    "bittrigger/ir/routes.py": TARGETS,
    "bittrigger/ir/nodes/extremum.py": TARGETS,
    "bittrigger/ir/nodes/digit_sum.py": TARGETS,
    "bittrigger/ir/pipeline.py": TARGETS,
    "bittrigger/ir/waiting.py": ("verilog",),
    "bittrigger/ir/register_bits.py": ("verilog",),
    "bittrigger/ir/ports.py": ("verilog",),
    "bittrigger/ir/nodes/held.py": TARGETS,
    "bittrigger/ir/held/bus.py": TARGETS,
    "bittrigger/ir/held/weight_file.py": ("emulator",),
    "bittrigger/ir/forms/arrival.py": ("verilog",),
    "bittrigger/ir/digits.py": ("verilog",),
    "bittrigger/emit/wrappers/*.py": ("wrap",),
    "bittrigger/emit/verilog/*.py": ("verilog",),
    "bittrigger/emit/vhdl/*.py": ("vhdl",),
    "bittrigger/emit/hls/*.py": ("hls",),
    "bittrigger/emit/emulator/*.py": ("emulator",),
    "firmware/bittrigger_adder3.sv": ("adder3",),
    "firmware/ultrascale/bittrigger_adder3.sv": ("adder3",),
    "firmware/bittrigger_adder2_carry.sv": ("verilog",),
    "firmware/ultrascale/bittrigger_adder2_carry.sv": ("verilog",),
    "firmware/bittrigger_adder3_carry.sv": ("verilog",),
    "firmware/ultrascale/bittrigger_adder3_carry.sv": ("verilog",),
    "firmware/bittrigger_clip.sv": ("verilog",),
    "firmware/bittrigger_digit.sv": ("verilog",),
    "firmware/ultrascale/bittrigger_digit.sv": ("verilog",),
    "firmware/bittrigger_pick.sv": ("verilog",),
    "firmware/ultrascale/bittrigger_pick.sv": ("verilog",),
    "firmware/ultrascale/bittrigger_clip.sv": ("verilog",),
    "firmware/bittrigger_weigh2.sv": ("verilog",),
    "firmware/ultrascale/bittrigger_weigh2.sv": ("verilog",),
    "firmware/bittrigger_memory.sv": ("verilog",),
    "firmware/ultrascale/bittrigger_memory.sv": ("verilog",),
    "firmware/bittrigger_axis_*.sv": ("wrap",),
    "firmware/bittrigger_credit_fifo.sv": ("wrap",),
    "firmware/bittrigger_delay.sv": ("wrap",),
    "firmware/bittrigger_emp_*.sv": ("wrap",),
    "firmware/vhdl/*.vhd": ("cells", "vhdl"),
    "firmware/vhdl/ultrascale/*.vhd": ("cells",),
    "bittrigger/device/carry.py": ("verilog",),
    "hls_templates/module.sv.j2": ("verilog",),
    "hls_templates/top.sv.j2": ("verilog",),
    "hls_templates/queue.sv.j2": ("verilog",),
    "hls_templates/engine_*.sv.j2": ("verilog",),
    "hls_templates/tally.sv.j2": ("verilog",),
    "hls_templates/serial.sv.j2": ("verilog",),
    "hls_templates/interval*.sv.j2": ("verilog",),
    "hls_templates/he*.sv.j2": ("verilog",),
    "hls_templates/hold.sv.j2": ("verilog",),
    "hls_templates/settings.sv.j2": ("verilog",),
    "hls_templates/columns.sv.j2": ("verilog",),
    "hls_templates/load.sv.j2": ("verilog",),
    "hls_templates/weigh.sv.j2": ("verilog",),
    "hls_templates/wo*.sv.j2": ("verilog",),
    "hls_templates/window.sv.j2": ("verilog",),
    "hls_templates/wrap_*.j2": ("wrap",),
    "hls_templates/emulator*.j2": ("emulator",),
    "hls_templates/nnet_bitlinear.h": ("hls",),
    "hls_templates/*.cpp.j2": ("hls",),
    "hls_templates/*.h.j2": ("hls",),
}
"""What is broken, and which outputs must then be wrong."""

LEFT_OUT = (
    "emulator.mk.j2",
    "test.cpp.j2",
    "csim_bridge.cpp.j2",
    "cmssw_bridge.cpp.j2",
    "csim_layers.cpp.j2",
    "rtl_harness.cpp.j2",
    "vectors.py",
    "project.py",
    "drop_unread.py",
    "fold_rounding.py",
    "move_biases.py",
    "rewrite.py",
    "simplify.py",
)
"""Test benches, build scripts and bindings, and passes that choose among equal designs: what they do is tested by name in
tests/, not by the bits of a design."""


@dataclass(frozen=True)
class Result:
    """What became of a mutant.

    ``caught``; ``survived``; ``same``, where the emitted code of every design stays as it was; or ``equal``, where all that has
    changed is Verilog that gives the same outputs for every input, as proven.
    """

    mutant: Mutant
    outcome: str
    by: str


Digests = dict[str, dict[str, str]]
"""Of what is emitted, by target and design."""


def _changed(found: dict[str, str], right: dict[str, str]) -> list[str]:
    """The designs whose code is another one, those that are checked quickly first."""
    return [name for name in ORDER if found.get(name) != right.get(name)]


def _address_sanitizer() -> str:
    """The library that has to be loaded before what was compiled with its checks."""
    command = ["g++", "-print-file-name=libasan.so"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


class Workplace:
    """A copy of the product in which one mutant at a time lives."""

    def __init__(self, folder: Path, designs: Path) -> None:
        self.folder, self.designs = folder, designs
        for name in ("bittrigger", "hls_templates", "firmware", "sim"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        # taken where the source still has the hash that it had: what is broken is compiled anew
        compileall.compile_dir(folder / "bittrigger", quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)
        (folder / "tests").symlink_to(ROOT / "tests")

    @staticmethod
    def root() -> Path:
        """The product that is copied."""
        return ROOT

    def run(self, job: str, out: Path, *names: str) -> subprocess.CompletedProcess[str]:
        """Run ``check.py`` on the copy, for the designs ``names`` or for all."""
        command = [sys.executable, "-B", str(CHECK), job, str(self.designs), str(out), *names]
        environment = {"PYTHONPATH": str(self.folder), "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(Path.home())}
        if job == "hls":  # what is read beyond a table, too, though nobody takes it
            environment |= {"LD_PRELOAD": _address_sanitizer(), "ASAN_OPTIONS": "detect_leaks=0"}
        try:
            return subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", "timeout")

    def digests(self, *targets: str) -> Digests | None:
        """The digest of what is emitted for each of ``targets`` and design; None if nothing is."""
        with tempfile.TemporaryDirectory(dir=self.folder) as out:
            done = self.run("emit", Path(out) / "work", *targets)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def judge(self, mutant: Mutant, targets: tuple[str, ...], right: Digests) -> Result:
        """Break the copy, check it, and mend it."""
        path = self.folder / mutant.path
        text = path.read_text(encoding="utf-8")
        path.write_text(mutant.apply(text), encoding="utf-8")
        try:
            changed: dict[str, list[str]] = {target: [] for target in targets if target in ALONE}
            emitted = [target for target in targets if target not in ALONE]
            if emitted:
                found = self.digests(*emitted)
                if found is None:
                    return Result(mutant, "caught", "emission fails")
                spoilt = {target: _changed(found[target], right[target]) for target in emitted}
                changed |= {target: names for target, names in spoilt.items() if names}
                if not changed:
                    return Result(mutant, "same", "")
            for target, names in changed.items():
                with tempfile.TemporaryDirectory(dir=self.folder) as out:
                    done = self.run(target, Path(out) / "work", *names)
                if done.returncode:
                    said = done.stderr.strip()
                    return Result(
                        mutant, "caught", f"{target}: {said.splitlines()[-1][:160] if said else done.returncode}"
                    )
            proven = set(changed) <= {"verilog", "vhdl"}
            return Result(mutant, "equal" if proven else "survived", ", ".join(changed))
        finally:
            path.write_text(text, encoding="utf-8")


def all_mutants() -> list[tuple[Mutant, tuple[str, ...]]]:
    """Every mutant in scope, each with the outputs that it must spoil."""
    found: dict[Path, tuple[str, ...]] = {}
    for pattern, targets in SCOPE.items():
        for path in sorted(ROOT.glob(pattern)):
            if path.name not in LEFT_OUT:
                found.setdefault(path, targets)
    return [(mutant, targets) for path, targets in found.items() for mutant in mutants_of(ROOT, path)]


def run(
    chosen: list[tuple[Mutant, tuple[str, ...]]], jobs: int, record: Path, names: Container[str], *, sound: bool = False
) -> list[Result]:
    """Judge ``chosen``, ``jobs`` at a time; results are appended to ``record`` as they come, and those in it are kept.

    Args:
        names: the designs.
        sound: whether the unbroken product has passed its own check before.
    """
    known = {}
    record.parent.mkdir(parents=True, exist_ok=True)
    if record.exists():
        for line in record.read_text(encoding="utf-8").splitlines():
            data = json.loads(line)
            mutant = Mutant(**data["mutant"])
            known[mutant] = Result(mutant, data["outcome"], data["by"])
    with tempfile.TemporaryDirectory() as scratch, Progress() as progress, record.open("a", encoding="utf-8") as stream:
        designs = Path(scratch) / "designs"
        write_designs(designs, names)
        places: Queue[Workplace] = Queue()
        for k in range(jobs):
            places.put(Workplace(Path(scratch) / f"copy{k}", designs))
        place = places.get()
        needed = sorted({target for _, targets in chosen for target in targets})
        right = place.digests(*needed)
        if right is None or (
            not sound and any(place.run(target, Path(scratch) / f"right_{target}").returncode for target in needed)
        ):
            raise SystemExit("the unbroken product does not pass its own check")
        places.put(place)
        bar = progress.add_task("mutants", total=len(chosen))

        def judge(item: tuple[Mutant, tuple[str, ...]]) -> Result:
            mutant, targets = item
            if mutant in known:
                result = known[mutant]
            else:
                here = places.get()
                try:
                    result = here.judge(mutant, targets, right)
                finally:
                    places.put(here)
                stream.write(json.dumps(asdict(result)) + "\n")
                stream.flush()
            progress.advance(bar)
            return result

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(judge, chosen))


def show(results: list[Result]) -> None:
    """Print the score of each folder, and the survivors."""
    table = Table("broken", "mutants", "caught", "survived", "proven equal", "same output", "score")
    groups: dict[str, Counter[str]] = {}
    for result in results:
        groups.setdefault(str(Path(result.mutant.path).parent), Counter())[result.outcome] += 1
    groups["all"] = sum(groups.values(), Counter())
    for name, count in groups.items():
        effective = count["caught"] + count["survived"]
        score = f"{100 * count['caught'] / effective:.1f} %" if effective else "-"
        table.add_row(
            name,
            *(
                str(n)
                for n in (count.total(), *(count[outcome] for outcome in ("caught", "survived", "equal", "same")))
            ),
            score,
        )
    console = Console()
    console.print(table)
    for result in results:
        if result.outcome == "survived":
            console.print(f"survived: {result.mutant}", markup=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", "-n", type=int, help="mutants, chosen at random; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", "-j", type=int, default=2)
    parser.add_argument("--only", nargs="+", default=[""], help="paths that contain one of these texts")
    parser.add_argument("--designs", nargs="+", default=ORDER, help="only these designs")
    parser.add_argument("--again", type=Path, help="only the survivors of this record")
    parser.add_argument("--sound", action="store_true", help="the unbroken product has passed its own check before")
    parser.add_argument("--record", type=Path, default=Path("mutation.jsonl"))
    options = parser.parse_args()
    mutants = [item for item in all_mutants() if any(text in item[0].path for text in options.only)]
    if options.again:
        old = [json.loads(line) for line in options.again.read_text(encoding="utf-8").splitlines()]
        survivors = {Mutant(**data["mutant"]) for data in old if data["outcome"] == "survived"}
        mutants = [item for item in mutants if item[0] in survivors]
    random.Random(options.seed).shuffle(mutants)  # noqa: S311 - a choice, no secret
    chosen = mutants[: options.number]
    show(run(chosen, options.jobs, options.record, options.designs, sound=options.sound))


if __name__ == "__main__":
    main()
