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

LAYER_1, LAYER_2 = "cms-phase2-correlator-layer1", "cms-phase2-correlator-layer2"
BUDGETS = {1: LAYER_1, 3: LAYER_2, 9: LAYER_1, 54: LAYER_1}
"""By clocks between jets: at 360 MHz a jet every 2.8 ns, 16 jets in six crossings, a jet a crossing, one every six crossings
as with time multiplexing."""

INTERVALS = tuple(BUDGETS)

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
    settings = Settings(budget=BUDGETS[interval], ii=interval)
    with tempfile.TemporaryDirectory() as scratch:
        made, report = convert(model, Path(scratch) / "build", settings)
        claims = prove(made).claims
    counted, judged = report.totals.synth, verdict(report, find_budget(BUDGETS[interval]))
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
            f"{BUDGETS[one.interval].rsplit('-', 1)[1]}: {one.outcome}",
            f"{one.proven} of {one.claims}",
        ]
        for one in built
    ]
    if areas is None:
        head, rows = [head[0], *head[2:]], [[row[0], *row[2:]] for row in rows]
    return markdown_table(head, rows)


BUDGET_TEXT = f"""Budget at 3 clocks is `{LAYER_2}`, which
allows 9.4 ns between jets (16 in 150 ns) and 1,000 ns; else `{LAYER_1}`, which allows 150 ns
(54 clocks) between events and 1,500 ns. At 9 clocks, 25 ns, a network is in time for a jet each crossing, but not for layer 2."""
