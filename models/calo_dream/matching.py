"""Conditional flow matching: a network learns the velocity of straight paths from noise to events, and is followed to sample.

Source: CaloDREAM, L. Favaro et al., arXiv:2405.09629.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from bittrigger.layers import BitHepLinear
from bittrigger.layers.keras_types import Layer, Tensor

VALIDATION = 2**31 - 1
"""Step whose draws serve outside of training, so that two epochs are judged on the same noise."""


class Matching(tf.keras.Model):  # type: ignore[misc]
    """Called with events and conditions side by side, `(n, dims + conditions)`, it gives the error of the velocity, `(n, 1)`.

    Noise and times of a training step depend on the seed and on the number of the step alone, which is one of the weights: a
    training that is stopped goes on with the draws of one that is not.

    Args:
        net: a layer of `(moved, time, events, conditions)` that gives the velocity `(n, dims)`, with `settings.dims` and `times`,
            how many times an event has: one for all of its numbers, or one each.
        seed: of the draws.
    """

    def __init__(self, net: Layer, seed: int, name: str) -> None:
        super().__init__(name=name)
        self.net, self.seed = net, seed
        self.step = self.add_weight("step", (), tf.int32, initializer="zeros", trainable=False)

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """The squared error of the velocity, the mean over the numbers of each event, `(n, 1)`."""
        dims = self.net.settings.dims
        events, conditions = inputs[:, :dims], inputs[:, dims:]
        step = self.step if training else VALIDATION
        noise = tf.random.stateless_normal(tf.shape(events), (self.seed, step))
        time = tf.random.stateless_uniform((tf.shape(events)[0], self.net.times), (self.seed + 1, step))
        if training:
            self.step.assign_add(1)
        moved = (1 - time) * noise + time * events
        found = self.net(moved, time, events, conditions)
        return tf.reduce_mean((found - (events - noise)) ** 2, axis=1, keepdims=True)


def follow(velocity: Callable[[Tensor, Tensor], Tensor], start: Tensor, steps: int) -> Tensor:
    """Where the path from `start` at time 0 is at time 1, by the method of Runge and Kutta of fourth order.

    Args:
        velocity: of the events, `(n, dims)`, and a time, `()`.
        start: noise `(n, dims)`.
        steps: equal ones, of four velocities each.
    """
    x, length = start, 1 / steps
    for i in range(steps):
        times = [tf.constant(length * (i + part), tf.float32) for part in (0, 0.5, 1)]
        first = velocity(x, times[0])
        second = velocity(x + length / 2 * first, times[1])
        third = velocity(x + length / 2 * second, times[1])
        fourth = velocity(x + length * third, times[2])
        x += length / 6 * (first + 2 * (second + third) + fourth)
    return x


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, *, causal: bool = False) -> Tensor:
    """Softmax attention of `(n, tokens, units)`, the units shared among heads; if `causal`, none looks at a later token."""

    def split(values: Tensor) -> Tensor:
        shape = (-1, values.shape[1], heads, values.shape[2] // heads)
        return tf.transpose(tf.reshape(values, shape), (0, 2, 1, 3))

    q, k, v = split(query), split(key), split(value)
    scores = tf.matmul(q, k, transpose_b=True) / q.shape[-1] ** 0.5
    if causal:
        later = 1 - tf.linalg.band_part(tf.ones(scores.shape[2:]), -1, 0)
        scores -= 1e9 * later
    taken = tf.transpose(tf.matmul(tf.nn.softmax(scores), v), (0, 2, 1, 3))
    return tf.reshape(taken, (-1, query.shape[1], query.shape[2]))


def linear(units: int, name: str, *, ternary: bool = False, **options: Any) -> Layer:  # noqa: ANN401 - options of Keras
    """A dense layer, of BitHEP if `ternary`; both start as the authors' in float do, unless an option says otherwise."""
    options = {"kernel_initializer": "glorot_uniform", "bias_initializer": "zeros", **options}
    return (BitHepLinear if ternary else tf.keras.layers.Dense)(units, name=name, **options)


def waves(time: Tensor, frequencies: Tensor) -> Tensor:
    """Sines and cosines of `time` `(..., 1)` at each frequency, `(..., 2 k)`."""
    angles = time * frequencies
    return tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1)
