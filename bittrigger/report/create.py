"""From a pipeline, and what synthesis made of it, to a report."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from bittrigger import __version__
from bittrigger.device.budgets import BUNCH_CROSSING_NS
from bittrigger.device.cost import Cost
from bittrigger.device.cost_model import estimate
from bittrigger.device.parts import Part
from bittrigger.ir.adders import depth
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.forms.engine import busy_percent
from bittrigger.ir.forms.serial import adders_in, passing_percent
from bittrigger.ir.graph import Linear
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.ir.routes import split_layers
from bittrigger.report.grade import grade_of
from bittrigger.report.model import Figure, Layer, Missing, Origin, Report, Resources, Totals
from bittrigger.synth.count import Utilization
from bittrigger.synth.yosys import TOOL, Synthesis

VIVADO_COMMAND = "source the settings64.sh of Vivado, then `vivado -mode batch -source synth/vivado_synth.tcl`"
VITIS_COMMAND = "source the settings64.sh of Vitis, then run the script in hls/"
YOSYS_COMMAND = "run `bittrigger convert` without --no-synth"


class Settings(Protocol):
    """What a report needs to know of a build's settings."""

    @property
    def part(self) -> str:
        """FPGA."""

    @property
    def own_part(self) -> Part | None:
        """What is known of it if it is in no catalogue."""

    @property
    def budget(self) -> str | None:
        """Level-1 budget, or None."""


def make_report(pipeline: Pipeline, settings: Settings, synthesis: Synthesis | None) -> Report:
    """The report of ``pipeline``.

    Args:
        synthesis: what Yosys made of it; None leaves its figures missing.
    """
    costs, total = estimate(pipeline)
    parts = split_layers(pipeline.graph)
    layers = tuple(
        replace(_layer(module, costs[module.name], synthesis, pipeline), part_of=parts.get(module.node.name))
        for module in pipeline.modules
    )
    missing = [
        Missing("LUT, FF, CARRY8 and timing slack after placement and routing", VIVADO_COMMAND),
        Missing("figures of high-level synthesis", VITIS_COMMAND),
    ]
    if synthesis is None:
        missing.insert(0, Missing("LUT, FF, CARRY8 and logic levels after synthesis", YOSYS_COMMAND))
    return Report(
        design=pipeline.graph.name,
        grade=grade_of(pipeline.graph.basis),
        part=settings.part,
        clock_mhz=pipeline.clock_mhz,
        budget=settings.budget,
        layers=layers,
        totals=_totals(pipeline, total, synthesis),
        missing=tuple(missing),
        own_part=settings.own_part,
    )


def with_vendor(
    report: Report, *, csynth: Resources | None = None, route: Resources | None = None, wns_ns: Figure | None = None
) -> Report:
    """``report`` with figures that Vitis or Vivado made; what they settle is no longer missing."""
    totals = replace(
        report.totals,
        csynth=csynth or report.totals.csynth,
        route=route or report.totals.route,
        wns_ns=wns_ns or report.totals.wns_ns,
    )
    settled = {VITIS_COMMAND} if csynth else set()
    if route and wns_ns:
        settled.add(VIVADO_COMMAND)
    return replace(report, totals=totals, missing=tuple(m for m in report.missing if m.command not in settled))


def _rtl(value: float) -> Figure:
    return Figure(value, Origin.RTL, "bittrigger", __version__)


def _estimated(cost: Cost) -> Resources:
    return Resources.of(
        Origin.ESTIMATE, "bittrigger", __version__, lut=cost.lut, ff=cost.ff, dsp=0, bram36=cost.bram18 / 2
    )


def _synthesised(used: Utilization | None, version: str) -> Resources:
    if used is None:
        return Resources.of(Origin.SYNTH, TOOL, version)
    return Resources.of(
        Origin.SYNTH,
        TOOL,
        version,
        lut=used.lut,
        ff=used.ff,
        carry_bits=used.carry_bits,
        carry8=used.carry8,
        dsp=used.dsp,
        bram36=used.bram36,
        logic_levels=used.logic_levels,
    )


