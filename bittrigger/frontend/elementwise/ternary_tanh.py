"""The activation of hls4ml's first ternary models. Source: github.com/DingKeWs/nn_playground, ``ternarynet``."""

from __future__ import annotations

from typing import Any

NAME = "ternary_tanh"


def ternary_tanh(values: Any) -> Any:
    """1 above one half, -1 up to minus one half, else 0."""
    import tensorflow as tf

    return tf.cast(values > 0.5, values.dtype) - tf.cast(values <= -0.5, values.dtype)
