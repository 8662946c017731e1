"""SMEFTNet in Keras, with any part of it in BitHEP's ternary layers. Importing this module imports TensorFlow.

Each constituent has a transverse momentum, a vector in the plane across the jet axis, and features; the first feature is the
length of the vector. A message-passing layer joins the constituents within a radius, itself included:

    message(i <- j)   = MLP([f_i, f_j, f_j - f_i, cos(g_i - g_j), sin(g_i - g_j)])    g: the angle of the vector
    (features_i, o_i) = sum_j pT_j message(i <- j) / sum_j pT_j
    vector_i         <- vector_i rotated by 2 pi o_i

Then features and vectors are averaged over the jet with pT as weight, and an MLP reads the angle out of them and the jet's
pT. So, up to the radius, what is averaged does not change by a soft constituent or one that is split in two, and
when the jet is rotated its features stay and its vector turns with it.

Source: S. Chatterjee et al., arXiv:2401.10323; the sizes are those of BitHEP, arXiv:2504.03387.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from bittrigger.errors import ConfigError
from bittrigger.layers.bithep import BitHepLinear, torch_initializers
from bittrigger.layers.keras_types import Model, Option, Tensor

RADIUS = 0.4
"""Of the graph, in units of the polar angle (radians). Source: `dRN` of BitHEP's configuration."""

MESSAGE_UNITS = (20, 20)
READOUT_UNITS = (32, 32)
NEGATIVE_SLOPE = 0.01

_register = tf.keras.utils.register_keras_serializable(package="decay_plane")


