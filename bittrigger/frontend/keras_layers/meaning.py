"""What each call of a Keras layer computes at inference, as plain arrays and dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.functions.own import STATIC
from bittrigger.frontend.elementwise.functions.qkeras import rebuilt
from bittrigger.frontend.elementwise.own_functions import LEFT_OPEN, OWN, TWO_ANSWERS
from bittrigger.frontend.elementwise.typed_function import TypedFunction
from bittrigger.frontend.flat.calls import Call
from bittrigger.frontend.keras_layers import hgq, lengths, merges, positions, recurrent, weights
from bittrigger.frontend.refusals import unsupported_layer
from bittrigger.layers.pointwise import is_pointwise
from bittrigger.system.legacy_keras import is_of_keras_2

Facts = dict[str, Any]


def call_facts(call: Call) -> Facts:
    """The attributes of the node that stands for ``call``.

    Raises:
        UnsupportedModelError: if the class is not supported, a setting has no exact meaning, or a weight is not finite.
    """
    if call.is_activation:
        return _graded(call, _function(function_spec(call.name, call.layer.activation)))
    name = _class(call.layer)
    if name not in (*attributes.ALLOWED_LAYERS, *attributes.AT_OUTPUT, _BIT_ACTIVATION, _BIT_TABLE):
        raise unsupported_layer(call.name, name)
    _check_dtype(call)
    return positions.repeated(_graded(call, _layer_facts(call, name)), call)


def _graded(call: Call, facts: Facts) -> Facts:
    """``facts``, and where a function has several answers in float32, that its definition decides."""
    spec = facts.get(attributes.FUNCTION)
    if not isinstance(spec, Mapping) or spec["class_name"] not in TWO_ANSWERS:
        return facts
    name = str(spec["class_name"])
    why = f"layer {call.name!r}: {name.removeprefix('keras_3_')} of Keras 3 has other bits with XLA than without"
    if name.startswith(LEFT_OPEN):
        owner = call.name.rpartition("_part")[0] or call.name
        function = name.removeprefix(LEFT_OPEN)
        why = f"layer {owner!r}: float32 leaves open to which step entries of its tables of {function} round"
    why += "; allowed is its definition, exactly rounded; leave out --require exact"
    return {**facts, attributes.IDEAL: why}


def _layer_facts(call: Call, name: str) -> Facts:  # noqa: C901, PLR0911, PLR0912 - one return a kind
    layer = call.layer
    match name:
        case "Dense" | "QDense":
            return weights.dense(call)
        case "EinsumDense":
            return weights.einsum(call)
        case _ if name in attributes.CONVOLUTIONS:
            plain = is_pointwise(layer) and not name.endswith("Batchnorm")
            return weights.dense(call) if plain else weights.convolution(call)
        case _ if name in attributes.SEPARABLE:
            return weights.separable(call)
        case _ if name in attributes.TRANSPOSED:
            return weights.transposed(call)
        case "QAveragePooling2D" | "QGlobalAveragePooling2D":
            return positions.quantised_mean(call)
        case _ if name in attributes.AVERAGES:
            return positions.pooling(call) | {attributes.KIND: "average"}
        case _ if name in attributes.MAXIMA:
            return positions.pooling(call) | {attributes.KIND: "maxpooling"}
        case _ if name.startswith("UpSampling") and getattr(layer, "interpolation", "nearest") != "nearest":
            return weights.interpolation(call)
        case _ if name in attributes.WIRES:
            return positions.wire(call)
        case "BatchNormalization" | "QBatchNormalization":
            return weights.batchnorm(call)
        case "Rescaling":
            return weights.rescaling(call)
        case "Normalization":
            return weights.normalization(call)
        case "Activation":
            return _function(function_spec(call.name, layer.activation))
        case "QActivation":
            return _function(function_spec(call.name, layer.quantizer))
        case "QAdaptiveActivation":
            return _function(function_spec(call.name, _adapted(call)))
        case _ if name == _BIT_ACTIVATION:
            return _bit_activation(layer)
        case _ if name == _BIT_TABLE:
            return _function(_table_spec(layer))
        case "ReLU" | "LeakyReLU" | "ELU" | "ThresholdedReLU":
            return _function(_layer_spec(name, layer))
        case "PReLU":
            return weights.prelu(call)
        case "Embedding":
            return weights.embedding(call)
        case "FixedPointQuantizer":
            return hgq.casts(call)
        case "ChannelLUT":
            return hgq.tables(call)
        case "UnaryLUT":
            return _function(hgq.table_spec(call))
        case _ if name in attributes.LENGTHS:
            return lengths.lengths(call)
        case _ if name in attributes.RECURRENT:
            return recurrent.recurrent(call, function_spec)
        case "Softmax":
            return _function({"module": "keras", "class_name": "softmax", "config": {}})
        case _ if name in attributes.MERGES:
            return merges.merge(call)
        case _ if name in attributes.OPERATORS:
            return merges.operator(call)
        case "Flatten" if layer.data_format == "channels_first":
            return positions.wire(call)
        case "Flatten" | "Reshape":
            return {attributes.KIND: "reshape", attributes.SHAPE: list(call.own_shape)}
        case "InputLayer":
            return {attributes.KIND: "input", attributes.WHOLE: is_whole(layer)}
        case _:
            raise unsupported_layer(call.name, name)


_BIT_ACTIVATION = "bittrigger.layers.activations.BitActivation"
_BIT_TABLE = "bittrigger.layers.tables.BitTable"


def is_whole(layer: Any) -> bool:
    """Whether Keras cuts what it is given to whole numbers."""
    return "int" in str(layer.dtype)


def _function(spec: Facts) -> Facts:
    return {attributes.KIND: "function", attributes.FUNCTION: spec}


def _adapted(call: Call) -> Any:
    """The quantiser of a QAdaptiveActivation with the range that it has found in training."""
    raise UnsupportedModelError(
        f"layer {call.name!r}: a QAdaptiveActivation, whose range moves with what it sees; allowed are QActivations; put one of "
        "its quantizer's settings, as get_quantization_config gives them, in its place"
    )


def _bit_activation(layer: Any) -> Facts:
    spec = static_spec(layer)
    if spec is not None:
        return _function(spec)
    return {attributes.KIND: "dynamic", attributes.DYNAMIC: layer.input_config()}


def static_spec(layer: Any) -> Facts | None:
    """What the static quantiser at the input of a layer of ours is now, as ``function_spec`` describes one; None without it."""
    static = layer.quantizer_now()
    if static is None:
        return None
    config = {"bits": static.bits, "signed": static.signed, "integer": static.integer}
    return {"module": "bittrigger", "class_name": STATIC, "config": config}


def _table_spec(layer: Any) -> Facts:
    """The grid on which a BitTable is read now, and what stands at each of its codes."""
    now = layer.quantizer_now()
    values = [float(value) for value in layer.values_now()]
    return {
        "module": "bittrigger",
        "class_name": attributes.BIT_TABLE,
        "config": {"bits": now.bits, "integer": now.integer, "table": values},
    }


def _class(layer: Any) -> str:
    """The class of a layer of Keras or QKeras itself, or the full path of a class of somebody else."""
    kind = type(layer)
    if kind.__module__.startswith(hgq.MODULES) and kind.__name__ in attributes.HGQ:
        return str(kind.__name__)
    if is_of_keras_2(kind) or kind.__module__.split(".")[0] in ("qkeras", "tensorflow"):
        return str(kind.__name__)
    return f"{kind.__module__}.{kind.__name__}"


def _check_dtype(call: Call) -> None:
    layer = call.layer
    if call.class_name in attributes.OPERATORS or (call.class_name == "InputLayer" and is_whole(layer)):
        return
    found = {str(layer.dtype), str(getattr(layer, "compute_dtype", "float32"))}
    if found != {"float32"}:
        raise UnsupportedModelError(
            f"layer {call.name!r}: it computes in {', '.join(sorted(found - {'float32'}))}; allowed is float32; build the "
            "model with the float32 policy"
        )


def _layer_spec(name: str, layer: Any) -> Facts:
    config = {key: value for key, value in layer.get_config().items() if key in _LAYER_SETTINGS}
    return {"module": "keras", "class_name": name, "config": {key: _number(value) for key, value in config.items()}}


_LAYER_SETTINGS = ("max_value", "negative_slope", "threshold", "alpha", "theta")


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


_OPERATORS = ("relu6", "leaky_relu")
"""Functions that Keras takes by name, and that are TensorFlow's own."""


