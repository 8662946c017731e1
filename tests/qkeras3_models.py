"""Models of QKeras v3, written to a folder as `.keras` files beside what its own `predict` gives for random events.

Run by the Python of an environment that has qkeras-v3, which the reader of these files must not have:
``python qkeras3_models.py FOLDER``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers
from qkeras import (
    QActivation,
    QAveragePooling2D,
    QBatchNormalization,
    QConv1D,
    QConv2D,
    QConv2DBatchnorm,
    QConv2DTranspose,
    QDense,
    QDepthwiseConv2D,
    QDepthwiseConv2DBatchnorm,
    QGlobalAveragePooling2D,
    QSeparableConv1D,
    QSeparableConv2D,
)
from qkeras.qrecurrent import QGRU, QLSTM, QBidirectional, QSimpleRNN

EVENTS = 1000
PORT = "quantized_bits(6,2,alpha=1)"
BITS = "quantized_bits(4,1,alpha=1)"
BIAS = "quantized_bits(5,1,alpha=1)"
OUT = "quantized_bits(6,2,alpha=1)"

BOTH = {"kernel_quantizer": BITS, "bias_quantizer": BIAS}
DEEP = {"depthwise_quantizer": BITS, "bias_quantizer": BIAS}

WEIGHTS = (
    *(
        "quantized_bits(4,1,alpha=1)",
        "quantized_bits(4,0)",
        "quantized_bits(5,2,1,alpha=1)",
        "quantized_bits(1,0,alpha=1)",
    ),
    *(
        "quantized_bits(4,0,alpha='auto')",
        "quantized_bits(4,0,alpha='auto_po2')",
        "quantized_bits(3,0,keep_negative=False,alpha=1)",
    ),
    *(
        "ternary(alpha=1)",
        "ternary()",
        "ternary(alpha='auto')",
        "ternary(alpha=1,threshold=0.5)",
        "ternary(alpha='auto_po2')",
    ),
    *("binary(alpha=1)", "binary()", "binary(alpha='auto')", "binary(use_01=True,alpha=1)"),
    *("stochastic_ternary(alpha='auto_po2')", "stochastic_binary(alpha='auto_po2')", "quantized_bits(4,0,alpha=0.5)"),
    *("quantized_po2(4)", "quantized_po2(4,max_value=1)", "quantized_relu_po2(4)", "quantized_linear(4,1,alpha=1)"),
    *("quantized_linear(4,1)", "quantized_linear(4,1,alpha='auto_po2')", "quantized_linear(3,0,0)"),
)
"""Quantisers of a kernel."""

ACTIVATIONS = (
    *("quantized_bits(5,1,alpha=1)", "quantized_bits(5,1,1)", "quantized_bits(3,3,keep_negative=False,alpha=1)"),
    *("quantized_relu(4)", "quantized_relu(5,2)", "quantized_relu(5,2,negative_slope=0.25)", "quantized_relu(5,2,1)"),
    *(
        "quantized_relu(4,2,relu_upper_bound=2.0,is_quantized_clip=False)",
        "quantized_relu(4,1,use_stochastic_rounding=True)",
    ),
    *("quantized_relu_po2(4)", "quantized_relu_po2(4,max_value=4)", "quantized_relu_po2(4,negative_slope=0.25)"),
    *("quantized_po2(4)", "quantized_po2(4,max_value=2)", "quantized_po2(4,quadratic_approximation=True)"),
    *("quantized_tanh(4)", "quantized_tanh(5,symmetric=True)", "quantized_tanh(4,use_real_tanh=True)"),
    *("quantized_sigmoid(4)", "quantized_sigmoid(4,use_real_sigmoid=True)", "quantized_ulaw(4,1)"),
    *("quantized_hswish(5,2,alpha=1)", "ternary(alpha=1)", "ternary()", "ternary(alpha=2,threshold=0.75)"),
    *("binary(alpha=1)", "binary()", "stochastic_ternary()", "stochastic_binary(alpha=1)", "quantized_linear(4,1)"),
    *("hard_tanh", "hard_sigmoid", "binary_tanh", "binary_sigmoid", "smooth_tanh", "smooth_sigmoid", "relu", "relu6"),
)
"""Activations, followed by a quantiser of 8 bits."""

FUNCTIONS = (
    *("relu", "relu6", "leaky_relu", "elu", "selu", "softsign", "softplus", "silu", "gelu", "exponential", "tanh"),
    *("sigmoid", "hard_sigmoid", "mish", "linear"),
)
"""Functions of Keras 3, in front of a quantiser."""


def port(*shape):
    given = keras.Input(shape, name="x")
    return given, QActivation(PORT, name="q")(given)


def kernel(quantizer):
    given, x = port(7)
    return keras.Model(given, QActivation(OUT)(QDense(5, kernel_quantizer=quantizer, bias_quantizer=BIAS, name="d")(x)))


def activation(quantizer):
    given, x = port(7)
    x = QActivation(quantizer, name="a")(QDense(5, name="d", **BOTH)(x))
    return keras.Model(given, QActivation("quantized_bits(8,3,alpha=1)", name="o")(x))


def function(name):
    given, x = port(7)
    x = layers.Activation(name, name="a")(QDense(5, name="d", **BOTH)(x))
    return keras.Model(given, QActivation("quantized_bits(8,3,alpha=1)", name="o")(x))


def sequential():
    return keras.Sequential(
        [
            keras.Input((7,)),
            QActivation(PORT),
            QDense(6, activation="quantized_relu(4,2)", **BOTH),
            layers.Dropout(0.1),
            QDense(4, activation="relu", **BOTH),
            QActivation(OUT),
            QDense(3, **BOTH),
        ]
    )


def several():
    """Two inputs, two outputs, merges of every kind, a layer called twice."""
    first, x = port(6)
    second = keras.Input((6,), name="y")
    y = QActivation(PORT, name="qy")(second)
    shared = QDense(4, name="s", **BOTH)
    a, b = shared(x), shared(y)
    merged = [kind()([a, b]) for kind in (layers.Add, layers.Subtract, layers.Maximum, layers.Minimum, layers.Average)]
    low = [QActivation("quantized_bits(3,2,alpha=1)", name=f"l{k}")(v) for k, v in enumerate((a, b))]
    x = layers.Concatenate()([*merged, layers.Multiply()(low)])
    return keras.Model([first, second], [QDense(2, name="o", **BOTH)(x), layers.ReLU(max_value=2.0)(b)])


def operators():
    given, x = port(6)
    a, b = QDense(4, name="a", **BOTH)(x), QDense(4, name="b", **BOTH)(x)
    return keras.Model(given, QActivation(OUT)(a + b))


def nested():
    inner = keras.Sequential([keras.Input((7,)), QDense(5, **BOTH), QActivation("quantized_relu(4,2)")])
    given, x = port(7)
    return keras.Model(given, QDense(2, **BOTH)(inner(x)))


def images():
    given, x = port(6, 6, 2)
    x = QConv2D(4, (3, 3), activation="quantized_relu(4,2)", **BOTH)(x)
    x = QConv2D(4, (2, 2), strides=2, padding="same", activation="quantized_relu(4,2)", **BOTH)(x)
    return keras.Model(given, QDense(3, **BOTH)(layers.Flatten()(layers.MaxPooling2D(2)(x))))


def image(layer, shape=(5, 5, 2)):
    given, x = port(*shape)
    return keras.Model(given, QActivation("quantized_bits(8,3,alpha=1)", name="o")(layer(x)))


def steps(layer, size=6):
    given, x = port(size, 3)
    return keras.Model(given, QActivation("quantized_bits(8,3,alpha=1)", name="o")(layer(x)))


def constituents():
    given, x = port(8, 3)
    x = layers.TimeDistributed(QDense(4, activation="quantized_relu(4,2)", **BOTH))(layers.Masking()(x))
    x = layers.Flatten()(QConv1D(4, 1, activation="quantized_relu(4,2)", **BOTH)(x))
    return keras.Model(given, QDense(2, **BOTH)(x))


def normalised(*shape, quantised=False):
    given, x = port(*shape)
    x = QDense(4, name="d", **BOTH)(x)
    x = QBatchNormalization(name="n")(x) if quantised else layers.BatchNormalization(name="n")(x)
    return keras.Model(given, QActivation("quantized_bits(6,2,alpha=1)", name="o")(x))


def recurrent(kind, **options):
    given, x = port(4, 3)
    settings = {"kernel_quantizer": BITS, "recurrent_quantizer": BITS, "bias_quantizer": BIAS, **options}
    settings.setdefault("activation", "quantized_tanh(5)")
    if kind is not QSimpleRNN:
        settings.setdefault("recurrent_activation", "quantized_sigmoid(5)")
    state = "quantized_bits(5,1,alpha=1)"
    return keras.Model(given, QDense(2, **BOTH)(kind(3, state_quantizer=state, name="r", **settings)(x)))


def both_ways():
    given, x = port(4, 3)
    inner = QSimpleRNN(
        3, kernel_quantizer=BITS, recurrent_quantizer=BITS, bias_quantizer=BIAS, activation="quantized_tanh(5)"
    )
    return keras.Model(given, QDense(2, **BOTH)(QBidirectional(inner)(x)))


def sample():
    """A bit of everything, for a file that is small enough to be kept beside the tests."""
    first, x = port(4, 4, 2)
    x = QConv2DBatchnorm(3, 2, activation="quantized_relu(4,2)", name="folded", **BOTH)(x)
    x = QBatchNormalization(name="normalised")(x)
    x = layers.Flatten()(QActivation("quantized_bits(4,2,alpha=1)", name="low")(x))
    second = keras.Input((5,), name="y")
    y = QActivation(PORT, name="qy")(second)
    inner = keras.Sequential([keras.Input((5,)), QDense(4, name="i", **BOTH), layers.Dropout(0.1)], name="inner")
    shared = QDense(4, kernel_quantizer="ternary()", bias_quantizer=BIAS, activation="quantized_tanh(5)", name="shared")
    a, b = shared(layers.Concatenate()([x, inner(y)])), shared(layers.Concatenate()([x, inner(QActivation(BITS)(y))]))
    lstm = QLSTM(
        2, kernel_quantizer=BITS, recurrent_quantizer=BITS, bias_quantizer=BIAS, activation="quantized_tanh(4)"
    )
    steps = lstm(layers.Reshape((2, 2))(layers.Maximum()([a, b])))
    return keras.Model([first, second], [QDense(3, name="o", **BOTH)(a + b), steps])


MODELS = {
    **{f"kernel {text}": lambda text=text: kernel(text) for text in WEIGHTS},
    **{f"activation {text}": lambda text=text: activation(text) for text in ACTIVATIONS},
    **{f"function {text}": lambda text=text: function(text) for text in FUNCTIONS},
    "sequential": sequential,
    "several": several,
    "operators": operators,
    "nested": nested,
    "images": images,
    "constituents": constituents,
    "conv1d": lambda: steps(QConv1D(3, 3, strides=2, padding="same", **BOTH)),
    "conv1d causal": lambda: steps(QConv1D(3, 3, padding="causal", **BOTH)),
    "conv1d dilated": lambda: steps(QConv1D(3, 2, dilation_rate=2, **BOTH)),
    "conv2d groups": lambda: image(QConv2D(4, 3, groups=2, **BOTH)),
    "depthwise": lambda: image(QDepthwiseConv2D(3, depth_multiplier=2, **DEEP)),
    "separable1d": lambda: steps(
        QSeparableConv1D(3, 3, depthwise_quantizer=BITS, pointwise_quantizer=BITS, bias_quantizer=BIAS)
    ),
    "separable2d": lambda: image(
        QSeparableConv2D(3, 3, depthwise_quantizer=BITS, pointwise_quantizer=BITS, bias_quantizer=BIAS)
    ),
    "transposed": lambda: image(QConv2DTranspose(3, 3, strides=2, padding="same", **BOTH), (3, 3, 2)),
    "folded": lambda: image(QConv2DBatchnorm(3, 3, **BOTH)),
    "folded batch": lambda: image(QConv2DBatchnorm(3, 3, use_bias=False, folding_mode="batch_stats_folding", **BOTH)),
    "folded depthwise": lambda: image(QDepthwiseConv2DBatchnorm(3, depthwise_quantizer=BITS, bias_quantizer=BIAS)),
    "mean": lambda: image(QAveragePooling2D(2, average_quantizer="quantized_bits(6,0,alpha=1)"), (4, 4, 2)),
    "mean 9": lambda: image(QAveragePooling2D(3, average_quantizer="quantized_bits(6,0,alpha=1)"), (6, 6, 2)),
    "mean all": lambda: image(QGlobalAveragePooling2D(average_quantizer="quantized_bits(6,0,alpha=1)"), (4, 4, 2)),
    "mean plain": lambda: image(layers.AveragePooling2D(2), (4, 4, 2)),
    "normalised": lambda: normalised(7),
    "normalised images": lambda: normalised(3, 3, 2),
    "normalised quantised": lambda: normalised(7, quantised=True),
    "wires": lambda: image(
        keras.Sequential(
            [
                keras.Input((4, 4, 2)),
                layers.ZeroPadding2D(1),
                layers.Cropping2D(((1, 0), (0, 1))),
                layers.UpSampling2D(2),
                layers.Permute((2, 1, 3)),
                layers.Reshape((10, 20)),
            ]
        ),
        (4, 4, 2),
    ),
    "leaky": lambda: image(layers.LeakyReLU(negative_slope=0.25)),
    "simple rnn": lambda: recurrent(QSimpleRNN),
    "own hard sigmoid": lambda: image(QDense(3, activation="hard_sigmoid", **BOTH)),
    "own hard tanh": lambda: image(QDense(3, activation="hard_tanh", **BOTH)),
    "lstm hard": lambda: recurrent(QLSTM, recurrent_activation="hard_sigmoid"),
    "lstm": lambda: recurrent(QLSTM),
    "gru": lambda: recurrent(QGRU),
    "gru after": lambda: recurrent(QGRU, reset_after=True),
    "simple rnn unquantised": lambda: recurrent(QSimpleRNN, recurrent_quantizer=None),
    "both ways": both_ways,
    "sample": sample,
}


def randomize(model, seed):
    """Random weights; variances are positive."""
    draw = np.random.default_rng(seed)
    for variable in model.variables:
        if "float" in variable.dtype:
            low = 0.3 if "variance" in variable.path else None
            values = draw.normal(0, 0.6, variable.shape) if low is None else draw.uniform(low, 2, variable.shape)
            variable.assign(values.astype(np.float32))


def inner_layers(model):
    for layer in model.layers:
        inner = getattr(layer, "layer", layer)
        if hasattr(inner, "layers"):
            yield from inner_layers(inner)
        else:
            yield inner


def quantised(model):
    """What each layer's kernel is once it is quantised, by the layer's name."""
    found = {}
    for layer in inner_layers(model):
        quantizer = getattr(layer, "kernel_quantizer_internal", None)
        if quantizer is not None and getattr(layer, "kernel", None) is not None and not hasattr(layer, "batchnorm"):
            found[layer.name] = keras.ops.convert_to_numpy(quantizer(layer.kernel))
    return found


def write(folder):
    """Every model as a file, what it gives, and what could not be built or saved, with the reason."""
    made, failed = [], {}
    for seed, (name, make) in enumerate(MODELS.items()):
        keras.utils.set_random_seed(seed)
        keras.backend.clear_session()
        stem = f"m{seed}"
        try:
            model = make()
            randomize(model, seed)
            model.save(folder / f"{stem}.keras")
            model = keras.saving.load_model(folder / f"{stem}.keras")
            draw = np.random.default_rng(seed)
            x = [
                (draw.integers(-40, 40, (EVENTS, *tensor.shape[1:])) / 8).astype(np.float32) for tensor in model.inputs
            ]
            found = model.predict(x if len(x) > 1 else x[0], verbose=0)
        except Exception as error:  # noqa: BLE001 - whatever QKeras v3 itself cannot do is said, with its own words
            failed[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            continue
        flat = [np.asarray(part).reshape(EVENTS, -1) for part in keras.tree.flatten(found)]
        given = [part.reshape(EVENTS, -1) for part in x]
        weights = {f"kernel {key}": values for key, values in quantised(model).items()}
        np.savez(folder / f"{stem}.npz", x=np.concatenate(given, 1), y=np.concatenate(flat, 1), **weights)
        made.append([name, stem])
    (folder / "models.json").write_text(json.dumps({"made": made, "failed": failed}, indent=1))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
