"""What the networks of this folder take as firmware, at several intervals: converted, synthesised and proven."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bittrigger.compile.convert import convert
from bittrigger.device.budgets import find_budget
from bittrigger.explore.firmware import FirmwareCost
from bittrigger.prove import Verdict, prove
from bittrigger.report.verdict import verdict
from bittrigger.settings import Settings
from bittrigger.train.recipes import markdown_table

BUDGET = "cms-phase2-correlator-layer1"
INTERVALS = (1, 9, 54)
"""Clocks between jets: at 360 MHz every 2.8 ns, every crossing, every sixth crossing as with time multiplexing."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Built:
    """A network as firmware.

    Attributes:
        outcome: of the budget.
        proven: claims that are proven.
        claims: all claims.
    """

    kind: str
    interval: int
    cost: FirmwareCost
    outcome: str
    proven: int
    claims: int


def in_firmware(kind: str, model: Path, interval: int) -> Built:
    """Convert, synthesise and prove a network.

    Raises:
        BittriggerError: it does not convert.
    """
    settings = Settings(budget=BUDGET, ii=interval)
    with tempfile.TemporaryDirectory() as scratch:
        made, report = convert(model, Path(scratch) / "build", settings)
        claims = prove(made).claims
    counted, judged = report.totals.synth, verdict(report, find_budget(BUDGET))
    cost = FirmwareCost(counted.lut, counted.ff, report.totals.latency_ns)
    proven = sum(claim.verdict is Verdict.PROVEN for claim in claims)
    _log.info(
        "%s, every %d clocks: %s LUT, %d of %d claims proven", kind, interval, cost.luts.value, proven, len(claims)
    )
    return Built(kind, interval, cost, judged.outcome.value, proven, len(claims))


def firmware_table(built: Sequence[Built], areas: dict[str, float] | None = None) -> str:
    """The table of all networks and intervals.

    Args:
        areas: the AUC of each network, by name; None leaves that column out.
    """
    head = ["network", "AUC", "clocks between jets", "LUT", "FF", "latency (ns)", "budget", "claims proven"]
    rows = [
        [
            one.kind,
            f"{(areas or {}).get(one.kind, 0):.4f}",
            str(one.interval),
            f"{one.cost.luts.value:,}",
            f"{one.cost.flip_flops.value:,}",
            f"{one.cost.latency_ns.value:.1f}",
            one.outcome,
            f"{one.proven} of {one.claims}",
        ]
        for one in built
    ]
    if areas is None:
        head, rows = [head[0], *head[2:]], [[row[0], *row[2:]] for row in rows]
    return markdown_table(head, rows)


BUDGET_TEXT = """The budget allows 150 ns (54 clocks) between
events and 1,500 ns for all of layer 1 of the correlator; 9 clocks are 25 ns. Layer 2, with 16 jets in 150 ns, asks for a jet
every 3 clocks, or for several networks; one at 9 or 54 clocks does not hold it."""
