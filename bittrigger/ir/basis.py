"""What the bits of a design are equal to: its grade, and what was chosen where the model leaves it open."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import numpy as np

from bittrigger.ir.fixed import FixedPoint, FloatArray


class Grade(enum.Enum):
    """What every bit of a design equals."""

    EXACT = "exact"
    """The model's own prediction in float32."""
    IDEAL = "ideal"
    """The model's definition in exact arithmetic, where float32 itself rounds."""


class Reference(enum.Enum):
    """Whose bits an exact design gives."""

    KERAS = "keras"
    TYPED = "typed"
    """Keras, of the model with the types that the user declared for values in it."""
    HLS4ML = "hls4ml"
    PYTORCH = "pytorch"
    QONNX = "qonnx"
    TYPED_QONNX = "typed-qonnx"
    """The ONNX graph with the types that the user declared for it."""
    TYPED_PYTORCH = "typed-pytorch"
    """The PyTorch network with the types that the user declared for it."""

    @property
    def framework(self) -> str:
        """Whose models they are, as sentences call it."""
        return _FRAMEWORKS.get(self, "Keras")

    @property
    def is_typed(self) -> bool:
        """Whether the user declared types for values in the model."""
        return self in (Reference.TYPED, Reference.TYPED_QONNX, Reference.TYPED_PYTORCH)


_FRAMEWORKS = {
    **dict.fromkeys((Reference.QONNX, Reference.TYPED_QONNX), "ONNX"),
    **dict.fromkeys((Reference.PYTORCH, Reference.TYPED_PYTORCH), "PyTorch"),
}

_EXACT = {
    Reference.KERAS: "every bit of Keras' own float32 prediction",
    Reference.TYPED: "every bit of Keras' own float32 prediction of the model with the types declared for it",
    Reference.HLS4ML: "every bit of the C++ that hls4ml wrote",
    Reference.PYTORCH: "every bit of PyTorch's own float32 result",
    Reference.QONNX: "every bit of the ONNX graph's own float32 result",
    Reference.TYPED_QONNX: "every bit of the float32 result of the ONNX graph with the types declared for it",
    Reference.TYPED_PYTORCH: "every bit of the float32 result of the PyTorch network with the types declared for it",
}


def promise_of(grade: Grade, reference: Reference) -> str:
    """What every bit equals, in words that reports and firmware share."""
    if grade is Grade.EXACT:
        return _EXACT[reference]
    typed = " with the types declared for it" if reference.is_typed else ""
    return f"every bit of the model's definition{typed} in exact arithmetic, where float32 itself rounds"


@dataclass(frozen=True, slots=True)
class Distance:
    """How far one execution of a model in floating point is from the firmware.

    Attributes:
        events: events of which an output differs.
        largest: largest difference of an output.
    """

    events: int
    largest: float

    @classmethod
    def between(cls, values: FloatArray, found: FloatArray) -> Distance:
        """How far ``values`` are from the firmware's, `(events, n_outputs)` both; the largest of those that are finite."""
        apart = np.abs(values - found)
        return cls(int((values != found).any(axis=1).sum()), float(apart[np.isfinite(apart)].max(initial=0.0)))


@dataclass(frozen=True, slots=True)
class Measured:
    """The comparison of a model with its integers.

    Attributes:
        events: events that were compared.
        float32: Keras as it predicts; a design of the exact grade has no distance from it.
        float64: Keras with the same parameters in double precision; None where it was not run.
    """

    events: int
    float32: Distance
    float64: Distance | None = None


@dataclass(frozen=True, slots=True)
class Basis:
    """What a graph stands on.

    Attributes:
        ideal: where float32 itself rounds, so that the definition decides: a sentence each, with the layer.
        chosen: what the model leaves open and was chosen: a sentence each.
        rounded: for each output of the graph the declared type that its values are rounded to, half to even and with
            saturation, or None where they are delivered as they are. Empty if all are.
        measured: the comparison with the model; None before it, and where there is no model.
        reference: whose bits they are if nothing is ideal.
    """

    ideal: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    rounded: tuple[FixedPoint | None, ...] = ()
    measured: Measured | None = None
    reference: Reference = Reference.KERAS

    @property
    def promise(self) -> str:
        """What every bit equals, in words."""
        return promise_of(self.grade, self.reference)

    @property
    def grade(self) -> Grade:
        """Ideal if a rounding of float32 was left out anywhere."""
        return Grade.IDEAL if self.ideal else Grade.EXACT


NOTHING_CHOSEN = Basis()
