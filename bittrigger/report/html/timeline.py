"""The pipeline over time: which layer, and which of its adders, works in which clock cycle; and what time is left in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from bittrigger.device.timing import adder_delay_ns, held_delay_ns, node_delay_ns, part_delays_ns, usable_ns
from bittrigger.ir.forms.table import in_parts
from bittrigger.ir.graph import Input, Linear, Lookup, Requantize
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.report.html.svg import element, picture, text

_NAME, _ROW, _HEAD = 210.0, 26.0, 26.0
_WIDEST = 900.0


def ranges_text(numbers: Sequence[int], most: int = 400) -> str:
    """Sorted ``numbers`` with runs abbreviated: ``0-4, 7, 9-12``."""
    runs: list[list[int]] = []
    for k in numbers:
        if runs and k == runs[-1][1] + 1:
            runs[-1][1] = k
        else:
            runs.append([k, k])
    said = ", ".join(f"s{a}" if a == b else f"s{a}-s{b}" for a, b in runs)
    return said if len(said) <= most else f"{said[:most]} …"


def draw_timeline(pipeline: Pipeline) -> Markup:
    """A row for each layer and a column for each clock cycle; the number in a cell is that of its adders."""
    stages = max(pipeline.latency_cycles, 1 + max((module.stop for module in pipeline.modules), default=0))
    step = min(64.0, _WIDEST / stages)
    height = _HEAD + _ROW * len(pipeline.modules) + 8
    parts = []
    for stage in range(stages + 1):
        x = _NAME + stage * step
        parts.append(element("line", x1=x, y1=_HEAD - 4, x2=x, y2=height - 4, class_="register"))
        if stage < stages and (step > 22 or stage % 5 == 0):
            parts.append(text(str(stage), x + step / 2, _HEAD - 10, "middle soft"))
    parts.append(text("clock cycle", 6, _HEAD - 10, "soft"))
    placed = [module.stages for module in pipeline.modules if in_space(module)]
    peak = max((stages.count(k) for stages in placed for k in set(stages)), default=1)
    for row, module in enumerate(pipeline.modules):
        parts += _row(module, _HEAD + row * _ROW, step, peak)
    return picture(_NAME + stages * step + 8, height, parts, "pipeline by clock cycle")


def in_space(module: Module) -> bool:
    """Whether the adders of its graph are built as they are drawn, not added to turn by turn, step by step or digit by digit."""
    return module.adders is not None and not (module.tally or module.engine or module.serial)


def _row(module: Module, y: float, step: float, peak: int) -> list[str]:
    times = f" x {module.copies}" if module.copies > 1 else ""
    parts = [text(f"{module.node.name[:24]}{times}", 6, y + 17, "strong")]
    for stage in range(module.start, module.done + 1):
        here = [k for k, placed in enumerate(module.stages) if placed == stage] if in_space(module) else []
        share = len(here) / peak if in_space(module) else 0.35
        said = f"{module.label}, cycle {stage}"
        if stage > module.stop:
            share, said = 0.1, f"{said}: turns of other copies"
        elif in_space(module):
            said += f": {len(here)} adders{': ' if here else ''}{ranges_text(here)}"
        elif module.adders is not None:
            said += f": {_way(module)}"
        box = {"x": _NAME + stage * step + 2, "y": y + 2, "width": step - 4, "height": _ROW - 4}
        parts.append(
            element("rect", title=said, **box, rx=4, class_=f"cell {module.kind}", fill_opacity=0.15 + 0.85 * share)
        )
        if here and step > 22:
            parts.append(text(str(len(here)), _NAME + (stage + 0.5) * step, y + 17, "middle"))
    return parts


def _way(module: Module) -> str:
    """How a module adds up that has no adder for each one of its graph."""
    if module.tally:
        return f"{module.tally.lanes} positions a cycle are added to the sums"
    return "digit by digit" if module.serial else "step by step"


@dataclass(frozen=True)
class StageTime:
    """The logic of one stage.

    Attributes:
        levels: most adders on a path in it.
        spent_ns: of the longest path, by the delay model that placed the registers.
        slack_ns: what the clock leaves of its period.
        partly: whether a layer works in it whose steps or digits are not reckoned here.
    """

    stage: int
    levels: int
    spent_ns: float
    slack_ns: float
    partly: bool = False


@dataclass(frozen=True)
class _Ready:
    """When a code is there: its stage, and what has been spent in it."""

    stage: int
    spent_ns: float = 0.0
    levels: int = 0

    def order(self) -> tuple[int, float]:
        """What comes later is greater."""
        return self.stage, self.spent_ns

    def within(self, stage: int) -> _Ready:
        """The same code seen in ``stage``: from a register, unless it is made there."""
        return self if self.stage == stage else _Ready(stage)


def stage_times(pipeline: Pipeline) -> tuple[StageTime, ...]:
    """The longest path in each stage by the delay model; an estimate, not a timing analysis."""
    worst = [_Ready(stage) for stage in range(pipeline.latency_cycles)]
    modules = {module.node.name: module for module in pipeline.modules}
    ready: dict[str, list[_Ready]] = {}
    for node in pipeline.graph.nodes:
        if isinstance(node, Input):
            ready[node.name] = [_Ready(0)] * node.size
            continue
        source = [item for name in node.inputs for item in ready[name]]
        if isinstance(node, Wire):
            ready[node.name] = [_Ready(0) if k == ZERO else source[k] for k in node.indices.tolist()]
        else:
            ready[node.name] = _module_ready(modules[node.name], source, worst)
    budget = usable_ns(pipeline.clock_mhz, margin_ns=pipeline.period_margin_ns)
    planned = {
        stage
        for module in pipeline.modules
        if module.engine or module.serial
        for stage in range(module.start, module.done + 1)
    }
    return tuple(
        StageTime(item.stage, item.levels, item.spent_ns, budget - item.spent_ns, item.stage in planned)
        for item in worst
    )


def _module_ready(module: Module, source: Sequence[_Ready], worst: list[_Ready]) -> list[_Ready]:
    """When the results of a module are there, those of all copies; ``worst`` keeps the longest path of each stage."""

    def after(inputs: Sequence[_Ready], stage: int, delay_ns: float, levels: int) -> _Ready:
        seen = [item.within(stage) for item in inputs] or [_Ready(stage)]
        done = _Ready(stage, max(item.spent_ns for item in seen) + delay_ns, max(item.levels for item in seen) + levels)
        if stage < len(worst):
            old = worst[stage]
            worst[stage] = _Ready(stage, max(old.spent_ns, done.spent_ns), max(old.levels, done.levels))
        return done

    if module.engine or module.serial:
        return [_Ready(module.done)] * module.node.size
    if module.tally:
        lanes = module.tally.lanes
        latest = max((item.within(module.start) for item in source), key=_Ready.order)
        for stage in range(module.start, module.stop):  # a turn is like any other
            after([replace(latest, stage=stage)], stage, lanes * adder_delay_ns(2), lanes)
        return [_Ready(module.stop)] * module.node.size
    if module.adders is None:
        return [after(source, module.stop, _delay_ns(module), 0)] * module.node.size
    size = module.adders.n_inputs
    values = [max(source[k::size], key=_Ready.order) for k in range(size)]  # of the latest copy
    for adder, stage in zip(module.adders.adders, module.stages, strict=True):
        operands = [values[term.value] for term in adder.terms]
        values.append(after(operands, stage, adder_delay_ns(adder.operands), 1))
    return [
        _Ready(module.stop) if out.value is None else values[out.value].within(module.stop)
        for out in module.adders.outputs
    ] * module.copies


def _delay_ns(module: Module) -> float:
    """Of the last part of a module without an adder graph."""
    node = module.node
    if isinstance(node, Requantize) or (isinstance(node, Lookup) and not in_parts(node, module.source)):
        return node_delay_ns(node, module.source)
    if isinstance(node, Linear):
        return adder_delay_ns(2)
    if isinstance(node, Weigh | Hold):
        return held_delay_ns(node)
    return part_delays_ns(node, module.source)[-1]


def draw_stage_times(pipeline: Pipeline) -> Markup:
    """A bar for each stage: time spent of the time that the clock leaves, adder levels, and slack."""
    times, budget = stage_times(pipeline), usable_ns(pipeline.clock_mhz, margin_ns=pipeline.period_margin_ns)
    scale, row = 560.0 / max([budget, *(item.spent_ns for item in times)]), 22.0
    parts = [text("cycle", 6, 14, "soft"), text("adder levels", 56, 14, "soft"), text("slack (ns)", 760, 14, "soft")]
    for item in times:
        y = 22 + item.stage * row
        style = "bar good" if item.slack_ns >= 0 else "bar bad"
        said = f"cycle {item.stage}: {item.spent_ns:.2f} ns of {budget:.2f} ns, {item.levels} adder levels"
        parts.append(text(str(item.stage), 16, y + 14))
        parts.append(text(str(item.levels), 86, y + 14))
        width = max(item.spent_ns * scale, 0.5)
        parts.append(element("rect", title=said, x=150, y=y + 3, width=width, height=row - 6, rx=3, class_=style))
        parts.append(text(f"{item.slack_ns:+.2f}{' *' if item.partly else ''}", 770, y + 14))
    x = 150 + budget * scale
    parts.append(element("line", x1=x, y1=18, x2=x, y2=24 + row * len(times), class_="limit"))
    parts.append(text(f"{budget:.2f} ns for logic at {pipeline.clock_mhz:g} MHz", x, 14, "end soft"))
    return picture(840, 30 + row * len(times), parts, "time spent by clock cycle")