def _weights(node: Linear) -> IntArray:
    """The weights that a network has there: a scale for each channel is a diagonal, not a matrix."""
    return np.diagonal(node.weights) if node.is_diagonal else node.weights


def _used(module: Module, synthesis: Synthesis) -> Utilization:
    """What all instances take, and what feeds them where a matrix is multiplied step by step."""
    used = synthesis.modules[module.name].times(module.instances)
    return used.plus(synthesis.modules[module.feed_name]) if module.engine or module.is_fed else used


def _depth(module: Module) -> int:
    """Most adders on a path between registers that hold sums, or from operand to result."""
    if module.engine:
        return module.engine.terms
    if module.serial:
        return depth(module.serial.adders)
    if module.tally:
        return module.tally.lanes
    return depth(module.adders) if module.adders else 0


def _adders(module: Module) -> int:
    """Two-input adders of all instances."""
    if module.engine:
        return module.instances * module.engine.terms
    if module.serial:
        return adders_in(module.serial)
    if module.tally:
        return module.instances * module.tally.lanes
    return module.instances * sum(max(1, adder.operands - 1) for adder in module.adders.adders) if module.adders else 0


def _busy_percent(module: Module, ii: int) -> float:
    """Of the cycles of all instances, over an interval, those in which they work for an event."""
    if module.engine:
        return busy_percent(module.engine, ii)
    if module.serial:
        return passing_percent(module.serial, ii)
    if module.tally:
        return round(100 * module.tally.turns / ii, 2)
    return round(100 * module.copies / module.instances / ii, 2)


def _form(module: Module) -> str:
    if module.serial:
        return "serial"
    if module.engine or module.tally:
        return "accumulated"
    return "folded" if module.instances < module.copies else "unrolled"


def _layer(module: Module, cost: Cost, synthesis: Synthesis | None, pipeline: Pipeline) -> Layer:
    node = module.node
    weights = _weights(node) if isinstance(node, Linear) else np.zeros(0, dtype=np.int64)
    non_zeros = int(np.count_nonzero(weights))
    copies = node.copies
    return Layer(
        name=node.name,
        kind=module.kind,
        copies=copies,
        instances=module.instances,
        form=_form(module),
        turns=module.tally.turns if module.tally else module.phases,
        busy_percent=_busy_percent(module, pipeline.ii),
        n_in=len(module.source),
        n_out=node.size // copies,
        zeros=copies * (int(weights.size) - non_zeros),
        non_zeros=copies * non_zeros,
        multiplications_avoided=copies * int(weights.size),
        adders=_adders(module),
        adder_depth=_depth(module),
        latency_cycles=_rtl(module.cycles),
        estimate=_estimated(cost),
        synth=_synthesised(_used(module, synthesis), synthesis.version) if synthesis else _synthesised(None, ""),
        forms=pipeline.forms.get(node.name, ()),
    )


def _totals(pipeline: Pipeline, cost: Cost, synthesis: Synthesis | None) -> Totals:
    period_ns = 1000.0 / pipeline.clock_mhz
    latency_ns = pipeline.latency_cycles * period_ns
    return Totals(
        latency_cycles=_rtl(pipeline.latency_cycles),
        latency_ns=_rtl(latency_ns),
        latency_bx=_rtl(latency_ns / BUNCH_CROSSING_NS),
        ii_cycles=_rtl(pipeline.ii),
        ii_ns=_rtl(pipeline.ii * period_ns),
        estimate=_estimated(cost),
        csynth=Resources.of(Origin.CSYNTH, "Vitis HLS", ""),
        synth=_synthesised(synthesis.total, synthesis.version) if synthesis else _synthesised(None, ""),
        route=Resources.of(Origin.ROUTE, "Vivado", ""),
        wns_ns=Figure(None, Origin.ROUTE, "Vivado", ""),
    )
