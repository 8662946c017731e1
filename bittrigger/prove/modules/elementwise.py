"""Proof that a requantiser or a table is what its node defines: every code that can come is tried, or ABC decides the wide ones.

Cells are evaluated as Verilog defines them, on all codes of a channel at a time. Where the Verilog of a table reads the lowest
bits of a code in nothing but one OR of them, codes that differ in these alone are one to it, unless one ends with zeros: one code
of each such run is tried, and every code at which the table has another value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from bittrigger.ir.fixed import IntArray, Interval
from bittrigger.ir.graph import Lookup, Requantize, evaluate_node
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.aig import FALSE, Aig
from bittrigger.prove.circuits.bits import input_nets, literals
from bittrigger.prove.circuits.equivalence import decide
from bittrigger.prove.circuits.order import cone
from bittrigger.prove.circuits.words import number
from bittrigger.prove.claims import Unproven
from bittrigger.prove.modules.definition import define, within
from bittrigger.synth.netlist import HIGH, Bits, Cell, Netlist

CHUNK = 1 << 18
"""Codes that are evaluated at a time."""

MAX_CODES = 1 << 20
"""Codes of one channel that are tried one by one, those of one tail at once; a wider channel is left to the SAT solver."""


def _signed(patterns: IntArray, width: int) -> IntArray:
    half = 1 << (width - 1)
    return (patterns ^ half) - half


class _Patterns:
    """Bits of wires for many events: unsigned patterns in int64, so that wires have at most 62 bits."""

    def __init__(self, events: int) -> None:
        self.events = events
        self.values: list[IntArray] = []
        self.places: dict[int, tuple[int, int]] = {}

    def define(self, bits: Bits, patterns: IntArray) -> None:
        """State what ``bits`` hold."""
        self.places.update((net, (len(self.values), position)) for position, net in enumerate(bits))
        self.values.append(patterns)

    def read(self, bits: Bits) -> IntArray:
        """The pattern of ``bits``."""
        total = np.zeros(self.events, dtype=np.int64)
        start = 0
        while start < len(bits):
            size = 1
            if bits[start] <= HIGH:
                total |= bits[start] << start
            else:
                word, low = self.places[bits[start]]
                while start + size < len(bits) and self.places.get(bits[start + size]) == (word, low + size):
                    size += 1
                total |= ((self.values[word] >> low) & ((1 << size) - 1)) << start
            start += size
        return total

    def operand(self, cell: Cell, pin: str, width: int) -> IntArray:
        """Pin ``pin`` as an integer, or as a pattern if it is not shorter than ``width``."""
        bits = cell.inputs[pin]
        patterns = self.read(bits)
        return _signed(patterns, len(bits)) if number(cell, f"{pin}_SIGNED") and len(bits) < width else patterns


_SUMS: dict[str, Callable[[IntArray, IntArray], IntArray]] = {
    "$add": lambda a, b: a + b,
    "$sub": lambda a, b: a - b,
    "$and": lambda a, b: a & b,
    "$or": lambda a, b: a | b,
    "$xor": lambda a, b: a ^ b,
}
_TESTS: dict[str, Callable[[IntArray, IntArray], IntArray]] = {
    "$lt": lambda a, b: (a < b).astype(np.int64),
    "$le": lambda a, b: (a <= b).astype(np.int64),
    "$gt": lambda a, b: (a > b).astype(np.int64),
    "$ge": lambda a, b: (a >= b).astype(np.int64),
    "$eq": lambda a, b: (a == b).astype(np.int64),
    "$ne": lambda a, b: (a != b).astype(np.int64),
}
_LOGIC: dict[str, Callable[[IntArray, IntArray], IntArray]] = {
    "$logic_and": lambda a, b: ((a != 0) & (b != 0)).astype(np.int64),
    "$logic_or": lambda a, b: ((a != 0) | (b != 0)).astype(np.int64),
}


def _choice(patterns: _Patterns, cell: Cell) -> IntArray:
    yes, no = patterns.read(cell.inputs["B"]), patterns.read(cell.inputs["A"])
    chosen: IntArray = np.where(patterns.read(cell.inputs["S"]) != 0, yes, no)
    return chosen


def _all_ones(patterns: _Patterns, cell: Cell) -> IntArray:
    bits = cell.inputs["A"]
    ones: IntArray = (patterns.read(bits) == (1 << len(bits)) - 1).astype(np.int64)
    return ones


_OTHERS: dict[str, Callable[[_Patterns, Cell], IntArray]] = {
    "$pos": lambda patterns, cell: patterns.operand(cell, "A", len(cell.outputs["Y"])),
    "$neg": lambda patterns, cell: -patterns.operand(cell, "A", len(cell.outputs["Y"])),
    "$not": lambda patterns, cell: ~patterns.operand(cell, "A", len(cell.outputs["Y"])),
    "$reduce_or": lambda patterns, cell: (patterns.read(cell.inputs["A"]) != 0).astype(np.int64),
    "$reduce_bool": lambda patterns, cell: (patterns.read(cell.inputs["A"]) != 0).astype(np.int64),
    "$reduce_and": _all_ones,
    "$logic_not": lambda patterns, cell: (patterns.read(cell.inputs["A"]) == 0).astype(np.int64),
    "$mux": _choice,
}


def _evaluate(patterns: _Patterns, cell: Cell) -> IntArray:
    """The pattern of the output of a cell."""
    width = len(cell.outputs["Y"])
    mask = (1 << width) - 1
    result: IntArray
    if cell.type in _SUMS:
        a, b = (patterns.operand(cell, pin, width) for pin in "AB")
        result = _SUMS[cell.type](a, b)
    elif cell.type in _TESTS:
        if number(cell, "A_SIGNED") != number(cell, "B_SIGNED"):
            raise Unproven(f"cell {cell.name} compares a signed with an unsigned operand", refuted=False)
        wide = max(len(cell.inputs[pin]) for pin in "AB") + 1  # the integers themselves are compared
        result = _TESTS[cell.type](*(patterns.operand(cell, pin, wide) for pin in "AB"))
    elif cell.type in _LOGIC:
        result = _LOGIC[cell.type](*(patterns.read(cell.inputs[pin]) for pin in "AB"))
    elif cell.type in _OTHERS:
        result = _OTHERS[cell.type](patterns, cell)
    elif cell.type in ("$shl", "$sshl", "$shr", "$sshr"):
        result = _shifted(patterns, cell, width)
    else:
        raise Unproven(f"cell {cell.name} ({cell.type}) has no meaning here", refuted=False)
    masked: IntArray = result & mask
    return masked


def _shifted(patterns: _Patterns, cell: Cell, width: int) -> IntArray:
    amount = cell.inputs["B"]
    if any(net > HIGH for net in amount):
        raise Unproven(f"cell {cell.name} shifts by a variable", refuted=False)
    by = sum(bit << k for k, bit in enumerate(amount))
    own = len(cell.inputs["A"])
    if cell.type in ("$shl", "$sshl"):
        return patterns.operand(cell, "A", width) << by if by < width else np.zeros(patterns.events, dtype=np.int64)
    if number(cell, "A_SIGNED") and cell.type == "$shr" and width > own:
        raise Unproven(f"cell {cell.name} shifts a sign as if it were a bit", refuted=False)
    wide = own + 1 if cell.type == "$sshr" else own  # the integer itself is shifted, its sign included
    return patterns.operand(cell, "A", wide) >> min(by, 62)


def channel_bits(vectors: BusLayout, module: Module, netlist: Netlist, channel: int) -> tuple[Bits, Bits]:
    """The nets of operand and result of ``channel``."""
    bus, index = vectors.places(module)[channel]
    element = vectors.result(module).element
    low, width = index * bus.element.width, bus.element.width
    return netlist.inputs[bus.name][low : low + width], netlist.outputs["y"][
        element.width * channel : element.width * (channel + 1)
    ]


def tail_of(module: Module, vectors: BusLayout, netlist: Netlist, channel: int) -> int:
    """How many of the lowest bits of the code of a table nothing reads but one cell, which is 1 if any of them is; 0 if none."""
    read, driven = channel_bits(vectors, module, netlist, channel)
    if not isinstance(module.node, Lookup):
        return 0
    places = {net: position for position, net in enumerate(read)}
    tail, others = 0, set[int]()
    for cell in cone(netlist, driven):
        if cell.type == "$dff":
            pairs = zip(cell.inputs["D"], cell.outputs["Q"], strict=True)
            places.update((q, places[d]) for d, q in pairs if d in places)
            continue
        for bits in cell.inputs.values():
            at = [places[net] for net in bits if net in places]
            if not tail and cell.type in ("$reduce_or", "$reduce_bool") and sorted(at) == list(range(len(bits))):
                tail = len(at)
            else:
                others.update(at)
    others.update(places[net] for net in driven if net in places)
    return tail if tail <= min(others, default=tail) else 0


def _codes(node: Requantize | Lookup, span: Interval, tail: int) -> Iterator[IntArray]:
    """Codes of ``span`` that stand for all others, a chunk at a time.

    Behind an OR of the ``tail`` two codes differ if their upper bits do, or if one's tail is 0; and for the table, where a value
    starts. So one code is tried for each pair of upper bits and OR, and each start.
    """
    if tail and isinstance(node, Lookup):
        starts = np.array(node.starts[0], dtype=np.int64)
        yield starts[(starts >= span.lo) & (starts <= span.hi)]
    step = 1 << tail
    for start in range(span.lo >> tail << tail, span.hi + 1, CHUNK * step):
        codes = np.arange(start, min(start + CHUNK * step, span.hi + 1), step, dtype=np.int64)
        yield codes[codes >= span.lo]
        if tail:
            codes = np.maximum(codes + 1, span.lo)
            yield codes[(codes <= span.hi) & (codes & step - 1 != 0)]


def one_channel(node: Requantize | Lookup, channel: int) -> Requantize | Lookup:
    """``node`` with nothing but ``channel``."""
    match node:
        case Requantize():
            return replace(node, size=1, copies=1)
        case Lookup():
            return Lookup(node.name, node.inputs, (node.starts[channel],), (node.values[channel],), node.frac)


def prove_channel(module: Module, vectors: BusLayout, netlist: Netlist, channel: int, tail: int = 0) -> int:
    """Prove one channel of a ``Requantize`` or ``Lookup`` node on every code of its range; the number of codes.

    Args:
        tail: as ``tail_of`` finds it.

    Raises:
        Unproven: with the first code that gives another result.
    """
    node = module.node
    if not isinstance(node, Requantize | Lookup):
        raise Unproven("not an elementwise node", refuted=False)
    span, out = module.source[channel], module.result[channel]
    element = vectors.result(module).element
    if span.lo not in vectors.places(module)[channel][0].element.interval or out.lo not in element.interval:
        raise Unproven(f"channel {channel} leaves the range of its bus")
    read, driven = channel_bits(vectors, module, netlist, channel)
    order = cone(netlist, driven)
    alone = one_channel(node, channel)
    for codes in _codes(alone, span, tail):
        patterns = _Patterns(codes.size)
        patterns.define(read, codes & ((1 << len(read)) - 1))
        _run(patterns, order, channel)
        found = patterns.read(driven)
        if element.signed:
            found = _signed(found, element.width)
        wanted = evaluate_node(alone, codes[:, None])[:, 0]
        wrong = np.flatnonzero((found != wanted) | (wanted < out.lo) | (wanted > out.hi))
        if wrong.size:
            k = int(wrong[0])
            raise Unproven(f"channel {channel}: code {codes[k]} gives {found[k]}; its definition gives {wanted[k]}")
    return span.hi - span.lo + 1


def prove_wide_channel(module: Module, vectors: BusLayout, netlist: Netlist, channel: int, work: Path) -> bool:
    """Prove one channel of an elementwise node equal to its definition, on every code of its range.

    Returns:
        Whether that was proven before.

    Raises:
        Unproven: if a code exists that gives another result, or ABC cannot tell.
    """
    node = module.node
    if not isinstance(node, Requantize | Lookup):
        raise Unproven("not an elementwise node", refuted=False)
    read, driven = channel_bits(vectors, module, netlist, channel)
    nets = input_nets(netlist)
    signed = vectors.places(module)[channel][0].element.signed
    for name in ("gold", "gate"):
        aig = Aig(len(nets))
        code = [aig.input(nets.index(net)) for net in read]
        valid = within(aig, code, module.source[channel], signed=signed)
        if name == "gold":
            result = define(aig, one_channel(node, channel), code, len(driven), signed=signed)
        else:
            result = literals(aig, netlist, driven)
        aig.write(work / f"{name}.aig", [aig.choose(valid, literal, FALSE) for literal in result])
    return decide(work)


def _run(patterns: _Patterns, order: list[Cell], channel: int) -> None:
    for cell in order:
        try:
            if cell.type == "$dff":
                patterns.define(cell.outputs["Q"], patterns.read(cell.inputs["D"]))
            else:
                patterns.define(cell.outputs["Y"], _evaluate(patterns, cell))
        except KeyError as error:
            raise Unproven(f"channel {channel} depends on another channel, in cell {cell.name}") from error
