"""Where the LUTs go, and what would be cheaper: hints that follow from the figures of a report alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from bittrigger.device.timing import node_delay_ns, usable_ns
from bittrigger.ir.forms.table import in_parts
from bittrigger.ir.graph import Lookup, Requantize
from bittrigger.ir.pipeline import Pipeline
from bittrigger.report.model import Figure, Layer, Report

LARGE_SHARE = 0.25
"""A layer with this part of all LUTs is worth a word."""

WIDE_SHARE, WIDE_LUTS = 0.1, 2000
"""A scale that keeps every bit of its products is worth one from this part and so many LUTs on: what reads it adds wide codes."""

_REMEDIES = {
    "linear": "it has weights of several bits; a ternary kernel (BitLinear, or QDense with ternary()) takes about one adder a "
    "weight and no more, and a BatchNormalization folds into the layer before it only if its scales are powers of two",
    "lookup": "its table is wider than its input needs; fewer bits of the activation before it halve the table each",
    "scale": "it scales each channel by itself, with a table for five bits of the code each; scales that are powers of two cost "
    "nothing, and fewer bits of its input (--input-precision) or of the quantiser behind it take less",
    "requantize": "saturation and rounding are paid for each output; a ReLU that clips at a power of two, or fewer outputs, "
    "takes less",
    "bitlinear": "fewer non-zero weights (a larger threshold, or --cost-strength in training), fewer input bits or a longer "
    "latency (--latency-cycles, more sharing) take less; see docs/training.md",
}

_ADDING = ("linear", "bitlinear")
"""Kinds of layers that add up what they read."""


def _luts(layer: Layer, *, synthesised: bool) -> float:
    return (layer.synth if synthesised else layer.estimate).lut.value or 0


def hints(report: Report) -> tuple[str, ...]:
    """What makes a design fit that does not; then a sentence for each large layer.

    Large is one with a quarter of the LUTs or more, or of products that keep every bit; the largest comes first.
    """
    synthesised = report.totals.synth.lut.value is not None
    used = report.totals.synth if synthesised else report.totals.estimate
    total = used.lut.value or 0
    layers = _whole(report.layers)
    wide = {layer.name for layer, after in pairwise(layers) if _is_scale(layer) and after.kind in _ADDING}
    large = []
    for layer in layers:
        count = _luts(layer, synthesised=synthesised)
        if total and (
            count >= LARGE_SHARE * total or (layer.name in wide and count >= max(WIDE_SHARE * total, WIDE_LUTS))
        ):
            large.append(layer)
    found = list(_too_large(total, report))
    for layer in sorted(large, key=lambda layer: -_luts(layer, synthesised=synthesised)):
        count = _luts(layer, synthesised=synthesised)
        remedy = _float_remedy(layer, report) or (_wide_remedy(layer) if layer.name in wide else _remedy(layer))
        parts = sum(one.part_of == layer.name for one in report.layers)
        name = f"{layer.name}, built as {parts} layers since its copies read other types," if parts else layer.name
        said = f"{name} takes {count:,.0f} of {total:,.0f} LUT ({100 * count / total:.0f} %, {used.lut.origin.value})"
        found.append(f"{said}: {remedy}" if remedy else said)
    return tuple(found)


def _whole(layers: Sequence[Layer]) -> list[Layer]:
    """``layers`` with those that are parts of one as that one, at the place of the first; of its resources the LUTs are right."""
    found: dict[str, Layer] = {}
    for layer in layers:
        name = layer.part_of or layer.name
        before = found.get(name)
        found[name] = replace(layer, name=name) if before is None else _joined(before, layer)
    return list(found.values())


def _joined(one: Layer, other: Layer) -> Layer:
    sums = {
        name: getattr(one, name) + getattr(other, name)
        for name in ("copies", "instances", "zeros", "non_zeros", "adders")
    }
    return replace(
        one,
        **sums,
        estimate=replace(one.estimate, lut=_sum(one.estimate.lut, other.estimate.lut)),
        synth=replace(one.synth, lut=_sum(one.synth.lut, other.synth.lut)),
    )


def _sum(one: Figure, other: Figure) -> Figure:
    return one if one.value is None or other.value is None else replace(one, value=one.value + other.value)


def _too_large(luts: float, report: Report) -> tuple[str, ...]:
    """That a design of more LUTs than its FPGA has is smaller where events come more rarely."""
    part, interval = report.device, report.totals.ii_cycles.value
    if luts <= part.lut or interval is None:
        return ()
    often = "a clock" if interval == 1 else f"every {interval:g} clocks"
    return (
        f"the design, for an event {often}, takes {luts / part.lut:.1f} times the {part.lut:,} LUT of {report.part}: "
        f"where events come more rarely, --ii N, with N over {interval:g}, builds each layer in fewer copies and lanes, which "
        "take turns",
    )


def late(pipeline: Pipeline) -> tuple[str, ...]:
    """One sentence for each requantiser or table that stands in one stage and, by the delay model, takes longer than that."""
    usable = usable_ns(pipeline.clock_mhz, margin_ns=pipeline.period_margin_ns)
    found = []
    for module in pipeline.modules:
        if isinstance(module.node, Requantize | Lookup) and not in_parts(module.node, module.source):
            delay = node_delay_ns(module.node, module.source)
            if delay > usable:
                kind = "table" if isinstance(module.node, Lookup) else "requantiser"
                found.append(
                    f"{module.node.name}: its {kind} takes about {delay:.1f} ns in one stage, and {pipeline.clock_mhz:g} MHz "
                    f"leave {usable:.1f}: this clock will hardly be met; a coarser quantiser before it, or a lower --clock-mhz"
                )
    return tuple(found)


def _is_scale(layer: Layer) -> bool:
    """Whether each code is multiplied by a factor of its own, and nothing is added up."""
    weights = layer.zeros + layer.non_zeros
    return layer.kind == "linear" and layer.n_in == layer.n_out and weights == layer.copies * layer.n_in


def _wide_remedy(layer: Layer) -> str:
    return (
        "it scales each channel by itself (BatchNormalization or QBatchNormalization), and no quantiser follows: it keeps "
        "every bit of its products, which the next layer adds up. --layer-precision "
        f"'{layer.name}=fixed<16,6>' declares what it delivers (another model, whose distance --inputs tells): tables take "
        "about two thirds of the LUTs of the products then, and the next layer adds narrower codes"
    )


def _float_remedy(layer: Layer, report: Report) -> str:
    """What to do about a kernel of floats, as the grade of the design tells it; nothing for another."""
    if not any(
        reason.startswith(f"layer {layer.name!r}: its kernel (no quantizer)") for reason in report.grade.reasons
    ):
        return ""
    return (
        f"its weights are floats, of which every bit is kept; --weight-precision '{layer.name}=fixed<8,2>', or --head-bits 8 at "
        "an output, rounds them (another model, whose distance --inputs tells), and `bittrigger quantize` trains them so"
    )


def _remedy(layer: Layer) -> str:
    if _is_scale(layer):
        return (
            "it scales each channel by itself (BatchNormalization or QBatchNormalization): scales that are powers of two cost "
            "nothing, and without it the layer before can carry the bias alone; where no quantiser follows, --layer-precision "
            f"'{layer.name}=fixed<16,6>' keeps fewer bits of it (another model)"
        )
    return _REMEDIES.get(layer.kind, "")
