"""What differs between two designs, and what of it somebody has to look at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bittrigger.ir.fixed import FloatArray, IntArray, hull
from bittrigger.ir.graph import Graph, Linear, evaluate
from bittrigger.ir.nodes.held import Weigh
from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.ports import decode_outputs, encode_events, output_fields
from bittrigger.ir.routes import split_layers
from bittrigger.report.model import Figure, Report


@dataclass(frozen=True)
class Side:
    """One of the two designs.

    Attributes:
        files: SHA-256 of each file of its build; empty for a model that is not built.
        settings: what was chosen, by name.
    """

    label: str
    pipeline: Pipeline
    report: Report
    settings: Mapping[str, object]
    files: Mapping[str, str]

    @property
    def graph(self) -> Graph:
        """The integer graph."""
        return self.pipeline.graph


@dataclass(frozen=True)
class Change:
    """One fact of both sides; None where a side does not have it."""

    what: str
    a: str | None
    b: str | None


@dataclass(frozen=True)
class WeightChange:
    """Weights of a layer that is on both sides with the same shape.

    Attributes:
        changed: weights that differ.
        signs: of these, those that change their sign.
        zeros: of these, those that become zero or stop being it.
        biases: biases that differ.
    """

    layer: str
    weights: int
    changed: int
    signs: int
    zeros: int
    biases: int


@dataclass(frozen=True)
class FigureChange:
    """A figure of both sides, of one origin."""

    name: str
    origin: str
    a: float
    b: float


@dataclass(frozen=True)
class OutputChange:
    """Outputs on the same events.

    Attributes:
        events: how many.
        differing: events of which an output differs in value.
        largest: largest difference of an output, in the units of the model.
        choices: events of which another output is the largest; None with one output.
        decisions: for each threshold and output the events that pass on one side alone.
    """

    events: int
    differing: int
    largest: float
    choices: int | None
    decisions: tuple[tuple[str, float, int], ...]


@dataclass(frozen=True)
class Difference:
    """All that differs."""

    a: str
    b: str
    settings: tuple[Change, ...]
    ports: tuple[Change, ...]
    layers: tuple[Change, ...]
    weights: tuple[WeightChange, ...]
    figures: tuple[FigureChange, ...]
    outputs: OutputChange | None
    files: tuple[Change, ...]
    review: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether nothing differs but how long it took to make."""
        moved = self.outputs is not None and self.outputs.differing
        return not (self.settings or self.ports or self.layers or self.weights or self.files or moved)

    def to_json(self) -> dict[str, Any]:
        """As plain types."""
        return asdict(self) | {"same": self.same}


def compare(a: Side, b: Side, events: FloatArray | None, thresholds: Sequence[float] = ()) -> Difference:
    """Compare two designs.

    Args:
        events: real events `(events, n_inputs)` for both; None where they do not take the same.
        thresholds: of outputs, in the units of the model, at which events pass.
    """
    ports = _changes(_ports(a), _ports(b))
    layers = _changes(_layers(a), _layers(b))
    weights = _weights(a.graph, b.graph)
    outputs = None if events is None else _outputs(a.graph, b.graph, events, thresholds)
    files = _changes(a.files, b.files) if a.files and b.files else ()
    files = tuple(change for change in files if change.what not in ("bittrigger.json", "report.json"))
    return Difference(
        a.label,
        b.label,
        _changes(_texts(a.settings), _texts(b.settings)),
        ports,
        layers,
        weights,
        _figures(a.report, b.report),
        outputs,
        files,
        _review(a, b, ports=ports, layers=layers, weights=weights, files=files),
    )


def _texts(values: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}


def _changes(a: Mapping[str, str], b: Mapping[str, str]) -> tuple[Change, ...]:
    names = dict.fromkeys([*a, *b])
    return tuple(Change(name, a.get(name), b.get(name)) for name in names if a.get(name) != b.get(name))


def _ports(side: Side) -> dict[str, str]:
    found = {
        f"input {port.name}": f"{port.size} x {port.type}, {port.interval.lo}..{port.interval.hi}"
        for port in side.graph.inputs
    }
    fields = output_fields(side.graph)
    for name in dict.fromkeys(field.port for field in fields):
        mine = [field for field in fields if field.port == name]
        found[f"output {name}"] = f"{len(mine)} x {mine[0].type}"
    return found


def _layers(side: Side) -> dict[str, str]:
    """What each layer is; one that was built in parts, for the types of its copies, part by part."""
    parts, found = split_layers(side.graph), dict[str, list[str]]()
    for module in side.pipeline.modules:
        whole, name = hull(module.result), module.node.name
        shape = f"{len(module.source)} x {len(module.result)}"
        said = f"{module.kind}, {shape}, {whole.lo}..{whole.hi}, {module.cycles} cycles"
        copies = f"{module.node.copies} of {said}" if name in parts else said
        found.setdefault(parts.get(name, name), []).append(copies)
    return {name: "; ".join(said) for name, said in found.items()}


def _matrices(graph: Graph) -> dict[str, Linear | Weigh]:
    """The layers with weights by the names that people know; of one that was built in parts the first, which has them all."""
    parts, found = split_layers(graph), dict[str, Linear | Weigh]()
    for node in graph.nodes:
        if isinstance(node, Linear | Weigh):
            found.setdefault(parts.get(node.name, node.name), node)
    return found


