"""How graph values are spelled in C++: types, literals and the operand arrays of a module."""

from __future__ import annotations

from dataclasses import dataclass

from bittrigger.ir.fixed import FixedPoint, Interval, hull
from bittrigger.ir.graph import Graph, Intervals, Operation
from bittrigger.ir.nodes.wire import Wire

"""The sentence by which a file is recognised as emitted, so that a later emission may remove it."""

_INT32 = 1 << 31


def code_type(interval: Interval) -> str:
    """The narrowest ``ap_int`` or ``ap_uint`` that holds ``interval``."""
    return f"ap_{'' if interval.signed else 'u'}int<{interval.width}>"


def fixed_code_type(kind: FixedPoint) -> str:
    """The integer type of the codes of a fixed-point type."""
    return f"ap_{'' if kind.signed else 'u'}int<{kind.width}>"


def native_type(interval: Interval) -> str:
    """The narrowest signed built-in type that holds ``interval``, for constant tables."""
    for bits, name in ((8, "signed char"), (16, "short"), (32, "int")):
        if -(1 << (bits - 1)) <= interval.lo and interval.hi < 1 << (bits - 1):
            return name
    return "long long"


def literal(value: int) -> str:
    """``value`` as an integer constant; beyond 32 bits it is a ``long long``."""
    return f"{value}" if -_INT32 < value < _INT32 else f"{value}LL"


@dataclass(frozen=True)
class Operand:
    """One array that a module reads.

    Attributes:
        node: the graph node that delivers it.
        name: its parameter name in the module.
        type: the module's name for its element type.
        size: number of elements.
        interval: the hull of its elements; the element type holds exactly this.
    """

    node: str
    name: str
    type: str
    size: int
    interval: Interval

    @property
    def cpp(self) -> str:
        """The element type behind the typedef."""
        return code_type(self.interval)


@dataclass(frozen=True)
class Operands:
    """What a module reads: its arrays, and the C++ expression of each operand code."""

    arrays: tuple[Operand, ...]
    elements: tuple[str, ...]

    @property
    def parameters(self) -> str:
        """The parameter list of the module's function, results not included."""
        return self.parameters_of(1)

    def parameters_of(self, copies: int) -> str:
        """The same for the codes of several copies at once."""
        return ", ".join(f"const {array.type} {array.name}[{copies * array.size}]" for array in self.arrays)

    @property
    def arguments(self) -> str:
        """The same list in a call from within the module."""
        return ", ".join(array.name for array in self.arrays)


def operands_of(name: str, node: Wire | Operation, source: Intervals, graph: Graph) -> Operands:
    """The arrays of one copy of ``node``: ``x`` if it reads one node, else ``x0``, ``x1``, ... in the order of its inputs.

    A node that is named twice is passed once.

    Args:
        name: of the module; the types of its arrays bear it.
        source: ranges of the operand codes.
    """
    unique = tuple(dict.fromkeys(node.inputs))
    names = {read: "x" if len(unique) == 1 else f"x{k}" for k, read in enumerate(unique)}
    spans: dict[str, Interval] = {}
    elements: list[str] = []
    for read in node.inputs:
        size = graph[read].size // node.copies
        spans[read] = hull(source[len(elements) : len(elements) + size])
        elements += [f"{names[read]}[{i}]" for i in range(size)]
    arrays = tuple(
        Operand(read, names[read], f"{name}_in{names[read][1:]}_t", graph[read].size // node.copies, spans[read])
        for read in unique
    )
    return Operands(arrays, tuple(elements))
