"""What is said of a layer or an operator that does not convert: the same of a file, of a model in Python and through hls4ml."""

from __future__ import annotations

from collections.abc import Iterable

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import ALLOWED_LAYERS, AT_OUTPUT
from bittrigger.layers.names import OURS, TRAINING_ONLY

MASK_WAY_OUT = (
    "allowed is Masking before layers that treat each position alike; remove it, and train the model so: what it left out counts "
    "as zeros then"
)
"""What to do about a layer that looks at a mask."""

NEGATIVE_WAY_OUT = (
    "allowed are 0 and more, as QKeras 0.9 has no others; use integer=0 and as many bits more, which hold the same values, and "
    "train again"
)
"""What to do about a quantiser of fewer than no bits before the point."""

SHOWN = frozenset([*ALLOWED_LAYERS, *AT_OUTPUT, *(OURS - set(TRAINING_ONLY))])
"""Classes of layers that convert."""

_WAYS = {
    ("Lambda",): "its code is never run; write what it does with layers",
    (
        "Attention",
    ): "write it with a Dot, a Softmax and a Dot, a QActivation behind each, or take bittrigger.layers.bit_attention",
    ("LSTM", "GRU", "RNN"): "it feeds its results back; unroll it with shared layers",
    (
        "Layer",
        "Noise",
        "Random",
        "Alpha",
    ): "leave it out of the model that is converted, if it does something in training alone",
}
"""What to do, for words in the name of a class."""


def is_below_zero(integer: object) -> bool:
    """Whether a quantiser has fewer than no bits before the point; QKeras 0.9 itself fails on it with an error of TensorFlow."""
    return isinstance(integer, int | float) and integer < 0


def way_out(kind: str) -> str:
    """What to do about a layer of a class that does not convert."""
    for words, way in _WAYS.items():
        if any(word in kind for word in words):
            return way
    return "replace it by one of these"


def unsupported_layer(name: str, kind: str, allowed: Iterable[str] = SHOWN) -> UnsupportedModelError:
    """The error for a layer of another class."""
    return UnsupportedModelError(
        f"layer {name!r}: class {kind[:80]!r} is not allowed; allowed are {', '.join(sorted(allowed))}; {way_out(kind)}"
    )


def unsupported_operator(owner: str, symbol: str, allowed: Iterable[str]) -> UnsupportedModelError:
    """The error for an operator of TensorFlow that has no meaning here; ``owner`` is ``layer 'its name'``."""
    return UnsupportedModelError(
        f"{owner}: operator {symbol[:80]!r} of TensorFlow is not allowed; allowed are {', '.join(sorted(allowed))}; "
        "use a layer of Keras for it"
    )