def _weights(a: Graph, b: Graph) -> tuple[WeightChange, ...]:
    others = _matrices(b)
    found = []
    for name, node in _matrices(a).items():
        other = others.get(name)
        if other is None or node.weights.shape != other.weights.shape:
            continue
        old, new = node.weights, other.weights
        if node.name != other.name:  # one side has it whole, and the steps of operands are in the rows of a part
            old, new = _without_steps(old), _without_steps(new)
        changed, biases = int((old != new).sum()), int((node.bias != other.bias).sum())
        if changed or biases:
            signs, zeros = int((old * np.sign(new) < 0).sum()), int(((old == 0) != (new == 0)).sum())
            found.append(WeightChange(name, old.size, changed, signs, zeros, biases))
    return tuple(found)


def _without_steps(weights: IntArray) -> IntArray:
    """``weights`` with each row divided by the power of two that divides all of it."""
    common = np.gcd.reduce(weights, axis=1)
    odd: IntArray = weights // np.maximum(common & -common, 1)[:, None]
    return odd


def _figures(a: Report, b: Report) -> tuple[FigureChange, ...]:
    """Figures that both sides have from the same origin; what only one side has, or from elsewhere, cannot be compared."""
    found = []

    def add(name: str, first: Figure, second: Figure) -> None:
        if first.value is not None and second.value is not None and first.origin is second.origin:
            found.append(FigureChange(name, first.origin.value, first.value, second.value))

    add("latency (cycles)", a.totals.latency_cycles, b.totals.latency_cycles)
    add("latency (ns)", a.totals.latency_ns, b.totals.latency_ns)
    add("initiation interval (cycles)", a.totals.ii_cycles, b.totals.ii_cycles)
    if a.period and b.period:
        add("slack of the period (ns)", a.period.slack_ns, b.period.slack_ns)
    for source in ("route", "synth", "estimate"):
        first, second = getattr(a.totals, source), getattr(b.totals, source)
        for name in ("lut", "ff", "carry8", "dsp", "bram36", "logic_levels"):
            add(name.replace("_", " "), getattr(first, name), getattr(second, name))
    return tuple(found)


def _outputs(a: Graph, b: Graph, events: FloatArray, thresholds: Sequence[float]) -> OutputChange:
    old, new = (decode_outputs(graph, evaluate(graph, encode_events(graph, events))) for graph in (a, b))
    if old.shape != new.shape:
        return OutputChange(len(events), len(events), float("inf"), None, ())
    several = old.shape[1] > 1
    names = [f"{field.port}[{field.index}]" for field in output_fields(a)]
    decisions = tuple(
        (names[k], threshold, int(((old[:, k] >= threshold) != (new[:, k] >= threshold)).sum()))
        for threshold in thresholds
        for k in range(old.shape[1])
    )
    return OutputChange(
        len(events),
        int((old != new).any(axis=1).sum()),
        float(np.abs(old - new).max(initial=0.0)),
        int((old.argmax(axis=1) != new.argmax(axis=1)).sum()) if several else None,
        decisions,
    )


def _misses(side: Side) -> bool:
    """Whether our own placement misses the clock period, and nothing has been routed."""
    slack = side.report.period.slack_ns.value if side.report.period else None
    return slack is not None and slack < 0 and side.report.totals.wns_ns.value is None


def _review(
    a: Side,
    b: Side,
    *,
    ports: Sequence[Change],
    layers: Sequence[Change],
    weights: Sequence[WeightChange],
    files: Sequence[Change],
) -> tuple[str, ...]:
    """What has to be looked at again, the most far-reaching first."""
    found = []
    if ports:
        found.append("ports differ: whatever is connected to the design, its pattern files and its emulator's callers")
    if a.pipeline.latency_cycles != b.pipeline.latency_cycles:
        cycles = f"{a.pipeline.latency_cycles} to {b.pipeline.latency_cycles} cycles"
        found.append(f"latency goes from {cycles}: the alignment of what runs beside it, and the budget")
    if a.pipeline.clock_mhz != b.pipeline.clock_mhz:
        found.append(
            f"the clock goes from {a.pipeline.clock_mhz:g} to {b.pipeline.clock_mhz:g} MHz: clocking, constraints, timing"
        )
    missed = next((side for side in (b, a) if _misses(side)), None)
    if missed is not None:
        found.append(f"{missed.label} misses the period of its clock (sta): timing, --period-margin-ns")
    structure = [change.what for change in layers if change.a is None or change.b is None]
    if structure:
        found.append(f"layers come or go ({', '.join(structure)}): the network itself")
    if weights:
        changed = sum(change.changed for change in weights)
        found.append(f"{changed:,} weights differ in {len(weights)} layers: physics performance on events")
    verilog = [change.what for change in files if change.what.startswith("rtl/")]
    cells = [name for name in verilog if name.startswith("rtl/bittrigger_")]
    if verilog:
        found.append(
            f"{len(verilog)} files of Verilog differ: {', '.join(verilog[:6])}{' …' if len(verilog) > 6 else ''}; prove them"
        )
    if cells:
        found.append(
            f"library cells differ ({', '.join(cells)}): they are the same in every design of one version of bittrigger"
        )
    return tuple(found) or ("nothing",)
