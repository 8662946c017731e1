"""CaloDREAM's shape network: a vision transformer whose blocks are scaled and shifted by time and conditions (adaLN-Zero)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from matching import attend, follow, linear, waves

from bittrigger.layers.keras_types import Layer, Tensor

Variant = Literal["float", "no-embedding", "full"]
VARIANTS: tuple[Variant, ...] = ("float", "no-embedding", "full")
"""Of BitHEP: no ternary layer; those of the blocks but for the scales and shifts; the embeddings and the last layer as well."""

TIME_WAVES = 256
SLOWEST = 10_000.0

layers = tf.keras.layers


@dataclass(frozen=True)
class ShapeSettings:
    """Sizes; the defaults are those of the authors for ds2.

    Attributes:
        tokens: groups of voxels.
        token_size: voxels of a group.
        units: of a token inside.
        depth: blocks.
        heads: of an attention.
        steps: of the path when a shower is sampled.
        variant: which layers are ternary.
    """

    tokens: int = 135
    token_size: int = 48
    units: int = 480
    depth: int = 6
    heads: int = 6
    steps: int = 20
    variant: Variant = "float"

    @property
    def dims(self) -> int:
        """Voxels of a shower."""
        return self.tokens * self.token_size


class ShapeNet(layers.Layer):  # type: ignore[misc]
    """The velocity of the voxels `(n, dims)` at a time `(n, 1)`, given the incident energy and the numbers of the layers.

    Args:
        settings: sizes and variant.
        places: of each token in the calorimeter: depth, angle and radius from 0 to 1, `(tokens, 3)`.
    """

    times = 1
    own_weights_are_float = True

    def __init__(self, settings: ShapeSettings, places: Any) -> None:  # noqa: ANN401 - array
        super().__init__(name="shape")
        self.settings = settings
        units, ternary = settings.units, settings.variant == "full"
        self.places = tf.constant(places, tf.float32)
        self.patch = linear(units, "patch", ternary=ternary)
        self.time = [linear(units, f"time_{i}", ternary=ternary) for i in range(2)]
        self.condition = [linear(units, f"condition_{i}", ternary=ternary) for i in range(2)]
        self.blocks = [_Block(settings, name=f"block_{i}") for i in range(settings.depth)]
        self.modulation = _zero(2 * units, "last_modulation")
        self.last = _zero(settings.token_size, "last", ternary=ternary)
        fastest = np.arange(TIME_WAVES // 2) / (TIME_WAVES // 2)
        self.frequencies = tf.constant(1000 * SLOWEST**-fastest, tf.float32)

    def build(self, _: Any) -> None:  # noqa: ANN401
        """Make the frequencies of the places, half as many as units, which are trained."""
        start = tf.keras.initializers.RandomNormal(0, 1)
        self.waves = self.add_weight("place_frequencies", (self.settings.units // 2,), initializer=start)

    def call(self, moved: Tensor, time: Tensor, _: Any, conditions: Tensor) -> Tensor:  # noqa: ANN401
        """The velocity at the voxels `(n, dims)`."""
        settings = self.settings
        axes = tf.gather(self.places, np.arange(settings.units // 2) % 3, axis=1)
        tokens = self.patch(tf.reshape(moved, (-1, settings.tokens, settings.token_size)))
        tokens += waves(axes, 2 * math.pi * self.waves)
        told = _two(self.time, waves(time, self.frequencies)) + _two(self.condition, conditions)
        told = tf.nn.silu(told)[:, tf.newaxis]
        for block in self.blocks:
            tokens = block(tokens, told)
        shift, scale = tf.split(self.modulation(told), 2, axis=-1)
        return tf.reshape(self.last(_normed(tokens) * (1 + scale) + shift), (-1, settings.dims))

    def sample(self, conditions: Tensor, random: np.random.Generator) -> Tensor:
        """Voxels `(n, dims)`, standardised, for conditions `(n, k)`."""
        noise = tf.constant(random.normal(size=(len(conditions), self.settings.dims)), tf.float32)
        flow = tf.function(lambda x, time: self(x, tf.fill((tf.shape(x)[0], 1), time), None, conditions))
        return follow(flow, noise, self.settings.steps)


class _Block(layers.Layer):  # type: ignore[misc]
    """Attention among the tokens and a small network on each, both scaled and shifted; it begins as the identity."""

    def __init__(self, settings: ShapeSettings, name: str) -> None:
        super().__init__(name=name)
        units, ternary = settings.units, settings.variant != "float"
        self.heads = settings.heads
        self.qkv, self.out = linear(3 * units, "qkv", ternary=ternary), linear(units, "out", ternary=ternary)
        self.inside = [linear(n, f"inside_{i}", ternary=ternary) for i, n in enumerate((4 * units, units))]
        self.modulation = _zero(6 * units, "modulation")

    def call(self, tokens: Tensor, told: Tensor) -> Tensor:
        shift, scale, gate, shift_in, scale_in, gate_in = tf.split(self.modulation(told), 6, axis=-1)
        query, key, value = tf.split(self.qkv(_normed(tokens) * (1 + scale) + shift), 3, axis=-1)
        tokens += gate * self.out(attend(query, key, value, self.heads))
        return tokens + gate_in * _two(self.inside, _normed(tokens) * (1 + scale_in) + shift_in, tf.nn.gelu)


def _zero(units: int, name: str, *, ternary: bool = False) -> Layer:
    """A layer whose outputs begin at zero."""
    return linear(units, name, ternary=ternary, kernel_initializer="zeros")


def _two(pair: list[Layer], x: Tensor, between: Any = tf.nn.silu) -> Tensor:  # noqa: ANN401 - a function
    return pair[1](between(pair[0](x)))


def _normed(tokens: Tensor) -> Tensor:
    """Tokens of mean zero and deviation one, each by itself."""
    mean, variance = tf.nn.moments(tokens, axes=-1, keepdims=True)
    return (tokens - mean) * tf.math.rsqrt(variance + 1e-6)
