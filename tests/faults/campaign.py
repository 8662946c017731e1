"""Every command under every fault: ``make faults``.

A command that meets a fault has to end with an error of one sentence, or to get by without what it lacks; no traceback, nothing
half-written, and the same command right afterwards is right. What is left of the folder is compared file by file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

INJECT = Path(__file__).with_name("inject.py")
ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 900

COMMANDS = {
    "convert": "convert MODEL -o BUILD --overwrite --effort fast",
    "prove": "prove BUILD",
    "simulate": "simulate BUILD -x all -n 50 --model MODEL",
    "report": "report BUILD --format html",
    "wrap": "wrap BUILD -i axi-stream",
    "package": "package BUILD -o PACKAGE --overwrite",
    "solve": "solve MATRIX -o SOLVED --overwrite",
    "costs": "costs MODEL",
}
"""By name; each works on a copy of a sound build."""

_SOME = ("convert", "prove", "simulate", "report", "costs")
FAULTS = {
    "processes": tuple(COMMANDS),
    "threads": tuple(COMMANDS),
    **dict.fromkeys(("memory=300", "memory=1000", "memory=3000"), _SOME),
    **dict.fromkeys(("files=12", "files=30"), _SOME),
    **dict.fromkeys(("disk=4", "disk=40"), tuple(COMMANDS)),
    **dict.fromkeys(("home=none", "home=shut"), _SOME),
    "kill=yosys_worker": ("convert", "prove"),
    "kill=yosys-abc": ("prove",),
    "kill=cc1plus": ("simulate",),
    "kill=verilator_bin": ("simulate",),
    "kill=apart": ("convert", "simulate", "costs"),
    "kill=self": ("convert", "prove", "simulate", "package"),
    "term=self": ("convert", "prove", "simulate", "package"),
}
"""With the commands that meet them; ``kill=NAME`` kills whatever process of that name appears below the command; ``self`` is the
command itself. Without a HOME there is another place for what is kept; with one that is shut there is none."""


@dataclass(frozen=True)
class Outcome:
    """What became of a command that met a fault.

    Attributes:
        code: its exit code; negative for the signal that it died of.
        said: the last line of standard error.
        wrong: what must not be: a traceback, a file that is half there, a next run that fails; or nothing.
        again: the exit code of the same command afterwards.
    """

    command: str
    fault: str
    code: int
    said: str
    wrong: str
    again: int


def make_model(path: Path) -> None:
    """A small network with ternary layers, saved to ``path``."""
    from bittrigger.frontend.keras_model.quiet import quiet_tensorflow

    with quiet_tensorflow():
        import tensorflow as tf
        from qkeras import QActivation, QDense

        tf.keras.utils.set_random_seed(3)
        layers = (
            tf.keras.Input(8),
            QActivation("quantized_bits(6,2,alpha=1)", name="q"),
            QDense(9, kernel_quantizer="ternary(alpha=1)", bias_quantizer="quantized_bits(6,2,alpha=1)", name="first"),
            QActivation("quantized_relu(4,2)", name="relu"),
            QDense(3, kernel_quantizer="ternary(alpha=1)", bias_quantizer="quantized_bits(6,2,alpha=1)", name="last"),
        )
        tf.keras.Sequential(layers, name="net").save(path)


class Place:
    """A folder in which one command runs, with a cache of its own that begins as the sound one."""

    def __init__(self, sound: Path, folder: Path) -> None:
        shutil.copytree(sound, folder, symlinks=True)
        self.folder = folder
        self.environment = {**os.environ, "BITTRIGGER_CACHE": str(folder / "cache"), "TMPDIR": str(folder / "tmp")}
        self.environment["PYTHONPATH"] = str(ROOT)
        (folder / "tmp").mkdir(exist_ok=True)

    def words(self, command: str) -> list[str]:
        """``command`` with paths of this place."""
        names = {"MODEL": "net.h5", "BUILD": "build", "MATRIX": "w.npy", "PACKAGE": "package", "SOLVED": "solved"}
        return [names.get(word, word) for word in COMMANDS[command].split()]

    def run(self, command: str, fault: str, dice: random.Random) -> tuple[int, str]:
        """Exit code and standard error of ``command`` under ``fault``."""
        kind, _, name = fault.partition("=")
        injected = "none" if kind in ("kill", "term", "home") else fault
        environment = self.environment | ({"OPENBLAS_NUM_THREADS": "1"} if fault == "threads" else {})
        if kind == "home":
            dropped = ("HOME", "BITTRIGGER_CACHE", "XDG_CACHE_HOME", "KERAS_HOME")
            environment = {key: value for key, value in environment.items() if key not in dropped}
            environment |= {"HOME": "/proc/shut"} if name == "shut" else {"XDG_CACHE_HOME": str(self.folder / "other")}
        line = [sys.executable, str(INJECT), injected, sys.executable, "-m", "bittrigger", *self.words(command)]
        process = subprocess.Popen(
            line, cwd=self.folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        if kind in ("kill", "term"):
            number = signal.SIGKILL if kind == "kill" else signal.SIGTERM
            threading.Thread(target=_hunt, args=(process, name, number, dice.random()), daemon=True).start()
        try:
            return _end(process)
        except subprocess.TimeoutExpired:
            process.kill()
            return 124, "timeout"


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    error = process.communicate(timeout=TIMEOUT_S)[1]
    return process.returncode, error


def _hunt(process: subprocess.Popen[str], name: str, number: signal.Signals, chance: float) -> None:
    """Send ``number`` to the first process below ``process`` that is called ``name``, once, some time after it appears."""
    if name == "self":
        time.sleep(0.3 + 4 * chance)
        if process.poll() is None:
            process.send_signal(number)
        return
    while process.poll() is None:
        for child in _below(process.pid):
            if _is(child, process.pid, name):
                time.sleep(0.2 * chance)
                try:
                    os.kill(child, number)
                except ProcessLookupError:
                    continue
                return
        time.sleep(0.005)


def _below(pid: int) -> list[int]:
    try:
        own = [
            int(child)
            for path in Path(f"/proc/{pid}/task").iterdir()
            for child in (path / "children").read_text().split()
        ]
    except OSError:
        return []
    return own + [deeper for child in own for deeper in _below(child)]


def _is(pid: int, parent: int, name: str) -> bool:
    """Whether a process is called ``name``; ``apart`` is a fork of the command itself."""
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        return line == Path(f"/proc/{parent}/cmdline").read_bytes() if name == "apart" else name.encode() in line
    except OSError:
        return False


TIMED = ("sim/", "bittrigger.json", "SHA256SUMS", ".written.json")
MADE = (".html", "proof.json", "simulation.json", ".log")
"""What holds times, or is made by some of the commands and not by others."""


def content(folder: Path) -> dict[str, bytes]:
    """Every file of ``folder`` that a command is to leave as it was, or write whole; what names a time is left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.startswith(TIMED) and not name.endswith(MADE):
            found[name] = path.read_bytes()
    return found


