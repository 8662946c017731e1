"""BinaryDense and TernaryDense, the layers of hls4ml's first models, in the words of Keras: what they compute at inference.

Data in, data out: no class is looked up. Source: github.com/DingKeWs/nn_playground, ``binarynet`` and ``ternarynet``, from which
hls4ml's example models take them: a weight is ``H * (2 * round(hard_sigmoid(w / H)) - 1)``, or ``H`` times the ternary value of
``w / H`` with the thresholds ``> 0.5`` and ``<= -0.5``. What is added, a bias, is added as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import UnsupportedModelError

Json = Any
Array = npt.NDArray[Any]

_DENSE = {"BinaryDense": False, "TernaryDense": True}
"""The classes, and whether they have a zero."""

_OWN = ("H", "kernel_lr_multiplier", "bias_lr_multiplier", "kernel_constraint", "bias_constraint")
"""Options that Dense does not have, or has no need of at inference."""

_FUNCTIONS: dict[str, tuple[str, dict[str, Json]]] = {
    "binary_tanh": ("QActivation", {"activation": "binary_tanh"}),
    "relu1": ("ReLU", {"max_value": 1.0}),
    "relu6": ("ReLU", {"max_value": 6.0}),
}
"""Functions of these models that are layers today."""


def as_today(where: str, config: Mapping[str, Json]) -> dict[str, Json]:
    """The configuration of a model with Dense in the place of the old layers.

    Args:
        where: the file, for messages.
        config: JSON, which may be hostile.

    Raises:
        UnsupportedModelError: if a scale is none.
    """
    body = config.get("config")
    layers = body.get("layers") if isinstance(body, dict) else body
    if not isinstance(layers, list):
        return dict(config)  # refused by the check that follows
    made = [_layer(where, layer) for layer in layers]
    return {**config, "config": {**body, "layers": made} if isinstance(body, dict) else made}


def computed(
    where: str, config: Mapping[str, Json], weights: Mapping[str, Mapping[str, Array]]
) -> dict[str, dict[str, Array]]:
    """The arrays of a model, kernels of old layers as these multiply with them.

    Args:
        config: as it is in the file, with layers that have been checked.
        weights: finite.

    Raises:
        UnsupportedModelError: if a binary weight is 0, for which the layers and hls4ml have two answers.
    """
    made = {name: dict(arrays) for name, arrays in weights.items()}
    body = config.get("config")
    for layer in (body.get("layers", []) if isinstance(body, dict) else body) or []:
        kind, own = (layer.get("class_name"), layer.get("config")) if isinstance(layer, dict) else (None, None)
        if not isinstance(own, dict) or not isinstance(kind, str) or kind not in _DENSE:
            continue
        for array, values in made.get(str(own.get("name")), {}).items():
            if array.rsplit("/", 1)[-1].startswith("kernel"):
                made[str(own["name"])][array] = _kernel(where, str(own["name"]), kind, values, _height(where, own))
    return made


def _layer(where: str, layer: Json) -> Json:
    kind, own = (layer.get("class_name"), layer.get("config")) if isinstance(layer, dict) else (None, None)
    if not isinstance(kind, str) or not isinstance(own, dict):
        return layer
    if kind in _DENSE:
        _height(where, own)
        return {**layer, "class_name": "Dense", "config": {key: v for key, v in own.items() if key not in _OWN}}
    function = own.get("activation")
    if kind == "Activation" and isinstance(function, str) and function in _FUNCTIONS:
        kind, options = _FUNCTIONS[function]
        rest = {key: value for key, value in own.items() if key != "activation"}
        return {**layer, "class_name": kind, "config": {**rest, **options}}
    return layer


def _height(where: str, own: Mapping[str, Json]) -> float:
    """The magnitude of the weights."""
    height = own.get("H", 1.0)
    kept = np.finfo(np.float32)
    if isinstance(height, bool) or not isinstance(height, int | float) or not kept.tiny <= height <= kept.max:
        raise UnsupportedModelError(
            f"model file {where}: layer {str(own.get('name'))[:80]!r}: H {str(height)[:40]!r}; allowed are numbers above 0 that "
            "float32 holds; write the number that it stands for into the file"
        )
    return float(height)


def _kernel(where: str, name: str, kind: str, values: Array, height: float) -> Array:
    scaled = values.astype(np.float32) / np.float32(height)
    if _DENSE[kind]:
        signs = (scaled > 0.5).astype(np.float32) - (scaled <= -0.5)
        return np.asarray(signs * height, dtype=np.float32)
    # round(hard_sigmoid(w)) in float32: where w + 1 is 1 it is a tie, which goes to -1
    signs = np.where(scaled + np.float32(1) > 1, 1, -1)
    unlike = int((signs != np.where(scaled >= 0, 1, -1)).sum())
    if unlike:
        raise UnsupportedModelError(
            f"model file {where}: layer {name!r}: {unlike} of its binary weights are 0, or nearly, which BinaryDense takes for "
            "-1 and hls4ml for +1; allowed are others; give them a sign"
        )
    return np.asarray(signs * height, dtype=np.float32)
