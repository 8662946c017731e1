"""Proof of a sum over positions that come some at a time: its plan, and one cycle of a sum from any state."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bittrigger.ir.forms.tally import Tally
from bittrigger.ir.graph import Linear
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.aig import Aig, Vector, constant, extended
from bittrigger.prove.circuits.bits import step
from bittrigger.prove.circuits.equivalence import BEFORE, decide
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.claims import Unproven
from bittrigger.prove.modules.columns import check_widths
from bittrigger.synth.netlist import Netlist


def prove_sums(module: Module, vectors: BusLayout, tally: Tally) -> str:
    """Prove that the turns add up to the matrix and the bias, and that a sum is wide enough for every result.

    Raises:
        Unproven: naming the first column that differs.
    """
    node = module.node
    if not isinstance(node, Linear):
        raise Unproven("not a matrix", refuted=False)
    features = node.weights.shape[0] // (tally.lanes * tally.turns)
    for column, row in enumerate(tally.rows):
        added = np.zeros(node.weights.shape[0], dtype=np.int64)
        for position in range(tally.lanes * tally.turns):
            added[features * position + row] += 1
        if (added != node.weights[:, column]).any() or node.bias[column] != tally.bias:
            raise Unproven(f"the turns of column {column} do not add up to it")
    check_widths(module, vectors)
    return f"{len(tally.rows)} columns in {tally.turns} turns of {tally.lanes} positions"


def prove_sum(module: Module, vectors: BusLayout, tally: Tally, netlist: Netlist, work: Path) -> str:
    """Prove that a sum adds in each cycle what comes, whatever it holds.

    Args:
        work: folder for ABC's files.

    Raises:
        Unproven: if a state exists in which it does another thing, or ABC cannot tell.
    """
    (bus,), width = vectors.operands(module), vectors.result(module).width
    sizes = {"first": 1, "x": bus.width}
    check_ports(netlist, sizes, {"y": width})
    for name in ("gold", "gate"):
        aig = Aig(1 + bus.width + width)
        first = aig.input(0)
        codes = [aig.input(1 + k) for k in range(bus.width)]
        total = [aig.input(1 + bus.width + k) for k in range(width)]
        if name == "gate":
            after = _after(aig, netlist, first, codes, total)
        else:
            after = aig.mux(first, constant(tally.bias, width), total)
            for k in range(tally.lanes):
                code = codes[bus.element.width * k : bus.element.width * (k + 1)]
                after = aig.add(after, extended(code, width, signed=bus.element.signed))
        aig.write(work / f"{name}.aig", after)
    return f"{width} bits, {len(netlist.cells)} cells" + (BEFORE if decide(work) else "")


def _after(aig: Aig, netlist: Netlist, first: int, codes: Vector, total: Vector) -> Vector:
    """The sum after a cycle, from the netlist; its only registers are those of the sum."""
    driven = dict(zip(netlist.inputs["x"], codes, strict=True)) | {netlist.inputs["first"][0]: first}
    state = dict(zip(netlist.outputs["y"], total, strict=True))

    def other() -> int:
        raise Unproven("a register holds something else than the sum")

    _, after = step(aig, netlist, driven, state, other)
    if len(state) != len(total) or set(after) != set(state):
        raise Unproven("the sum is not what the registers hold")
    return [after[net] for net in netlist.outputs["y"]]
