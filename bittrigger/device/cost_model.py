"""LUTs and flip-flops of a pipeline, estimated from its numbers alone, before any tool has run.

Adders are counted bit by bit: a carry chain needs a LUT in front of a bit only where two signals meet there, or one that is
inverted; three-input adders cost what the solver's cost model says. Registers are counted as the emitter places them. The
rest is a handful of constants, below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import mul
from typing import assert_never

from bittrigger.device.lut_prices import adder_luts
from bittrigger.device.serial_cost import serial_cost
from bittrigger.errors import InternalError
from bittrigger.ir.adders import Adder, AdderGraph, first_equals, fold_constants, live_values, value_intervals
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.forms.engine import WEIGHT_BITS, Engine
from bittrigger.ir.forms.table import in_parts, searches
from bittrigger.ir.forms.window import Window
from bittrigger.ir.graph import Linear, Lookup, Requantize, intervals, operand
from bittrigger.ir.held.bus import Place, held_nodes, held_words, stride_of
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, Scaling, ShiftDown, ShiftUp, limits
from bittrigger.ir.nodes.extremum import Extremum, tournament
from bittrigger.ir.nodes.held import Hold, Turns, Weigh, bits_a_memory, register_bits
from bittrigger.ir.nodes.product import Product, booth
from bittrigger.ir.pipeline import (
    Module,
    Pipeline,
    held_turns,
    kept_bits,
    last_reads,
    part_bits,
    registers_until,
    stream_delays,
    vector_bits,
)
from bittrigger.ir.ports import common_type

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

MUX_CHOICES = 4
"""Signals that a LUT chooses from."""

WORD_LUTS = 3
"""LUTs that find a word of the bus by its address."""

MEMORY_LUTS = 8
"""LUTs of SLICEM that share an address at which they are written."""

BLOCK_LUTS = 321
"""LUTs that half a block RAM is worth: as many as an XCVU13P has for each."""

LOAD_LUTS = 20
"""LUTs that follow the words of a layer. Source: jet tagger at an event every 9 and 54 clocks, in Yosys 0.70."""

LUT_INPUTS = 6
"""Inputs of an UltraScale+ LUT."""


@dataclass(frozen=True)
class Cost:
    """Estimated LUTs, flip-flops and halves of block RAMs."""

    lut: int
    ff: int
    bram18: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.lut + other.lut, self.ff + other.ff, self.bram18 + other.bram18)

    def times(self, copies: int) -> Cost:
        """That of as many copies."""
        return Cost(copies * self.lut, copies * self.ff, copies * self.bram18)


@dataclass(frozen=True)
class _Wire:
    """A value as seen by a reader: which one, in which stage, and its range."""

    value: int
    stage: int
    range: Interval

    def bit(self, index: int, shift: int) -> tuple[int, int, int] | None:
        """The signal on bit ``index`` of the value shifted left, or None where it is 0."""
        place = index - shift
        if place < 0 or (place >= self.range.width and not self.range.signed):
            return None
        return self.value, self.stage, min(place, self.range.width - 1)


def estimate(pipeline: Pipeline) -> tuple[dict[str, Cost], Cost]:
    """The cost of all copies of each module by name, and of the whole design, what lies in its top included."""
    ranges = intervals(pipeline.graph)
    modules = {module.name: module_cost(module).times(module.instances) for module in pipeline.modules}
    for module in pipeline.modules:
        if module.engine:
            own = common_type(operand(module.node, ranges), 0)
            modules[module.name] += _feed(module.engine, own, vector_bits(module.result))
        if module.is_fed and isinstance(module.node, Weigh):
            width = common_type(operand(module.node, ranges), 0).width
            modules[module.name] += columns_cost(module.node, Turns(module.columns, module.lanes), width)
    total = sum(modules.values(), Cost(0, _top_registers(pipeline))) + _folding(pipeline)
    fed = {module.node.name for module in pipeline.held if module.is_fed}
    total = sum((held_cost(node) for node in held_nodes(pipeline.graph) if node.name not in fed), total)
    return modules, total


def _folding(pipeline: Pipeline) -> Cost:
    """The queues in front of folded modules, and the registers in which their results gather."""
    ranges, delays, held = intervals(pipeline.graph), stream_delays(pipeline), held_turns(pipeline)
    cost = Cost(0, 0)
    for module in pipeline.modules:
        if module.is_folded:
            cost += Cost(0, delays[module.node.name] * module.lanes * vector_bits(module.result))
            cost += Cost(0, held.get(module.node.name, 0) * module.lanes * vector_bits(module.result))
        if module.queue:
            width = common_type(operand(module.node, ranges), 0).width
            if module.window:
                cost += window_cost(module.window, width)
            else:
                cost += queue_cost(module.copies, module.lanes, len(module.source) * width)
    if pipeline.arrival:
        for port in pipeline.arrival.ports:
            a_word = len(ranges[port]) // pipeline.arrival.positions * pipeline.arrival.lanes
            cost += Cost(0, delays[port] * vector_bits(ranges[port][:1]) * a_word)
    return cost


def module_cost(module: Module) -> Cost:  # noqa: C901, PLR0911 - one return a kind
    """The cost of one copy of a module."""
    match module.node:
        case Linear():
            return _matrix(module)
        case Requantize():
            return _requantize(module, module.node)
        case Lookup():
            return _lookup(module, module.node)
        case Extremum():
            return _extremum(module, module.node)
        case Product():
            return _product(module, module.node)
        case Weigh():
            return _weigh(module)
        case Hold():
            return Cost(0, 0)
        case MagnitudeOr():
            return _magnitude_or(module, module.node)
        case ShiftDown():
            return _shift_down(module, module.node)
        case ShiftUp():
            return _shift_up(module, module.node)
        case _:
            assert_never(module.node)


def _matrix(module: Module) -> Cost:
    """A layer unrolled, or what is built for one of its columns at a time."""
    width = vector_bits(module.result)
    if module.tally:
        return Cost(module.tally.lanes * width, width)
    if module.serial:
        return Cost(*serial_cost(module.serial, common_type(module.source, 0)))
    if module.engine:
        kind = common_type(module.source, 0)
        return _lane(module.engine, kind, width)
    if module.adders is None:
        raise InternalError(f"module {module.name!r} has no adder graph")
    return _linear(module, fold_constants(module.adders, module.result))


def queue_cost(copies: int, lanes: int, bits: int) -> Cost:
    """A queue of the operands of ``copies``, ``bits`` each, ``lanes`` of them read at a time: held, and chosen turn by turn."""
    turns = -(-copies // lanes)
    count = (turns - 1).bit_length()
    return Cost(lanes * bits * -(-turns // MUX_CHOICES) + count, copies * bits + count)


def window_cost(window: Window, width: int) -> Cost:
    """A queue of operands that overlap, of ``width`` bits a code: cells that take what comes, or what lies further up."""
    count = (len(window.ends) - 1).bit_length() if window.counts else 0
    return Cost(len(window.cells) * width + 2 * count, len(window.cells) * width + count)


def _lane(engine: Engine, own: FixedPoint, width: int) -> Cost:
    """A lane of an engine; arguments as for ``_feed``. Of terms with a sum of their own the first one takes LUTs to be gated."""
    if not engine.delay:
        return Cost(engine.terms * width, width)
    bits = engine.term_bits(own.width, signed=own.signed, shift=0, width=width)
    cuts = [bits[min(k + engine.chain, engine.terms) - 1] for k in range(0, engine.terms, engine.chain)]
    return Cost(own.width + sum(bits[1:]) + width, sum(cuts) + width)


def _feed(engine: Engine, own: FixedPoint, width: int) -> Cost:
    """What feeds the lanes of an engine: multiplexers of operand codes, tables of weights, a counter.

    Args:
        own: type of an operand code.
        width: bits of a sum.
    """
    tables = -(-engine.cycles // (1 << LUT_INPUTS))
    weights = WEIGHT_BITS * engine.terms * engine.lanes
    codes = engine.terms * own.width
    lags = sum(map(engine.lag, range(engine.terms)))
    index = 0 if engine.groups == 1 else (engine.steps - 1).bit_length() * tables
    biases = 0 if engine.groups == 1 else min(engine.lanes * width, 1 << min(engine.groups, 10))
    count = engine.cycles.bit_length()
    lut = weights * tables + codes * -(-engine.steps // MUX_CHOICES) + index + biases + count + 2 * tables
    index_ff = 0 if engine.groups == 1 else (engine.steps - 1).bit_length()
    ff = lags * (own.width + WEIGHT_BITS * engine.lanes) + engine.delay * (2 + (engine.groups - 1).bit_length())
    ff += engine.n_in * own.width + count + weights + codes + 2 + (engine.groups - 1).bit_length() + index_ff
    return Cost(lut, ff)


def engine_luts(engine: Engine, own: FixedPoint, width: int) -> int:
    """Estimated LUTs of all lanes and what feeds them; arguments as for ``_feed``."""
    return engine_cost(engine, own, width).lut


def engine_cost(engine: Engine, own: FixedPoint, width: int) -> Cost:
    """Estimated LUTs and flip-flops of all lanes and what feeds them; arguments as for ``_feed``."""
    return _lane(engine, own, width).times(engine.lanes) + _feed(engine, own, width)


def _linear(module: Module, graph: AdderGraph) -> Cost:
    ranges, same, live = value_intervals(graph), first_equals(graph), live_values(graph)
    born = [module.start] * graph.n_inputs + list(module.stages)
    last = dict.fromkeys(same, -1)
    luts: set[object] = set()
    wide = 0
    for k, (adder, stage) in enumerate(zip(graph.adders, module.stages, strict=True)):
        value = graph.n_inputs + k
        if value not in live or same[value] != value:
            continue
        wires = [_Wire(same[term.value], stage, ranges[term.value]) for term in adder.terms]
        for wire in wires:
            last[wire.value] = max(last[wire.value], stage)
        if adder.operands > 2:
            wide += adder_luts(adder, ranges, ranges[value])
        else:
            luts.update(_sum_luts(adder, wires, ranges[value].width))
    for out in graph.outputs:
        if out.value is not None:
            last[same[out.value]] = max(last[same[out.value]], module.stop)
    ff = sum(ranges[value].width * max(0, stage - born[value]) for value, stage in last.items())
    return Cost(len(luts) + wide, ff)


def _sum_luts(adder: Adder, wires: list[_Wire], width: int) -> Iterator[object]:
    """The LUT in front of each bit of the carry chain; equal ones are one."""
    terms = sorted(zip(adder.terms, wires, strict=True), key=lambda pair: pair[0].negative)
    for index in range(width):
        signals = []
        inverted = adder.constant < 0
        if adder.constant:
            inverted ^= bool(abs(adder.constant) >> index & 1)
        for term, wire in terms:
            signal = wire.bit(index, term.shift)
            inverted ^= term.negative
            if signal is not None:
                signals.append(signal)
        if len(signals) > 1 or (signals and inverted):
            yield tuple(sorted(signals)), inverted


def _requantize(module: Module, node: Requantize) -> Cost:
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
    """LUTs that limit one code: two bits a LUT where the limits are a power of two, as the firmware library has it."""
    dropped = max(node.shift, 0)
    below, above = source.lo < node.lo << dropped, source.hi > (node.hi + 1 << dropped) - 1
    if not (below or above):
        return 0
    full = node.hi & (node.hi + 1) == 0
    if node.lo == 0 and (full or not above):
        wide = above and source.hi >> dropped > (4 * node.hi + 3)
        return -(-width // 2) + SATURATION_LUTS * wide
    decide = SATURATION_LUTS * (above + (below and node.lo != 0))
    if below and above and full and node.lo == -node.hi - 1:
        return -(-(width - 1) // 2) + decide
    return width + decide


def _lookup(module: Module, node: Lookup) -> Cost:
    if in_parts(node, module.source):
        return _search(module, node)
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


def _table_luts(bits: int, width: int) -> int:
    """LUTs of a table over ``bits`` of ``width`` bits: a LUT holds 64 entries of one bit, or 32 of two."""
    if bits == 0:
        return 0
    return -(-width // 2) if bits < LUT_INPUTS else width << (bits - LUT_INPUTS)


def _extremum(module: Module, node: Extremum) -> Cost:
    rounds = tournament(node, module.source)
    met = [(before, after) for before, after in pairwise(rounds)]
    lut = sum(2 * after[k].width for before, after in met for k in range(len(before) // 2))
    return Cost(lut, _part_registers(module, node))


def _product(module: Module, node: Product) -> Cost:
    """About a LUT for each bit of a row but the highest; of a row of a square one more is a wire."""
    if module.result[0].lo == module.result[0].hi:
        return Cost(0, 0)
    plan = booth(module.source)
    lut = sum(max(row.width - 2, 1) if plan.folded else row.width - 1 for row in plan.rows)
    return Cost(lut, _part_registers(module, node))


def _weigh(module: Module) -> Cost:
    """A column: a LUT for each bit of a sum of two held terms."""
    return Cost(sum(span.width for span in module.result[:-1]), 0)


def columns_cost(node: Weigh, plan: Turns, width: int) -> Cost:
    """What feeds the columns of ``node`` that take turns: numbers in memory, and operand codes of ``width`` bits."""
    rows, words = int(node.weights.shape[0]), Place(node, 0, stride_of(node)).word_bits
    numbers, count = plan.lanes * sum(words), (plan.groups - 1).bit_length()
    find = plan.lanes * len(words) + LOAD_LUTS
    if plan.in_blocks:
        return Cost(find + count, 2 * rows * width + 2 * count + 3, plan.lanes * len(words))
    memories = plan.lanes * sum(-(-bits // bits_a_memory(count + 1)) for bits in words)
    return Cost(MEMORY_LUTS * memories + find + count, numbers + 2 * rows * width + 2 * count + 2)


def held_cost(node: Weigh | Hold) -> Cost:
    """The registers of what a node holds, twice, and what finds each word of the bus."""
    return Cost(WORD_LUTS * held_words(node), 2 * register_bits(node))


def _magnitude_or(module: Module, node: MagnitudeOr) -> Cost:
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


def _shift_down(module: Module, node: ShiftDown) -> Cost:
    places, highest = module.source[-1].hi.bit_length(), module.source[-1].hi
    width = node.magnitude_bits + node.signed
    each = _choices(places, lambda pair: width + 2 + min(highest, (1 << 2 * pair) - 1)) + width + HALF_EVEN_LUTS
    channels = zip(module.source[:-1], module.result, strict=True)
    lut = sum(each + SATURATION_LUTS * limits(node, span, highest) for span, out in channels if out.lo < out.hi)
    return Cost(lut, _part_registers(module, node))


def _shift_up(module: Module, node: ShiftUp) -> Cost:
    places, highest = module.source[-1].hi.bit_length(), module.source[-1].hi
    codes = [source for source in module.source[:-1] if source.lo < source.hi]
    grown = _choices(places, lambda pair: min(highest, (4 << 2 * pair) - 1))
    lut = sum(source.width * -(-places // 2) + grown for source in codes)
    return Cost(lut, _part_registers(module, node))


def _top_registers(pipeline: Pipeline) -> int:
    """The registers between modules and behind the last ones, and the valid chain."""
    ranges = intervals(pipeline.graph)
    return pipeline.latency_cycles + sum(
        registers_until(pipeline, name, stage, stage) * vector_bits(ranges[name])
        for name, stage in last_reads(pipeline).items()
    )
