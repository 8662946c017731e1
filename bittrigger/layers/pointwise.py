"""Convolutions that treat each position alone: they are dense layers on the last axis."""

from __future__ import annotations

from bittrigger.layers.keras_types import Layer

__all__ = ["is_pointwise"]


def is_pointwise(layer: Layer) -> bool:
    """Return whether a convolution of Keras, QKeras or ours reads one position for each, none skipped, all channels alike."""
    ones = (layer.kernel_size, layer.strides)
    return (
        all(set(values) == {1} for values in ones)
        and layer.data_format == "channels_last"
        and getattr(layer, "groups", 1) == 1
        and "Depthwise" not in type(layer).__name__
    )
