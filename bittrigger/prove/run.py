"""All claims about a build, and the run that decides them."""

from __future__ import annotations

import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bittrigger import __version__
from bittrigger.build.folder import Build
from bittrigger.errors import ConfigError, ProofError
from bittrigger.prove.claims import Claim, Verdict
from bittrigger.prove.kept import PROOF, note_made_here
from bittrigger.prove.sources.files import copy_build, file_claims
from bittrigger.prove.sources.structure import read_structure
from bittrigger.prove.sources.vhdl import ghdl_version
from bittrigger.prove.tasks import tasks
from bittrigger.prove.tasks.task import Task
from bittrigger.report.junit import Case, Fate
from bittrigger.synth.yosys import tool_version
from bittrigger.system.spread import spread

SCHEMA = "proof-2"
"""Name and version of the layout of ``proof.json``."""

TESTED_ONLY = (
    "Keras, or for the ideal grade its definition, equals the integer graph (compared by `bittrigger convert`)",
    "what is emitted as HLS C++ and as C++ emulator (compared by `bittrigger simulate`)",
    "what wrappers compute, pattern files and what vendor tools report",
    "the netlist of Vivado (made outside)",
)
"""What no claim covers."""

WITHOUT_GHDL = "VHDL, if there is any (translated from the Verilog; proven where GHDL is installed)"
HELD = "whatever its registers hold: of weights and biases nothing is assumed, but that they are written before the first event"
WITH_GHDL = "GHDL reads VHDL as the standard has it"

ASSUMED = (
    "input codes lie in the ranges of their ports",
    "rst is high at one rising edge or more after configuration, in the Verilog; registers of the netlist hold 0 until then",
    "Yosys reads SystemVerilog as the standard has it, and ABC's SAT solver is right",
)
"""What every claim rests on."""


@dataclass(frozen=True)
class Proof:
    """The outcome for a whole build.

    Attributes:
        design: its name.
        files: SHA-256 of every file of the build, taken from the bytes that were proven.
        grade: what the bits of the design equal, ``exact`` or ``ideal``; the proof is about the integers of the design.
        netlist: whether the netlist is among what was proven.
        yosys: version of Yosys.
        held: whether weights or biases are held in registers.
        ghdl: version of GHDL, if VHDL is among what was proven.
        seconds: wall time.
    """

    design: str
    grade: str
    files: Mapping[str, str]
    netlist: bool
    yosys: str
    ghdl: str | None
    claims: tuple[Claim, ...]
    seconds: float
    held: bool = False

    @property
    def tested_only(self) -> tuple[str, ...]:
        """What no claim covers."""
        return TESTED_ONLY if self.ghdl else (*TESTED_ONLY, WITHOUT_GHDL)

    @property
    def assumed(self) -> tuple[str, ...]:
        """What every claim rests on."""
        return (*ASSUMED, *([HELD] if self.held else []), *([WITH_GHDL] if self.ghdl else []))

    @property
    def proven(self) -> bool:
        """Whether every claim is proven."""
        return all(claim.verdict is Verdict.PROVEN for claim in self.claims)

    def raise_unless_proven(self) -> None:
        """Raise ``ProofError`` with the first claim that is refuted, or else open."""
        failed = sorted((c for c in self.claims if c.verdict is not Verdict.PROVEN), key=_refuted_first)
        if failed:
            worst = failed[0]
            raise ProofError(
                f"{worst.subject}: {worst.statement}: {worst.verdict.value}: {worst.detail}; "
                f"{len(failed)} of {len(self.claims)} claims are not proven"
            )


def _refuted_first(claim: Claim) -> bool:
    return claim.verdict is not Verdict.REFUTED


