"""P-DAT and P-DAT-Bit: particle and channel attention for quark and gluon jets, as BitHEP trains them.

A study of physics, not firmware: the quantised layers take their 8-bit scale from the largest value of each token and
compute in float32. Eleven layers of 64 x 64 are ternary in P-DAT-Bit; P-DAT is the same network in float.

Source: BitHEP, arXiv:2504.03387; P-DAT, arXiv:2307.04723.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from pdat_inputs import COLUMNS, jet_matrix, neighbour_features, pair_features

from bittrigger.layers.bithep import BitHepLinear, torch_initializers
from bittrigger.layers.keras_types import Layer, Model, Option, Tensor

WIDTH = 64
HEADS = 8
DROPOUT = 0.1
HEAD_DROPOUT = 0.5
QUANTISED_LAYERS = 11

_EPSILON = 1e-5
_MOMENTUM = 0.9

layers = tf.keras.layers


def linear(units: int, fan_in: int, kind: type[Layer] = layers.Dense, **options: Option) -> Layer:
    """Return a dense layer of `fan_in` inputs that starts as those of PyTorch."""
    return kind(units, **torch_initializers(fan_in), **options)


def _batch_norm() -> Layer:
    return layers.BatchNormalization(momentum=_MOMENTUM, epsilon=_EPSILON)


def _layer_norm() -> Layer:
    return layers.LayerNormalization(epsilon=_EPSILON)


class PointwiseStack(layers.Layer):  # type: ignore[misc]
    """Pointwise convolutions, each with batch normalisation and GELU, and a Dropout if there is a rate."""

    def __init__(self, fan_in: int, units: tuple[int, ...], *, use_bias: bool, dropout: float = 0.0) -> None:
        super().__init__()
        sizes = (fan_in, *units)
        self.stages = [
            (linear(n_out, n_in, use_bias=use_bias), _batch_norm(), layers.Dropout(dropout))
            for n_in, n_out in zip(sizes, units, strict=False)
        ]

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Return the outputs, `(events, ..., units[-1])`."""
        for dense, norm, dropout in self.stages:
            inputs = dropout(tf.nn.gelu(norm(dense(inputs), training=training)), training=training)
        return inputs


