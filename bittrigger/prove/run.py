"""All claims about a build, and the run that decides them."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bittrigger import __version__
from bittrigger.build.folder import Build
from bittrigger.errors import ConfigError, ProofError
from bittrigger.ir.layout import Vectors
from bittrigger.prove.claims import Claim, Verdict
from bittrigger.prove.rtl import read_rtl
from bittrigger.prove.tasks import Setting, tasks
from bittrigger.report.junit import Case, Fate
from bittrigger.synth.yosys import design_sources, tool_version

TESTED_ONLY = (
    "Keras equals the integer graph (compared by `bittrigger convert`)",
    "the HLS C++ and the C++ emulator (compared by `bittrigger simulate`)",
    "the netlist of Vivado (made outside)",
)
"""What no claim covers."""

ASSUMED = (
    "input codes lie in the ranges of their ports",
    "rst is high at one rising edge or more after configuration",
    "Yosys reads SystemVerilog as the standard has it, and ABC's SAT solver is right",
)
"""What every claim rests on."""


@dataclass(frozen=True)
class Proof:
    """The outcome for a whole build.

    Attributes:
        design: its name.
        sources_sha256: of the Verilog and the netlists that the claims are about.
        yosys: version of Yosys.
        seconds: wall time.
    """

    design: str
    sources_sha256: str
    yosys: str
    claims: tuple[Claim, ...]
    seconds: float

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
    """Decide every claim about ``build``.

    Args:
        netlist: whether the synthesised netlist is proven as well.
        jobs: proofs at a time; by default one a core.
        on_claim: told how many claims are decided, and how many there are.

    Raises:
        ConfigError: if a netlist is wanted and the build was not synthesised.
        ToolNotFoundError: if Yosys is not installed.
        ToolError: if Yosys or ABC fails.
    """
    started = time.perf_counter()
    synth = build.folder / "synth"
    if netlist and not (synth / f"{build.graph.name}.json").is_file():
        raise ConfigError(
            f"{synth}: no netlist; convert without --no-synth, or leave the netlist out with --no-netlist"
        )
    cache = build.work
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="prove.") as scratch:
        setting = _setting(build, synth, Path(scratch), netlist=netlist)
        todo = list(tasks(setting))
        claims: dict[int, Claim] = {}
        with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
            futures = {pool.submit(task.run): k for k, task in enumerate(todo)}
            try:
                for future in as_completed(futures):
                    claims[futures[future]] = future.result()
                    on_claim(len(claims), len(todo))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    ordered = tuple(claims[k] for k in range(len(todo)))
    return Proof(
        build.graph.name, sources_sha256(build, netlist=netlist), tool_version(), ordered, time.perf_counter() - started
    )


def _setting(build: Build, synth: Path, work: Path, *, netlist: bool) -> Setting:
    sources = sorted((build.folder / "rtl").glob("*.sv"))
    rtl = read_rtl(build.pipeline, sources, work / "rtl")
    primitive = None
    if netlist:
        primitive = read_rtl(build.pipeline, design_sources(build.folder / "rtl", synth), work / "primitive")
    return Setting(build.pipeline, Vectors.of(build.pipeline), rtl, primitive, synth, work)


def sources_sha256(build: Build, *, netlist: bool) -> str:
    """A hash of the Verilog of ``build``, and of its netlists if they are meant too: names and contents."""
    total = hashlib.sha256()
    files = sorted((build.folder / "rtl").glob("*.sv"))
    if netlist:
        files += sorted((build.folder / "synth").glob("*.json"))
    for path in files:
        total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def proof_json(proof: Proof) -> dict[str, Any]:
    """``proof`` as plain types: schema 1, one object a claim, what was only tested, and what everything rests on."""
    return {
        "schema": 1,
        "bittrigger": __version__,
        "yosys": proof.yosys,
        "design": proof.design,
        "sources_sha256": proof.sources_sha256,
        "proven": proof.proven,
        "seconds": round(proof.seconds, 3),
        "claims": [asdict(c) | {"verdict": c.verdict.value, "seconds": round(c.seconds, 3)} for c in proof.claims],
        "tested_only": TESTED_ONLY,
        "assumed": ASSUMED,
    }


def to_json(proof: Proof) -> str:
    """``proof`` as JSON text."""
    return json.dumps(proof_json(proof), indent=2) + "\n"


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
        path.write_text(to_json(proof), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"proof cannot be written to {path}: {error.strerror}") from error
