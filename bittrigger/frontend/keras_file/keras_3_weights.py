"""The arrays of a Keras 3 file, given to the layers of a model of Keras 2."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.frontend.attributes import MODELS, WRAPPERS
from bittrigger.frontend.keras_file.keras_3 import (
    FOLDED,
    QUANTIZERS,
    cells,
    held,
    is_operator,
    layers_of,
    numbered,
    place_of,
)

Array = npt.NDArray[Any]
Arrays = dict[str, dict[str, Array]]
"""The arrays of each place in a file, by name."""

Json = Any
_Entry = tuple[Json, Json]
"""A layer as Keras 3 wrote it, and in the words of Keras 2."""

_INERT = re.compile(r"(.*/)?_?seed_gen(erator)?/vars")
"""Where random layers keep what they draw from in training."""


def assign(
    model: Any, config: Mapping[str, Json], built: Mapping[str, Json], weights: Mapping[str, Mapping[str, Array]]
) -> None:
    """Give each layer of ``model`` the arrays at its place.

    Args:
        model: what Keras 2 made of ``built``.
        config: the configuration as Keras 3 wrote it.
        built: the same in the words of Keras 2, which has been checked.
        weights: the arrays of each place in the file.

    Raises:
        ValueError: if arrays are missing, left over, or of another shape.
    """
    waiting = {place: dict(arrays) for place, arrays in weights.items() if not _INERT.fullmatch(place)}
    pairs = list(_of_model(model, (config, built), "", waiting))
    left = [place for place, arrays in waiting.items() if arrays]
    if left:
        raise ValueError(f"it holds weights at {left[0][:80]!r}, which is no layer of the model")
    for variable, values in pairs:
        variable.assign(values.astype(variable.dtype.as_numpy_dtype))


def _of_model(model: Any, entry: _Entry, place: str, waiting: Arrays) -> Iterator[tuple[Any, Array]]:
    """Each variable of a model with its array."""
    counts: dict[str, int] = {}
    layers = {layer.name: layer for layer in model.layers}
    for part in zip(*map(layers_of, entry), strict=True):
        own_arrays = held(part[0])
        if own_arrays is not None:
            yield from _checked(layers[part[1]["config"]["name"]], list(own_arrays.arrays))
        if own_arrays is not None or is_operator(part[0]):
            continue
        own = place_of(place, part[0], counts)
        layer = layers.get(part[1]["config"]["name"])
        if layer is not None:  # a Sequential model does not list its input
            yield from _of_layer(layer, part, own, waiting)


def _of_layer(layer: Any, entry: _Entry, place: str, waiting: Arrays) -> Iterator[tuple[Any, Array]]:
    """Each variable of a layer, or of the model that it is, with its array."""
    kind = entry[0]["class_name"]
    if kind in MODELS:
        yield from _of_model(layer, entry, place, waiting)
    elif kind in WRAPPERS:
        inner = (entry[0]["config"]["layer"], entry[1]["config"]["layer"])
        yield from _of_layer(layer.layer, inner, f"{place}layer/", waiting)
    else:
        yield from _checked(layer, _arrays(entry, place, waiting))


def _arrays(entry: _Entry, place: str, waiting: Arrays) -> list[Array]:
    """The arrays of one layer, in the order of the variables that it has in Keras 2."""
    kind, config = entry[0]["class_name"], entry[0]["config"]
    found = [array for part in cells(kind) for array in numbered(waiting.pop(f"{place}{part}vars", {}))]
    if kind in FOLDED:
        normalisation = numbered(waiting.pop(f"{place}batchnorm/vars", {}))
        if entry[1]["class_name"] != kind:
            return _fold(kind, config, found, normalisation)
        return [*found[:-1], *normalisation[:-2], *found[-1:], *normalisation[-2:]]  # the last counts steps of training
    return _normalise(config, entry[1][QUANTIZERS], found) if QUANTIZERS in entry[1] else found


def _checked(layer: Any, arrays: list[Array]) -> Iterator[tuple[Any, Array]]:
    variables = layer.trainable_weights + layer.non_trainable_weights
    wanted, found = [tuple(variable.shape) for variable in variables], [array.shape for array in arrays]
    if wanted != found:
        raise ValueError(f"layer {layer.name!r} has weights of the shapes {found}; expected {wanted}")
    return zip(variables, arrays, strict=True)


def _inverse(variance: Array, epsilon: float) -> Array:
    """``1 / sqrt(variance + epsilon)``, each step rounded to float32 as QKeras v3 does it; 0.9 takes another root."""
    one, epsilon32 = np.float32(1), np.float32(epsilon)
    return np.asarray(one / np.sqrt(variance.astype(np.float32) + epsilon32), dtype=np.float32)


def _fold(kind: str, config: Mapping[str, Json], own: list[Array], normalisation: list[Array]) -> list[Array]:
    """Kernel and bias with the normalisation in them, in front of their quantisers."""
    if len(own) != 1 + bool(config["use_bias"]) or len(normalisation) != 4:
        raise ValueError(
            f"layer {config['name']!r} has {len(own)} and {len(normalisation)} weights; expected a kernel, a bias and 4"
        )
    kernel, bias = own[0], own[1] if len(own) > 1 else np.float32(0)
    gamma, beta, mean, variance = normalisation
    inverse = _inverse(variance, config["epsilon"]) * gamma
    shaped = inverse.reshape(kernel.shape[2:]) if "Depthwise" in kind else inverse
    return [shaped * kernel, inverse * (bias - mean) + beta]


def _normalise(config: Mapping[str, Json], quantizers: Mapping[str, Json], found: list[Array]) -> list[Array]:
    """Factor and offset of a quantised normalisation, over a mean of 0 and a variance with which the root is 1."""
    from qkeras.quantizers import get_quantizer

    names = [name for name, used in (("gamma", config["scale"]), ("beta", config["center"])) if used]
    names += ["mean", "variance"]
    if len(found) != len(names):
        raise ValueError(f"layer {config['name']!r} has {len(found)} weights; expected {', '.join(names)}")
    parts = {}
    for name, array in zip(names, found, strict=True):
        quantizer = get_quantizer(quantizers.get(f"{name}_quantizer"))
        parts[name] = array if quantizer is None else np.asarray(quantizer(array), dtype=np.float32)
    inverse = _inverse(parts["variance"], config["epsilon"]) * parts.get("gamma", np.float32(1))
    last = get_quantizer(quantizers.get("inverse_quantizer"))
    if last is not None:
        inverse = np.asarray(last(inverse), dtype=np.float32)
    offset = -parts["mean"] * inverse
    if "beta" in parts:
        offset = parts["beta"] - parts["mean"] * inverse
    return [inverse, offset, np.zeros_like(inverse), np.full_like(inverse, 0.5)]