def prove(
    build: Build,
    *,
    netlist: bool = True,
    jobs: int | None = None,
    on_claim: Callable[[int, int], None] = lambda *_: None,
) -> Proof:
    """Decide every claim about the build in ``build.folder``, as it lies there: of ``build`` nothing else is used.

    Its files are copied first, and the copy is what is hashed and proven. An earlier ``proof.json`` goes as the run starts.

    Args:
        netlist: whether the synthesised netlist is proven as well.
        jobs: proofs at a time; by default one a core.
        on_claim: told how many claims are decided, and how many there are.

    Raises:
        ConfigError: if the design cannot be read, an earlier proof cannot be removed, or a netlist is wanted and the build was
            not synthesised.
        ToolNotFoundError: if Yosys is not installed.
        ToolError: if Yosys or ABC fails.
    """
    started = time.perf_counter()
    _remove_earlier(build.folder / PROOF)
    with tempfile.TemporaryDirectory(prefix="bittrigger-prove.") as scratch:
        copy = copy_build(build.folder, Path(scratch))
        if netlist and f"synth/{copy.build.graph.name}.json" not in copy.sums:
            raise ConfigError(
                f"{build.folder / 'synth'}: no netlist; convert without --no-synth, or leave the netlist out with --no-netlist"
            )
        structure, setting = read_structure(copy, Path(scratch), netlist=netlist)
        todo = list(tasks(setting))
        first = [*file_claims(copy), *structure]
        claims = [*first, *_decide(todo, jobs, lambda done: on_claim(len(first) + done, len(first) + len(todo)))]
    seconds = time.perf_counter() - started
    graph, ghdl = copy.build.graph, ghdl_version() if setting.vhdl is not None else None
    grade = graph.basis.grade.value
    return Proof(
        graph.name, grade, copy.sums, netlist, tool_version(), ghdl, tuple(claims), seconds, bool(setting.pipeline.held)
    )


def _remove_earlier(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: an earlier proof cannot be removed ({error.strerror}); remove it") from error


def _decide(todo: list[Task], jobs: int | None, on_claim: Callable[[int], None]) -> list[Claim]:
    """The claims of ``todo``, in its order."""
    claims: dict[int, Claim] = {}
    for number, claim in spread([task.run for task in todo], jobs):
        claims[number] = claim
        on_claim(len(claims))
    return [claims[k] for k in range(len(todo))]


def proof_json(proof: Proof) -> dict[str, Any]:
    """``proof`` as plain types: hashes of all files, one object a claim, what was only tested, what all rests on."""
    ghdl = {"ghdl": proof.ghdl} if proof.ghdl else {}
    return {
        "design": proof.design,
        "grade": proof.grade,
        "proven": proof.proven,
        "covers": ["rtl", *(["vhdl"] if proof.ghdl else []), *(["synth"] if proof.netlist else [])],
        "tools": {"bittrigger": __version__, "yosys": proof.yosys, **ghdl, "python": platform.python_version()},
        "files": dict(sorted(proof.files.items())),
        "seconds": round(proof.seconds, 3),
        "claims": [asdict(c) | {"verdict": c.verdict.value, "seconds": round(c.seconds, 3)} for c in proof.claims],
        "tested_only": proof.tested_only,
        "assumed": proof.assumed,
    }


def to_json(proof: Proof) -> str:
    """``proof`` as JSON text, in the schema ``SCHEMA``."""
    head = {"schema": f"bittrigger/{SCHEMA}", "tool": "bittrigger", "version": __version__}
    return json.dumps(head | proof_json(proof), indent=2) + "\n"


def proof_cases(proof: Proof) -> list[Case]:
    """One test case a claim, for continuous integration; a claim that is open is an error."""
    fates: dict[Verdict, Fate] = {Verdict.PROVEN: "passed", Verdict.REFUTED: "failure", Verdict.OPEN: "error"}
    return [
        Case(f"{claim.subject}: {claim.statement}", fates[claim.verdict], claim.seconds, claim.kind, claim.detail)
        for claim in proof.claims
    ]


def save_proof(proof: Proof, path: Path) -> None:
    """Write ``proof`` to ``path``.

    Raises:
        ConfigError: if it cannot be written.
    """
    try:
        scratch = path.with_name(f".{path.name}.{os.getpid()}")
        text = to_json(proof)
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)  # a link is replaced, not followed
        note_made_here(text)
    except OSError as error:
        raise ConfigError(f"proof cannot be written to {path}: {error.strerror}") from error
