"""Whether float32 gives the integers of a tensor back: times a scale, perhaps summed, divided by that scale and rounded.

A program multiplies integers by a scale, ``fl(n * s)``, and the next quantiser divides by it. Where what it rounds is a whole
number, and all errors on the way are less than half a step, it gets that number in any order; between two whole numbers it
depends on those errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.chains import THRESHOLDS
from bittrigger.frontend.kernels import common_fraction_bits
from bittrigger.frontend.qonnx.tensors import Layer, Tensor, Walk

NEAREST = ("ROUND", "HALF_UP", "HALF_DOWN")
"""Roundings that give a whole number back from beside it."""

_ULP = 2.0**-23
"""Twice the error of one operation of float32, of the size of its result."""

CHOOSING = ("wire", "reshape", "maxpooling", "maximum", "minimum", "max_over", "min_over", "concatenate")
"""Layers whose codes are some of those that they read."""


@dataclass(frozen=True)
class Steps:
    """Multiples of ``unit`` steps up to ``most``, of which float32 has values that are off by ``error``."""

    unit: float
    most: float
    error: float


def why_not(walk: Walk, tensor: Tensor, rounding: str, *, sign: bool = False) -> str | None:
    """Why the definition decides how a tensor is rounded in steps of its own scale; None where every program does the same.

    Args:
        sign: whether nothing but the sign counts.
    """
    found = _steps(walk, tensor.name)
    if found is not None and (sign or (rounding in NEAREST and found.unit >= 1)):
        room = found.unit if sign else 0.5
        if found.error + _ULP * found.most < room:
            return None
    return f"it rounds multiples of {float(tensor.scale or 1):.6g} in steps of that, between two of which float32 is not sure"


def are_whole(walk: Walk, tensor: Tensor) -> bool:
    """Whether the codes of a tensor are known to be whole numbers, which every rounding leaves as they are."""
    found = _steps(walk, tensor.name)
    return found is not None and found.unit >= 1


def _steps(walk: Walk, name: str) -> Steps | None:
    """What is known of a layer; None where it need not be multiples of anything."""
    found: dict[str, Steps | None] = walk.steps
    waiting = [name]
    while waiting:
        layer = walk.layers.graph[waiting[-1]]
        own = _of_quantiser(layer)
        reads = [] if own else _operands(layer)
        open_ones = [source for source in reads if source not in found]
        if open_ones:
            waiting += open_ones
            continue
        known = [one for source in reads if (one := found[source]) is not None]
        found[waiting.pop()] = own or (_of_operands(layer, known) if reads and len(known) == len(reads) else None)
    return found[name]


def _of_quantiser(layer: Layer) -> Steps | None:
    spec = layer.facts.get(attributes.FUNCTION)
    if spec == THRESHOLDS:
        most = float(len(layer.facts[attributes.PARAMETERS][0]))
        return Steps(1, most, _ULP * most)
    if not isinstance(spec, dict) or spec["class_name"] not in ("Quant", "Bipolar"):
        return None
    config = spec["config"]
    unit = 2.0 ** -int(config["frac"])
    most = unit * max(abs(int(config[end])) for end in ("lo", "hi"))
    return Steps(unit, most, _ULP * most)


def _operands(layer: Layer) -> Sequence[str]:
    """What a layer reads, if it makes multiples of a step of such."""
    spec = layer.facts.get(attributes.FUNCTION)
    kind = layer.facts[attributes.KIND]
    keeps = isinstance(spec, dict) and spec["class_name"] in ("Relu", "Abs")
    keeps = keeps or (kind == "batchnorm" and bool((layer.facts[attributes.MULTIPLIER] == 1).all()))
    return layer.inputs if keeps or kind in (*CHOOSING, "add", "subtract", "sum_over") else ()


def _of_operands(layer: Layer, operands: Sequence[Steps]) -> Steps:
    unit = min(one.unit for one in operands)
    most, error = max(one.most for one in operands), max(one.error for one in operands)
    match layer.facts[attributes.KIND]:
        case "add" | "subtract":
            terms = len(operands)
        case "sum_over":
            terms = layer.facts[attributes.TERMS].shape[-1]
        case "batchnorm":
            offsets = layer.facts[attributes.OFFSET]
            more = float(np.abs(offsets).max())
            return Steps(min(unit, 2.0 ** -common_fraction_bits(offsets)), most + more, error + _ULP * more)
        case _:
            return Steps(unit, most, error)
    return Steps(unit, terms * most, terms * error + _ULP * terms * terms * most)
