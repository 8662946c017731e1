"""What the lowering of a project carries along: nodes so far, and for each array of the C++ the node that holds its codes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.hls4ml_project.hls_types import HlsType, codes_of
from bittrigger.frontend.hls4ml_project.project import Call, Config, Project
from bittrigger.frontend.hls4ml_project.source import preprocessed, read_text, tokens
from bittrigger.frontend.nodes.builder import Builder
from bittrigger.frontend.nodes.casts import assigned
from bittrigger.ir.fixed import IntArray, Interval, Rounding, hull
from bittrigger.ir.graph import Requantize

MAX_WIDE = 1 << 12
"""Most elements that are added or scaled one by one, which is written as a matrix."""


@dataclass(frozen=True)
class Signal:
    """An array of the C++: the node with its codes, and its type."""

    node: str
    type: HlsType


class Walk:
    """The state of one lowering."""

    def __init__(self, project: Project, name: str) -> None:
        self.project = project
        self.name = name
        self.builder = Builder(name)
        self.signals: dict[str, Signal] = {}

    @cached_property
    def has_typed_average(self) -> bool:
        """Whether averages are taken in ``accum_t``, as since hls4ml 0.8; a project that brings no headers is taken for new."""
        header = self.project.folder / "nnet_utils" / "nnet_pooling.h"
        if not header.is_file():
            return True
        words = tokens(preprocessed(read_text(header), header.name)[0])
        return any(pair == ("accum_t", "avg") for pair in itertools.pairwise(words))

    def owner(self, call: Call) -> str:
        """How messages name a call."""
        return f"hls4ml project: nnet::{call.function}({', '.join(call.arguments)})"

    def check_counts(self, call: Call, parameters: Sequence[int], arguments: Sequence[int]) -> None:
        """Check how many template parameters and arguments a call has.

        Raises:
            UnsupportedModelError: if it has another number of them.
        """
        if len(call.parameters) not in parameters or len(call.arguments) not in arguments:
            raise UnsupportedModelError(
                f"{self.owner(call)}: {len(call.parameters)} template parameters and {len(call.arguments)} arguments; expected "
                f"{parameters[-1]} and {arguments[-1]}, as hls4ml writes them"
            )

    def read(self, name: str, owner: str) -> Signal:
        """The array ``name``, or the one that it stands for.

        Raises:
            UnsupportedModelError: if nothing has written it yet.
        """
        for _ in range(len(self.project.aliases) + 1):
            if name in self.signals:
                return self.signals[name]
            name = self.project.aliases.get(name, "")
        raise UnsupportedModelError(f"{owner}: it reads an array that nothing has written")

    def write(self, call: Call, name: str, node: str, kind: HlsType) -> None:
        """Let ``node`` be the array ``name``, which must have its size and type.

        Raises:
            UnsupportedModelError: if it does not.
        """
        variable = self.project.variables.get(name)
        size = self.builder[node].size
        if variable is None or variable.size != size or variable.type.fixed != kind.fixed:
            found = None if variable is None else f"{variable.size} of {variable.type.fixed}"
            raise UnsupportedModelError(
                f"{self.owner(call)}: it gives {size} elements of {kind.fixed}; array {name!r} has {found or 'no declaration'}"
            )
        self.signals[name] = Signal(node, kind)

    def config(self, name: str, owner: str) -> Config:
        """The ``struct`` of that name.

        Raises:
            UnsupportedModelError: if there is none.
        """
        if name not in self.project.configs:
            raise UnsupportedModelError(f"{owner}: parameters.h has no struct {name!r}")
        return self.project.configs[name]

    def number(self, config: Config, key: str, default: int | None = None) -> int:
        """A constant of a ``struct``, not negative but for a default.

        Raises:
            UnsupportedModelError: if it has none.
        """
        if key not in config.values:
            if default is not None:
                return default
            raise UnsupportedModelError(f"hls4ml project: struct {config.name!r} has no {key}")
        return self.project.number(config.values[key], f"{config.name}::{key}", config.values)

    def type_of(self, config: Config, key: str) -> HlsType:
        """A type of a ``struct``.

        Raises:
            UnsupportedModelError: if it has none.
        """
        if key not in config.values:
            raise UnsupportedModelError(f"hls4ml project: struct {config.name!r} has no type {key}")
        return self.project.type(config.values[key], f"hls4ml project: {config.name}::{key}")

    def constants(self, name: str, kind: HlsType, count: int, owner: str) -> IntArray:
        """The codes of a constant array.

        Raises:
            UnsupportedModelError: if there is none, or it has another number of elements.
        """
        values = self.project.weights.get(name)
        if values is None or len(values) != count:
            found = "no array of that name with values" if values is None else f"{len(values)} values"
            raise UnsupportedModelError(f"{owner}: weights {name!r}: {found}; expected {count} values in weights/*.h")
        return codes_of(values, kind, f"{owner}: weights {name!r}")

    def hull(self, node: str) -> Interval:
        """The range of all codes of a node."""
        return hull([span.interval for span in self.builder.reach(node)])

    def copy(self, node: str) -> str:
        """Another node with the codes of ``node``."""
        source = self.builder[node]
        span = self.hull(node)
        return self.builder.add(
            Requantize(f"{node}_copy", (node,), source.size, 0, Rounding.TRN, span.lo, span.hi, source.frac)
        )

    def assign(self, name: str, source: str, kind: HlsType, *, floor: int | None = None, copies: int = 1) -> str:
        """The codes of ``source`` assigned to variables of ``kind``, as ``ap_fixed`` assigns them.

        Args:
            floor: least code after rounding, where the C++ takes the larger one first.
            copies: equal parts that ``source`` consists of.
        """
        return assigned(self.builder, name, source, kind, floor, copies)