class FeedForward(layers.Layer):  # type: ignore[misc]
    """The half of a block behind its attention: two quantised layers with a residual around them."""

    def __init__(self, kind: type[Layer], activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.second = linear(WIDTH, WIDTH, kind), linear(WIDTH, WIDTH, kind)
        self.before, self.between = _layer_norm(), _layer_norm()
        self.dropout = layers.Dropout(DROPOUT)
        self.activation = activation

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Return the outputs, shaped as `inputs`."""
        hidden = self.dropout(self.activation(self.first(self.before(inputs))), training=training)
        return inputs + self.dropout(self.second(self.between(hidden)), training=training)


class ParticleAttention(layers.Layer):  # type: ignore[misc]
    """Attention among constituents, biased by features of their pairs; six quantised layers."""

    def __init__(self, kind: type[Layer], pair_features_: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.project = (linear(WIDTH, WIDTH, kind) for _ in range(4))
        self.bias = PointwiseStack(pair_features_, (32, 16, HEADS), use_bias=True, dropout=DROPOUT)
        self.before, self.after = _layer_norm(), _layer_norm()
        self.dropout = layers.Dropout(DROPOUT)
        self.feed_forward = FeedForward(kind, tf.nn.gelu)

    def call(self, inputs: Tensor, pairs: Tensor, training: bool | None = None) -> Tensor:
        """Return the outputs, `(events, n, 64)`."""
        normed = self.before(inputs)
        query, key, value = (self._heads(part(normed)) for part in (self.query, self.key, self.value))
        bias = tf.transpose(self.bias(pairs, training=training), (0, 3, 1, 2))
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) / (WIDTH / HEADS) ** 0.5 + bias)
        mixed = tf.reshape(tf.transpose(tf.matmul(weights, value), (0, 2, 1, 3)), tf.shape(normed)) - normed
        mixed = self.dropout(tf.nn.gelu(self.project(mixed)), training=training)
        return self.feed_forward(self.after(mixed) + inputs, training=training)

    def _heads(self, values: Tensor) -> Tensor:
        shape = (-1, values.shape[1], HEADS, WIDTH // HEADS)
        return tf.transpose(tf.reshape(values, shape), (0, 2, 1, 3))


class ChannelAttention(layers.Layer):  # type: ignore[misc]
    """Attention among channels, biased by the matrix of the jet; five quantised layers.

    Queries, keys and values `(n, 64)` are read as `(64, n)` without a transposition, as in the authors' code.
    """

    def __init__(self, kind: type[Layer]) -> None:
        super().__init__()
        self.query, self.key, self.value = (linear(WIDTH, WIDTH, kind) for _ in range(3))
        self.bias = [layers.Conv2D(1, 3, padding="same", **torch_initializers(9)) for _ in range(3)]
        self.before, self.after = _layer_norm(), _layer_norm()
        self.dropout = layers.Dropout(DROPOUT)
        self.feed_forward = FeedForward(kind, tf.identity)

    def call(self, inputs: Tensor, matrix: Tensor, training: bool | None = None) -> Tensor:
        """Return the outputs, `(events, n, 64)`."""
        normed = self.before(inputs)
        reread = (-1, WIDTH, inputs.shape[1])
        query, key, value = (tf.reshape(part(normed), reread) for part in (self.query, self.key, self.value))
        bias = tf.image.resize(matrix[..., None], (WIDTH, WIDTH))
        for convolution in self.bias:
            bias = self.dropout(tf.nn.gelu(convolution(bias)), training=training)
        weights = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) / WIDTH**0.5 + bias[..., 0])
        mixed = tf.transpose(tf.matmul(weights, value), (0, 2, 1)) - normed
        return self.feed_forward(self.after(self.dropout(mixed, training=training)) + inputs, training=training)


def nearest_mean(features: Tensor, values: Tensor, neighbours: int) -> Tensor:
    """Return the mean of `values` over the nearest rows of `features`, each row its own first neighbour."""
    squares = tf.reduce_sum(features**2, axis=-1)
    distance = squares[:, :, None] + squares[:, None, :] - 2 * tf.matmul(features, features, transpose_b=True)
    _, index = tf.math.top_k(-tf.stop_gradient(distance), neighbours)
    chosen = tf.reduce_sum(tf.one_hot(index, features.shape[1]), axis=2)
    return tf.matmul(chosen, values) / neighbours


def build_pdat(constituents: int, neighbours: int, *, ternary: bool, seed: int) -> Model:
    """Return P-DAT, or P-DAT-Bit if `ternary`; it reads `particle_table` and gives two probabilities.

    The second EdgeConv sees features of the neighbour alone, so each constituent passes its convolutions once and the
    mean over neighbours is taken behind: the same at inference, and in training each constituent counts once in the
    batch statistics.

    Args:
        constituents: rows of the table; 100 in BitHEP.
        neighbours: of a constituent, itself included; 21 and 20 in BitHEP, here one number for both EdgeConvs.
        ternary: whether the eleven layers are `BitHepLinear` instead of Dense.
        seed: of the initial weights.
    """
    tf.keras.utils.set_random_seed(seed)
    kind = BitHepLinear if ternary else layers.Dense
    table = layers.Input((constituents, len(COLUMNS)), name="constituents")
    pairs = layers.Lambda(pair_features, name="pairs")(table)
    matrix = layers.Lambda(jet_matrix, name="jet")(table)
    near = layers.Lambda(lambda rows: neighbour_features(rows, neighbours), name="neighbours")(table)
    edges = PointwiseStack(near.shape[-1], (128, 128, 128), use_bias=False)(near)
    first = tf.reduce_mean(edges, axis=2)
    second = PointwiseStack(128, (WIDTH, WIDTH, WIDTH), use_bias=False)(first)
    x = nearest_mean(first, second, neighbours)
    attend, mix = ParticleAttention(kind, pairs.shape[-1]), ChannelAttention(kind)
    stack = [x]
    for _ in range(2):
        stack.append(attend(stack[-1], pairs))
        stack.append(mix(stack[-1], matrix))
    joined = linear(256, 5 * WIDTH)(tf.concat(stack, axis=-1))
    hidden = linear(128, 256)(tf.reduce_mean(joined, axis=1))
    hidden = layers.Dropout(HEAD_DROPOUT)(tf.nn.gelu(_batch_norm()(hidden)))
    outputs = layers.Softmax(name="probabilities")(linear(2, 128)(hidden))
    return tf.keras.Model(table, outputs, name="p_dat_bit" if ternary else "p_dat")


def double_softmax_loss(labels: Tensor, probabilities: Tensor) -> Tensor:
    """Return the cross-entropy `(events,)` that takes the probabilities for logits, as the authors' code does."""
    flat = tf.cast(tf.reshape(labels, (-1,)), tf.int32)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(flat, probabilities)


def parameter_counts(model: Model) -> tuple[int, int]:
    """Return how many trainable parameters `model` uses, and how many are in ternary layers, biases included."""
    parts: list[Any] = [part for part in model.submodules if isinstance(part, BitHepLinear)]
    return _size(model.trainable_weights), sum(_size(part.trainable_weights) for part in parts)


def _size(weights: list[Any]) -> int:
    return sum(int(weight.shape.num_elements()) for weight in weights)
