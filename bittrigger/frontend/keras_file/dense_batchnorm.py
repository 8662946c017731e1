"""QDenseBatchnorm, which QKeras has had since 0.9, as the two layers that it is at inference.

Its kernel and bias are quantised, and then scaled by the normalisation, so that in exact arithmetic it is a QDense with a
BatchNormalization behind it; float32 rounds the two differently. Source: github.com/google/qkeras, its
``qdense_batchnorm.py``. Data in, data out: no class is looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy.typing as npt

from bittrigger.errors import UnsupportedModelError

Json = Any
Weights = dict[str, dict[str, npt.NDArray[Any]]]

KIND = "QDenseBatchnorm"

_DENSE = ("trainable", "dtype", "units", "use_bias", "kernel_quantizer", "bias_quantizer", "batch_input_shape")
_NORMALISATION = ("trainable", "dtype", "epsilon", "center", "scale")
_SUMMED = ("kernel", "bias")
_COUNT = "iteration"


def as_two(where: str, config: Mapping[str, Json], weights: Weights) -> tuple[dict[str, Json], Weights, list[str]]:
    """The configuration and the arrays of an HDF5 file with two layers in the place of each, and what the report tells of them.

    The second has the name of the layer, so that all that reads it stays as it is.

    Args:
        where: the file, for messages.
        config: JSON of Keras 2, which may be hostile.
        weights: the arrays of each layer by name.

    Raises:
        UnsupportedModelError: if such a layer has an activation of its own.
    """
    body = config.get("config")
    layers = body.get("layers") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(layers, list):
        return dict(config), weights, []
    names = [str(layer["config"].get("name")) for layer in layers if _is_one(layer)]
    made = [part for layer in layers for part in (_parts(where, layer) if _is_one(layer) else (layer,))]
    said = [
        f"layer {name!r}: {KIND} is read as QDense and BatchNormalization, which float32 rounds otherwise"
        for name in names
    ]
    return {**config, "config": {**body, "layers": made}}, dict(_shared(weights, names)), said


def _is_one(layer: Json) -> bool:
    return isinstance(layer, dict) and layer.get("class_name") == KIND and isinstance(layer.get("config"), dict)


def _first(name: str) -> str:
    return f"{name}_dense"


def _parts(where: str, layer: Mapping[str, Json]) -> Iterator[Json]:
    config, name = layer["config"], str(layer["config"].get("name"))
    if config.get("activation") not in (None, "linear"):
        raise UnsupportedModelError(
            f"model file {where}: layer {name!r}: {KIND} with activation={str(config['activation'])[:80]}; allowed is none, as "
            "nothing else is followed; put a QActivation behind it"
        )
    calls = layer.get("inbound_nodes")
    first = {"class_name": "QDense", "config": {"name": _first(name), **_kept(config, _DENSE)}}
    second = {"class_name": "BatchNormalization", "config": {"name": name, **_kept(config, _NORMALISATION)}}
    if calls is None:  # of a Sequential model
        yield from (first, second)
        return
    count = len(calls) if isinstance(calls, list) else 0
    yield {**first, "name": _first(name), "inbound_nodes": calls}
    yield {**second, "name": name, "inbound_nodes": [[[_first(name), number, 0, {}]] for number in range(count)]}


def _kept(config: Mapping[str, Json], keys: tuple[str, ...]) -> dict[str, Json]:
    return {key: config[key] for key in keys if key in config}


def _shared(weights: Weights, names: list[str]) -> Iterator[tuple[str, dict[str, npt.NDArray[Any]]]]:
    """The arrays of each layer, those of the folded ones given to their two parts."""
    for owner, arrays in weights.items():
        if owner not in names:
            yield owner, arrays
            continue
        leaves = {name: name.rsplit("/", 1)[-1].removesuffix(":0") for name in arrays}
        yield _first(owner), {name: arrays[name] for name, leaf in leaves.items() if leaf in _SUMMED}
        yield owner, {name: arrays[name] for name, leaf in leaves.items() if leaf not in (*_SUMMED, _COUNT)}
