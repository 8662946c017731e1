"""Proof of a layer that is multiplied step by step: its plan, one cycle of a lane from any state, and the feed, cycle by cycle.

Together: the sums of a group are 0 after its first cycle, each step adds what the feed hands out (a lane does, from any state),
and what is handed out adds up to the columns of the matrix (the plan does). Numbers are taken modulo the width of a sum, which
holds every result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bittrigger.ir.fixed import FixedPoint, IntArray
from bittrigger.ir.forms.engine import Engine
from bittrigger.ir.graph import Linear
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.aig import FALSE, TRUE, Aig, Vector, constant, extended
from bittrigger.prove.circuits.bits import order_of, step, unknowns
from bittrigger.prove.circuits.equivalence import BEFORE, decide
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.claims import Unproven
from bittrigger.prove.modules.columns import check_widths
from bittrigger.synth.netlist import Netlist

_DECODED = {0b00: (0, 0), 0b01: (1, 0), 0b11: (-1, -1)}
"""The factor and the constant that the two bits of a weight stand for: what is subtracted enters as its complement."""


@dataclass(frozen=True)
class _Cycle:
    """What the feed hands out in a cycle: operand codes by number (None for any), two bits for each lane and term, and biases.

    Attributes:
        bias: of each lane; None where it does not matter.
    """

    clear: bool
    settle: bool
    codes: tuple[int | None, ...]
    weights: tuple[tuple[int, ...], ...]
    bias: tuple[int, ...] | None


def _parts(module: Module) -> tuple[Linear, Engine]:
    if not isinstance(module.node, Linear) or module.engine is None:
        raise Unproven("not multiplied step by step", refuted=False)
    return module.node, module.engine


def _bits_of(weight: int) -> int:
    return {0: 0b00, 1: 0b01, -1: 0b11}[weight]


def _cycles(node: Linear, engine: Engine, shift: int) -> Iterator[_Cycle]:
    """What must be handed out for an event, cycle by cycle."""
    idle = ((0,) * engine.terms,) * engine.lanes
    unsure: tuple[int | None, ...] = (None,) * engine.terms
    for group in range(engine.groups):
        columns = [group * engine.lanes + lane for lane in range(engine.lanes)]
        there = [column if column < engine.n_out else None for column in columns]
        yield _Cycle(True, False, unsure, idle, None)
        for number in range(engine.steps):
            rows = [engine.terms * number + k for k in range(engine.terms)]
            weights = tuple(
                tuple(
                    0 if column is None or row >= engine.n_in else _bits_of(int(node.weights[row, column]) >> shift)
                    for row in rows
                )
                for column in there
            )
            yield _Cycle(False, False, tuple(row if row < engine.n_in else None for row in rows), weights, None)
        ones = (node.weights < 0).sum(axis=0)
        bias = tuple(0 if column is None else int(node.bias[column] + ones[column]) for column in there)
        yield _Cycle(False, True, unsure, idle, bias)


def _shift(node: Linear) -> int:
    peak = int(np.abs(node.weights).max())
    if peak & (peak - 1) or not np.isin(node.weights, (0, peak, -peak)).all():
        raise Unproven("a weight is neither 0 nor plus or minus one power of two")
    return peak.bit_length() - 1


def prove_plan(module: Module, vectors: BusLayout) -> str:
    """Prove that what is handed out adds up to the matrix and the bias, and that a sum is wide enough for every result.

    Raises:
        Unproven: naming the first column that differs.
    """
    node, engine = _parts(module)
    shift = _shift(node)
    totals: dict[int, tuple[IntArray, int]] = {}
    group = -1
    for cycle in _cycles(node, engine, shift):
        group += cycle.clear
        for lane in range(engine.lanes):
            column = group * engine.lanes + lane
            row, constant_ = totals.setdefault(column, (np.zeros(engine.n_in, dtype=np.int64), 0))
            for code, bits in zip(cycle.codes, cycle.weights[lane], strict=True):
                factor, one = _DECODED[bits]
                constant_ += one
                if factor:
                    row[code] += factor << shift
            totals[column] = (row, constant_ + (cycle.bias[lane] if cycle.bias else 0))
    for column in range(engine.n_out):
        row, constant_ = totals[column]
        if (row != node.weights[:, column]).any() or constant_ != node.bias[column]:
            raise Unproven(f"the steps of column {column} do not add up to it")
    check_widths(module, vectors)
    if any(s.lo not in vectors.operands(module)[0].element.interval for s in module.source):
        raise Unproven("an operand code leaves the range of its bus")
    return f"{engine.n_out} columns in {engine.groups} groups of {engine.steps} steps"


def prove_lane(module: Module, vectors: BusLayout, netlist: Netlist, work: Path) -> str:
    """Prove that a lane adds in each cycle what it is told, whatever its sum, operand codes and weights are.

    Args:
        work: folder for ABC's files.

    Raises:
        Unproven: if a state exists in which it does another thing, or ABC cannot tell.
    """
    node, engine = _parts(module)
    (bus,), width, shift = vectors.operands(module), vectors.result(module).width, _shift(node)
    own = bus.element
    sizes = {"clear": 1, "settle": 1, "x": engine.terms * own.width, "weights": 2 * engine.terms, "bias": width}
    check_ports(netlist, sizes, {"y": width})
    least = own.width + (not own.signed) + engine.terms.bit_length() + shift  # holds the sum of the terms of a step
    cycles = engine.delay + 1
    count = cycles * sum(sizes.values()) + width + unknowns(netlist)
    for name in ("gold", "gate"):
        aig = Aig(count)
        fresh = iter(range(count))
        given = [
            {port: [aig.input(next(fresh)) for _ in range(size)] for port, size in sizes.items()} for _ in range(cycles)
        ]
        total = [aig.input(next(fresh)) for _ in range(width)]
        if name == "gold":
            after = _lane_definition(aig, engine, given, total, (own, shift, min(least, width)))
        else:
            after = _lane_step(aig, netlist, given, total, fresh)
        aig.write(work / f"{name}.aig", after)
    return f"{width} bits, {len(netlist.cells)} cells" + (BEFORE if decide(work) else "")


def _lane_definition(
    aig: Aig, engine: Engine, given: list[dict[str, Vector]], total: Vector, kind: tuple[FixedPoint, int, int]
) -> Vector:
    """The sum after the last cycle, from the definition; the code 10 of a weight, which never comes, counts as 0.

    Args:
        given: the inputs of each cycle; each term is taken in that of its lag, all else in the last.
        kind: type of an operand code, zeros below it, and bits that hold the sum of a step.
    """
    own, shift, bits = kind
    width, end = len(total), given[-1]
    step_bits = bits if engine.delay else width
    step_sum: Vector | None = None
    for k in range(engine.terms):
        here = given[engine.lag(k)]
        code = here["x"][own.width * k : own.width * (k + 1)]
        value = ([FALSE] * shift + extended(code, step_bits, signed=own.signed))[:step_bits]
        counts, subtracts = here["weights"][2 * k : 2 * k + 2]
        term = [aig.both(counts, aig.odd(bit, subtracts)) for bit in value]
        if not engine.delay:  # one behind the other, the sum first
            term = aig.mux(end["settle"][0], end["bias"], term) if k == 0 else term
            step_sum = aig.add(total if step_sum is None else step_sum, term)
        else:
            step_sum = term if step_sum is None else aig.add(step_sum, term)
    if step_sum is None:
        raise Unproven("no terms", refuted=False)
    if engine.delay:
        added = aig.mux(end["settle"][0], end["bias"], extended(step_sum, width, signed=True))
        step_sum = aig.add(total, added)
    return [aig.both(bit, end["clear"][0] ^ TRUE) for bit in step_sum]


def _lane_step(
    aig: Aig, netlist: Netlist, given: list[dict[str, Vector]], total: Vector, fresh: Iterator[int]
) -> Vector:
    """The sum after the last cycle, from the netlist; what its registers held before the first is unknown."""
    sums = netlist.outputs["y"]
    if len(set(sums)) != len(sums):
        raise Unproven("two bits of the sum are one")
    state: dict[int, int] = {}
    for number, inputs in enumerate(given):
        driven = {
            net: bit for port, bits in inputs.items() for net, bit in zip(netlist.inputs[port], bits, strict=True)
        }
        if number == len(given) - 1:
            state |= dict(zip(sums, total, strict=True))
        _, state = step(aig, netlist, driven, state, lambda: aig.input(next(fresh)))
    if not set(sums) <= set(state):
        raise Unproven("the sum is not what registers hold")
    return [state[net] for net in sums]


def prove_feed(module: Module, vectors: BusLayout, netlist: Netlist) -> str:
    """Prove that operand codes, weights and biases of an event are handed out as they must be, cycle by cycle.

    Whatever the registers held before, and whatever ``x`` is later; ``load`` is low for as many cycles as the event keeps
    the lanes busy, and anything after that.

    Raises:
        Unproven: naming the first thing that may be something else.
    """
    node, engine = _parts(module)
    (bus,), width, shift = vectors.operands(module), vectors.result(module).width, _shift(node)
    own, size = bus.element.width, bus.width
    sizes = {"clear": 1, "settle": 1, "step": engine.terms * own, "weights": 2 * engine.terms * engine.lanes}
    check_ports(netlist, {"load": 1, "x": size}, {**sizes, "bias": engine.lanes * width})
    wanted = list(_cycles(node, engine, shift))
    registers = unknowns(netlist)
    aig = Aig((size + 1) * (len(wanted) + 2 + engine.delay) + registers)
    fresh = iter(range(aig.n_inputs))
    taken = [aig.input(next(fresh)) for _ in range(size)]
    state: dict[int, int] = {}
    order = order_of(netlist)
    for number in range(len(wanted) + 2 + engine.delay):
        x = [aig.input(next(fresh)) for _ in range(size)] if number else taken
        driven = dict(zip(netlist.inputs["x"], x, strict=True))
        again = aig.input(next(fresh)) if number >= len(wanted) else FALSE
        driven[netlist.inputs["load"][0]] = again if number else TRUE
        nets, state = step(aig, order, driven, state, lambda: aig.input(next(fresh)))
        found = {port: [nets[net] for net in bits] for port, bits in netlist.outputs.items()}
        wrong = _wrong(engine, wanted, number - 2, found, (taken, own, width))
        if wrong:
            raise Unproven(f"{wrong} may be another one {number} cycles after an event was taken")
    return f"{len(wanted)} cycles of {engine.lanes} lanes"


def _wrong(
    engine: Engine, wanted: list[_Cycle], now: int, found: dict[str, Vector], taken: tuple[Vector, int, int]
) -> str:
    """What is handed out that need not be what is due, or nothing.

    Args:
        now: cycles since the first group began; each term comes as much later as it lags, the end of a step as it is delayed.
        taken: the operand of the event, bits of a code of it, and of a sum.
    """
    operand, own, width = taken
    end = now - engine.delay
    if 0 <= end < len(wanted):
        due = wanted[end]
        if (found["clear"][0], found["settle"][0]) != (int(due.clear), int(due.settle)):
            return "clear or settle"
        if due.bias is not None and found["bias"] != [bit for bias in due.bias for bit in constant(bias, width)]:
            return "a bias"
    for k in range(engine.terms):
        cycle = now - engine.lag(k)
        if not 0 <= cycle < len(wanted):
            continue
        due = wanted[cycle]
        code = due.codes[k]
        if code is not None and found["step"][own * k : own * (k + 1)] != operand[own * code : own * (code + 1)]:
            return f"operand code {code}"
        handed = [found["weights"][2 * (engine.terms * lane + k) :][:2] for lane in range(engine.lanes)]
        if not due.clear and handed != [constant(lane[k], 2) for lane in due.weights]:  # what is cleared is lost
            return "a weight"
    return ""