def function_spec(layer: str, function: Any) -> Facts:
    """The plain description of an activation function or quantiser, from which it can be rebuilt.

    Raises:
        UnsupportedModelError: if it has a setting that Keras does not save, so that the model changes when it is saved.
    """
    import qkeras
    import tensorflow as tf

    if isinstance(function, TypedFunction):
        return {"module": "bittrigger", "class_name": TypedFunction.__name__, "config": function.get_config()}
    if hasattr(function, "get_config"):
        kind = type(function)
        if getattr(qkeras, kind.__name__, None) is not kind:
            raise UnsupportedModelError(
                f"layer {layer!r}: activation {kind.__module__}.{kind.__name__} is not one of QKeras; its meaning is not "
                "known; allowed are the quantisers of QKeras; use one of these"
            )
        spec = {"module": "qkeras", "class_name": kind.__name__, "config": _plain(function.get_config())}
        check_saved_settings(layer, function)
        return spec
    name = str(getattr(function, "__name__", function))
    if OWN.get(name) is function:
        return {"module": "bittrigger", "class_name": name, "config": {}}
    if name in _OPERATORS and function is getattr(tf.nn, name):
        return {
            "module": "tensorflow",
            "class_name": f"nn.{name}",
            "config": {"arguments": [[0, None]], "options": {}, "named": []},
        }
    for module, home in (("keras", tf.keras.activations), ("qkeras", qkeras.quantizers)):
        if getattr(home, name, None) is function:
            return {"module": module, "class_name": name, "config": {}}
    raise UnsupportedModelError(
        f"layer {layer!r}: activation {name!r} is a function of your own; its meaning is not known; allowed are those of "
        "Keras and QKeras; use one of these"
    )


def _plain(config: Mapping[str, Any]) -> Facts:
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in config.items()}


def check_saved_settings(layer: str, quantizer: Any) -> None:
    """Refuse a quantiser with a setting that its ``get_config`` leaves out: it would change when the model is saved.

    Raises:
        UnsupportedModelError: if such a setting differs from its default.
    """
    saved_one = rebuilt(type(quantizer), quantizer.get_config())
    for key in ("is_quantized_clip", "scale_axis", "use_ste", "temperature", "use_real_sigmoid", "log2_rounding"):
        value, saved = getattr(quantizer, key, None), getattr(saved_one, key, None)
        if value != saved:
            raise UnsupportedModelError(
                f"layer {layer!r}: {quantizer} has {key}={value!r}, which QKeras does not save, so that the model changes "
                f"to {key}={saved!r} when it is saved and loaded; allowed is {saved!r}; leave it at its default"
            )
