"""The project around the layers: top function, ports, test bench, build scripts."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.emit.hls.cpp import code_type, fixed_code_type
from bittrigger.ir.fixed import FixedPoint, Interval, hull
from bittrigger.ir.graph import Graph, Input, Intervals, Linear, Lookup, Operation, Requantize, intervals
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import Wire
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.ir.ports import common_type


@dataclass(frozen=True)
class Port:
    """One array of the top function.

    Attributes:
        node: the graph node behind it.
        parameter: its name in the top function, ``<node>_in`` or ``<node>_out``; ``<node>_out2`` if it leaves twice.
        type: the typedef of its elements.
        fixed: the ``ap_fixed`` type behind the typedef.
        width: bits of an element.
        codes_type: the integer type of the codes inside; never wider than the port.
        codes_width: bits of that type.
        lo: lowest code that occurs.
        hi: highest code that occurs.
    """

    node: str
    parameter: str
    type: str
    size: int
    fixed: str
    width: int
    codes_type: str
    codes_width: int
    lo: int
    hi: int


@dataclass(frozen=True)
class Ports:
    """The arrays of the top function."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]

    @property
    def parameters(self) -> str:
        """The parameter list of the top function."""
        reads = [f"const {port.type} {port.parameter}[{port.size}]" for port in self.inputs]
        return ", ".join(reads + [f"{port.type} {port.parameter}[{port.size}]" for port in self.outputs])

    @property
    def arguments(self) -> str:
        """The same list in a call."""
        return ", ".join(port.parameter for port in self.inputs + self.outputs)


@dataclass(frozen=True)
class Call:
    """One layer or wire in the top function: its module and the arrays that it reads."""

    name: str
    node: Wire | Operation
    arguments: str


def _port(node: str, direction: str, size: int, kind: FixedPoint, span: Interval) -> Port:
    return Port(
        node,
        f"{node}_{direction}",
        f"{node}_{direction.replace('in', 'input').replace('out', 'output')}_t",
        size,
        str(kind),
        kind.width,
        code_type(span),
        span.width,
        span.lo,
        span.hi,
    )


def top_ports(graph: Graph) -> Ports:
    """The ports of ``graph``: one array an input node and one an entry of ``graph.outputs``."""
    ranges = intervals(graph)
    inputs = tuple(_port(node.name, "in", node.size, node.type, node.interval) for node in graph.inputs)
    outputs = []
    for k, name in enumerate(graph.outputs):
        again = graph.outputs[:k].count(name)
        direction = f"out{again + 1}" if again else "out"
        kind = common_type(ranges[name], graph[name].frac)
        outputs.append(_port(name, direction, graph[name].size, kind, hull(ranges[name])))
    return Ports(inputs, tuple(outputs))


def top_calls(pipeline: Pipeline) -> tuple[Call, ...]:
    """The layers and wires in the order of the graph."""
    names = {module.node.name: module.name for module in pipeline.modules}
    return tuple(
        Call(
            wire_name(pipeline.graph.name, node) if isinstance(node, Wire) else names[node.name],
            node,
            ", ".join(f"{name}_codes" for name in dict.fromkeys(node.inputs)),
        )
        for node in pipeline.graph.nodes
        if not isinstance(node, Input)
    )


def wire_name(design: str, node: Wire) -> str:
    """The function of a wire."""
    return f"{design}_wire_{node.name}"


def summary(module: Module) -> str:
    """What ``module`` computes, in one line."""
    times = f", {module.copies} times" if module.copies > 1 else ""
    return _summary(module.node) + times


def _summary(node: Operation) -> str:  # noqa: C901, PLR0911 - one return a kind
    match node:
        case Linear():
            n_in, n_out = node.weights.shape
            kind = "ternary" if node.is_ternary else "integer"
            return f"layer '{node.name}', {n_in} x {n_out} {kind} weights and a bias, exact"
        case Requantize():
            scale = f"{node.operand_text} {'/' if node.shift >= 0 else '*'} 2^{abs(node.shift)}"
            rounding = f" rounded as AP_{node.rounding.value}" if node.shift > 0 else ""
            return f"layer '{node.name}', {scale}{rounding}, {node.word}ped to [{node.lo}, {node.hi}]"
        case Lookup():
            return f"layer '{node.name}', a piecewise constant function of each code"
        case Product():
            return f"layer '{node.name}', the product of two codes, or the square of one"
        case Extremum():
            return f"layer '{node.name}', the {node.word} of all codes"
        case Weigh():
            rows, columns = node.weights.shape
            return f"layer '{node.name}', codes times {rows} x {columns} held weights, two at a time, and held biases"
        case Hold():
            return f"layer '{node.name}', {node.operands} codes and {node.bias.size} held biases"
        case MagnitudeOr():
            return f"layer '{node.name}', OR of the magnitudes of all codes / 2^{node.drop}"
        case ShiftDown():
            shift = f"({node.base} + exponent)" if node.base else "exponent"
            return f"layer '{node.name}', code / 2^{shift} rounded as AP_RND_CONV, clipped to [{node.lo}, {node.hi}]"
        case ShiftUp():
            return f"layer '{node.name}', code * 2^exponent"


def result_code_type(result: Intervals, frac: int) -> str:
    """The integer type of codes of the ranges ``result``."""
    return fixed_code_type(common_type(result, frac))
