"""What stands behind a value of a traced network: numbers, or the values of an event; and one call of an operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.pytorch.writer import Writer
from bittrigger.frontend.qonnx.file import Array

Tensor = Any
"""One of PyTorch, which brings no types here."""

WAY_OUT = "write it with operators of docs/front-ends.md, or export it with torch.onnx.export and convert the file"


@dataclass(frozen=True, eq=False)
class Known:
    """Numbers that do not depend on the event.

    Attributes:
        scale: what integers were multiplied with, of a shape that fits; None where nothing was.
    """

    tensor: Tensor
    scale: Tensor | None = None

    @property
    def array(self) -> Array:
        """The numbers."""
        found: Array = self.tensor.detach().cpu().numpy()
        return found


@dataclass(frozen=True)
class Wire:
    """Values of an event: the name in the graph, and the shape, batch included."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Half:
    """That values of an event are those of ``source``, limited or rounded: a part of a quantiser.

    Attributes:
        lo: the least, or None.
        hi: the largest, or None.
        rounded: whether to whole numbers.
    """

    source: Wire
    lo: float | None
    hi: float | None
    rounded: bool


@dataclass(frozen=True)
class Compared:
    """Whether values of an event lie above or below a limit, as ``where`` reads it.

    Attributes:
        above: whether it holds above.
    """

    source: Wire
    limit: float
    above: bool


@dataclass(frozen=True)
class Scaled:
    """That values of an event are others over a step."""

    source: Wire
    step: float


@dataclass(frozen=True)
class Codes:
    """That values of an event are the codes of a quantiser, and where these times its step are."""

    values: Wire
    step: float


Value = Known | Wire | Compared


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operator.

    Attributes:
        kind: its name, such as ``linear``.
        owner: what users call it: the path of its module, and the operator where it is none of PyTorch's own.
        shape: of its result, or of the first one, batch included.
        args: arguments in order, values in the place of nodes.
        origins: how values of an event were made, by their name, where a quantiser may follow or has gone before.
    """

    writer: Writer
    kind: str
    owner: str
    shape: tuple[int, ...]
    args: tuple[Any, ...]
    named: Mapping[str, Any]
    origins: dict[str, Half | Scaled | Codes]

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        """An argument, by place or name."""
        if place < len(self.args):
            return self.args[place]
        return self.named.get(name, default)

    def refused(self, fact: str, allowed: str = WAY_OUT) -> UnsupportedModelError:
        """The error about this call."""
        return UnsupportedModelError(f"PyTorch operator {self.kind!r} at {self.owner!r}: {fact}; {allowed}")

    def wire(self, value: Any) -> Wire:
        """A value that has to be one of the event."""
        if not isinstance(value, Wire):
            raise self.refused("it reads constants alone where values of the event are expected")
        return value

    def known(self, value: Any, what: str) -> Known:
        """A value that has to be known."""
        if not isinstance(value, Known):
            raise self.refused(f"{what} depends on the event", "allowed are numbers of the model")
        return value

    def read(self, value: Any) -> str:
        """The name of an operand, which may be a number."""
        match value:
            case Wire():
                return value.name
            case Known():
                return self.constant(value)
            case int() | float():
                return self.writer.constant(float(value))
            case _:
                raise self.refused(f"its operand is {str(value)[:40]}")

    def constant(self, value: Known) -> str:
        """The name of numbers, behind a Quant where they are integers times a scale."""
        array = value.array
        if value.scale is None or array.dtype.kind != "f":
            return self.writer.constant(array)
        scale = value.scale.detach().cpu().numpy().astype(np.float32)
        codes = np.rint(array / scale)
        lo, hi = int(codes.min(initial=0)), int(codes.max(initial=0))
        width = max(hi, -lo - 1, 1).bit_length()
        lo, hi = (-(1 << width), (1 << width) - 1) if lo < 0 else (0, (1 << width) - 1)
        return self.writer.quant(f"{self.owner}/constant", self.writer.constant(array), lo, hi, scale)

    def made(self, kind: str, *reads: Any, **attributes: Any) -> Wire:
        """The result of a node, of the shape of the call."""
        return Wire(self.writer.one(self.owner, kind, *map(self.read, reads), **attributes), self.shape)

    def step(self, kind: str, shape: tuple[int, ...], *reads: Any, **attributes: Any) -> Wire:
        """The result of a node on the way there."""
        return Wire(self.writer.one(f"{self.owner}/{kind}", kind, *map(self.read, reads), **attributes), shape)


Made = Value | list[Value | None]
"""What an operator gives; None stands for places of the largest, which nothing may read."""

Handler = Callable[[Call], Made]
"""What an operator is read by."""
