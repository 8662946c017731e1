"""Types that a user declares for values of a float model, or of its heads: another model, of which the distance is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.frontend.keras_model.copies import copy_of
from bittrigger.frontend.keras_model.heads import with_heads
from bittrigger.frontend.keras_model.reference import keras_outputs, without_endings
from bittrigger.ir.fixed import FixedPoint, FloatArray, parse_fixed

_REFERENCE = 3
"""Least length of a list in the configuration of a model that names a tensor: a layer, and two numbers."""


def as_declared(model: Any, head_bits: int | None, layer_precision: Mapping[str, str]) -> tuple[Any, list[str]]:
    """The model that is built, and what was declared, a sentence each; ``model`` itself where nothing was.

    Raises:
        ConfigError: if a layer is none of the model.
        UnsupportedModelError: if there is no float kernel at an output, and ``head_bits`` asks for one.
    """
    said = []
    if head_bits is not None:
        model, names = with_heads(model, head_bits)
        said.append(
            f"layers {', '.join(map(repr, names))}: their float kernels are rounded to {head_bits} bits (--head-bits)"
        )
    if layer_precision:
        types = {name: parse_fixed(kind) for name, kind in layer_precision.items()}
        model = with_types(model, types)
        each = ", ".join(f"{name!r} to {kind}" for name, kind in types.items())
        said.append(f"layers: values are rounded, half to even and saturating, of {each} (--layer-precision)")
    return model, said


def with_types(model: Any, types: Mapping[str, FixedPoint]) -> Any:
    """A copy of ``model`` with a quantiser behind each layer that ``types`` names.

    Raises:
        ConfigError: if a layer is none of the model.
    """
    known = [layer.name for layer in model.layers]
    for name in types:
        if name not in known:
            raise ConfigError(
                f"setting 'layer_precision' names {name!r}, which is no layer of model {model.name!r}; allowed are "
                f"{', '.join(known)}"
            )
    return copy_of(model, lambda config: _quantised(config, types))


def _quantised(config: dict[str, Any], types: Mapping[str, FixedPoint]) -> dict[str, Any]:
    """The configuration of a model with quantisers in it; whatever read one of the layers reads its quantiser."""
    layers = []
    for layer in config["layers"]:
        renamed = (
            {**layer, "inbound_nodes": _renamed(layer["inbound_nodes"], types)} if "inbound_nodes" in layer else layer
        )
        layers.append(renamed)
        name = layer.get("name", layer["config"]["name"])
        if name in types:
            layers.append(_quantizer(name, types[name], functional="inbound_nodes" in layer))
    return {
        **config,
        "layers": layers,
        **{key: _renamed(config[key], types) for key in ("output_layers",) if key in config},
    }


def _renamed(value: Any, types: Mapping[str, FixedPoint]) -> Any:
    """``value`` with every tensor that it names replaced by that of the quantiser behind it."""
    if isinstance(value, Mapping):
        return {key: _renamed(item, types) for key, item in value.items()}
    if not isinstance(value, list | tuple):
        return value
    if len(value) >= _REFERENCE and isinstance(value[0], str) and isinstance(value[1], int) and value[0] in types:
        return [_name_of(value[0]), *(_renamed(item, types) for item in value[1:])]
    return [_renamed(item, types) for item in value]


def _name_of(layer: str) -> str:
    return f"{layer}_typed"


def _quantizer(layer: str, kind: FixedPoint, *, functional: bool) -> dict[str, Any]:
    """The configuration of the quantiser behind ``layer``."""
    text = f"quantized_bits({kind.width},{kind.integer - kind.signed},keep_negative={int(kind.signed)},alpha=1)"
    name = _name_of(layer)
    made: dict[str, Any] = {"class_name": "QActivation", "config": {"name": name, "activation": text}}
    return {**made, "name": name, "inbound_nodes": [[[layer, 0, 0, {}]]]} if functional else made


def distance_text(model: Any, changed: Any, inputs: FloatArray | None) -> str:
    """How far the model that is built is from the one that was given, in a sentence.

    Args:
        inputs: real events `(events, n_inputs)`, or None.
    """
    if inputs is None:
        return "what that costs is told with --inputs"
    values = inputs.astype(np.float32)
    with without_endings(model, remove=True) as first, without_endings(changed, remove=True) as second:
        before, after = keras_outputs(first, values), keras_outputs(second, values)
    largest = float(np.abs(before - after).max(initial=0.0))
    if len(model.outputs) > 1 or before.shape[1] == 1:
        other = int((before != after).any(axis=1).sum())
        return f"the outputs change on {other:,} of {len(values):,} events, by at most {largest:.4g}"
    other = int((before.argmax(axis=1) != after.argmax(axis=1)).sum())
    return f"the argmax changes on {other:,} of {len(values):,} events, an output by at most {largest:.4g}"
