"""Keras against the oracle, on every bit, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError, MismatchError
from bittrigger.fixed import FloatArray
from bittrigger.graph import Graph, Input
from bittrigger.hls4ml import without_bit_layers
from bittrigger.hls4ml.facts import function_spec
from bittrigger.hls4ml.functions import Grid, function_from_spec
from bittrigger.hls4ml.predict import outputs_of
from bittrigger.ports import decode_inputs, encode_events
from bittrigger.simulate.oracle import Oracle
from bittrigger.simulate.vectors import corner_codes, random_codes

EVENTS = 1000
"""Random events of each kind that are compared."""

SEED = 20240229


def check_agreement(model: Any, graph: Graph, inputs: FloatArray | None = None, *, logits: bool = False) -> int:
    """Compare the Keras model with the integer graph.

    The events are the corners of the ports, random codes, reals between the codes where the model itself quantises its
    inputs, and ``inputs``.

    Args:
        model: the Keras model.
        graph: its lowering.
        inputs: further real events `(events, n_inputs)`.
        logits: whether the graph leaves out a softmax or sigmoid at the end of the model.

    Returns:
        The number of events that were compared.

    Raises:
        MismatchError: if a single bit differs.
        ConfigError: if ``inputs`` do not fit the model.
    """
    codes = np.concatenate([corner_codes(graph), random_codes(graph, EVENTS, SEED)])
    events = decode_inputs(graph, codes)
    batches = [events]
    off_grid = has_input_quantizers(model, graph)
    if off_grid:
        batches.append(_between(graph, events))
    if inputs is not None:
        if inputs.ndim != 2 or inputs.shape[1] != graph.n_inputs:
            raise ConfigError(f"inputs of shape {inputs.shape}; expected (events, {graph.n_inputs}) for {graph.name!r}")
        rounded = np.asarray(inputs).astype(np.float32).astype(np.float64)
        batches.append(rounded if off_grid else decode_inputs(graph, encode_events(graph, rounded)))
    values = np.concatenate(batches).astype(np.float32)
    with without_endings(model, remove=logits) as bare:
        wanted = keras_outputs(bare, values)
    _compare(values, wanted, outputs_of(graph, Oracle(graph), values))
    return len(values)


def _between(graph: Graph, events: FloatArray) -> FloatArray:
    """Reals off the grid, ties and values beyond the range included."""
    generator = np.random.default_rng(SEED + 1)
    steps = np.repeat([port.type.step for port in graph.inputs], [port.size for port in graph.inputs])
    shift = generator.choice([0.5, -0.5, 0.25, 0.49999], size=events.shape) * steps
    noise = generator.normal(0, 1, size=events.shape) * steps
    return np.concatenate([events + shift, events * 1.75 + noise])


def has_input_quantizers(model: Any, graph: Graph) -> bool:
    """Whether the model itself rounds every input to the grid of its port, so that reals off the grid have one answer.

    It does not if the user has chosen the type of the ports.
    """
    stock = without_bit_layers(model)
    return all(_rounds(stock, port, tensor) for port, tensor in zip(graph.inputs, stock.inputs, strict=True))


def _rounds(model: Any, port: Input, tensor: Any) -> bool:
    wanted = Grid(port.frac, port.interval.lo, port.interval.hi)
    grids = list(_grids_behind(model, tensor))
    return bool(grids) and all(grid == wanted for grid in grids)


def _grids_behind(model: Any, tensor: Any) -> Iterator[Grid | None]:
    for layer in model.layers:
        if layer.input is not tensor or layer.output is tensor:
            continue
        kind = type(layer).__name__
        if kind in ("Flatten", "Reshape", "Dropout"):
            yield from _grids_behind(model, layer.output)
        elif kind in ("QActivation", "Activation"):
            function = layer.quantizer if kind == "QActivation" else layer.activation
            yield function_from_spec(layer.name, function_spec(layer.name, function)).grid
        else:
            yield None


def keras_outputs(model: Any, values: npt.NDArray[np.float32]) -> FloatArray:
    """What Keras predicts for `(events, n_inputs)`: all outputs side by side, `(events, n_outputs)` float64.

    The graph is that of ``model.predict``, traced without rewriting the Python code of each layer first.
    """
    import tensorflow as tf

    infer = tf.function(lambda *tensors: model(list(tensors), training=False), autograph=False)
    inputs, start = [], 0
    for tensor in model.inputs:
        shape = tuple(int(n) for n in tensor.shape[1:])
        stop = start + int(np.prod(shape))
        inputs.append(values[:, start:stop].reshape(len(values), *shape))
        start = stop
    found = infer(*map(tf.constant, inputs))
    outputs = found if isinstance(found, list | tuple) else [found]
    flat = [np.asarray(output, dtype=np.float64).reshape(len(values), -1) for output in outputs]
    return np.concatenate(flat, axis=1)


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
        if isinstance(layer, tf.keras.layers.Softmax) or (
            isinstance(layer, tf.keras.layers.Activation) and layer.activation in endings
        ):
            outputs.append(layer.input)
            continue
        if getattr(layer, "activation", None) in endings:
            changed.append((layer, layer.activation))
            layer.activation = tf.keras.activations.linear
        outputs.append(tensor)
    try:
        yield tf.keras.Model(model.inputs, outputs)
    finally:
        for layer, activation in changed:
            layer.activation = activation


def _compare(values: npt.NDArray[np.float32], wanted: FloatArray, found: FloatArray) -> None:
    different = np.argwhere(wanted != found)
    if not different.size:
        return
    event, column = (int(k) for k in different[0])
    events = int(np.unique(different[:, 0]).size)
    raise MismatchError(
        f"event {event}, output {column}: Keras gives {wanted[event, column]!r}, the oracle gives {found[event, column]!r} "
        f"for the inputs {values[event].tolist()}; {events} of {len(values)} events differ"
    )
