"""Change one file of a build at a time and see who notices: ``make tamper``.

Each change is made as by somebody who knows the product: the list of hashes is written anew, so that nothing is caught by that. That the
list itself tells every change is a column of its own (``verify``). ``prove`` has three ways to notice: bytes, structure, meaning; each is
counted for itself, since a fault of the emitter would pass the first.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bittrigger.build.folder import load_build
from bittrigger.build.manifest import check_seal, seal
from bittrigger.errors import BittriggerError, ToolError
from bittrigger.prove import Verdict, prove
from bittrigger.prove.sources import structure
from bittrigger.prove.sources.files import Copy
from bittrigger.prove.sources.rtl import Rtl
from bittrigger.prove.sources.vhdl import read_vhdl
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.vectors import corner_codes, random_codes
from tamper.edits import Tampering
from tamper.equivalent import argument
from tamper.kinds import FREE_BLOCKS, SOUND, tamperings

WAYS = ("files", "structure", "meaning", "simulate", "verify")


EVENTS, VHDL_EVENTS = 1200, 60
"""Random ones, beside the corner vectors; where GHDL simulates, so many of both."""


@dataclass(frozen=True)
class Caught:
    """Who noticed a tampering, and what was said.

    Attributes:
        by: some of ``WAYS``; ``files`` to ``meaning`` are those of ``prove``, where an error before any claim counts as files.
        crash: what broke instead of being refused, or nothing.
        argument: why nothing is changed, where that is known.
    """

    kind: str
    name: str
    by: tuple[str, ...]
    said: dict[str, str]
    crash: str = ""
    argument: str | None = None


def attempt(tampering: Tampering, sound: Path, folder: Path) -> Caught:
    """Tamper with a copy of ``sound`` in ``folder``."""
    shutil.copytree(sound, folder)
    tampering.apply(folder)
    said: dict[str, str] = {}
    crash = ""
    for way in ("verify", "prove", "simulate"):
        try:
            said |= {"verify": _verify, "prove": _prove, "simulate": _simulate}[way](folder, tampering)
        except BittriggerError as error:
            said["files" if way == "prove" else way] = f"{type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001 - that nothing else comes is what is tested
            crash = f"{way}: {type(error).__name__}: {error}"
        if way == "verify":
            _seal(folder)
    shutil.rmtree(folder)
    short = {way: " ".join(text.split())[:200] for way, text in said.items()}
    by = tuple(way for way in WAYS if way in said)
    return Caught(tampering.kind, tampering.name, by, short, crash, argument(tampering, sound))


def _seal(folder: Path) -> None:
    """Write the list anew, as far as that goes."""
    try:
        seal(folder)
    except BittriggerError:
        return


def _verify(folder: Path, _: Tampering) -> dict[str, str]:
    check_seal(folder)
    return {}


def _prove(folder: Path, _: Tampering) -> dict[str, str]:
    proof = prove(load_build(folder, sealed=False), jobs=1)
    said: dict[str, str] = {}
    for claim in proof.claims:
        if claim.verdict is Verdict.REFUTED:
            said.setdefault(claim.kind if claim.kind in WAYS else "meaning", f"{claim.subject}: {claim.detail}")
    assert bool(said) == (not proof.proven) or any(claim.verdict is Verdict.OPEN for claim in proof.claims)
    return said


def _simulate(folder: Path, tampering: Tampering) -> dict[str, str]:
    build = load_build(folder)
    events = VHDL_EVENTS if "vhdl" in tampering.executors else EVENTS
    codes = np.concatenate([corner_codes(build.graph), random_codes(build.graph, EVENTS, 3)])[-events:]
    for outcome in run_executors(build, tampering.executors or ("oracle",), codes, look_into=False):
        if outcome.error is not None:
            return {"simulate": f"{outcome.executor}: {outcome.error}"}
    return {}


def _any_vhdl(copy: Copy, work: Path) -> Rtl | None:
    """As ``prove`` reads VHDL, but also where it is not what is emitted: so that its meaning is asked for, too."""
    if copy.build.settings.hdl != "vhdl":
        return None
    try:
        return read_vhdl(copy.build.pipeline, copy.build.folder / "vhdl", work / "vhdl")
    except (ToolError, OSError) as error:
        return replace(structure.UNREAD, unread=str(error))


def run(chosen: list[Tampering], sounds: dict[str, Path], work: Path, jobs: int, record: Path) -> list[Caught]:
    """All of ``chosen`` on the builds ``sounds``; what is in ``record`` already is taken from there."""
    record.parent.mkdir(parents=True, exist_ok=True)
    known = {}
    if record.exists():
        for line in record.read_text(encoding="utf-8").splitlines():
            data = json.loads(line)
            known[data["kind"], data["name"]] = Caught(**(data | {"by": tuple(data["by"])}))
    with record.open("a", encoding="utf-8") as stream:

        def one(item: tuple[int, Tampering]) -> Caught:
            place, tampering = item
            found, sound = known.get((tampering.kind, tampering.name)), sounds[tampering.build]
            if found is not None:
                return replace(found, argument=argument(tampering, sound))
            made = attempt(tampering, sound, work / str(place))
            stream.write(json.dumps(asdict(made)) + "\n")
            stream.flush()
            return made

        with ThreadPoolExecutor(jobs) as pool, patch.object(structure, "_vhdl", _any_vhdl), FREE_BLOCKS:
            return list(track(pool.map(one, enumerate(chosen)), total=len(chosen), description="tamperings"))


def show(results: list[Caught], console: Console) -> None:
    """The table of kinds, and everything that one of the ways alone has to answer for."""
    table = Table("kind", "number", "prove", *(f"by {way}" for way in WAYS[:3]), "simulate", "verify")
    groups: dict[str, Counter[str]] = {}
    for found in results:
        for kind in (found.kind, "all"):
            count = groups.setdefault(kind, Counter())
            count["number"] += 1
            count["prove"] += bool(set(found.by) & set(WAYS[:3]))
            count.update(found.by)
    for kind, count in sorted(groups.items(), key=lambda item: item[0] == "all"):
        table.add_row(kind, *(str(count[column]) for column in ("number", "prove", *WAYS)))
    console.print(table)
    for found in results:
        if not set(found.by) & set(WAYS[:3]):
            why = found.argument or "UNARGUED"
            console.print(f"survives prove: {found.kind}: {found.name}: {why}", markup=False)
        if found.crash:
            console.print(f"crash: {found.kind}: {found.name}: {found.crash}", markup=False)
    for found in results:
        if not set(found.by) & {"structure", "meaning"} and found.kind.startswith(("rtl", "netlist", "vhdl")):
            console.print(f"by bytes alone: {found.kind}: {found.name}", markup=False)
        if "simulate" not in found.by and found.kind.startswith(("rtl", "netlist", "vhdl", "hls", "emulator")):
            console.print(f"survives simulate: {found.kind}: {found.name}", markup=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", "-j", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[""], help="kinds that contain one of these texts")
    parser.add_argument("--record", type=Path, default=Path("build/tamper.jsonl"))
    options = parser.parse_args()
    chosen = [item for item in tamperings() if any(text in item.kind for text in options.only)]
    with tempfile.TemporaryDirectory(prefix="bittrigger-tamper.") as scratch:
        sounds = {name: Path(scratch) / name for name in {item.build for item in chosen}}
        for name, folder in sounds.items():
            SOUND[name](folder)
        results = run(chosen, sounds, Path(scratch), options.jobs, options.record)
    show(results, Console(width=140))


if __name__ == "__main__":
    main()
