"""A Keras model as calls that are all followed; whatever is not is refused before anything is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import ALLOWED_LAYERS, AT_OUTPUT, BIT_ACTIVATION, BIT_TABLE, HGQ_PACKAGE
from bittrigger.frontend.elementwise.own_functions import OWN
from bittrigger.frontend.flat.calls import Call, FlatModel
from bittrigger.frontend.flat.walk import flatten
from bittrigger.frontend.keras_layers.options import check_options
from bittrigger.frontend.refusals import NEGATIVE_WAY_OUT, is_below_zero, unsupported_layer
from bittrigger.layers.names import PACKAGE


def check_model(model: Any) -> FlatModel:
    """The calls of a Keras model, each of which is followed.

    Args:
        model: a Keras model object.

    Raises:
        UnsupportedModelError: if a layer is of an unknown class, has an option with another meaning, or is called in training
            mode.
    """
    if not hasattr(model, "to_json") or not getattr(model, "layers", None):
        raise UnsupportedModelError(
            f"model of type {type(model).__name__}: it is no built Keras model with layers; allowed are Sequential and "
            "Functional models; build the model first"
        )
    kind = type(model).__name__
    if kind not in ("Sequential", "Functional", "Model"):
        raise UnsupportedModelError(
            f"model {model.name!r}: class {kind} is not supported; allowed are Sequential and Functional; rebuild it with one of "
            "these"
        )
    if any(not hasattr(tensor, "node") for tensor in getattr(model, "outputs", None) or ()):
        raise UnsupportedModelError(
            f"model {model.name!r}: it is one of Keras 3; allowed are models of Keras 2, which TensorFlow up to 2.15 has, or "
            "tf_keras with TF_USE_LEGACY_KERAS=1, and files of Keras 3; model.save('name.keras') and convert that file"
        )
    if not model.built:
        raise UnsupportedModelError(
            f"model {model.name!r}: it has no input shape yet; allowed are built models; call build() or add an Input"
        )
    _check_tensors(model)
    flat = flatten(model)
    for call in flat.calls:
        _check_call(call)
    return flat


def _check_tensors(model: Any) -> None:
    """Refuse inputs and outputs that are no plain list, or not of fixed length."""
    for what in ("input", "output"):
        if isinstance(getattr(model, what), dict):
            names = ", ".join(map(str, getattr(model, what)))
            raise UnsupportedModelError(
                f"model {model.name!r}: its {what}s are a dictionary of {names}, and hls4ml keeps no such names; allowed are "
                f"lists; build it as tf.keras.Model([…], […]) with the {what}s in the order that you want"
            )


def _check_call(call: Call) -> None:
    if call.class_name.removeprefix(PACKAGE).removeprefix(HGQ_PACKAGE) not in (
        *ALLOWED_LAYERS,
        *AT_OUTPUT,
        BIT_ACTIVATION,
        BIT_TABLE,
    ):
        raise unsupported_layer(call.name, call.class_name)
    check_options(call.name, call.class_name, call.config)
    _check_activation(call)
    _check_weights(call.name, call.config)


def _check_activation(call: Call) -> None:
    """Refuse an activation that has no one meaning."""
    activation = call.config.get("activation")
    kind = activation["class_name"] if isinstance(activation, dict) else str(activation).split("(", maxsplit=1)[0]
    known = kind == "function" and activation["config"] in OWN if isinstance(activation, dict) else False
    if call.class_name == "Activation" and isinstance(activation, dict) and not (call.is_activation or known):
        raise UnsupportedModelError(f"layer {call.name!r}: an Activation with the {_called(kind)}")


def _called(kind: str) -> str:
    """What stands in an Activation, and what belongs there."""
    if kind in ALLOWED_LAYERS:
        return f"layer {kind}; allowed are names of functions; use the layer {kind} itself"
    return f"quantiser {kind}; allowed are names of functions; use QActivation for it"


def _check_weights(name: str, config: Mapping[str, Any]) -> None:
    """Refuse a quantiser of weights that gives other values at each call; hls4ml calls it while it parses."""
    for what in ("kernel", "bias", "depthwise", "pointwise", "recurrent"):
        quantizer = config.get(f"{what}_quantizer")
        if not isinstance(quantizer, Mapping):
            continue
        kind, inner = quantizer.get("class_name"), quantizer.get("config")
        if isinstance(inner, Mapping) and is_below_zero(inner.get("integer")):
            raise UnsupportedModelError(
                f"layer {name!r}: {what} quantizer {kind} with integer={inner['integer']}; {NEGATIVE_WAY_OUT}"
            )
        if kind == "bernoulli":
            raise UnsupportedModelError(
                f"layer {name!r}: {what} quantizer bernoulli draws random numbers at inference too; allowed are "
                "deterministic quantisers; use binary(alpha=1, use_01=True)"
            )
