"""Quantisers behind the layers of a model, and before their activations: edits of its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.frontend.attributes import MODELS, PROBABILITIES, RECURRENT, WRAPPERS
from bittrigger.frontend.flat.walk import ACTIVATIONS
from bittrigger.frontend.keras_model import typed_cells
from bittrigger.ir.casts import Cast
from bittrigger.ir.fixed import FLOAT32_BITS
from bittrigger.settings.declared import CELL, DEPTHWISE, SUMS

_REFERENCE = 3
"""Least length of a list in the configuration of a model that names a tensor: a layer, and two numbers."""


_DEEP = ("strides", "padding", "data_format", "dilation_rate", "kernel_size", "depth_multiplier")
"""Options of a separable convolution that are those of its depthwise part; the pointwise one has the others."""


@dataclass(frozen=True)
class Placed:
    """The types of one layer: within a recurrent one, between two kernels, before an activation, and of what it delivers.

    Before the activations within a recurrent layer stands ``inner``.
    """

    cell: Cast | None = None
    inner: Cast | None = None
    deep: Cast | None = None
    sums: Cast | None = None
    result: Cast | None = None


def placed(model: Any, types: Mapping[str, Cast]) -> dict[str, Placed]:
    """The types of each layer of ``model`` that has some.

    Raises:
        ConfigError: if one of ``types`` is for no layer of it, or for a part of a layer that it has not.
    """
    known = {layer.name: layer for layer in model.layers}
    found: dict[str, Placed] = {}
    for name, kind in types.items():
        layer = name if name in known else name.removesuffix(SUMS).removesuffix(DEPTHWISE).removesuffix(CELL)
        if layer not in known:
            raise ConfigError(
                f"setting 'layer_precision' names {name!r}, which is no layer of model {model.name!r}; allowed are "
                f"{', '.join(known)}"
            )
        before = found.get(layer, Placed())
        if layer == name:
            found[layer] = replace(before, result=kind)
            continue
        if name.endswith(CELL):
            typed_cells.check(known[layer], name, kind)
            found[layer] = replace(before, cell=kind)
            continue
        if name.endswith(DEPTHWISE):
            _check_separable(known[layer], name)
            found[layer] = replace(before, deep=kind)
            continue
        if typed_cells.is_recurrent(known[layer]):
            typed_cells.check(known[layer], name, kind)
            if f"{layer}{CELL}" not in types:
                raise ConfigError(
                    f"setting 'layer_precision' names {name!r}, and nothing gives its gates and states a type; allowed is the "
                    f"one with the other; add '{layer}{CELL}'"
                )
            found[layer] = replace(before, inner=kind)
            continue
        if not has_own_activation(known[layer]):
            raise ConfigError(
                f"setting 'layer_precision' names {name!r}, and layer {layer!r} has no activation of its own; allowed is "
                f"{layer!r} for what it delivers; write that"
            )
        found[layer] = replace(before, sums=kind)
    return found


def is_separable(layer: Any) -> bool:
    """Whether a layer is a separable convolution of Keras, whose two kernels are float and may stand in layers of their own."""
    return type(layer).__name__ in ("SeparableConv1D", "SeparableConv2D") and layer.padding != "causal"


def _check_separable(layer: Any, name: str) -> None:
    if not is_separable(layer):
        raise ConfigError(
            f"setting 'layer_precision' names {name!r}, and layer {layer.name!r} is a {type(layer).__name__}; allowed are "
            f"SeparableConv1D and SeparableConv2D of Keras, not causal; write {layer.name!r} for what it delivers"
        )


def has_own_activation(layer: Any) -> bool:
    """Whether a layer computes something and then a function of it."""
    kind = type(layer).__name__
    if kind in (*ACTIVATIONS, *WRAPPERS, *MODELS, *RECURRENT):  # that of a recurrent layer is within it
        return False
    return getattr(layer, "activation", None) is not None and function_of(layer) != "linear"


def function_of(layer: Any) -> str:
    """The name of a layer's activation; nothing where it has none, or a quantiser."""
    return str(getattr(getattr(layer, "activation", None), "__name__", ""))


def result_of(model: Any, name: str) -> str:
    """What a type for every layer rounds in layer ``name``: what it delivers, or its logits before a softmax or sigmoid."""
    layer = model.get_layer(name)
    ends = has_own_activation(layer) and function_of(layer) in PROBABILITIES
    return f"{name}{SUMS}" if ends else name


