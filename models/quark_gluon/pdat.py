"""P-DAT and P-DAT-Bit: particle and channel attention for quark and gluon jets, as BitHEP trains them.

A study of physics, not firmware: the quantised layers take their 8-bit scale from the largest value of each token and
compute in float32. Eleven layers of 64 x 64 are ternary in P-DAT-Bit; P-DAT is the same network in float.

Source: BitHEP, arXiv:2504.03387; P-DAT, arXiv:2307.04723.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from pdat_inputs import COLUMNS, NEIGHBOUR_FEATURES, PAIR_FEATURES, JetMatrix, NeighbourFeatures, PairFeatures

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

Block = Callable[[Tensor], Tensor]
"""Some layers with their weights: what goes from one tensor to another."""


def linear(units: int, fan_in: int, kind: type[Layer] = layers.Dense, **options: Option) -> Layer:
    """Return a dense layer of `fan_in` inputs that starts as those of PyTorch."""
    return kind(units, **torch_initializers(fan_in), **options)


def _batch_norm() -> Layer:
    return layers.BatchNormalization(momentum=_MOMENTUM, epsilon=_EPSILON)


def _layer_norm() -> Layer:
    return layers.LayerNormalization(epsilon=_EPSILON)


def _feed_forward(kind: type[Layer], name: str) -> Block:
    """The half of a block behind its attention: two quantised layers, GELU between them, and a residual around all."""
    first, second = (linear(WIDTH, WIDTH, kind, name=f"{name}_fc{i}") for i in (1, 2))
    before, between, dropout = _layer_norm(), _layer_norm(), layers.Dropout(DROPOUT)

    def apply(inputs: Tensor) -> Tensor:
        hidden = dropout(tf.nn.gelu(first(before(inputs))))
        return inputs + dropout(second(between(hidden)))

    return apply


def _pointwise(fan_in: int, units: tuple[int, ...], name: str, *, use_bias: bool, dropout: float = 0.0) -> Block:
    """Pointwise convolutions, each with batch normalisation, GELU and Dropout."""
    stages = [
        (linear(n_out, n_in, use_bias=use_bias, name=f"{name}_{i}"), _batch_norm(), layers.Dropout(dropout))
        for i, (n_in, n_out) in enumerate(zip((fan_in, *units), units, strict=False), start=1)
    ]

    def apply(inputs: Tensor) -> Tensor:
        for dense, norm, drop in stages:
            inputs = drop(tf.nn.gelu(norm(dense(inputs))))
        return inputs

    return apply


def particle_attention(kind: type[Layer]) -> Callable[[Tensor, Tensor], Tensor]:
    """Return attention among constituents `(events, n, 64)`, biased by features of their pairs; six quantised layers.

    What it returns can be called several times; the weights are the same each time.
    """
    names = ("query", "key", "value", "project")
    query, key, value, project = (linear(WIDTH, WIDTH, kind, name=f"particle_{name}") for name in names)
    bias = _pointwise(PAIR_FEATURES, (32, 16, HEADS), "particle_bias", use_bias=True, dropout=DROPOUT)
    before, after, dropout = _layer_norm(), _layer_norm(), layers.Dropout(DROPOUT)
    feed_forward = _feed_forward(kind, "particle")

    def heads(values: Tensor) -> Tensor:
        return tf.transpose(tf.reshape(values, (-1, values.shape[1], HEADS, WIDTH // HEADS)), (0, 2, 1, 3))

    def apply(inputs: Tensor, pairs: Tensor) -> Tensor:
        normed = before(inputs)
        q, k, v = (heads(part(normed)) for part in (query, key, value))
        among = tf.transpose(bias(pairs), (0, 3, 1, 2))
        weights = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / (WIDTH / HEADS) ** 0.5 + among)
        mixed = tf.transpose(tf.matmul(weights, v), (0, 2, 1, 3))
        mixed = tf.reshape(mixed, (-1, inputs.shape[1], WIDTH)) - normed
        return feed_forward(after(dropout(tf.nn.gelu(project(mixed)))) + inputs)

    return apply


def channel_attention(kind: type[Layer]) -> Callable[[Tensor, Tensor], Tensor]:
    """Return attention among the channels of `(events, n, 64)`, biased by the matrix of the jet; five quantised layers.

    Queries, keys and values `(n, 64)` are read as `(64, n)` without a transposition, as in the authors' code. What it returns
    can be called several times; the weights are the same each time.
    """
    query, key, value = (linear(WIDTH, WIDTH, kind, name=f"channel_{name}") for name in ("query", "key", "value"))
    convolutions = [
        layers.Conv2D(1, 3, padding="same", **torch_initializers(9), name=f"channel_bias_{i}") for i in (1, 2, 3)
    ]
    before, after, dropout = _layer_norm(), _layer_norm(), layers.Dropout(DROPOUT)
    feed_forward = _feed_forward(kind, "channel")

    def apply(inputs: Tensor, matrix: Tensor) -> Tensor:
        normed = before(inputs)
        reread = (-1, WIDTH, inputs.shape[1])
        q, k, v = (tf.reshape(part(normed), reread) for part in (query, key, value))
        bias = tf.image.resize(tf.expand_dims(matrix, -1), (WIDTH, WIDTH))
        for convolution in convolutions:
            bias = dropout(tf.nn.gelu(convolution(bias)))
        weights = tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / WIDTH**0.5 + tf.squeeze(bias, axis=-1))
        mixed = tf.transpose(tf.matmul(weights, v), (0, 2, 1)) - normed
        return feed_forward(after(dropout(mixed)) + inputs)

    return apply


def nearest_mean(features: Tensor, values: Tensor, neighbours: int) -> Tensor:
    """Return the mean of `values` over the nearest rows of `features`, each row its own first neighbour."""
    squares = tf.reduce_sum(features**2, axis=-1)
    distance = squares[:, :, None] + squares[:, None, :] - 2 * tf.matmul(features, features, transpose_b=True)
    _, index = tf.math.top_k(-tf.stop_gradient(distance), neighbours)
    chosen = tf.reduce_sum(tf.one_hot(index, features.shape[1]), axis=2)
    return tf.matmul(chosen, values) / neighbours


def build_pdat(constituents: int, neighbours: int, *, ternary: bool, seed: int, counted: bool = False) -> Model:
    """Return P-DAT, or P-DAT-Bit if `ternary`; it reads `particle_table` and gives two probabilities.

    The second EdgeConv sees features of the neighbour alone, so each constituent passes its convolutions once and the
    mean over neighbours is taken behind: the same at inference, and in training each constituent counts once in the
    batch statistics.

    It is a functional model of Keras, so it is saved and read, and its operations are counted; to read a file, import this
    module first.

    Args:
        constituents: rows of the table; 100 in BitHEP.
        neighbours: of a constituent, itself included; 21 and 20 in BitHEP, here one number for both EdgeConvs.
        ternary: whether the eleven layers are `BitHepLinear` instead of Dense.
        seed: of the initial weights.
        counted: whether the number of all constituents is among the features of each, for which the paper's network, which sees
            nearly all of them, has no need.
    """
    tf.keras.utils.set_random_seed(seed)
    kind = BitHepLinear if ternary else layers.Dense
    table = layers.Input((constituents, len(COLUMNS) + counted), name="constituents")
    pairs, matrix = PairFeatures(name="pairs")(table), JetMatrix(name="jet")(table)
    near = NeighbourFeatures(neighbours, name="neighbours")(table)
    edges = _pointwise(NEIGHBOUR_FEATURES + counted, (128, 128, 128), "edge", use_bias=False)(near)
    first = tf.reduce_mean(edges, axis=2)
    second = _pointwise(128, (WIDTH, WIDTH, WIDTH), "second_edge", use_bias=False)(first)
    x = nearest_mean(first, second, neighbours)
    attend, mix = particle_attention(kind), channel_attention(kind)
    stack = [x]
    for _ in range(2):
        stack.append(attend(stack[-1], pairs))
        stack.append(mix(stack[-1], matrix))
    joined = linear(256, 5 * WIDTH, name="joined")(tf.concat(stack, axis=-1))
    hidden = linear(128, 256, name="head")(tf.reduce_mean(joined, axis=1))
    hidden = layers.Dropout(HEAD_DROPOUT)(tf.nn.gelu(_batch_norm()(hidden)))
    outputs = layers.Softmax(name="probabilities")(linear(2, 128, name="classes")(hidden))
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
