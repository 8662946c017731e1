"""Keras as the reference: what ``model.predict`` gives for real events, with each sum as the layers write it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.attributes import FUNCTION, INERT, KIND, MODELS, WRAPPERS
from bittrigger.frontend.elementwise.functions import function_from_spec, is_softmax
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.flat.calls import FlatModel
from bittrigger.frontend.flat.walk import flatten
from bittrigger.frontend.keras_layers.meaning import call_facts
from bittrigger.frontend.keras_model.parse import without_bit_layers
from bittrigger.frontend.keras_model.quiet import as_written
from bittrigger.ir.fixed import FloatArray, decode, encode
from bittrigger.ir.graph import Graph, Input
from bittrigger.ir.ports import decode_inputs, encode_events

Float32Array = npt.NDArray[np.float32]

BATCH = 1 << 14
"""Events that Keras gets at a time; bounds the memory."""

_log = logging.getLogger(__name__)


def keras_outputs(model: Any, values: Float32Array) -> FloatArray:
    """What ``model.predict`` gives for `(events, n_inputs)`: all outputs side by side, `(events, n_outputs)` float64.

    Raises:
        UnsupportedModelError: if ``predict`` itself fails.
    """
    import tensorflow as tf

    as_written()
    shapes = [tuple(int(n) for n in tensor.shape[1:]) for tensor in model.inputs]
    stops = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = np.split(values, stops[:-1], axis=1)
    inputs = [part.reshape(len(values), *shape) for part, shape in zip(parts, shapes, strict=True)]
    if not len(values):
        return np.empty((0, sum(int(np.prod(tensor.shape[1:])) for tensor in model.outputs)))
    untranslated(model)
    given = inputs if len(inputs) > 1 else inputs[0]
    try:
        try:
            found = model.predict(given, batch_size=BATCH, verbose=0)
        except tf.errors.OperatorNotAllowedInGraphError:  # a layer that branches on tensors
            model.predict_function = None
            found = model.predict(given, batch_size=BATCH, verbose=0)
    except tf.errors.InvalidArgumentError as error:
        reason = " ".join(error.message.split())[:300]
        raise UnsupportedModelError(
            f"model {model.name!r}: Keras' own predict fails: {reason}; allowed are models that predict; where it names a layer, "
            "give that layer a name of letters, digits and _"
        ) from error
    flat = [np.asarray(output, dtype=np.float64).reshape(len(values), -1) for output in tf.nest.flatten(found)]
    return np.concatenate(flat, axis=1)


def untranslated(model: Any) -> None:
    """Let ``predict`` trace the layers as they are, unless it has traced them already.

    AutoGraph rewrites the Python code of every layer, so that branches and loops on tensors become operations, which takes
    80 % of a first ``predict``. Layers without such branches, as are all that convert, give the same operations with and
    without; on one with a branch TensorFlow raises OperatorNotAllowedInGraphError.
    """
    import tensorflow as tf

    if getattr(model, "predict_function", None) is None:
        traced = model.make_predict_function()
        if hasattr(traced, "python_function"):  # not where the model runs eagerly
            model.predict_function = tf.function(traced.python_function, autograph=False, reduce_retracing=True)


def round_outputs(graph: Graph, values: FloatArray) -> FloatArray:
    """What Keras gives, `(events, n_outputs)`, in the declared types of the outputs; others are left as they are."""
    if not graph.basis.rounded:
        return values
    parts = []
    start = 0
    for name, kind in zip(graph.outputs, graph.basis.rounded, strict=True):
        part = values[:, start : start + graph[name].size]
        start += graph[name].size
        parts.append(part if kind is None else decode(encode(part, kind), kind.frac))
    return np.concatenate(parts, axis=1)


def reference_events(model: Any, graph: Graph, inputs: FloatArray) -> Float32Array:
    """Real ``inputs`` `(events, n_inputs)` as Keras and the design both take them.

    They are the float32 that Keras reads; but where the user has chosen the type of the ports, so that the model does not
    round to their codes itself, they are the values of these codes, and a warning says how many events that changes.

    Raises:
        ConfigError: if they do not fit the ports.
    """
    if inputs.ndim != 2 or inputs.shape[1] != graph.n_inputs:
        raise ConfigError(f"inputs of shape {inputs.shape}; expected (events, {graph.n_inputs}) for {graph.name!r}")
    on_port = decode_inputs(graph, encode_events(graph, inputs)).astype(np.float32)
    read: Float32Array = inputs.astype(np.float32)
    if has_input_quantizers(model, graph):
        return read
    changed = int((on_port != read).any(axis=1).sum())
    if changed:
        types = ", ".join(f"{port.name} {port.type}" for port in graph.inputs)
        _log.warning(
            "%d of %d events do not fit the ports (%s): their values are rounded or clipped to codes, and the model is "
            "compared on these, not on the values that you gave; a wider or finer input precision takes them as they are",
            changed,
            len(read),
            types,
        )
    return on_port


def has_input_quantizers(model: Any, graph: Graph) -> bool:
    """Whether the model itself rounds every input to the grid of its port, so that reals off the grid have one answer.

    It does not if the user has chosen the type of the ports.
    """
    flat = flatten(without_bit_layers(model))
    return all(_rounds(flat, port, name) for port, name in zip(graph.inputs, flat.inputs, strict=True))


def _rounds(model: FlatModel, port: Input, name: str) -> bool:
    wanted = Grid(port.frac, port.interval.lo, port.interval.hi)
    grids = list(_grids_behind(model, name))
    return bool(grids) and all(grid == wanted for grid in grids)


def _grids_behind(model: FlatModel, name: str) -> Iterator[Grid | None]:
    """The grid of each quantiser that reads call ``name``; None for any other reader."""
    if name in model.outputs:
        yield None
    for call in model.readers(name):
        facts = call_facts(call)
        if facts[KIND] == "reshape":
            yield from _grids_behind(model, call.name)
        elif facts[KIND] == "function":
            spec = facts[FUNCTION]
            yield None if is_softmax(spec) else function_from_spec(call.name, spec).grid
        else:
            yield None


@contextmanager
def without_endings(model: Any, *, remove: bool) -> Iterator[Any]:
    """The model without a softmax or sigmoid at its end, if ``remove``."""
    import tensorflow as tf

    endings = (tf.keras.activations.softmax, tf.keras.activations.sigmoid)
    if not remove:
        yield model
        return
    outputs, changed = [], []
    for tensor in model.outputs:
        layer = tensor.node.layer
        function = getattr(layer, "quantizer" if type(layer).__name__ == "QActivation" else "activation", None)
        alone = isinstance(layer, tf.keras.layers.Activation) or type(layer).__name__ == "QActivation"
        if isinstance(layer, tf.keras.layers.Softmax) or (alone and function in endings):
            outputs.append(layer.input)
            continue
        inner = _last_layer(tensor)
        for what in ("activation", "quantizer"):
            if getattr(inner, what, None) in endings:
                changed.append((inner, what, getattr(inner, what)))
                setattr(inner, what, tf.keras.activations.linear)
        outputs.append(tensor)
    try:
        yield tf.keras.Model(model.inputs, outputs)
    finally:
        for inner, what, activation in changed:
            setattr(inner, what, activation)


def _last_layer(tensor: Any) -> Any:
    """The layer that computes ``tensor``, within models and wrappers, and before layers that do nothing."""
    layer = tensor.node.layer
    while True:
        kind = type(layer).__name__
        if kind in INERT:
            layer = layer.input.node.layer
        elif kind in WRAPPERS:
            layer = layer.layer
        elif kind in MODELS:
            layer = layer.outputs[0].node.layer
        else:
            return layer