def retyped(config: dict[str, Any], places: Mapping[str, Placed]) -> dict[str, Any]:
    """The configuration of a model with quantisers in it; whatever read one of the layers reads the last one behind it."""
    layers: list[dict[str, Any]] = []
    last: dict[str, str] = {}
    for layer in config["layers"]:
        name = layer.get("name", layer["config"]["name"])
        functional = "inbound_nodes" in layer
        chain, before = (_chain(name, layer, places[name]) if name in places else [layer]), ""
        for entry in chain:
            reads = [[[before, 0, 0, {}]]] if before else _renamed(layer.get("inbound_nodes"), last)
            layers.append({**entry, "inbound_nodes": reads} if functional else entry)
            before = entry.get("name", name)
        last[name] = before
    made = {**config, "layers": layers}
    if "output_layers" in config:
        made["output_layers"] = _renamed(config["output_layers"], last)
    return made


def set_types(model: Any, places: Mapping[str, Placed]) -> None:
    """Give the quantisers that have a type in their weights that type."""
    for name, place in places.items():
        types = {f"{name}_deep": place.deep, f"{name}_sums": place.sums, f"{name}_typed": place.result}
        for made, kind in types.items():
            if kind is not None and not _is_plain(kind):
                values = (kind.fixed.signed, kind.fixed.width, kind.fixed.integer)
                model.get_layer(made).set_weights([np.array([value], dtype=np.int8) for value in values])


def set_arrays(layer: Any, made: Any, place: Placed | None) -> None:
    """Give what ``layer`` became in the model ``made`` its arrays."""
    arrays = layer.get_weights()
    if place is not None and place.cell is not None:
        typed_cells.check_arrays(layer)
    if place is not None and place.deep is not None:
        made.get_layer(f"{layer.name}_depthwise").set_weights(arrays[:1])
        arrays = arrays[1:]
    made.get_layer(layer.name).set_weights(arrays)


def _chain(name: str, layer: dict[str, Any], place: Placed) -> list[dict[str, Any]]:
    """What stands in the place of a layer, one behind the other."""
    own = _without_activation(layer) if place.sums else layer
    if place.cell is not None:
        own = typed_cells.typed(own, place.cell, place.inner)
    if place.deep is None:
        return [own, *_behind(name, layer, place)]
    size, config = layer["class_name"][-2:], own["config"]
    deep = {key: config[key] for key in _DEEP} | {"name": f"{name}_depthwise", "use_bias": False}
    point = {key: config[key] for key in ("name", "filters", "use_bias", "activation", "data_format")}
    return [
        {"class_name": f"DepthwiseConv{size}", "config": deep, "name": deep["name"]},
        _quantizer(f"{name}_deep", place.deep),
        {"class_name": f"Conv{size}", "config": {**point, "kernel_size": 1}, "name": name},
        *_behind(name, layer, place),
    ]


def _behind(name: str, layer: dict[str, Any], place: Placed) -> list[dict[str, Any]]:
    """The layers behind one: a quantiser and its activation, if its sums have a type, and a quantiser."""
    added = []
    if place.sums is not None:
        added.append(_quantizer(f"{name}_sums", place.sums))
        activation = layer["config"]["activation"]
        kind = "Activation" if isinstance(activation, str) and "(" not in activation else "QActivation"
        own = {"name": f"{name}_activation", "activation": activation}
        added.append({"class_name": kind, "config": own, "name": own["name"]})
    if place.result is not None:
        added.append(_quantizer(f"{name}_typed", place.result))
    return added


def _without_activation(layer: dict[str, Any]) -> dict[str, Any]:
    return {**layer, "config": {**layer["config"], "activation": "linear"}}


def _renamed(value: Any, last: Mapping[str, str]) -> Any:
    """``value`` with every tensor that it names replaced by that of the last layer behind it."""
    if isinstance(value, Mapping):
        return {key: _renamed(item, last) for key, item in value.items()}
    if not isinstance(value, list | tuple):
        return value
    if len(value) >= _REFERENCE and isinstance(value[0], str) and isinstance(value[1], int) and value[0] in last:
        return [last[value[0]], *(_renamed(item, last) for item in value[1:])]
    return [_renamed(item, last) for item in value]


def _is_plain(kind: Cast) -> bool:
    """Whether QKeras has the quantiser: it rounds half to even, saturates, and float32 holds its codes."""
    return kind.has_default_modes and kind.fixed.width <= FLOAT32_BITS and _magnitude(kind) >= 0


def _magnitude(kind: Cast) -> int:
    return kind.fixed.integer - kind.fixed.signed


def _quantizer(name: str, kind: Cast) -> dict[str, Any]:
    """The configuration of a quantiser."""
    if not _is_plain(kind):
        modes = {"RND": kind.rounding.value, "SAT": kind.overflow.value, "shape": (1,)}
        return {"class_name": "FixedPointQuantizer", "config": {"name": name, **modes}, "name": name}
    text = f"quantized_bits({kind.fixed.width},{_magnitude(kind)},keep_negative={int(kind.fixed.signed)},alpha=1)"
    return {"class_name": "QActivation", "config": {"name": name, "activation": text}, "name": name}
