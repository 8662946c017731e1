"""Keras models that the front-end's tests build, and the comparison with Keras. Imports TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file.read import load_model
from bittrigger.frontend.keras_model.parse import parse
from bittrigger.frontend.keras_model.quiet import quiet_tensorflow, without_autograph
from bittrigger.frontend.keras_model.reference import untranslated
from bittrigger.frontend.lower import lower
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import evaluate, output_fracs
from bittrigger.ir.ports import encode_events
from bittrigger.settings import Settings

with quiet_tensorflow():
    import tensorflow as tf
    from qkeras import QActivation, QBatchNormalization, QDense

layers = tf.keras.layers

__all__ = [
    "QActivation",
    "QBatchNormalization",
    "QDense",
    "assert_exact",
    "compiled",
    "dense",
    "layer_of",
    "layers",
    "lowered",
    "model_of",
    "randomize",
    "refused",
    "tf",
]


def model_of(*branches, inputs=7, quantizer="quantized_bits(6,2,alpha=1)", name="net"):
    """A model whose input is quantised and read by each branch, a function of a tensor."""
    with without_autograph():
        port = tf.keras.Input((inputs,), name="x")
        source = QActivation(quantizer, name="q")(port) if quantizer else port
        return tf.keras.Model(port, [branch(source) for branch in branches], name=name)


def dense(units=4, name="d"):
    """A ternary layer without bias."""
    return QDense(units, kernel_quantizer="ternary(alpha=1)", use_bias=False, name=name)


def refused(path, match="."):
    """Check that a model file is refused with a message that has ``match`` in it."""
    with pytest.raises(UnsupportedModelError, match=match):
        load_model(path)


def randomize(model, seed=0, scale=1.0):
    """Random weights; every third layer gets an all-zero column; variances are positive."""
    generator = np.random.default_rng(seed)
    for number, layer in enumerate(model.layers):
        values = []
        for weight in layer.weights:
            drawn = generator.normal(0, scale, size=weight.shape)
            if "variance" in weight.name:
                drawn = 10 ** generator.uniform(-3, 0.6, size=weight.shape)  # small ones, so that epsilon counts
            elif len(weight.shape) == 2 and number % 3 == 0:
                drawn[:, 0] = 0
            values.append(drawn)
        if values:
            layer.set_weights(values)
    return model


def compiled():
    """A small model as its user would save it: compiled, with layers of both libraries, called d, n, a and o."""

    def branch(x):
        x = QDense(4, kernel_quantizer="ternary()", bias_quantizer="quantized_bits(6,1,alpha=1)", name="d")(x)
        x = layers.BatchNormalization(name="n")(x)
        return layers.Dense(2, name="o", activation="relu")(QActivation("quantized_relu(4,1)", name="a")(x))

    model = randomize(model_of(branch))
    model.compile("adam", "mse")
    return model


def layer_of(config, name):
    """The entry of layer ``name`` in the configuration of a model."""
    return next(layer for layer in config["config"]["layers"] if layer["config"]["name"] == name)


def lowered(model, **options):
    """The integer graph of a model, of the exact grade unless the options say otherwise."""
    graph = lower(parse(model, "net", Settings()), **{"require": "exact", **options})
    verify(graph)
    return graph


def events_for(graph, seed=1, count=400):
    """Real events: on the grid, off it, ties, far outside, zeros of both signs."""
    generator = np.random.default_rng(seed)
    lows = np.array([port.interval.lo for port in graph.inputs for _ in range(port.size)])
    highs = np.array([port.interval.hi for port in graph.inputs for _ in range(port.size)])
    steps = np.array([port.type.step for port in graph.inputs for _ in range(port.size)])
    codes = generator.integers(lows, highs + 1, size=(count, len(lows)))
    on_grid = codes * steps
    ties = on_grid + generator.choice([-0.5, 0.5], size=on_grid.shape) * steps
    reals = generator.normal(0, 1, size=on_grid.shape) * highs * steps
    corners = np.stack([lows * steps, highs * steps, 0.0 * steps, -0.0 * steps, 1e4 + 0 * steps, -1e4 + 0 * steps])
    return np.concatenate([on_grid, ties, reals, corners]).astype(np.float32)


def assert_exact(model, **options):
    """The integer graph and ``model.predict`` agree on every bit of every output."""
    graph = lowered(model, **options)
    events = events_for(graph)
    inputs, start = [], 0
    for tensor in model.inputs:
        size = int(np.prod(tensor.shape[1:]))
        inputs.append(events[:, start : start + size].reshape(len(events), *tensor.shape[1:]))
        start += size
    untranslated(model)
    wanted = model.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=2048, verbose=0)
    found = decode(evaluate(graph, encode_events(graph, events.astype(np.float64))), output_fracs(graph))
    start = 0
    for tensor, output in zip(model.outputs, wanted if isinstance(wanted, list) else [wanted], strict=True):
        flat = output.reshape(len(events), -1)
        part = found[:, start : start + flat.shape[1]]
        start += flat.shape[1]
        assert np.array_equal(part, flat), f"{tensor.name}: {np.mean(part == flat)} of the values agree"
    assert start == found.shape[1]
    return graph
