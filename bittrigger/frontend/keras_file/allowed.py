"""The walk through a Keras model file that finds whatever ``names`` does not list, on plain JSON."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import BIDIRECTIONAL, HGQ, HGQ_PACKAGE, MODELS, OPERATORS, WRAPPERS
from bittrigger.frontend.keras_file.calls import check_calls
from bittrigger.frontend.keras_file.names import (
    COUNTED_OPERATIONS,
    HGQ_MODULES,
    KERAS_MODULES,
    LAYERS,
    OBJECTS,
    QUANTIZERS,
)
from bittrigger.frontend.keras_file.numbers import check_call_numbers, check_quantizer
from bittrigger.frontend.keras_file.sizes import check_sizes
from bittrigger.frontend.keras_layers.merges import OPERATIONS
from bittrigger.frontend.refusals import SHOWN, unsupported_layer, unsupported_operator
from bittrigger.layers.names import MODULES, OURS, PACKAGE, TRAINING_ONLY

_CALLABLE_KEYS = re.compile(r"activation|quantizer|(.*_)?(activation|quantizer|initializer|regularizer|constraint)")
_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.:/>-]*")
_NAMES = "texts of letters, digits and _ . : / > - that begin with a letter or digit"
_CALL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*(\([A-Za-z0-9_.,=' +\-]*\))?")

Json = Any

MAX_LAYERS = 400
"""Most layers; Keras itself recurses through a chain of them, and takes tens of milliseconds for each."""

MAX_DEPTH = 40
MAX_NAME = 200


def check_config(where: str, config: Mapping[str, Any], also: frozenset[str] = frozenset()) -> None:
    """Refuse the configuration of a model that names anything off the list.

    Args:
        where: the file, for messages.
        config: the parsed JSON of a model, ``{"class_name": …, "config": …}``.
        also: classes of layers that are allowed besides those that convert: none, or ``COUNTED``.

    Raises:
        UnsupportedModelError: if a class, function or module is not allowed, or a size is absurd.
    """
    kind = config.get("class_name")
    if not _is_one_of(kind, MODELS):
        raise UnsupportedModelError(
            f"model file {where}: it holds a {str(kind)[:80]!r}; allowed are {', '.join(sorted(MODELS))}; rebuild the model as "
            "one of these"
        )
    _check_model(where, config, also, 0)


def _check_model(where: str, config: Mapping[str, Any], also: frozenset[str], depth: int) -> None:
    """Refuse a model, or one within another, for what it names."""
    _check_depth(where, "the model", depth)
    _check_module(where, "the model", config)
    kind, body = config.get("class_name"), config.get("config")
    layers = body.get("layers") if isinstance(body, dict) else body
    if not isinstance(layers, list) or not 0 < len(layers) <= MAX_LAYERS:
        found = len(layers) if isinstance(layers, list) else "no"
        raise UnsupportedModelError(f"model file {where}: it has {found} layers; allowed are 1 to {MAX_LAYERS}")
    for layer in layers:
        _check_layer(where, layer, also, depth)
    if isinstance(body, dict) and not _is_name(body.get("name", "model")):
        raise UnsupportedModelError(
            f"model file {where}: the model has the name {str(body['name'])[:80]!r}; allowed are {_NAMES}; save it again"
        )
    rest = {key: value for key, value in body.items() if key != "layers"} if isinstance(body, dict) else {}
    _walk(where, "the model", rest, 0)
    if isinstance(body, dict) and kind != "Sequential":
        check_calls(where, body)
    if not depth:
        inside = list(_all_layers(layers))
        if len(inside) > MAX_LAYERS:
            raise UnsupportedModelError(
                f"model file {where}: it has {len(inside)} layers, those of models within included; allowed are 1 to {MAX_LAYERS}"
            )
        check_sizes(where, inside)


def _all_layers(layers: Json) -> Iterator[Json]:
    """Layers that have been checked, and those within them."""
    for layer in layers:
        config = layer["config"]
        inner = config.get("layers") if isinstance(config, dict) else config
        if layer.get("class_name") in MODELS:
            yield from _all_layers(inner)
            continue
        yield layer
        yield from _all_layers(_inner(layer))


_INNER = ("layer", "backward_layer")


def _inner(layer: Json) -> list[Json]:
    """The layers within a wrapper."""
    if layer.get("class_name") not in (*WRAPPERS, *BIDIRECTIONAL):
        return []
    return [layer["config"][key] for key in _INNER if layer["config"].get(key) is not None]


def _is_name(name: Json) -> bool:
    """Whether TensorFlow takes ``name`` for a scope and for a node."""
    return isinstance(name, str) and len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None


def _is_one_of(kind: Json, names: Collection[str]) -> bool:
    return isinstance(kind, str) and kind in names


def _check_layer(where: str, layer: Json, also: frozenset[str], depth: int) -> None:
    if isinstance(layer, dict) and _is_one_of(layer.get("class_name"), MODELS):
        _check_model(where, layer, also, depth + 1)
        _walk(where, "a model within", layer.get("inbound_nodes"), 0)
        return
    if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
        raise UnsupportedModelError(
            f"model file {where}: a layer is {str(layer)[:80]!r}; allowed are layers; save it again"
        )
    named = layer["config"].get("name")
    if not _is_name(named):
        raise UnsupportedModelError(
            f"model file {where}: a layer has the name {str(named)[:80]!r}; allowed are {_NAMES}; save the model again"
        )
    name = named[:80]
    kind = layer.get("class_name")
    if not _is_one_of(kind, LAYERS | also):
        raise _unopened(where, unsupported_layer(name, str(kind), SHOWN | also))
    short = str(kind).removeprefix(PACKAGE)
    if short in TRAINING_ONLY and short not in also:
        raise UnsupportedModelError(
            f"model file {where}: layer {name!r}: {short} is for training only, {TRAINING_ONLY[short]}"
        )
    owner = f"layer {name!r}"
    _check_module(where, owner, layer)
    config = layer["config"]
    if kind in OPERATORS:
        _check_operator(where, owner, config, also & COUNTED_OPERATIONS)
    if kind in (*WRAPPERS, *BIDIRECTIONAL):
        _check_depth(where, owner, depth)
        for inner in _inner(layer) or [None]:
            _check_layer(where, inner, also, depth + 1)
        config = {key: value for key, value in config.items() if key not in _INNER}
    for item in (config, *(item for key, item in layer.items() if key not in ("class_name", "config"))):
        _walk(where, owner, item, 0)


def _check_operator(where: str, owner: str, config: Json, also: frozenset[str] = frozenset()) -> None:
    """Refuse an operator of TensorFlow off the list: Keras would look up whatever name stands there."""
    allowed = OPERATIONS | also
    config = config if isinstance(config, dict) else {}
    if set(config) - {"name", "trainable", "dtype", "function"} or not _is_one_of(config.get("function"), allowed):
        raise _unopened(where, unsupported_operator(owner, str(config.get("function")), allowed))


def _unopened(where: str, refusal: UnsupportedModelError) -> UnsupportedModelError:
    """What is said of a model, of one in a file that TensorFlow has not seen."""
    return UnsupportedModelError(f"model file {where}, not opened with TensorFlow: {refusal}")


def _check_depth(where: str, owner: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise UnsupportedModelError(f"model file {where}: {owner}: nested deeper than {MAX_DEPTH}; save it again")


def _walk(where: str, owner: str, value: Json, depth: int) -> None:
    """Check every object and every name of a function in ``value``."""
    _check_depth(where, owner, depth)
    if isinstance(value, dict):
        _check_object(where, owner, value)
        for key, item in value.items():
            if isinstance(item, str) and _CALLABLE_KEYS.fullmatch(str(key)):
                _check_call(where, f"{owner}, {key}", item)
            else:
                _walk(where, owner, item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _walk(where, owner, item, depth + 1)


def _check_object(where: str, owner: str, value: Mapping[str, Any]) -> None:
    _check_module(where, owner, value)
    if "class_name" not in value:
        return
    kind = value["class_name"]
    if kind == "function" and isinstance(value.get("config"), str):
        _check_call(where, owner, value["config"])
    elif not _is_one_of(kind, OBJECTS):
        raise _refused(where, owner, "class", kind)
    elif kind in OPERATORS:
        _check_operator(where, owner, value.get("config"))
    elif kind in QUANTIZERS:
        check_quantizer(where, owner, str(kind), value.get("config", {}))


def _check_module(where: str, owner: str, value: Mapping[str, Any]) -> None:
    module = value.get("module")
    if module is None and "module" in value and value.get("class_name") is None:
        raise _refused(where, owner, "object", value.get("config"))
    kind = value.get("class_name")
    builtin = module == "builtins" and kind == "function"
    home = _is_one_of(kind, OURS) and module in MODULES
    home = home or (_is_one_of(kind, HGQ) and module in HGQ_MODULES)
    if module is not None and not builtin and not home and str(module).split(".")[0] not in KERAS_MODULES:
        raise _refused(where, owner, "module", module)
    registered = value.get("registered_name")
    ours = _is_one_of(kind, OURS) and registered == f"{PACKAGE}{kind}"
    ours = ours or (_is_one_of(kind, HGQ) and registered == f"{HGQ_PACKAGE}{kind}")
    if registered is not None and not ours and registered not in (kind, "function"):
        raise _refused(where, owner, "registered name", registered)


def _check_call(where: str, owner: str, text: str) -> None:
    """A function or quantiser as a string: ``relu``, ``quantized_bits(8,3,alpha=1)``."""
    match = _CALL.fullmatch(text.strip())
    if match is None or match[1] not in OBJECTS:
        raise _refused(where, owner, "function", text)
    check_call_numbers(where, owner, match[1], match[2] or "")


def _refused(where: str, owner: str, what: str, found: Json) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"model file {where}: {owner}: {what} {str(found)[:80]!r} is not allowed, so the file was not opened with TensorFlow; "
        "allowed are layers, quantisers, activations, initialisers, regularisers and constraints of Keras and QKeras; rebuild "
        "the model without it"
    )
