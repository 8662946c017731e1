"""What was read of a build: the Verilog, the netlist and the VHDL that the claims are about."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bittrigger.ir.held.bus import reader_ports
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.prove.circuits.order import check_ports
from bittrigger.prove.claims import Unproven
from bittrigger.prove.sources.rtl import Rtl
from bittrigger.synth.netlist import Netlist, flatten


@dataclass(frozen=True)
class Setting:
    """What the claims of a build are about.

    Attributes:
        gates: the synthesised modules whose structure holds, in Yosys' JSON.
        primitive: the Verilog with library modules in primitives; None if the netlist is left out.
        work: folder for scratch files.
        vhdl: the VHDL, where there is any and GHDL to read it.
    """

    pipeline: Pipeline
    vectors: BusLayout
    rtl: Rtl
    primitive: Rtl | None
    gates: Mapping[str, Any]
    work: Path
    vhdl: Rtl | None = None

    def verilog(self, module: Module) -> Netlist:
        """The Verilog of ``module``, whose ports are those that are due."""
        netlist = self.rtl.module(module.name)
        inputs = {bus.name: bus.width for bus in self.vectors.operands(module)}
        if isinstance(module.node, Weigh | Hold):
            inputs |= reader_ports(module.node)
        check_ports(netlist, inputs, {"y": self.vectors.result(module).width})
        return netlist

    def netlist(self, module: str) -> Netlist:
        """The synthesised netlist of one module."""
        if module not in self.gates:
            raise Unproven("the structure of the netlist is refuted", refuted=False)
        return flatten(module, {module: self.gates[module]})

    @property
    def sides(self) -> list[tuple[str, Callable[[str], Netlist]]]:
        """What is read of the design, by its kind of claim, with what gives a module of it."""
        found: list[tuple[str, Callable[[str], Netlist]]] = [("verilog", self.rtl.module)]
        if self.primitive is not None:
            found.append(("netlist", self.netlist))
        return found

    def scratch(self) -> Path:
        """A new folder for the files of one run of ABC."""
        return Path(tempfile.mkdtemp(dir=self.work))
