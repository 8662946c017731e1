"""Functions that Keras 2 and QKeras 0.9 do not have, as functions of tensors that stand in a model of theirs.

``ternary_tanh`` is the activation of hls4ml's first ternary models (source: github.com/DingKeWs/nn_playground, ``ternarynet``).
The others are those that Keras 3 has under names that mean something else in Keras 2 or QKeras.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bittrigger.frontend.elementwise.grids import Grid


def ternary_tanh(values: Any) -> Any:
    """1 above one half, -1 up to minus one half, else 0."""
    import tensorflow as tf

    return tf.cast(values > 0.5, values.dtype) - tf.cast(values <= -0.5, values.dtype)


def keras_3_hard_sigmoid(values: Any) -> Any:
    """``relu6(x + 3) / 6``; that of Keras 2 is a line of slope 0.2."""
    import tensorflow as tf

    return tf.nn.relu6(values + tf.constant(3.0, values.dtype)) / tf.constant(6.0, values.dtype)


def keras_3_hard_tanh(values: Any) -> Any:
    """``x`` within -1 and 1; that of QKeras is made of its hard_sigmoid."""
    import tensorflow as tf

    return tf.clip_by_value(values, -1.0, 1.0)


def keras_3_gelu(values: Any) -> Any:
    """``x (1 + erf(x / sqrt(2))) / 2``, of which Keras 3 has other bits with XLA than without."""
    import tensorflow as tf

    return tf.nn.gelu(values)


LEFT_OPEN = "left_open_"
"""What stands before the name of a function of Keras in a table whose entries the last bit of float32 decides."""

_SMOOTH = ("tanh", "sigmoid", "exponential", "softplus", "softsign", "elu", "selu", "swish", "mish")


def _left_open(name: str) -> Callable[[Any], Any]:
    """The function of Keras, under a name that says that its definition decides."""

    def function(values: Any) -> Any:
        import tensorflow as tf

        return getattr(tf.keras.activations, name)(values)

    function.__name__ = LEFT_OPEN + name
    return function


OWN: dict[str, Callable[[Any], Any]] = {
    function.__name__: function
    for function in (ternary_tanh, keras_3_hard_sigmoid, keras_3_hard_tanh, keras_3_gelu, *map(_left_open, _SMOOTH))
}
"""By the names under which a configuration has them."""

GRIDS = {"ternary_tanh": Grid(0, -1, 1)}
"""The codes of those that give few."""

TWO_ANSWERS = ("keras_3_gelu", *(LEFT_OPEN + name for name in _SMOOTH))
"""Those of which one framework gives several answers in float32, so that their definition decides."""

RATIONAL = ("ternary_tanh", "keras_3_hard_tanh")
"""Those whose results doubles hold without rounding."""
