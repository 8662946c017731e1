"""A Keras model built again, layer by layer, with some of its layers replaced. Importing this module imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bittrigger.errors import UnsupportedModelError
from bittrigger.layers.keras_types import Layer, Model, Option, Tensor

__all__ = ["Copy", "copied", "producer", "rebuild", "unused_name"]

Copy = Callable[..., Any]
"""What stands in the place of a layer: called with new tensors as the layer was with the old ones."""


def rebuild(model: Model, copy: Callable[[Layer], Copy]) -> Model:
    """Return `model` with the result of `copy` in the place of each layer but the inputs.

    Args:
        model: a built Sequential or Functional model.
        copy: called one time for each layer.

    Raises:
        UnsupportedModelError: the model is another one.
    """
    if not getattr(model, "_is_graph_network", False):
        raise UnsupportedModelError(
            f"model {model.name!r}: class {type(model).__name__} has no graph of layers; allowed are Sequential and "
            "Functional models with an Input; call the layers on a tf.keras.Input and make a tf.keras.Model of it"
        )
    inputs = [tf.keras.Input(t.shape[1:], dtype=t.dtype, name=producer(t).name) for t in model.inputs]
    tensors: dict[int, Tensor] = dict(zip(map(id, model.inputs), inputs, strict=True))
    copies: dict[str, Copy] = {}
    # Keras keeps the calls of a functional model in this order; it has no public name for it.
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            args, kwargs = tf.nest.map_structure(lambda t: tensors.get(id(t), t), (node.call_args, node.call_kwargs))
            if node.layer.name not in copies:
                copies[node.layer.name] = copy(node.layer)
            made = copies[node.layer.name](*args, **kwargs)
            tf.nest.map_structure(lambda old, new: tensors.__setitem__(id(old), new), node.outputs, made)
    outputs = [tensors[id(t)] for t in model.outputs]
    return tf.keras.Model(inputs, outputs if len(outputs) > 1 else outputs[0], name=model.name)


def copied(layer: Layer) -> Copy:
    """A copy of a layer, which takes over its weights at its first call."""
    copy = type(layer).from_config(layer.get_config())

    def apply(*args: Option, **kwargs: Option) -> Tensor:
        built = copy.built
        result = copy(*args, **kwargs)
        if not built and layer.weights:
            copy.set_weights(layer.get_weights())
        return result

    return apply


def producer(tensor: Tensor) -> Layer:
    """The layer whose output a tensor of a functional model is."""
    return tensor.node.layer


def unused_name(name: str, names: set[str]) -> str:
    """A name of a layer that is not in `names` yet; it is added."""
    while name in names:
        name += "_"
    names.add(name)
    return name
