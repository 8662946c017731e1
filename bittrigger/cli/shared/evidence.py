"""What is known about a build besides its figures: what was proven and tested, when, and what it was made from."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bittrigger.build.folder import Build
    from bittrigger.report.html import Evidence, Fact

ELSEWHERE = "so says its proof.json, which no run of yours has written: run `bittrigger prove`"
"""Of a proof that came with its build."""

SIMULATION = "simulation.json"
"""The last `bittrigger simulate`, in the build."""


def _read(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file of ours; None where there is none that can be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return data if isinstance(data, dict) else None


def _when(path: Path) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(path.stat().st_mtime))


def proof_lines(build: Build) -> list[Fact]:
    """What `bittrigger prove` found, whether it is about the files that are there now, and when it was."""
    from bittrigger.prove.kept import PROOF, first_change, is_made_here
    from bittrigger.report.html import Fact

    path = build.folder / PROOF
    proof = _read(path)
    if proof is None:
        return []
    claims = proof.get("claims", [])
    changed = first_change(proof.get("files", {}), build.folder)
    if changed is not None:
        again = f"{changed} is another; prove it again with `bittrigger prove`"
        return [Fact("open", "a proof of other files than those of this build", again)]
    done = sum(claim["verdict"] == "proven" for claim in claims)
    words = {"rtl": "Verilog", "vhdl": "VHDL", "synth": "netlist"}
    objects = " and ".join(words[part] for part in words if part in proof.get("covers", ("rtl",)))
    origin = "" if is_made_here(path.read_text(encoding="utf-8")) else f"; {ELSEWHERE}"
    head = Fact(
        "yes" if proof.get("proven") and done == len(claims) > 0 else "no",
        f"{done} of {len(claims)} claims about {objects}",
        f"{_when(path)}, Yosys {proof.get('tools', {}).get('yosys')}{origin}",
    )
    marks = {"proven": "yes", "refuted": "no"}
    kinds: dict[tuple[str, str], int] = {}
    for claim in claims:
        key = claim["kind"], claim["verdict"]
        kinds[key] = kinds.get(key, 0) + 1
    methods = {claim["kind"]: claim["method"] for claim in claims}
    return [
        head,
        *(
            Fact(marks.get(verdict, "open"), f"{kind}: {count} {verdict}", methods[kind])
            for (kind, verdict), count in kinds.items()
        ),
    ]


def simulation_lines(build: Build) -> list[Fact]:
    """What the last simulation found."""
    from bittrigger.report.html import Fact

    path = build.folder / SIMULATION
    found = _read(path)
    if found is None:
        return []
    marks = {"equal": "yes", "mismatch": "no", "error": "no"}
    ran = [row for row in found.get("executors", []) if row["verdict"] != "not run"]
    events = f"{found.get('events', 0):,} events and {found.get('corner_vectors', 0)} corner vectors, {_when(path)}"
    return [Fact(marks[row["verdict"]], f"{row['name']}: {_verdict(row['verdict'])}", events) for row in ran]


def _verdict(word: str) -> str:
    return "every bit equal" if word == "equal" else word


def provenance(build: Build) -> dict[str, str]:
    """Versions, options and hashes, a line each."""
    lines: dict[str, str] = {}

    def add(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                add(f"{prefix} {key}".strip().replace("_", " "), inner)
        elif value is not None:
            lines[prefix] = str(value)

    add("", build.provenance)
    add("option", {key: value for key, value in vars(build.settings).items() if value not in (None, {})})
    add("seconds of", build.stage_seconds)
    return lines


def find_evidence(build: Build, card: Path | None = None) -> Evidence:
    """All that is known about ``build``; the card is the one given, or ``card.md`` in the build."""
    from bittrigger.prove import ASSUMED
    from bittrigger.report.html import Evidence

    inside = build.folder / "card.md"
    return Evidence(
        proven=proof_lines(build),
        tested=simulation_lines(build),
        assumed=ASSUMED,
        provenance=provenance(build),
        card=card or (inside if inside.is_file() else None),
    )
