"""A catalogue of Level-1 latency and resource budgets.

Every figure was read at the source that stands beside it. What no source gives is None, and a verdict calls it unknown.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bittrigger.device.own_file import NUMBER, TEXT, WHOLE, check_mapping, is_file_name, read_mapping
from bittrigger.errors import ConfigError

BUNCH_CROSSING_NS = 25.0
"""Time between two bunch crossings of the LHC."""


@dataclass(frozen=True)
class Budget:
    """What a place in a trigger allows.

    Attributes:
        name: identifier for the command line.
        title: the place in words.
        latency_ns: most time from input to output; None if no source gives it.
        covers: what that latency has to pay for; a network is only a part of it.
        ii_ns: most time between two inputs.
        ii_note: where ``ii_ns`` comes from, when it is derived.
        lut: most LUTs.
        clock_mhz: the clock that its algorithms run at.
        part: device of its boards.
        trust: ``P`` read at the primary source; ``D`` derived from such figures, as the notes state.
        retrieved: date of the reading, ISO 8601.
    """

    name: str
    title: str
    latency_ns: float | None
    covers: str
    ii_ns: float | None
    ii_note: str
    lut: int | None
    clock_mhz: float | None
    part: str | None
    source: str
    trust: str
    retrieved: str

    @property
    def latency_bx(self) -> float | None:
        """``latency_ns`` in bunch crossings of 25 ns."""
        return None if self.latency_ns is None else self.latency_ns / BUNCH_CROSSING_NS


BUDGETS: tuple[Budget, ...] = (
    Budget(
        name="cms-run3-global-trigger",
        title="CMS Run 3 Level-1, Global Trigger",
        latency_ns=50.0,
        covers="the decision of the Global Trigger, 2 bunch crossings",
        ii_ns=25.0,
        ii_note="collisions come at 40 MHz",
        lut=None,
        clock_mhz=None,
        part=None,
        source="repository.cern/records/41mt0-3w586 (AXOL1TL, FastML 2025): "
        "'from 40 MHz to 100 kHz within a fixed latency of 50 ns'",
        trust="P",
        retrieved="2026-11-22",
    ),
    Budget(
        name="cms-phase2-correlator-layer1",
        title="CMS Phase-2 Level-1, Correlator Layer 1 (particle flow, PUPPI)",
        latency_ns=1500.0,
        covers="particle flow, pile-up removal and sorting",
        ii_ns=150.0,
        ii_note="time multiplexed by 6: an event every 6 bunch crossings (derived)",
        lut=None,
        clock_mhz=360.0,
        part="xcvu13p",
        source="indico.cern.ch/event/1127562/contributions/4904829 (TWEPP 2022): '36 Xilinx VU13P FPGAs with time multiplex (TM) "
        "factor of 6', 'latency budget of 1.5 us'; clock of 25 Gb/s links in the EMP framework's documentation",
        trust="P",
        retrieved="2026-11-22",
    ),
    Budget(
        name="cms-phase2-correlator-layer2",
        title="CMS Phase-2 Level-1, Correlator Layer 2 jets, one network for 16 jets an event",
        latency_ns=1000.0,
        covers="jet finding and all that is computed from the constituents",
        ii_ns=150.0 / 16,
        ii_note="event throughput 6.7 MHz (time multiplexed by 6: 150 ns), up to 16 jets an FPGA, one after the other (derived)",
        lut=None,
        clock_mhz=360.0,
        part="xcvu13p",
        source="EPJ Web of Conf. 295 (2024) 02024: 'up to 16 jets in each Xilinx Ultrascale+ FPGA, with a latency of "
        "less than 1 us, and event throughput of 6.7 MHz'; part: target of github.com/CMS-L1T-Jet-Tagging/CL2TaggerFirmware; "
        "clock of 25 Gb/s links in the EMP framework's documentation",
        trust="D",
        retrieved="2026-11-22",
    ),
    Budget(
        name="cms-phase2-level1",
        title="CMS Phase-2 Level-1, the whole trigger",
        latency_ns=12_500.0,
        covers="the whole Level-1 trigger, 500 bunch crossings",
        ii_ns=None,
        ii_note="",
        lut=None,
        clock_mhz=None,
        part=None,
        source="PoS(LHCP2019)252: 'a latency of 12.5 us (or 500 LHC bunch crossings)'",
        trust="P",
        retrieved="2026-11-22",
    ),
    Budget(
        name="atlas-phase1-level1",
        title="ATLAS Phase-1 Level-1, topological processor (L1Topo)",
        latency_ns=2500.0,
        covers="the whole Level-1 trigger",
        ii_ns=25.0,
        ii_note="new data every bunch crossing",
        lut=None,
        clock_mhz=None,
        part="xcvu9p",
        source="latency: indico.cern.ch/event/304944/contributions/1672263 ('decision latency of less than 2.5 us'); "
        "data rate and part: 10.1109/TNS.2024.3457038 ('new data arriving every 25 ns', 'Xilinx Ultrascale+9P')",
        trust="P",
        retrieved="2026-11-22",
    ),
    Budget(
        name="atlas-phase2-l0-global",
        title="ATLAS Phase-2 Level-0, topological part of the Global Trigger",
        latency_ns=10_000.0,
        covers="the whole Level-0 trigger",
        ii_ns=1200.0,
        ii_note="new data every 1.2 us in each FPGA",
        lut=100_000,
        clock_mhz=None,
        part=None,
        source="latency: abstract of the Global Common Module prototype, CDS 2916125 ('a maximum rate of 1 MHz and a latency "
        "of 10 us'); data rate and LUTs: 10.1109/TNS.2024.3457038 ('new data arriving every 1.2 us', '~100k LUTs', of all "
        "topological algorithms)",
        trust="P",
        retrieved="2026-11-22",
    ),
)


_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("latency_ns", "ii_ns", "clock_mhz"), NUMBER),
    "lut": WHOLE,
    **dict.fromkeys(("name", "title", "covers", "ii_note", "part", "source", "retrieved"), TEXT),
}
_NEEDED = ("name", "title", "source", "retrieved")


def read_budget(path: Path) -> Budget:
    """An own budget: a mapping of the fields of ``Budget``; what no source gives is left out.

    Raises:
        ConfigError: if it cannot be read, lacks its name, title, source or date, or a field is unknown or of a wrong kind.
    """
    values = read_mapping(path, "budget")
    check_mapping(values, _KINDS, _NEEDED, f"budget {path}", "budget")
    empty: dict[str, Any] = dict.fromkeys(("latency_ns", "ii_ns", "lut", "clock_mhz", "part"))
    texts = {"covers": "what it is given for", "ii_note": "", "trust": "own"}
    return Budget(**(empty | texts | values))


def find_budget(name: str) -> Budget:
    """The budget called ``name``, or that in the file ``name`` if it ends in .yaml or .yml.

    Raises:
        ConfigError: if there is none, or the file will not do.
    """
    if is_file_name(name):
        return read_budget(Path(name))
    known = {budget.name: budget for budget in BUDGETS}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise ConfigError(f"budget {name!r} is unknown; {hint}allowed are {', '.join(known)}; see `bittrigger budgets`")
