"""Convolutions that treat each position alone: they are dense layers on the last axis."""

from __future__ import annotations

from bittrigger.errors import UnsupportedModelError
from bittrigger.layers.keras_types import Layer

__all__ = ["check_pointwise"]


def check_pointwise(layer: Layer) -> None:
    """Refuse a one-dimensional convolution that joins positions, skips some, or has another order of axes.

    Args:
        layer: a `Conv1D` of Keras, QKeras or ours.

    Raises:
        UnsupportedModelError: it is one.
    """
    settings = {
        "kernel_size": (tuple(layer.kernel_size), (1,)),
        "strides": (tuple(layer.strides), (1,)),
        "groups": (layer.groups, 1),
        "data_format": (layer.data_format, "channels_last"),
    }
    for name, (found, allowed) in settings.items():
        if found != allowed:
            raise UnsupportedModelError(
                f"layer {layer.name!r}: {type(layer).__name__} with {name} {found}; allowed is {allowed}, the same dense layer "
                "for each position, because other convolutions do not convert; use kernel size 1, or Flatten and BitLinear"
            )