def judge(sound: Path, folder: Path, command: str, fault: str, seed: int) -> Outcome:
    """Run ``command`` under ``fault`` in a copy of ``sound``, and the same again without it."""
    place = Place(sound, folder)
    before = content(folder / "build")
    code, error = place.run(command, fault, random.Random(f"{command} {fault} {seed}"))  # noqa: S311 - a choice, no secret
    lines = [line for line in error.splitlines() if line.strip()]
    wrong = []
    if "Traceback" in error or code in (4, 124):
        wrong.append("a traceback" if code != 124 else "it hangs")
    if code < 0 and fault not in ("kill=self",):
        wrong.append(f"it died of signal {-code}")
    if code > 0 and not any(line.startswith(("error: ", "interrupted", "Error: ", "Usage")) for line in lines):
        wrong.append("no error is named")
    if code >= 0:
        after = content(folder / "build")
        changed = [name for name in before if after.get(name) != before[name]]
        wrong += [f"{name} was changed" for name in changed[:1]]
        wrong += [f"{path.name} is left" for path in folder.glob(".*bittrigger-*")][:1]
        wrong += [f"{path.name} is left in the build" for path in (folder / "build").glob(".bittrigger-*")][:1]
    again, error_again = place.run(command, "none", random.Random(0)) if code else (0, "")  # noqa: S311 - no choice
    if again:
        wrong.append(f"the next run: {error_again.strip().splitlines()[-1:]}")
    elif {name: data for name, data in content(folder / "build").items() if not name.startswith("wrap/")} != before:
        wrong.append("the next run leaves another build")
    shutil.rmtree(folder, ignore_errors=True)
    return Outcome(command, fault, code, lines[-1][:200] if lines else "", "; ".join(wrong), again)


