"""What a Keras model computes, as a list: one entry a call of a layer, in an order in which they can be computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Operand:
    """Where the operand number ``number`` stands among the arguments of a call."""

    number: int


@dataclass(frozen=True, eq=False)
class Call:
    """One call of one layer.

    Attributes:
        name: unique; that of the layer where it is free.
        layer: the Keras layer that computes, without wrappers around it.
        class_name: its class in Keras' own words.
        config: what its ``get_config`` gives, as JSON.
        inputs: the names of the calls that it reads, in order.
        input_shapes: their shapes, without the batch.
        shape: that of its result, without the batch.
        lead: axes in front, over which a ``TimeDistributed`` repeats the layer; all shapes here begin with them.
        arguments: what an operator of TensorFlow was called with, by position and by name, ``Operand`` for each tensor.
        is_activation: whether it stands for the ``activation`` argument of the layer, which is applied to what the layer gives.
    """

    name: str
    layer: Any
    class_name: str
    config: Mapping[str, Any]
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    shape: Shape
    lead: Shape = ()
    arguments: tuple[Any, Any] = ((), {})
    is_activation: bool = False

    @property
    def own_shape(self) -> Shape:
        """Shape of the result as the layer itself sees it, without the batch."""
        return self.shape[len(self.lead) :]

    @property
    def own_input_shape(self) -> Shape:
        """Shape of the first operand as the layer itself sees it, without the batch."""
        return self.input_shapes[0][len(self.lead) :]


@dataclass(frozen=True, eq=False)
class FlatModel:
    """A model as calls.

    Attributes:
        name: of the model.
        calls: in an order in which they can be computed.
        inputs: the calls that are ports, in the order of the model's inputs.
        outputs: the calls whose results leave the model, in order.
    """

    name: str
    calls: tuple[Call, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def readers(self, name: str) -> tuple[Call, ...]:
        """The calls that read the result of call ``name``."""
        return tuple(call for call in self.calls if name in call.inputs)
