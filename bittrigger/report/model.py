"""What a report holds. Every figure says where it came from; a missing one is None."""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields

from bittrigger.device.parts import Part, find_part
from bittrigger.errors import BittriggerError
from bittrigger.ir.forms.considered import Form


class Origin(enum.Enum):
    """How a figure was obtained. Figures of different origins are never compared."""

    ESTIMATE = "estimate"
    """Computed from the adder graph."""
    RTL = "rtl"
    """Counted in the emitted pipeline; simulation checks it to the cycle."""
    CSYNTH = "csynth"
    """High-level synthesis."""
    SYNTH = "synth"
    """Logic synthesis."""
    STA = "sta"
    """Static timing over a placement of ours; nothing is routed."""
    ROUTE = "route"
    """Placement and routing."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with its provenance; ``value`` is None while it is missing."""

    value: int | float | None
    origin: Origin
    tool: str
    version: str


@dataclass(frozen=True, slots=True)
class Resources:
    """Figures of one origin.

    Attributes:
        carry_bits: bits of all carry chains.
        carry8: CARRY8 blocks.
        bram36: block RAMs of 36 kbit.
        logic_levels: cells on the longest path between registers; a carry chain is one.
    """

    lut: Figure
    ff: Figure
    carry_bits: Figure
    carry8: Figure
    dsp: Figure
    bram36: Figure
    logic_levels: Figure

    @classmethod
    def of(cls, origin: Origin, tool: str, version: str, **values: float | None) -> Resources:
        """Figures of one run; those that are not named are missing."""
        return cls(**{field.name: Figure(values.get(field.name), origin, tool, version) for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class Layer:
    """One node of the graph.

    Attributes:
        kind: ``bitlinear``, ``linear``, ``requantize``, ``lookup``, ``maximum``, ``minimum``, ``magnitude``,
            ``shift_down`` or ``shift_up``.
        copies: how many times the layer is there; weights are those of all of them.
        instances: how many of them are built, one after the other where these are fewer; resources and adders are those of all.
        form: ``unrolled``; ``folded`` where copies follow each other through fewer instances; ``accumulated`` where a matrix is
            multiplied step by step in as many lanes as there are instances; ``serial`` where it is digit by digit.
        turns: how often the instances are used for an event.
        busy_percent: of the cycles between events, those in which the instances work for one; for an accumulated layer only what
            multiplies a weight of the matrix counts.
        n_in: codes read by one copy.
        n_out: codes made by one copy.
        zeros: weights that are zero; 0 for nodes without weights. A scale for each channel has one weight a channel.
        non_zeros: the other weights.
        multiplications_avoided: products of a weight and a code in a dense implementation, one for each weight; what is
            emitted has no multiplier.
        adders: two-input equivalents: an adder of three operands is two, a negation one.
        adder_depth: most adders on a path.
        latency_cycles: registers between operand and results.
        forms: those that were considered, the one that it took first; none where an event may come every clock. Figures of
            origin estimate.
        part_of: the layer of the model of which this one is some copies, built for their own types; None where it is all.
    """

    name: str
    kind: str
    copies: int
    instances: int
    form: str
    turns: int
    busy_percent: float
    n_in: int
    n_out: int
    zeros: int
    non_zeros: int
    multiplications_avoided: int
    adders: int
    adder_depth: int
    latency_cycles: Figure
    estimate: Resources
    synth: Resources
    forms: tuple[Form, ...] = ()
    part_of: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """The whole design.

    Attributes:
        latency_bx: bunch crossings of 25 ns, not rounded.
        ii_cycles: cycles from one input to the next.
        wns_ns: worst negative slack at the design's clock; timing is met if it is not negative.
    """

    latency_cycles: Figure
    latency_ns: Figure
    latency_bx: Figure
    ii_cycles: Figure
    ii_ns: Figure
    estimate: Resources
    csynth: Resources
    synth: Resources
    route: Resources
    wns_ns: Figure


class Standing(enum.Enum):
    """How a slack is known, or why it is not."""

    MEASURED = "measured"
    """By the run that wrote it."""
    SAID = "said"
    """The build says so, and no run of this user's."""
    LARGE = "large"
    """Not measured: it takes longer than a conversion ought to."""
    CELLS = "cells"
    """Not measured: the netlist holds cells of which no delay is known."""
    STALE = "stale"
    """Not measured: what is kept is of another netlist."""


@dataclass(frozen=True, slots=True)
class Period:
    """Whether our own static timing meets the clock period.

    Attributes:
        slack_ns: of the slowest path, of origin sta; the period is missed where it is negative. None: not measured.
        module: the instance in which that path ends; empty for the top.
        netlist: SHA-256 of the netlist.
    """

    slack_ns: Figure
    module: str
    netlist: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Missing:
    """Figures that no run has made yet, and the command that makes them."""

    what: str
    command: str


@dataclass(frozen=True, slots=True)
class Grade:
    """What the bits of a design equal.

    Attributes:
        name: ``exact`` (the bits of the reference) or ``ideal`` (the model's definition, where float32 itself rounds).
        reference: ``keras`` (its float32 prediction), ``hls4ml`` (its C++), ``pytorch`` or ``qonnx`` (its float32 result).
        reasons: where float32 rounds, a sentence each; none for the exact grade.
        chosen: what the model leaves open and was chosen, a sentence each.
        events: events on which Keras and the integers were compared; None where no model was at hand.
        float32_events: events on which Keras' float32 differs from the firmware.
        float32_largest: largest difference of an output.
        float64_events: the same of Keras in double precision with the same parameters; None where it was not run.
        float64_largest: largest difference of an output.
    """

    name: str
    reference: str
    reasons: tuple[str, ...]
    chosen: tuple[str, ...]
    events: int | None
    float32_events: int | None
    float32_largest: float | None
    float64_events: int | None
    float64_largest: float | None


@dataclass(frozen=True)
class Report:
    """Resources and timing of one build.

    Attributes:
        grade: what its bits equal.
        part: FPGA, as the user named it.
        budget: the Level-1 budget that it is judged by, or None.
        own_part: what is known of a part that the catalogue does not hold.
        period: whether the clock period is met without routing; None where there is no netlist, or the report is from before.
    """

    design: str
    grade: Grade
    part: str
    clock_mhz: float
    budget: str | None
    layers: tuple[Layer, ...]
    totals: Totals
    missing: tuple[Missing, ...]
    own_part: Part | None = None
    period: Period | None = None

    @property
    def device(self) -> Part:
        """What is known of the FPGA."""
        return self.own_part or find_part(self.part)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from bittrigger.report.html import render_fragment  # templates are loaded only where a page is wanted

        return render_fragment(self)

    def raise_unless_passed(self) -> None:
        """Check the verdict.

        Raises:
            BittriggerError: if the build has no budget, or the verdict is not ``pass``.
        """
        from bittrigger.device.budgets import find_budget
        from bittrigger.report.verdict import Outcome, verdict  # a verdict judges reports

        if self.budget is None:
            raise BittriggerError(f"design {self.design!r} has no budget to be judged by; name one with --budget")
        judged = verdict(self, find_budget(self.budget))
        if judged.outcome is Outcome.PASS:
            return
        said = "; ".join(f"{c.name} {c.said}: {c.facts}" for c in judged.criteria if c.outcome is not Outcome.PASS)
        raise BittriggerError(f"design {self.design!r}, budget {self.budget}: {judged.outcome.value}; {said}")