@dataclass(frozen=True)
class Shape:
    """What a network is made of.

    Attributes:
        constituents: leading ones of a jet that are read.
        message_layers: 1 or more.
        bit_message: whether the message MLPs are ternary.
        bit_readout: whether the read-out MLP is ternary.

    Raises:
        ConfigError: a number is below 1.
    """

    constituents: int = 40
    message_layers: int = 1
    bit_message: bool = False
    bit_readout: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("constituents", "message_layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"SMEFTNet: {name} {getattr(self, name)}; expected at least 1")


@_register
class Unpack(tf.keras.layers.Layer):  # type: ignore[misc]
    """Jets `(n, 1 + 3 N)` to jet pT `(n, 1)`, constituents' pT `(n, N)` and vectors `(n, N, 2)` in units of the radius.

    A row is the standardised pT of the jet, then pT, polar and azimuthal angle of each constituent; one of pT 0 is none. The
    vector is the polar angle times the unit vector of the azimuthal one, so that a rotation about the jet axis rotates it.
    """

    def call(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return jet pT, constituents' pT and vectors."""
        pt, polar, azimuth = tf.unstack(tf.reshape(inputs[:, 1:], (-1, inputs.shape[1] // 3, 3)), axis=-1)
        vector = tf.stack([tf.cos(azimuth), tf.sin(azimuth)], axis=-1)
        return inputs[:, :1], pt, vector * (polar / RADIUS)[..., tf.newaxis]


@_register
class Edges(tf.keras.layers.Layer):  # type: ignore[misc]
    """The graph within the radius: inputs of the messages `(n, N, N, 3 F + 2)`, and their weights `(n, N, N)`.

    The weights of the neighbours `j` of `i` add up to 1; those of what is no neighbour are 0.
    """

    def call(self, inputs: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return messages' inputs and weights from pT `(n, N)`, vectors `(n, N, 2)` and features `(n, N, F)`."""
        pt, vector, features = inputs
        to, other = vector[:, :, tf.newaxis], vector[:, tf.newaxis]
        near = tf.reduce_sum(tf.square(to - other), axis=-1) <= 1.0
        weights = tf.where(near, pt[:, tf.newaxis], tf.zeros_like(pt)[:, tf.newaxis])
        weights = tf.math.divide_no_nan(weights, tf.reduce_sum(weights, axis=-1, keepdims=True))
        unit = tf.math.divide_no_nan(vector, tf.norm(tf.stop_gradient(vector) + 1e-30, axis=-1, keepdims=True))
        to, other = unit[:, :, tf.newaxis], unit[:, tf.newaxis]
        cosine = tf.reduce_sum(to * other, axis=-1, keepdims=True)
        sine = to[..., 1:] * other[..., :1] - to[..., :1] * other[..., 1:]
        size = tf.shape(near)
        own = tf.broadcast_to(features[:, :, tf.newaxis], tf.concat([size, features.shape[-1:]], 0))
        theirs = tf.broadcast_to(features[:, tf.newaxis], tf.shape(own))
        return tf.concat([own, theirs, theirs - own, cosine, sine], axis=-1), weights


@_register
class Rotate(tf.keras.layers.Layer):  # type: ignore[misc]
    """Messages averaged over the neighbours: features `(n, N, F)`, and vectors rotated by the last number of a message."""

    def call(self, inputs: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return features and vectors from messages `(n, N, N, F + 1)`, weights `(n, N, N)` and vectors `(n, N, 2)`."""
        messages, weights, vector = inputs
        mean = tf.linalg.matvec(messages, weights, transpose_a=True)
        angle = (2 * math.pi) * mean[..., -1]
        cosine, sine = tf.cos(angle), tf.sin(angle)
        x, y = vector[..., 0], vector[..., 1]
        return mean[..., :-1], tf.stack([cosine * x - sine * y, sine * x + cosine * y], axis=-1)


@_register
class Pool(tf.keras.layers.Layer):  # type: ignore[misc]
    """The mean over the jet with pT as weight: `(n, N, F)` to `(n, F)`."""

    def call(self, inputs: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean of values `(n, N, F)` with weights pT `(n, N)`."""
        values, pt = inputs
        weights = tf.math.divide_no_nan(pt, tf.reduce_sum(pt, axis=-1, keepdims=True))
        return tf.reduce_sum(values * weights[..., tf.newaxis], axis=1)


@_register
class Length(tf.keras.layers.Layer):  # type: ignore[misc]
    """The lengths of vectors as a feature: `(n, N, 2)` to `(n, N, 1)`."""

    def call(self, inputs: Tensor) -> Tensor:
        """Return the lengths."""
        return tf.norm(inputs, axis=-1, keepdims=True)


def mean_sin2(target: Tensor, found: Tensor) -> Tensor:
    """Return the loss of BitHEP, `mean sin^2(found - target)`: angles that differ by pi are the same."""
    return tf.reduce_mean(tf.square(tf.sin(found - target)))


def build_smeftnet(shape: Shape, name: str = "smeftnet") -> Model:
    """Return an untrained network for jets `(n, 1 + 3 N)`, see `Unpack`; it delivers an angle `(n, 1)`.

    All variants have the same layers, activations and initial distribution of weights, and no normalisation.
    """
    inputs = tf.keras.Input(1 + 3 * shape.constituents, name="jet")
    jet_pt, pt, vector = Unpack(name="unpack")(inputs)
    features = Length(name="length")(vector)
    for number in range(1, shape.message_layers + 1):
        edges, weights = Edges(name=f"edges_{number}")([pt, vector, features])
        units = (*MESSAGE_UNITS[:-1], MESSAGE_UNITS[-1] + 1)
        messages = _mlp(edges, units, bit=shape.bit_message, name=f"message_{number}")
        features, vector = Rotate(name=f"rotate_{number}")([messages, weights, vector])
    both = tf.keras.layers.Concatenate(name="pooled_inputs")([features, vector])
    pooled = Pool(name="pooled")([both, pt])
    read = tf.keras.layers.Concatenate(name="readout_inputs")([pooled, jet_pt])
    outputs = _mlp(read, (*READOUT_UNITS, 1), bit=shape.bit_readout, name="readout")
    return tf.keras.Model(inputs, outputs, name=name)


def pooled_of(model: Model) -> Model:
    """Return the part of a network that ends before the read-out: pooled features, then the vector, `(n, F + 2)`."""
    return tf.keras.Model(model.inputs, model.get_layer("pooled").output)


def part_parameters(model: Model) -> dict[str, int]:
    """Return the parameters of the message MLPs and of the read-out MLP."""
    return {
        part: sum(layer.count_params() for layer in model.layers if layer.name.startswith(f"{part}_"))
        for part in ("message", "readout")
    }


def _mlp(tensor: Tensor, units: tuple[int, ...], *, bit: bool, name: str) -> Tensor:
    """Dense layers with LeakyReLU between them."""
    for number, size in enumerate(units, start=1):
        tensor = _linear(int(tensor.shape[-1]), size, bit=bit, name=f"{name}_dense_{number}")(tensor)
        if number < len(units):
            tensor = tf.keras.layers.LeakyReLU(NEGATIVE_SLOPE, name=f"{name}_leaky_{number}")(tensor)
    return tensor


def _linear(n_in: int, units: int, *, bit: bool, name: str) -> Option:
    options: dict[str, Any] = {"name": name, **torch_initializers(n_in)}
    return BitHepLinear(units, **options) if bit else tf.keras.layers.Dense(units, **options)
