"""CaloDREAM's energy network: a transformer reads the numbers of the layers so far, a small network flows to the next one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from matching import attend, follow, linear, waves

from bittrigger.layers.keras_types import Tensor

FOURIER_SCALE = 30.0
SAMPLING_STEPS = 50
"""The authors' steps of 0.02."""

layers = tf.keras.layers


@dataclass(frozen=True)
class EnergySettings:
    """Sizes; the defaults are those of the authors for ds2.

    Attributes:
        dims: numbers of an event, one a layer of the calorimeter.
        units: of a token, more than `dims`.
        heads: of an attention.
        depth: of the encoder, and of the decoder.
        hidden: units inside a block.
        head_units: of the network that flows.
        head_layers: its layers of as many inputs as outputs; they are ternary in BitHEP's "full".
        ternary: whether they are.
    """

    dims: int = 45
    units: int = 64
    heads: int = 4
    depth: int = 4
    hidden: int = 512
    head_units: int = 512
    head_layers: int = 6
    ternary: bool = False


class EnergyNet(layers.Layer):  # type: ignore[misc]
    """The velocity of each number `(n, dims)` at a time of its own, given those before it and the incident energy `(n, 1)`."""

    def __init__(self, settings: EnergySettings, seed: int) -> None:
        super().__init__(name="energy")
        self.settings, self.times = settings, settings.dims
        self.encoder = [_Block(settings, decodes=False, name=f"encoder_{i}") for i in range(settings.depth)]
        self.decoder = [_Block(settings, decodes=True, name=f"decoder_{i}") for i in range(settings.depth)]
        self.ends = [layers.LayerNormalization(epsilon=1e-5, name=f"{of}_norm") for of in ("encoder", "decoder")]
        drawn = np.random.default_rng(seed).normal(0, FOURIER_SCALE, settings.units // 2)
        self.frequencies = tf.constant(2 * math.pi * drawn, tf.float32)
        self.time = linear(settings.units, "time")
        self.head = _Head(settings)

    def call(self, moved: Tensor, time: Tensor, events: Tensor, conditions: Tensor) -> Tensor:
        """The velocity at `(n, dims)` numbers and times, along paths to `events`."""
        return self.velocity(moved, time, self.contexts(events, conditions))

    def contexts(self, events: Tensor, conditions: Tensor) -> Tensor:
        """What is known before each number, `(n, dims, units)`: of `events` a context reads those before it alone."""
        memory = _tokens(conditions, self.settings.units)
        for block in self.encoder:
            memory = block(memory)
        memory = self.ends[0](memory)
        found = _tokens(tf.pad(events[:, :-1], [[0, 0], [1, 0]]), self.settings.units)
        for block in self.decoder:
            found = block(found, memory)
        return self.ends[1](found)

    def velocity(self, moved: Tensor, time: Tensor, contexts: Tensor) -> Tensor:
        """The velocity `(n, k)` of `k` numbers with their contexts `(n, k, units)`."""
        embedded = self.time(waves(time[..., tf.newaxis], self.frequencies))
        return self.head(tf.concat([moved[..., tf.newaxis], embedded, contexts], axis=-1))[..., 0]

    def sample(self, conditions: Tensor, random: np.random.Generator) -> Tensor:
        """Numbers `(n, dims)` for conditions `(n, 1)`, one after the other."""
        found = tf.zeros((len(conditions), self.settings.dims))
        flow = tf.function(self.velocity)
        for i in range(self.settings.dims):
            context = self.contexts(found, conditions)[:, i : i + 1]
            noise = tf.constant(random.normal(size=(len(conditions), 1)), tf.float32)
            number = follow(_at(flow, context), noise, SAMPLING_STEPS)
            found = tf.concat([found[:, :i], number, found[:, i + 1 :]], axis=1)
        return found


def _at(flow: Callable[..., Tensor], context: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """The velocity of one number after what is known."""
    return lambda x, time: flow(x, tf.fill(tf.shape(x), time), context)


def _tokens(values: Tensor, units: int) -> Tensor:
    """Each number as a token: itself, its place as one of several, zeros, `(n, k, units)`."""
    places = tf.broadcast_to(tf.eye(values.shape[1]), (tf.shape(values)[0], values.shape[1], values.shape[1]))
    token = tf.concat([values[..., tf.newaxis], places], axis=-1)
    return tf.pad(token, [[0, 0], [0, 0], [0, units - 1 - values.shape[1]]])


class _Block(layers.Layer):  # type: ignore[misc]
    """Attention, that to the encoder's tokens if it decodes, and a small network, each followed by a normalisation."""

    def __init__(self, settings: EnergySettings, *, decodes: bool, name: str) -> None:
        super().__init__(name=name)
        self.heads, self.decodes = settings.heads, decodes
        kinds = ("own", "other") if decodes else ("own",)
        self.maps = {kind: [linear(settings.units, f"{kind}_{of}") for of in ("q", "k", "v", "out")] for kind in kinds}
        self.inside = [linear(settings.hidden, "inside_0"), linear(settings.units, "inside_1")]
        self.norms = [layers.LayerNormalization(epsilon=1e-5) for _ in (*kinds, "inside")]

    def call(self, tokens: Tensor, memory: Any = None) -> Tensor:  # noqa: ANN401 - a tensor, or None
        tokens = self.norms[0](tokens + self._attention("own", tokens, tokens))
        if self.decodes:
            tokens = self.norms[1](tokens + self._attention("other", tokens, memory))
        return self.norms[-1](tokens + self.inside[1](tf.nn.relu(self.inside[0](tokens))))

    def _attention(self, kind: str, tokens: Tensor, seen: Tensor) -> Tensor:
        query, key, value, out = self.maps[kind]
        return out(attend(query(tokens), key(seen), value(seen), self.heads, causal=self.decodes and kind == "own"))


class _Head(layers.Layer):  # type: ignore[misc]
    """Layers from a number, its time and its context to its velocity; the inner ones are ternary in BitHEP's "full"."""

    def __init__(self, settings: EnergySettings) -> None:
        super().__init__(name="head")
        units, places = settings.head_units, range(settings.head_layers)
        self.first, self.last = linear(units, "first"), linear(1, "last")
        self.inner = [linear(units, f"inner_{i}", ternary=settings.ternary) for i in places]
        self.norms = [layers.LayerNormalization(epsilon=1e-5) for _ in places]

    def call(self, x: Tensor) -> Tensor:
        x = tf.nn.silu(self.first(x))
        for inner, norm in zip(self.inner, self.norms, strict=True):
            x = tf.nn.silu(norm(inner(x)))
        return self.last(x)
