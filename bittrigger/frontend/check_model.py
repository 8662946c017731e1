"""What hls4ml's parser would silently get wrong about a Keras model, refused before it does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import ALLOWED_LAYERS, AT_OUTPUT, BIT_ACTIVATION, CONVOLUTIONS, unsupported_layer
from bittrigger.frontend.functions import QUANTIZERS
from bittrigger.frontend.layer_options import check_options

QUANTISED_ACTIVATIONS = (*QUANTIZERS, "binary_tanh")
"""What hls4ml's parser reads in a QActivation."""


def check_model(model: Any) -> None:
    """Refuse a Keras model whose structure hls4ml's parser does not keep.

    Args:
        model: a Keras model object.

    Raises:
        UnsupportedModelError: if a layer is of an unknown class, is used twice, is called in training mode, is a model
            itself, or bears a name that hls4ml reserves.
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
            "tf_keras with TF_USE_LEGACY_KERAS=1; rebuild it with that and copy its weights"
        )
    config = json.loads(model.to_json())
    if not model.built:
        raise UnsupportedModelError(
            f"model {model.name!r}: it has no input shape yet; allowed are built models; call build() or add an Input"
        )
    _check_tensors(model)
    layers = config["config"]["layers"]
    for layer in layers:
        _check_layer(layer)
    _check_names([(layer["config"]["name"], layer) for layer in layers])
    _check_ends(model)


def _check_tensors(model: Any) -> None:
    """Refuse inputs and outputs that are no plain list, or not of fixed length."""
    for what in ("input", "output"):
        if isinstance(getattr(model, what), dict):
            names = ", ".join(map(str, getattr(model, what)))
            raise UnsupportedModelError(
                f"model {model.name!r}: its {what}s are a dictionary of {names}, and hls4ml keeps no such names; allowed are "
                f"lists; build it as tf.keras.Model([…], […]) with the {what}s in the order that you want"
            )
    for tensor in model.inputs:
        if None in tuple(tensor.shape[1:]):
            raise UnsupportedModelError(
                f"input {tensor.name!r}: its shape {tuple(tensor.shape[1:])} has an open length, and a design takes a whole "
                "event every clock; allowed are fixed shapes; build the model for the most constituents, and fill up with zeros"
            )


def _check_ends(model: Any) -> None:
    """Refuse an output that hls4ml loses together with the layer that it drops."""
    for tensor in model.outputs:
        layer = tensor.node.layer
        if type(layer).__name__ == "Dropout":
            raise UnsupportedModelError(
                f"layer {layer.name!r}: a Dropout at an output, which hls4ml drops together with the output; allowed are "
                "Dropouts between layers; remove it, for it does nothing at inference"
            )


def _check_layer(layer: Mapping[str, Any]) -> None:
    name = layer["config"]["name"]
    if layer["class_name"] not in (*ALLOWED_LAYERS, *AT_OUTPUT, BIT_ACTIVATION):
        raise unsupported_layer(name, layer["class_name"])
    if name == "input":
        raise UnsupportedModelError(
            "layer 'input': hls4ml reserves this name; allowed is any other; rename the layer, for example to 'inputs'"
        )
    check_options(name, layer["class_name"], layer["config"])
    _check_activation(name, layer)
    _check_weights(name, layer)
    calls = layer.get("inbound_nodes", [])
    if len(calls) > 1:
        raise UnsupportedModelError(
            f"layer {name!r}: it is used {len(calls)} times, and hls4ml keeps one use; allowed is one; give each use a layer "
            "of its own"
        )
    operands = sum(len(call) for call in calls)
    if operands > 2:
        raise UnsupportedModelError(
            f"layer {name!r}: it joins {operands} tensors, and hls4ml reads two; allowed are two; join them two by two"
        )
    if layer["class_name"] == "Multiply":
        _check_square(name, calls)
    for _, node, _, arguments in _tensors(calls):
        if node != 0 or arguments.get("training"):
            raise UnsupportedModelError(
                f"layer {name!r}: it is called with {arguments or 'an output of a shared layer'}, which hls4ml drops; "
                "allowed are plain calls; call it without arguments"
            )


def _check_square(name: str, calls: Any) -> None:
    """Refuse a Multiply of anything but a tensor and itself."""
    factors = {tuple(tensor[:3]) for call in calls for tensor in call}
    if len(factors) != 1:
        raise UnsupportedModelError(
            f"layer {name!r}: it multiplies {len(factors)} different tensors, which needs multipliers; allowed is a tensor times "
            "itself, which is a table; use layers with constant weights, or Multiply()([x, x])"
        )


def _check_activation(name: str, layer: Mapping[str, Any]) -> None:
    """Refuse an activation that hls4ml's parser does not know, or not in this place."""
    activation = layer["config"].get("activation")
    kind = activation["class_name"] if isinstance(activation, dict) else str(activation).split("(", maxsplit=1)[0]
    if layer["class_name"] == "Activation" and isinstance(activation, dict):
        raise UnsupportedModelError(
            f"layer {name!r}: an Activation with the quantiser {kind}; allowed are names of functions; use QActivation for it"
        )
    if (layer["class_name"] == "QActivation" or isinstance(activation, dict)) and kind not in QUANTISED_ACTIVATIONS:
        raise UnsupportedModelError(
            f"layer {name!r}: activation {kind!r} is not supported; allowed are {', '.join(QUANTISED_ACTIVATIONS)}; use one of "
            "these, or Activation for a function of Keras"
        )


def _check_weights(name: str, layer: Mapping[str, Any]) -> None:
    """Refuse a quantiser of weights that gives other values at each call; hls4ml calls it while it parses."""
    for what in ("kernel", "bias"):
        quantizer = layer["config"].get(f"{what}_quantizer")
        if isinstance(quantizer, Mapping) and quantizer.get("class_name") == "bernoulli":
            raise UnsupportedModelError(
                f"layer {name!r}: {what} quantizer bernoulli draws random numbers at inference too; allowed are "
                "deterministic quantisers; use binary(alpha=1, use_01=True)"
            )


def _tensors(calls: Any) -> Iterator[tuple[str, int, int, Mapping[str, Any]]]:
    for call in calls:
        for tensor in call:
            yield tensor[0], tensor[1], tensor[2], tensor[3] if len(tensor) > 3 else {}


def _check_names(named: list[tuple[str, Mapping[str, Any]]]) -> None:
    """Refuse layers whose name is that of the node which hls4ml makes of another layer's activation argument."""
    names = {name for name, _ in named}
    for name, layer in named:
        activation = layer["config"].get("activation")
        if layer["class_name"] not in ("Dense", "QDense", *CONVOLUTIONS) or activation is None:
            continue
        extra = f"{name}_{activation['class_name'] if isinstance(activation, dict) else activation}"
        if extra in names:
            raise UnsupportedModelError(
                f"layer {extra!r}: hls4ml gives this name to the activation of layer {name!r}; allowed are names that do "
                "not clash; rename one of the two"
            )
