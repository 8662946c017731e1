"""One copy of what comes behind a matrix: requantisers, tables, extrema, products and shifters; estimated LUTs and flip-flops."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from operator import mul

from bittrigger.device.cost import LUT_INPUTS, Cost
from bittrigger.ir.fixed import Interval, Overflow, Rounding
from bittrigger.ir.forms.table import Form, form_of, searches
from bittrigger.ir.graph import Lookup, Requantize, floor_of
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, Scaling, ShiftDown, ShiftUp, limits
from bittrigger.ir.nodes.digit_sum import DigitSum
from bittrigger.ir.nodes.extremum import Extremum, tournament
from bittrigger.ir.nodes.product import Product, booth
from bittrigger.ir.pipeline import Module
from bittrigger.ir.register_bits import kept_bits, part_bits

ROUNDING_LUTS = 2
"""LUTs that decide whether a code is rounded up. Source: 64 and 32 channels of a shift by 3, RND_CONV, in Yosys 0.70."""

SATURATION_LUTS = 1
"""LUTs that decide whether a code is too large or too small. Source: as above."""

TIE_LUTS = 1
"""LUTs of the bit that half-to-even rounding clears, the half being in the code already. Source: as above."""

OR_SLACK = 1.5
"""LUTs of an OR of magnitudes against the fewest. Source: 1.1 for 5 and 1.5 to 1.9 for 32 and 64 codes, in Yosys 0.70."""

HALF_EVEN_LUTS = 3
"""LUTs that decide whether a shifted code is rounded up. Source: 32 and 64 channels of 8 bits, in Yosys 0.70."""


def requantize_cost(module: Module, node: Requantize) -> Cost:
    """A requantiser: rounding, limits, and the bits that are kept on the way."""
    lut = ff = 0
    for source, result in zip(module.source, module.result, strict=True):
        if result.lo == result.hi:
            continue
        if node.clears_ties:
            lut += TIE_LUTS
        elif node.shift > 0 and node.rounding is not Rounding.TRN:
            lut += ROUNDING_LUTS
        lut += _clip_luts(node, source + Interval(node.offset, node.offset), result.width)
        ff += module.cycles * kept_bits(node, source, result)
    return Cost(lut, ff)


def _clip_luts(node: Requantize, source: Interval, width: int) -> int:
    """LUTs that limit one code: two bits a LUT where the limits are a power of two, as the firmware library has it.

    A code that wraps around takes none.
    """
    dropped = max(node.shift, 0)
    below, above = source.lo < node.lo << dropped, source.hi > (node.hi + 1 << dropped) - 1
    if node.overflow is Overflow.WRAP or not (below or above):
        return -(-width // 2) if node.rectified and below else 0
    full = node.hi & (node.hi + 1) == 0
    if node.lo == 0 and (full or not above):
        wide = above and source.hi >> dropped > (4 * node.hi + 3)
        return -(-width // 2) + SATURATION_LUTS * wide
    decide = SATURATION_LUTS * (above + (below and node.lo != 0))
    if below and above and full and node.lo == -node.hi - 1:
        return -(-(width - 1) // 2) + decide
    return width + decide


def lookup_cost(module: Module, node: Lookup) -> Cost:
    """A table over the bits of a code, comparisons with where its steps start, a search or a sum, as the emitter builds it."""
    form = form_of(node, module.source)
    if form is Form.SEARCH:
        return _search(module, node)
    if form is Form.SUMS:
        return _digit_sums(module, node)
    lut = ff = 0
    channels = zip(node.starts, module.source, module.result, strict=True)
    for starts, source, result in channels:
        steps = sum(source.lo < start <= source.hi for start in starts[1:])
        if result.lo == result.hi or not steps:
            continue
        table = 1 << max(0, source.width - LUT_INPUTS)
        compare = -(-(source.width - 1) // (LUT_INPUTS - 1))
        lut += min(table * result.width, steps * compare + result.width * -(-steps // (LUT_INPUTS - 1)))
        ff += module.cycles * kept_bits(node, source, result)
    return Cost(lut, ff)


def _search(module: Module, node: Lookup) -> Cost:
    """Three thresholds a level, by the bits known before it, each compared with the code; then a table of values."""
    lut = 0
    for search, source, result in zip(searches(node, module.source), module.source, module.result, strict=True):
        if search:
            for known, found in search.levels:
                places = (1 << found) - 1
                lut += places * (_table_luts(known, source.width) + -(-source.width // 2)) + (found > 1)
            lut += _table_luts(search.bits, result.width)
    return Cost(lut, _part_registers(module, node))


def _digit_sums(module: Module, node: Lookup) -> Cost:
    """A LUT for each bit of the first table and of each sum, what comes before them, and the limits."""
    lut = 0
    for k, (digits, out) in enumerate(zip(node.sums, module.result, strict=True)):
        if digits:
            lut += sum(span.width for span in digits.ranges) + _cut_luts(digits)
            lut += _clip_luts(floor_of(node, digits, k), digits.ranges[-1], out.width)
    return Cost(lut, _part_registers(module, node))


def _cut_luts(digits: DigitSum) -> int:
    """LUTs of what the digits are cut from: whether any bit of the tail is set, and a limited digit."""
    tail = -(-(digits.tail - 1) // (LUT_INPUTS - 1))
    return tail + (SATURATION_LUTS + digits.places[-1][1] - digits.places[-1][0] if digits.is_limited else 0)


def _table_luts(bits: int, width: int) -> int:
    """LUTs of a table over ``bits`` of ``width`` bits: a LUT holds 64 entries of one bit, or 32 of two."""
    if bits == 0:
        return 0
    return -(-width // 2) if bits < LUT_INPUTS else width << (bits - LUT_INPUTS)


def extremum_cost(module: Module, node: Extremum) -> Cost:
    """A tournament: in each match a comparison and a choice."""
    rounds = tournament(node, module.source)
    met = [(before, after) for before, after in pairwise(rounds)]
    lut = sum(2 * after[k].width for before, after in met for k in range(len(before) // 2))
    return Cost(lut, _part_registers(module, node))


def product_cost(module: Module, node: Product) -> Cost:
    """About a LUT for each bit of a row but the highest; of a row of a square one more is a wire."""
    if module.result[0].lo == module.result[0].hi:
        return Cost(0, 0)
    plan = booth(module.source)
    lut = sum(max(row.width - 2, 1) if plan.folded else row.width - 1 for row in plan.rows)
    return Cost(lut, _part_registers(module, node))


def magnitude_cost(module: Module, node: MagnitudeOr) -> Cost:
    """An OR of magnitudes."""
    (result,) = module.result
    kept = [max(min(s.width - s.signed - node.drop, result.width), 0) for s in module.source]
    signals = sum(bits * (1 + span.signed) for bits, span in zip(kept, module.source, strict=True))
    lut = OR_SLACK * max(signals - result.width, 0) / (LUT_INPUTS - 1) if result.lo < result.hi else 0
    return Cost(math.ceil(lut), _part_registers(module, node))


def _part_registers(module: Module, node: Lookup | Scaling | Extremum | Product) -> int:
    stages = (module.start, *module.stages, module.stop)
    cycles = (stop - start for start, stop in pairwise(stages))
    return sum(map(mul, cycles, part_bits(node, module.source, module.result)))


def _choices(places: int, widest: Callable[[int], int]) -> int:
    """LUTs of a shifter: one a bit for every two places of the exponent, each pair as wide as ``widest`` of its number."""
    return sum(widest(pair) for pair in range(-(-places // 2)))


def shift_down_cost(module: Module, node: ShiftDown) -> Cost:
    """A shifter that rounds half to even, and limits where codes may be too large."""
    places, highest = module.source[-1].hi.bit_length(), module.source[-1].hi
    width = node.magnitude_bits + node.signed
    each = _choices(places, lambda pair: width + 2 + min(highest, (1 << 2 * pair) - 1)) + width + HALF_EVEN_LUTS
    channels = zip(module.source[:-1], module.result, strict=True)
    lut = sum(each + SATURATION_LUTS * limits(node, span, highest) for span, out in channels if out.lo < out.hi)
    return Cost(lut, _part_registers(module, node))


def shift_up_cost(module: Module, node: ShiftUp) -> Cost:
    """A shifter whose codes grow."""
    places, highest = module.source[-1].hi.bit_length(), module.source[-1].hi
    codes = [source for source in module.source[:-1] if source.lo < source.hi]
    grown = _choices(places, lambda pair: min(highest, (4 << 2 * pair) - 1))
    lut = sum(source.width * -(-places // 2) + grown for source in codes)
    return Cost(lut, _part_registers(module, node))
