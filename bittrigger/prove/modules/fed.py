"""Proof of what feeds columns that take turns: each turn gets its own numbers, as they are held then, and its event's codes."""

from __future__ import annotations

from bittrigger.ir.forms.engine import FEEDING
from bittrigger.ir.held.bus import fed_ports, reader_ports
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.nodes.held import READING
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.aig import FALSE, TRUE, Aig
from bittrigger.prove.circuits.bits import step, unknowns
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.claims import Unproven
from bittrigger.prove.modules.held import held_node
from bittrigger.synth.netlist import Netlist


def prove_columns(module: Module, vectors: BusLayout, netlist: Netlist) -> str:
    """Prove that each turn of an event is handed its operand codes, and what its columns held in the cycle before.

    Whatever the registers held before, whatever is held, in every cycle anew, and whatever ``x`` is later; ``load`` is low until
    the next event may come.

    Raises:
        Unproven: naming the first thing that may be something else.
    """
    node, (bus,) = held_node(module), vectors.operands(module)
    given, driven = fed_ports(node, bus.width, module.columns, module.lanes)
    check_ports(netlist, {"load": 1, **given}, driven)
    cycles, turns = FEEDING + module.phases, module.phases
    aig = Aig(cycles * (1 + sum(given.values())) + unknowns(netlist))
    fresh = iter(range(aig.n_inputs))
    came = {
        port: [[aig.input(next(fresh)) for _ in range(width)] for _ in range(cycles)] for port, width in given.items()
    }
    state: dict[int, int] = {}
    for now in range(cycles):
        driven_nets = {
            net: bit for port, bits in came.items() for net, bit in zip(netlist.inputs[port], bits[now], strict=True)
        }
        again = aig.input(next(fresh)) if now >= turns else FALSE
        driven_nets[netlist.inputs["load"][0]] = again if now else TRUE
        nets, state = step(aig, netlist, driven_nets, state, lambda: aig.input(next(fresh)))
        turn = now - FEEDING
        if turn < 0:
            continue
        found = {port: [nets[net] for net in bits] for port, bits in netlist.outputs.items()}
        if found["now_codes"] != came["x"][0]:
            raise Unproven(f"operand codes may be other ones in turn {turn}")
        for port, width in reader_ports(node).items():
            low, high = width * module.lanes * turn, width * min(module.lanes * (turn + 1), module.columns)
            if found[f"now_{port}"][: high - low] != came[port][now - READING][low:high]:
                raise Unproven(f"{port} may be that of another column, or of another cycle, in turn {turn}")
    return f"{module.columns} columns in {turns} turns"
