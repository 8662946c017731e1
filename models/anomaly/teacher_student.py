"""The networks of the anomaly trigger: the autoencoder that teaches, and the students that learn its score.

Importing this module imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import qkeras
import tensorflow as tf

from bittrigger.layers import BitLinear, StaticQuantizer
from bittrigger.layers.keras_types import Model, Tensor
from bittrigger.train.recipes import predict

Floats = npt.NDArray[np.float32]

COLUMNS = 57
OBJECTS = ("met", *("egamma",) * 4, *("muon",) * 4, *("jet",) * 10)
SCALE_LOG2 = {"met": -4, "egamma": -3, "muon": -2, "jet": -4}
"""A unit is 8 GeV for MET and jets, 4 GeV for e/gamma, 2 GeV for muons; the hardware's integers count 0.5 GeV."""

PORT_QUANTIZER = "quantized_bits(12,11,alpha=1)"
SCALE_QUANTIZER = "quantized_bits(8,0,alpha=1)"
INPUT_QUANTIZER = StaticQuantizer(bits=7, signed=False, integer=4)
"""Steps of an eighth, up to 16: momenta of MET and jets saturate at 128 GeV, of e/gamma at 64 GeV, of muons at 32 GeV."""

HIDDEN_QUANTIZER = StaticQuantizer(bits=6, signed=False, integer=3)
BIAS_QUANTIZER = "quantized_bits(12,3,alpha=1)"

CODE_SIZE = 4
CODE_HIDDEN = (32, 16)
KL_WEIGHT = 0.5
"""Weight of the divergence against the summed squared error."""


def object_scales() -> Floats:
    """The kernel `(57, 19)` that takes the transverse momentum of each object and scales it by a power of two."""
    kernel = np.zeros((COLUMNS, len(OBJECTS)), np.float32)
    for i, kind in enumerate(OBJECTS):
        kernel[3 * i, i] = 2.0 ** SCALE_LOG2[kind]
    return kernel


def autoencoder(seed: int) -> Model:
    """A variational autoencoder of 19 scaled momenta: its output is the objective of each crossing, `(n, 1)`.

    The objective is the summed squared error plus `KL_WEIGHT` times the divergence. At inference the mean code is decoded.

    Source: D. Kingma, M. Welling, arXiv:1312.6114, equation 10.
    """
    tf.keras.utils.set_random_seed(seed)
    layers = tf.keras.layers
    inputs = tensor = layers.Input(len(OBJECTS), name="momenta")
    for units in CODE_HIDDEN:
        tensor = layers.Dense(units, "relu")(tensor)
    mean = layers.Dense(CODE_SIZE, name="mean")(tensor)
    log_variance = tf.clip_by_value(layers.Dense(CODE_SIZE, name="log_variance")(tensor), -8.0, 4.0)
    noise = layers.GaussianNoise(1.0, seed=seed)(tf.zeros_like(mean))
    tensor = mean + tf.exp(log_variance / 2) * noise
    for units in reversed(CODE_HIDDEN):
        tensor = layers.Dense(units, "relu")(tensor)
    error = tf.reduce_sum((layers.Dense(len(OBJECTS))(tensor) - inputs) ** 2, axis=-1, keepdims=True)
    divergence = tf.reduce_sum(mean**2 + tf.exp(log_variance) - log_variance - 1, axis=-1, keepdims=True) / 2
    return tf.keras.Model(inputs, error + KL_WEIGHT * divergence, name="autoencoder")


def mean_output(_: Tensor, outputs: Tensor) -> Tensor:
    """The loss of a model whose output is what is to be made small."""
    return tf.reduce_mean(outputs)


def objective_score(model: Model, center: Floats) -> Callable[[npt.NDArray[np.integer]], Floats]:
    """The root of the autoencoder's objective for crossings of 57 integers, `(n,)`."""

    def score(x: npt.NDArray[np.integer]) -> Floats:
        momenta = (x @ object_scales() - center).astype(np.float32)
        return np.sqrt(predict(model, momenta)[:, 0])

    return score


def float_student(hidden: Sequence[int], seed: int) -> Model:
    """The student in float32: 57 integers to a score."""
    tf.keras.utils.set_random_seed(seed)
    layers = tf.keras.layers
    inputs = layers.Input(COLUMNS, name="objects")
    tensor = _scaled(layers.Dense(len(OBJECTS), use_bias=False, trainable=False, name="object_scales"), inputs)
    for i, units in enumerate(hidden):
        tensor = layers.Dense(units, "relu", kernel_initializer="he_normal", name=f"dense_{i + 1}")(tensor)
    return tf.keras.Model(inputs, layers.Dense(1, name="score")(tensor), name="float_twin")


def ternary_student(hidden: Sequence[int], seed: int, twin: Model) -> Model:
    """The student as it becomes firmware: ternary kernels, quantised activations; it begins with the weights of its twin."""
    tf.keras.utils.set_random_seed(seed)
    inputs = tf.keras.layers.Input(COLUMNS, name="objects")
    ports = qkeras.QActivation(PORT_QUANTIZER, name="objects_int12")(inputs)
    scales = qkeras.QDense(
        len(OBJECTS), use_bias=False, kernel_quantizer=SCALE_QUANTIZER, trainable=False, name="object_scales"
    )
    tensor, quantizer = _scaled(scales, ports), INPUT_QUANTIZER
    for i, units in enumerate(hidden):
        tensor = BitLinear(units, input_quantizer=quantizer, bias_quantizer=BIAS_QUANTIZER, name=f"dense_{i + 1}")(
            tensor
        )
        quantizer = HIDDEN_QUANTIZER
    score = BitLinear(1, input_quantizer=quantizer, bias_quantizer=BIAS_QUANTIZER, name="score")(tensor)
    model = tf.keras.Model(inputs, score, name="anomaly")
    for layer in twin.layers:
        if layer.trainable and layer.weights:
            copy = model.get_layer(layer.name)
            copy.set_weights([*layer.get_weights(), *copy.get_weights()[2:]])
    return model


def _scaled(layer: tf.keras.layers.Layer, inputs: Tensor) -> Tensor:
    outputs = layer(inputs)
    layer.set_weights([object_scales()])
    return outputs
