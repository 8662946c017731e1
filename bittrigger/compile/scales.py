"""Scales in front of requantisers, with the multipliers that take the fewest LUTs.

A multiplier whose product is rounded need not be that of the model: any other one will do that gives the same code for every
operand. Readers take one with few digits; which takes the fewest LUTs depends on where the digits lie, on what they have in
common and on the offset, and only an adder graph tells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bittrigger.frontend.elementwise.requantizer_fit import Bounds, Segments, bounds_within, simplest
from bittrigger.ir.adders import AdderGraph, depth
from bittrigger.ir.digits import signed_digits
from bittrigger.ir.fixed import NO_LIMITS, Interval, Overflow, Rounding
from bittrigger.ir.graph import Graph, Linear, Node, Requantize, copy_operand, frozen_array, intervals
from bittrigger.passes.rewrite import private_layer, readers, with_nodes
from bittrigger.solver import SolverOptions, graph_luts, solve

MOST_STEPS = 1 << 16
"""Most values of one channel."""

MOST_BITS = 56
"""Widest result: twice as large a multiplier is within what the solver takes."""

FINER = 6
"""More fractional bits of the multipliers."""

TRIED, SEARCHED = 32, 4
"""Multipliers of a channel for which adders are sought at the least effort, and the cheapest of these at the default one."""

MOST_TRIED = 2000
"""Of all channels of a layer."""

_WINDOW = 8
"""Bits of the number of multipliers of a channel that are looked at, those with the most trailing zeros."""


@dataclass(frozen=True)
class _Channel:
    """``clip((code * multiplier + offset) >> shift, lo, hi)`` of the codes of ``source``; the multiplier is positive.

    Where codes wrap around there are no limits: floors that are equal are so modulo anything.
    """

    multiplier: int
    offset: int
    source: Interval

    def adders(self, effort: str) -> AdderGraph:
        """Adders for ``code * multiplier + offset``."""
        options = SolverOptions(effort=effort)
        return solve(np.array([[self.multiplier]]), np.array([self.offset]), (self.source,), options)


def with_cheap_scales(graph: Graph) -> Graph:
    """``graph`` with other multipliers where these take fewer LUTs and no more levels; equal behind every rounding."""
    read, ranges = readers(graph), intervals(graph)
    changed: dict[str, Node] = {}
    for node in graph.nodes:
        if isinstance(node, Requantize) and node.is_floor:
            layer = private_layer(graph, node, read)
            if layer is not None and _scales(layer):
                cheaper = _cheaper(layer, node, copy_operand(layer, ranges))
                changed |= {made.name: made for made in cheaper}
    return with_nodes(graph, changed)


def _scales(layer: Linear) -> bool:
    """Whether each operand code of ``layer`` is multiplied one time, and nothing is added up."""
    present = layer.weights != 0
    return bool((present.sum(axis=0) <= 1).all() and (present.sum(axis=1) <= 1).all())


def _cheaper(layer: Linear, node: Requantize, source: tuple[Interval, ...]) -> tuple[Linear, Requantize] | tuple[()]:
    """Both nodes with cheaper multipliers; nothing if there are none, or no room for finer ones."""
    reach = np.array([max(abs(span.lo), abs(span.hi)) for span in source], dtype=object)
    if int((reach @ np.abs(layer.weights).astype(object) + np.abs(layer.bias)).max()).bit_length() + FINER > MOST_BITS:
        return ()
    weights, bias = layer.weights << FINER, layer.bias << FINER
    finer = replace(node, shift=node.shift + FINER)
    lo, hi = NO_LIMITS if node.overflow is Overflow.WRAP else (node.lo, node.hi)
    limited = replace(finer, lo=lo, hi=hi, overflow=Overflow.SAT, rectified=False)
    scaled = [(int(row), int(column)) for row, column in np.argwhere(weights) if _is_sum(weights[row, column])]
    tried = min(TRIED, MOST_TRIED // max(len(scaled), 1))
    found: dict[_Channel, _Channel] = {}
    for row, column in scaled:
        sign = -1 if weights[row, column] < 0 else 1
        channel = _Channel(sign * int(weights[row, column]), int(bias[column]), source[row].scaled(sign))
        if channel not in found:
            found[channel] = _cheapest(channel, limited, tried)
        weights[row, column], bias[column] = sign * found[channel].multiplier, found[channel].offset
    if all(channel == other for channel, other in found.items()):
        return ()
    common = int(np.bitwise_or.reduce(np.concatenate([weights.ravel(), bias, [1 << FINER]])))
    spare = (common & -common).bit_length() - 1
    weights, bias, frac = weights >> spare, bias >> spare, layer.frac + FINER - spare
    made = replace(layer, weights=frozen_array(weights), bias=frozen_array(bias), frac=frac)
    return made, replace(node, shift=finer.shift - spare)


def _is_sum(weight: int) -> bool:
    return len(signed_digits(int(weight))) > 1


def _cheapest(channel: _Channel, node: Requantize, tried: int) -> _Channel:
    """The channel of the fewest LUTs that gives the same codes."""
    runs = _runs(channel, node)
    if runs is None:
        return channel
    bounds = bounds_within(runs, runs.value, node.shift, Rounding.TRN, (runs.value > node.lo, runs.value < node.hi))
    others = [
        replace(channel, multiplier=multiplier, offset=simplest(*bounds.offsets(multiplier)[:2]))
        for multiplier in _sparse(bounds, channel.multiplier)[:tried]
    ]
    others.sort(key=lambda other: graph_luts(other.adders("fast")))
    now = channel.adders("default")
    best, least, levels = channel, graph_luts(now), depth(now)
    for other in others[:SEARCHED]:
        adders = other.adders("default")
        if graph_luts(adders) < least and depth(adders) <= levels:
            best, least = other, graph_luts(adders)
    return best


def _runs(channel: _Channel, node: Requantize) -> Segments | None:
    """The codes that the requantiser delivers, run by run; None if they are one, or too many."""
    source, multiplier, offset, shift = channel.source, channel.multiplier, channel.offset, node.shift
    ends = ((code * multiplier + offset) >> shift for code in (source.lo, source.hi))
    least, most = (min(max(end, node.lo), node.hi) for end in ends)
    if not 0 < most - least <= MOST_STEPS:
        return None
    values = np.arange(least + 1, most + 1, dtype=np.int64)
    firsts = np.concatenate([[source.lo], -((offset - (values << shift)) // multiplier)])
    last_of_its_code = np.r_[firsts[1:] != firsts[:-1], True]
    first, value = firsts[last_of_its_code], np.r_[least, values][last_of_its_code]
    return Segments(first, np.r_[first[1:] - 1, source.hi], value)


def _sparse(bounds: Bounds, multiplier: int) -> list[int]:
    """Multipliers that leave an offset, those of the fewest digits first; of many those with the most trailing zeros."""
    least, most = _edge(bounds, multiplier, 0), _edge(bounds, multiplier, 2 * multiplier)
    zeros = max((most - least).bit_length() - _WINDOW, 0)
    found = [k << zeros for k in range(-(-least >> zeros), (most >> zeros) + 1)]
    return sorted((m for m in found if m and bounds.allow(m)), key=lambda m: (len(signed_digits(m)), m))


def _edge(bounds: Bounds, multiplier: int, end: int) -> int:
    """The multiplier that leaves an offset farthest from ``multiplier``, up to ``end``; those in between do, too."""
    good, bad = multiplier, end
    while abs(bad - good) > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if bounds.allow(middle) else (good, middle)
    return good
