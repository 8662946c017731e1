"""One type for all that is within a recurrent layer of Keras: that of QKeras which rounds its gates, activations and states.

Of ``fixed<12,4>``, which has 8 bits behind the point, sigmoids are ``quantized_sigmoid(8)``, tanh is ``quantized_tanh(9)``, both
of the real functions, and states are ``quantized_bits(12,3)``: all are rounded half to even, and saturate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.ir.casts import Cast
from bittrigger.ir.fixed import FLOAT32_BITS
from bittrigger.settings.declared import CELL

_KINDS = ("SimpleRNN", "LSTM", "GRU")
_KEPT = ("name", "units", "use_bias", "return_sequences", "go_backwards", "reset_after", "batch_input_shape")
_PLACES, _WHOLE = 16, 7
_AS_IT_IS = f"quantized_bits({_PLACES + _WHOLE + 1},{_WHOLE},alpha=1)"
"""Weights that have been rounded stay what they are; a QGRU takes another kernel where it has none."""


def check(layer: Any, name: str, kind: Cast) -> None:
    """Refuse a type that the layer of QKeras cannot have, or a layer that has no such one.

    Raises:
        ConfigError: if it is one.
    """
    own = type(layer).__name__
    functions = {getattr(layer, key).__name__ for key in ("activation", "recurrent_activation") if hasattr(layer, key)}
    if own not in _KINDS or not functions <= {"tanh", "sigmoid"} or layer.activation.__name__ != "tanh":
        raise ConfigError(
            f"setting 'layer_precision' names {name!r}, and layer {layer.name!r} is a {own}; allowed are {', '.join(_KINDS)} of "
            f"Keras with tanh and sigmoid; write {layer.name!r} for what it delivers"
        )
    fixed, plain = kind.fixed, kind.has_default_modes
    if not (plain and fixed.signed and fixed.integer >= 1 and fixed.frac >= 1 and fixed.width <= FLOAT32_BITS):
        raise ConfigError(
            f"setting 'layer_precision' gives {name!r} the type {kind}; allowed within a recurrent layer are signed types of up "
            f"to {FLOAT32_BITS} bits, some on either side of the point, that round half to even and saturate; take fixed<12,4>"
        )


def check_arrays(layer: Any) -> None:
    """Refuse weights that have not been rounded.

    Raises:
        ConfigError: if there are some.
    """
    scaled = np.concatenate([np.ravel(array) for array in layer.get_weights()]).astype(np.float64) * 2.0**_PLACES
    if not ((scaled == np.rint(scaled)) & (np.abs(scaled) < 2.0 ** (_PLACES + _WHOLE))).all():
        raise ConfigError(
            f"setting 'layer_precision' names '{layer.name}{CELL}', and layer {layer.name!r} has weights of no type; allowed are "
            f"types of up to {_WHOLE} bits before the point and {_PLACES} behind it; give them one with --weight-precision, for "
            "example 'fixed<8,2>'"
        )


def typed(layer: dict[str, Any], kind: Cast) -> dict[str, Any]:
    """The layer of QKeras in the place of that of Keras, of its configuration."""
    frac, fixed, config = kind.frac, kind.fixed, layer["config"]
    own = {key: config[key] for key in _KEPT if key in config}
    own["activation"] = f"quantized_tanh({frac + 1},use_real_tanh=True)"
    if layer["class_name"] != "SimpleRNN":
        own["recurrent_activation"] = f"quantized_sigmoid({frac},use_real_sigmoid=True)"
    own["state_quantizer"] = f"quantized_bits({fixed.width},{fixed.integer - 1},alpha=1)"
    own |= dict.fromkeys(("kernel_quantizer", "recurrent_quantizer", "bias_quantizer"), _AS_IT_IS)
    kept: dict[str, Any] = {key: layer[key] for key in ("name", "inbound_nodes") if key in layer}
    return {**kept, "class_name": f"Q{layer['class_name']}", "config": own}
