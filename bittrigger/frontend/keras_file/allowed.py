"""The classes that a Keras model file may name, and the walk that finds any other, on plain JSON."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import (
    ALLOWED_LAYERS,
    AT_OUTPUT,
    BIDIRECTIONAL,
    HGQ,
    HGQ_PACKAGE,
    MODELS,
    OPERATORS,
    WRAPPERS,
)
from bittrigger.frontend.keras_file.calls import check_calls
from bittrigger.frontend.keras_file.numbers import check_call_numbers, check_quantizer
from bittrigger.frontend.keras_layers.merges import OPERATIONS
from bittrigger.layers.names import MODULES, OURS, PACKAGE, TRAINING_ONLY
from bittrigger.system.legacy_keras import PACKAGES as KERAS_2

COUNTED = frozenset(
    [
        *("Conv1D", "Conv2D", "QConv1D", "QConv2D", *TRAINING_ONLY, *(PACKAGE + name for name in TRAINING_ONLY)),
        *("MultiHeadAttention", "Attention", "Dot", "EinsumDense", "LayerNormalization", "Multiply", "Permute"),
        *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalMaxPooling1D", "GlobalMaxPooling2D"),
        *("AveragePooling1D", "AveragePooling2D", "MaxPooling1D", "MaxPooling2D"),
    ]
)
"""Layers that do not convert, but whose operations ``bittrigger costs`` counts; none of them holds code."""

SCHEDULES = frozenset(["ConstantSparsity", "PolynomialDecay"])
"""How pruning goes on in training."""

LAYERS = frozenset(
    [
        *(HGQ_PACKAGE + name for name in HGQ),
        *ALLOWED_LAYERS,
        *WRAPPERS,
        *BIDIRECTIONAL,
        *AT_OUTPUT,
        *OURS,
        *(PACKAGE + name for name in OURS),
    ]
)
QUANTIZERS = frozenset(
    [
        "quantized_bits",
        "quantized_relu",
        "quantized_tanh",
        "quantized_sigmoid",
        "quantized_po2",
        "quantized_relu_po2",
        "quantized_ulaw",
        "quantized_hswish",
        "ternary",
        "binary",
        "stochastic_ternary",
        "stochastic_binary",
        "bernoulli",
        "absmean_ternary",
        "absmean_binary",
    ]
)
FUNCTIONS = frozenset(
    [
        "linear",
        "relu",
        "relu6",
        "leaky_relu",
        "mish",
        "silu",
        "tanh",
        "sigmoid",
        "hard_sigmoid",
        "elu",
        "selu",
        "softsign",
        "softplus",
        "swish",
        "gelu",
        "exponential",
        "softmax",
        "hard_tanh",
        "smooth_sigmoid",
        "smooth_tanh",
        "binary_tanh",
        "binary_sigmoid",
    ]
)
_HELPERS = frozenset(
    [
        "Zeros",
        "Ones",
        "Constant",
        "RandomNormal",
        "RandomUniform",
        "TruncatedNormal",
        "VarianceScaling",
        "Orthogonal",
        "Identity",
        "GlorotNormal",
        "GlorotUniform",
        "HeNormal",
        "HeUniform",
        "LecunNormal",
        "LecunUniform",
        "QInitializer",
        "zeros",
        "ones",
        "constant",
        "random_normal",
        "random_uniform",
        "truncated_normal",
        "glorot_normal",
        "glorot_uniform",
        "he_normal",
        "he_uniform",
        "lecun_normal",
        "lecun_uniform",
        "L1",
        "L2",
        "L1L2",
        "OrthogonalRegularizer",
        "l1",
        "l2",
        "l1_l2",
        "Clip",
        "MaxNorm",
        "MinMaxNorm",
        "NonNeg",
        "UnitNorm",
        "max_norm",
        "non_neg",
        "unit_norm",
        "min_max_norm",
        "Policy",
    ]
)
_SHOWN = frozenset([*ALLOWED_LAYERS, *AT_OUTPUT, *(OURS - set(TRAINING_ONLY))])
_OBJECTS = LAYERS | QUANTIZERS | FUNCTIONS | SCHEDULES | _HELPERS
HGQ_MODULES = (
    *("HGQ.proxy.fixed_point_quantizer", "HGQ.proxy.unary_lut"),
    "bittrigger.frontend.keras_model.hgq",  # saved again
)
_MODULES = (*KERAS_2, "qkeras", "tensorflow", "tensorflow_model_optimization")
_CALLABLE_KEYS = re.compile(r"activation|quantizer|(.*_)?(activation|quantizer|initializer|regularizer|constraint)")
_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.:/>-]*")
_NAMES = "texts of letters, digits and _ . : / > - that begin with a letter or digit"
_CALL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*(\([A-Za-z0-9_.,=' +\-]*\))?")

Json = Any

MAX_LAYERS = 400
"""Most layers; Keras itself recurses through a chain of them, and takes tens of milliseconds for each."""

MAX_DEPTH = 40
MAX_NAME = 200

MAX_TENSOR = 1 << 26
"""Most values of one tensor of an event, by a coarse bound."""

MAX_WEIGHTS = 1 << 29
"""Most weights of one layer: 2 GiB."""


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
        _check_sizes(where, inside)


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


def _way_out(kind: str) -> str:
    """What to do about a layer of a class that does not convert."""
    for words, way in _WAYS.items():
        if any(word in kind for word in words):
            return way
    return "replace it by one of these"


_WAYS = {
    ("Lambda",): "code in a file is never run; write what it does with layers",
    ("Attention", "Dot"): "it multiplies two tensors, which takes multipliers; `bittrigger costs` counts what it takes",
    ("LSTM", "GRU", "RNN", "Bidirectional", "ConvLSTM"): "it feeds its results back; unroll it with shared layers",
    (
        "Layer",
        "Noise",
        "Random",
        "Alpha",
    ): "leave it out of the model that is converted, if it does something in training alone",
}
"""What to do, for words in the name of a class."""


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
        raise UnsupportedModelError(
            f"model file {where}: layer {name!r}: class {str(kind)[:80]!r} is not allowed, so the file was not opened with "
            f"TensorFlow; allowed are {', '.join(sorted(_SHOWN | also))}; {_way_out(str(kind))}"
        )
    short = str(kind).removeprefix(PACKAGE)
    if short in TRAINING_ONLY and short not in also:
        raise UnsupportedModelError(
            f"model file {where}: layer {name!r}: {short} is for training only, {TRAINING_ONLY[short]}"
        )
    owner = f"layer {name!r}"
    _check_module(where, owner, layer)
    config = layer["config"]
    if kind in OPERATORS:
        _check_operator(where, owner, config)
    if kind in (*WRAPPERS, *BIDIRECTIONAL):
        _check_depth(where, owner, depth)
        for inner in _inner(layer) or [None]:
            _check_layer(where, inner, also, depth + 1)
        config = {key: value for key, value in config.items() if key not in _INNER}
    for item in (config, *(item for key, item in layer.items() if key not in ("class_name", "config"))):
        _walk(where, owner, item, 0)


def _check_operator(where: str, owner: str, config: Json) -> None:
    """Refuse an operator of TensorFlow off the list: Keras would look up whatever name stands there."""
    config = config if isinstance(config, dict) else {}
    if set(config) - {"name", "trainable", "dtype", "function"} or not _is_one_of(config.get("function"), OPERATIONS):
        raise UnsupportedModelError(
            f"model file {where}: {owner}: operator {str(config.get('function'))[:80]!r} of TensorFlow is not allowed, so the "
            f"file was not opened with it; allowed are {', '.join(sorted(OPERATIONS))}; use a layer of Keras for it"
        )


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
    elif not _is_one_of(kind, _OBJECTS):
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
    if module is not None and not builtin and not home and str(module).split(".")[0] not in _MODULES:
        raise _refused(where, owner, "module", module)
    registered = value.get("registered_name")
    ours = _is_one_of(kind, OURS) and registered == f"{PACKAGE}{kind}"
    ours = ours or (_is_one_of(kind, HGQ) and registered == f"{HGQ_PACKAGE}{kind}")
    if registered is not None and not ours and registered not in (kind, "function"):
        raise _refused(where, owner, "registered name", registered)


def _check_call(where: str, owner: str, text: str) -> None:
    """A function or quantiser as a string: ``relu``, ``quantized_bits(8,3,alpha=1)``."""
    match = _CALL.fullmatch(text.strip())
    if match is None or match[1] not in _OBJECTS:
        raise _refused(where, owner, "function", text)
    check_call_numbers(where, owner, match[1], match[2] or "")


def _refused(where: str, owner: str, what: str, found: Json) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"model file {where}: {owner}: {what} {str(found)[:80]!r} is not allowed, so the file was not opened with TensorFlow; "
        "allowed are layers, quantisers, activations, initialisers, regularisers and constraints of Keras and QKeras; rebuild "
        "the model without it"
    )


def _numbers(value: Json) -> Iterator[int]:
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        yield abs(value)
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item)


def _growth(layer: Any) -> int:
    """How many times as large a tensor can become in a layer that pads or repeats."""
    config, kind = layer["config"], str(layer.get("class_name"))
    if kind.startswith(("UpSampling", "RepeatVector")):
        return math.prod(max(size, 1) for size in _numbers([config.get("size"), config.get("n")]))
    if kind.startswith("ZeroPadding"):
        return (1 + max([*_numbers(config.get("padding"))], default=0)) ** 2
    return 1


def _check_sizes(where: str, layers: list[Any]) -> None:
    """Refuse sizes for which Keras would fill the memory before it reads a weight."""
    widest, units = 1, 1
    for layer in layers:
        config = layer["config"]
        for key in ("batch_input_shape", "batch_shape", "target_shape"):
            widest = max(widest, math.prod(size or 1 for size in _numbers(config.get(key))))
        built = layer.get("build_config")
        if isinstance(built, dict):
            widest = max(widest, math.prod(size or 1 for size in _numbers(list(built.values()))))
        window = math.prod(size or 1 for size in _numbers(config.get("kernel_size")))
        heads = math.prod(_numbers([config.get("num_heads", 1), config.get("key_dim", 1)]))
        filters = [window * size for size in _numbers(config.get("filters"))]
        units = max([units, heads, *filters, *_numbers(config.get("units"))])
    grown = widest * math.prod(_growth(layer) for layer in layers)
    if grown > MAX_TENSOR:
        raise UnsupportedModelError(
            f"model file {where}: a tensor could have {grown} values behind its layers that pad and repeat; allowed are "
            f"{MAX_TENSOR}; build a smaller model"
        )
    if units * max(widest, units) > MAX_WEIGHTS:
        raise UnsupportedModelError(
            f"model file {where}: a layer could have {units} x {max(widest, units)} weights; allowed are {MAX_WEIGHTS}; build a "
            "smaller model"
        )
