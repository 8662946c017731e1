"""Proof of what reads held numbers: right for every operand code and all that may be held.

It is compared with a circuit written from the definition, with weights and biases as inputs like the operand codes: nothing is
assumed of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bittrigger.ir.held.bus import reader_ports
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.nodes.held import TERMS, Held, Hold, Weigh
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.aig import FALSE, Aig, Vector, extended
from bittrigger.prove.circuits.bits import input_nets, literals
from bittrigger.prove.circuits.equivalence import BEFORE, decide
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.claims import Unproven
from bittrigger.prove.modules.scaling import operand_codes, result_element, within_span
from bittrigger.synth.netlist import Netlist


def held_node(module: Module) -> Held:
    """What ``module`` holds."""
    if not isinstance(module.node, Weigh | Hold):
        raise Unproven("holds nothing", refuted=False)
    return module.node


def prove_reader(module: Module, vectors: BusLayout, netlist: Netlist, work: Path) -> str:
    """Prove a module that reads held numbers equal to its definition, for every operand code and all that may be held.

    Raises:
        Unproven: if codes or numbers exist that give another result, or ABC cannot tell.
    """
    node = held_node(module)
    inputs = {bus.name: bus.width for bus in vectors.operands(module)}
    check_ports(netlist, inputs | reader_ports(node), {"y": vectors.result(module).width})
    element = result_element(module, vectors)
    nets = input_nets(netlist)
    for name in ("gold", "gate"):
        aig = Aig(len(nets))
        given = {net: aig.input(k) for k, net in enumerate(nets)}
        codes = operand_codes(aig, module, vectors, netlist, nets)
        good = aig.all([within_span(aig, code, span) for code, span in zip(codes, module.source, strict=True)])
        held = {port: [given[net] for net in netlist.inputs[port]] for port in reader_ports(node)}
        found = _definition(aig, node, codes, held, element.width)
        if name == "gate":
            found = literals(aig, netlist, netlist.outputs["y"])
        aig.write(work / f"{name}.aig", [aig.choose(good, bit, FALSE) for bit in found])
    count = sum(reader_ports(node).values())
    return f"{len(module.source)} codes, all states of {count} held bits" + (BEFORE if decide(work) else "")


def _definition(
    aig: Aig, node: Held, codes: list[tuple[Vector, bool]], held: Mapping[str, Vector], width: int
) -> Vector:
    """The results, one after the other."""
    biases = [held["bias"][k : k + node.bits] for k in range(0, len(held["bias"]), node.bits)]
    results: list[Vector] = []
    if isinstance(node, Hold):
        results += [extended(bits, width, signed=signed)[:width] for bits, signed in codes]
    else:
        for pair in range(node.pairs):
            total = [FALSE] * width
            for k in range(TERMS * pair, min(TERMS * (pair + 1), len(codes))):
                counts, flips = held["weights"][2 * k : 2 * k + 2]
                bits, signed = codes[k]
                value = extended(bits, width, signed=signed)[:width]
                total = aig.add(total, [aig.both(counts, aig.odd(bit, flips)) for bit in value])
            results.append(total)
    results += [extended(bias, width, signed=True)[:width] for bias in biases]
    return [bit for result in results for bit in result]
