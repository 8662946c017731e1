"""What there is to prove about a module that is unrolled."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bittrigger.ir.graph import Linear
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, Scaling, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.pipeline import Module
from bittrigger.prove.circuits.equivalence import BEFORE
from bittrigger.prove.circuits.stages import prove_latency
from bittrigger.prove.modules.elementwise import MAX_CODES, prove_channel, prove_wide_channel, tail_of
from bittrigger.prove.modules.held import prove_reader
from bittrigger.prove.modules.linear import prove_matrix, prove_verilog, prove_widths
from bittrigger.prove.modules.product import MAX_BITS, prove_product
from bittrigger.prove.modules.scaling import prove_scaling
from bittrigger.prove.sources.setting import Setting
from bittrigger.prove.tasks.task import Task


def module_tasks(setting: Setting, module: Module) -> Iterator[Task]:
    """The module of one node: its sums, its Verilog, its latency."""
    name = module.name
    if isinstance(module.node, Linear) and module.adders is not None:
        yield Task(
            name,
            "weights",
            "the adder graph computes the matrix and the bias",
            "linear forms",
            partial(prove_matrix, module.node, module.adders),
        )
        yield Task(
            name,
            "widths",
            "no value of the adder graph leaves its width",
            "intervals of linear forms",
            partial(prove_widths, module.adders),
        )
        yield Task(
            name,
            "verilog",
            "each wire of the Verilog is its adder, and each result its column of the matrix",
            "linear forms of the Verilog as Yosys reads it",
            lambda: prove_verilog(module, setting.vectors, setting.verilog(module)),
        )
    elif isinstance(module.node, Weigh | Hold):
        yield Task(
            name,
            "verilog",
            "each result of the Verilog is what the node defines, whatever the registers hold",
            "SAT against a circuit written from the definition, weights and biases being inputs",
            lambda: prove_reader(module, setting.vectors, setting.verilog(module), setting.scratch()),
        )
    elif isinstance(module.node, Product):
        yield Task(
            name,
            "verilog",
            "the result of the Verilog is the product of its operand codes",
            f"every pair of codes; beyond {MAX_BITS} bits SAT against Booth's rows",
            lambda: prove_product(module, setting.vectors, setting.verilog(module), setting.scratch()),
        )
    elif isinstance(module.node, Extremum | MagnitudeOr | ShiftDown | ShiftUp):
        yield Task(
            name,
            "verilog",
            "each result of the Verilog is what the node defines, with every exponent that comes",
            "SAT against a circuit written from the definition",
            partial(_prove_scaling, setting, module, module.node),
        )
    else:
        yield Task(
            name,
            "verilog",
            "each channel of the Verilog is what the node defines",
            f"every code, or one for all that an OR of their tails makes alike; SAT for channels of more than {MAX_CODES} codes",
            partial(_prove_channels, setting, module),
        )
    yield Task(
        name,
        "latency",
        f"every path has {module.cycles} registers, without reset, enable or feedback",
        "induction over the cells",
        lambda: prove_latency(setting.verilog(module), module.cycles),
    )


def _prove_channels(setting: Setting, module: Module) -> str:
    netlist = setting.verilog(module)
    codes = wide = known = 0
    for channel, span in enumerate(module.source):
        tail = tail_of(module, setting.vectors, netlist, channel)
        if (span.hi >> tail) - (span.lo >> tail) < MAX_CODES:
            codes += prove_channel(module, setting.vectors, netlist, channel, tail)
        else:
            known += prove_wide_channel(module, setting.vectors, netlist, channel, setting.scratch())
            wide += 1
    by_sat = f", {wide} channels by SAT" if wide else ""
    return f"{len(module.source)} channels, {codes} codes{by_sat}" + (f"{BEFORE}: {known} of them" if known else "")


def _prove_scaling(setting: Setting, module: Module, node: Scaling | Extremum) -> str:
    return prove_scaling(module, node, setting.vectors, setting.verilog(module), setting.scratch())