def prepare(sound: Path) -> None:
    """A sound build with all that the commands read, and a cache that has compiled nothing but the solver."""
    sound.mkdir()
    make_model(sound / "net.h5")
    np.save(sound / "w.npy", np.random.default_rng(0).integers(-1, 2, size=(16, 12)))
    code, error = Place(sound, sound.with_name("first")).run("convert", "none", random.Random(0))  # noqa: S311
    assert code == 0, error
    first = sound.with_name("first")
    shutil.copytree(first / "build", sound / "build")
    (sound / "cache").mkdir(mode=0o700)
    for path in (first / "cache").glob("solver-*.so"):
        shutil.copy2(path, sound / "cache" / path.name)
    shutil.rmtree(first)


def show(found: list[Outcome], console: Console) -> None:
    """The table of faults, and whatever must not be."""
    table = Table("fault", "commands", "got by", "refused in one sentence", "killed", "wrong")
    groups: dict[str, Counter[str]] = {}
    for outcome in found:
        for group in (outcome.fault, "all"):
            count = groups.setdefault(group, Counter())
            count["commands"] += 1
            count["by" if outcome.code == 0 else "refused" if outcome.code > 0 else "killed"] += 1
            count["wrong"] += bool(outcome.wrong)
    for group, count in groups.items():
        table.add_row(group, *(str(count[name]) for name in ("commands", "by", "refused", "killed", "wrong")))
    console.print(table)
    for outcome in found:
        if outcome.wrong:
            console.print(
                f"wrong: {outcome.command} with {outcome.fault}: {outcome.wrong}: {outcome.said}", markup=False
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="`COMMAND with FAULT` that contain this text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, help="of those that the record lacks so many; all by default")
    parser.add_argument("--record", type=Path, default=Path("build/faults.jsonl"))
    options = parser.parse_args()
    chosen = [(c, f) for f, commands in FAULTS.items() for c in commands if options.only in f"{c} with {f}"]
    options.record.parent.mkdir(parents=True, exist_ok=True)
    lines = options.record.read_text().splitlines() if options.record.exists() else []
    known = {(item.command, item.fault): item for item in (Outcome(**json.loads(line)) for line in lines)}
    found = [known[pair] for pair in chosen if pair in known]
    left = [pair for pair in chosen if pair not in known][: options.most]
    with tempfile.TemporaryDirectory(prefix="bittrigger-faults.") as scratch, options.record.open("a") as stream:
        prepare(Path(scratch) / "sound")
        for number, (command, fault) in enumerate(track(left, description="faults")):
            found.append(judge(Path(scratch) / "sound", Path(scratch) / str(number), command, fault, options.seed))
            stream.write(json.dumps(asdict(found[-1])) + "\n")
            stream.flush()
    show(found, Console(width=160))
    sys.exit(any(outcome.wrong for outcome in found))


if __name__ == "__main__":
    main()
