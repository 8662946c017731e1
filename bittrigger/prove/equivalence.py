"""Equivalence of two combinational circuits, decided by ABC's SAT sweeping for every input."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from bittrigger.errors import ToolNotFoundError
from bittrigger.ir.graph import Lookup, Requantize
from bittrigger.ir.layout import Vectors
from bittrigger.ir.pipeline import Module
from bittrigger.prove.aig import FALSE, Aig
from bittrigger.prove.bits import input_nets, literals
from bittrigger.prove.claims import Unproven
from bittrigger.prove.definition import define, within
from bittrigger.prove.elementwise import channel_bits, one_channel
from bittrigger.synth.netlist import Netlist
from bittrigger.system.toolchain import run_tool

TIMEOUT_S = 900.0
"""Longest run of ABC on one module."""


def abc() -> Path:
    """The program ``yosys-abc`` of the installed pyosys.

    Raises:
        ToolNotFoundError: if there is none.
    """
    spec = importlib.util.find_spec("pyosys")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        if (Path(folder) / "yosys-abc").is_file():
            return Path(folder) / "yosys-abc"
    raise ToolNotFoundError(
        "program 'yosys-abc' not found; looked in the package pyosys; install it with `pip install pyosys`"
    )


def _same_ports(gold: Netlist, gate: Netlist) -> None:
    for kind, one, two in (("input", gold.inputs, gate.inputs), ("output", gold.outputs, gate.outputs)):
        first, second = ({port: len(bits) for port, bits in ports.items() if port != "clk"} for ports in (one, two))
        if first != second:
            raise Unproven(f"{kind}s differ: {first} and {second}")


def prove_equal(gold: Netlist, gate: Netlist, work: Path) -> str:
    """Prove that two modules give the same outputs for every input, registers taken as wires.

    Args:
        work: folder for ABC's files; they bear the name of ``gold``.

    Raises:
        Unproven: if an input exists for which they differ, or ABC cannot tell.
        ToolError: if ABC fails.
    """
    _same_ports(gold, gate)
    sizes = []
    for name, netlist in (("gold", gold), ("gate", gate)):
        aig = Aig(len(input_nets(netlist)))
        outputs = tuple(net for port in sorted(netlist.outputs) for net in netlist.outputs[port])
        found = literals(aig, netlist, outputs)
        aig.write(work / f"{name}.aig", found)
        sizes.append(len(outputs))
    decide(work)
    return f"{sizes[0]} outputs, {len(gate.cells)} cells"


def prove_wide_channel(module: Module, vectors: Vectors, netlist: Netlist, channel: int, work: Path) -> None:
    """Prove one channel of an elementwise node equal to its definition, on every code of its range.

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
    decide(work)


def decide(work: Path) -> None:
    """Ask ABC whether ``gold.aig`` and ``gate.aig`` in ``work`` are equal."""
    command = [str(abc()), "-c", "&r gold.aig; &cec gate.aig"]
    output = run_tool(command, log=work / "abc.log", cwd=work, timeout_s=TIMEOUT_S)
    if "Networks are equivalent" in output:
        return
    if "NOT EQUIVALENT" in output.upper():
        line = next((text.strip() for text in output.splitlines() if "equivalent" in text.lower()), "")
        raise Unproven(f"an input exists for which they differ ({line})")
    raise Unproven(f"ABC could not tell; its log is {work / 'abc.log'}", refuted=False)
