"""Proof of a layer that is multiplied digit by digit: its adder graph, and the cycles of an event, unrolled.

The linear forms of the adder graph are the signs of the matrix, for every operand. The module, from any state and with anything
at its ports later, delivers each column in its cycle: digits that pass one after the other are the bits of a sum, so that the
unrolled circuit and one written with whole sums are compared by SAT. An event takes as many cycles as its passes do; the next
one may come right after, for all that is proven holds whatever was before. Numbers are taken modulo the width of a sum, which
holds every result.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bittrigger.ir.fixed import IntArray
from bittrigger.ir.forms.engine import FEEDING
from bittrigger.ir.forms.serial import Serial
from bittrigger.ir.graph import Linear
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.aig import FALSE, TRUE, Aig, Vector, constant, extended
from bittrigger.prove.circuits.bits import step, unknowns
from bittrigger.prove.circuits.equivalence import BEFORE, decide
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.claims import Unproven
from bittrigger.prove.modules.columns import check_widths
from bittrigger.synth.netlist import Netlist


def _parts(module: Module) -> tuple[Linear, Serial]:
    if not isinstance(module.node, Linear) or module.serial is None:
        raise Unproven("not multiplied digit by digit", refuted=False)
    return module.node, module.serial


def prove_digits(module: Module, vectors: BusLayout) -> str:
    """Prove that the adder graph computes the signs of the matrix, which is these times one power of two.

    Raises:
        Unproven: naming the first column that differs.
    """
    node, plan = _parts(module)
    scale = 1 << plan.shift + plan.low
    forms = list(np.eye(plan.n_in, dtype=np.int64))
    for adder in plan.adders.adders:
        if adder.constant:
            raise Unproven("an adder of digits adds a constant")
        forms.append(sum(_signed(forms[t.value] << t.shift, t.negative) for t in adder.terms))
    for column, operands in enumerate(plan.columns):
        total = sum((_signed(forms[t.value] << t.shift, t.inverted) for t in operands), np.zeros(plan.n_in, np.int64))
        if (scale * total != node.weights[:, column]).any():
            raise Unproven(f"the digits of column {column} do not add up to it")
    check_widths(module, vectors)
    if plan.width + plan.low != vectors.result(module).width:
        raise Unproven(f"{plan.width + plan.low} bits pass; a result has {vectors.result(module).width}")
    if plan.digit * plan.period < plan.width or plan.lanes * plan.groups < plan.n_out:
        raise Unproven("not all digits of all columns pass")
    return f"{len(plan.adders.adders)} adders, {plan.n_out} columns in {plan.groups} passes of {plan.period} cycles"


def _signed(form: IntArray, negative: bool) -> IntArray:
    return -form if negative else form


def prove_serial(module: Module, vectors: BusLayout, netlist: Netlist, work: Path) -> str:
    """Prove that each column of an event is there in its cycle, whatever the registers held before.

    Args:
        work: folder for ABC's files.

    Raises:
        Unproven: if a state or an operand exists for which it is another one, or ABC cannot tell.
    """
    node, plan = _parts(module)
    (bus,), width = vectors.operands(module), vectors.result(module).width
    check_ports(netlist, {"load": 1, "x": bus.width}, {"y": plan.lanes * width})
    last = FEEDING + plan.delay + plan.cycles
    count = (bus.width + 1) * (last + 1) + unknowns(netlist)
    for name in ("gold", "gate"):
        aig = Aig(count)
        fresh = iter(range(count))
        taken = [aig.input(next(fresh)) for _ in range(bus.width)]
        if name == "gold":
            results = _columns(aig, node, vectors, module, taken)
        else:
            results = _delivered(aig, plan, netlist, taken, map(aig.input, fresh))
        aig.write(work / f"{name}.aig", results)
    cycles = f"{plan.groups} passes of {plan.period} cycles"
    return f"{plan.n_out} columns, {cycles}, {len(netlist.cells)} cells" + (BEFORE if decide(work) else "")


def _delivered(aig: Aig, plan: Serial, netlist: Netlist, taken: Vector, fresh: Iterator[int]) -> Vector:
    """The bits of all columns as the netlist delivers them, each in its cycle; what came before and comes later is unknown."""
    found: Vector = []
    state: dict[int, int] = {}
    ports, width = netlist.inputs, len(netlist.outputs["y"]) // plan.lanes
    for cycle in range(FEEDING + plan.delay + plan.cycles + 1):
        x = [next(fresh) for _ in taken] if cycle else taken
        load = TRUE if not cycle else FALSE if cycle < plan.cycles else next(fresh)
        driven = {**dict(zip(ports["x"], x, strict=True)), ports["load"][0]: load}
        nets, state = step(aig, netlist, driven, state, fresh.__next__)
        group, late = divmod(cycle - FEEDING - plan.delay, plan.period)
        if late == 0 and group > 0:
            columns = min(plan.lanes, plan.n_out - (group - 1) * plan.lanes)
            found += [nets[net] for net in netlist.outputs["y"][: width * columns]]
    return found


def _columns(aig: Aig, node: Linear, vectors: BusLayout, module: Module, taken: Vector) -> Vector:
    """The bits of all columns, from the definition: sums of the adder graph, scaled, and the bias.

    The graph adds what passes: operand codes without their offset, complements for what is subtracted.
    """
    _, plan = _parts(module)
    (bus,), width = vectors.operands(module), vectors.result(module).width
    own, bits = bus.element.width, width - plan.low
    values: list[Vector] = []
    wrong: list[int] = []
    for k in range(plan.n_in):
        code = taken[own * k : own * (k + 1)]
        if bus.element.signed:
            code = [*code[:-1], code[-1] ^ 1]
        values.append(extended([FALSE] * plan.shift + code, bits, signed=False))
        wrong.append(1 << own - 1 + plan.shift if bus.element.signed else 0)
    for adder in plan.adders.adders:
        total: Vector | None = None
        error = 0
        for term in adder.terms:
            part = ([FALSE] * term.shift + values[term.value])[:bits]
            shifted = wrong[term.value] << term.shift
            if term.negative:
                part, shifted = [bit ^ TRUE for bit in part], -shifted - 1
            error += shifted
            total = part if total is None else aig.add(total, part)
        values.append(total or [])
        wrong.append(error)
    found: Vector = []
    for column, operands in enumerate(plan.columns):
        slots = max(len(other) for other in plan.columns[column % plan.lanes :: plan.lanes])
        words = [([FALSE] * t.shift + values[t.value])[:bits] for t in operands]
        words = [[bit ^ t.inverted for bit in word] for t, word in zip(operands, words, strict=True)]
        error = sum(-(wrong[t.value] << t.shift) - 1 if t.inverted else wrong[t.value] << t.shift for t in operands)
        words += [[FALSE] * bits] * (slots - len(operands))
        while len(words) > 1:
            pairs = zip(words[::2], words[1::2], strict=False)
            words = [aig.add(a, b) for a, b in pairs] + words[len(words) // 2 * 2 :]
        bias = (int(node.bias[column]) >> plan.low) - error
        found += constant(int(node.bias[column]) % (1 << plan.low), plan.low)
        found += aig.add(words[0] if words else [FALSE] * bits, constant(bias, bits))
    return found
