"""CaloINN: a normalising flow of coupling blocks with rational-quadratic splines, and its ternary variants of BitHEP.

Source: C. Krause et al., CaloINN, arXiv:2312.09290; splines, C. Durkan et al., arXiv:1906.04032; variants, arXiv:2504.03387.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from bittrigger.layers import BitHepLinear
from bittrigger.layers.bithep import torch_initializers
from bittrigger.layers.keras_types import Tensor

Variant = Literal["float", "NNCentral", "BlockCentral", "All"]
VARIANTS: tuple[Variant, ...] = ("float", "NNCentral", "BlockCentral", "All")
"""Of BitHEP: no ternary layer; the middle layers of every subnet; all layers of the blocks but two at either end; all."""

OUTER = 2
LEAST_WIDTH, LEAST_SLOPE = 1e-3, 1e-3


@dataclass(frozen=True)
class FlowSettings:
    """Sizes of a flow; the defaults are those of the authors for ds1-photons.

    Attributes:
        dims: numbers of an event; the first half conditions the transformation of the other.
        blocks: coupling blocks.
        width: hidden units of a subnet.
        layers: linear layers of a subnet.
        bins: of a spline.
        bound: numbers beyond it are left as they are.
        variant: which layers are ternary.
    """

    dims: int = 373
    blocks: int = 12
    width: int = 256
    layers: int = 4
    bins: int = 10
    bound: float = 18.0
    variant: Variant = "float"

    @property
    def kept(self) -> int:
        """Numbers that a block leaves as they are."""
        return (self.dims + 1) // 2

    @property
    def of_spline(self) -> int:
        """Parameters of a spline: widths, heights, slopes inside."""
        return 3 * self.bins - 1

    def is_ternary(self, block: int, layer: int) -> bool:
        """Whether a layer of a block is BitHEP's."""
        match self.variant:
            case "float":
                return False
            case "NNCentral":
                return 0 < layer < self.layers - 1
            case "BlockCentral":
                return OUTER <= block < self.blocks - OUTER
            case "All":
                return True


class Flow(tf.keras.Model):  # type: ignore[misc]
    """Called with events and their condition side by side, `(n, dims + 1)`, it gives minus the log likelihood, `(n, 1)`."""

    def __init__(self, settings: FlowSettings, seed: int = 0) -> None:
        super().__init__(name=f"calo_inn_{settings.variant.lower()}")
        self.spline = tf.function(partial(spline, settings=settings), jit_compile=True)
        self.settings = settings
        random = np.random.default_rng(seed)
        self.orders = [random.permutation(settings.dims) for _ in range(settings.blocks)]
        self.subnets = [_Subnet(settings, block) for block in range(settings.blocks)]
        self.norms = [_ActNorm(name=f"norm_{block}") for block in range(1, settings.blocks)]

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Minus the log likelihood of `(n, dims + 1)`."""
        settings = self.settings
        x, condition = inputs[:, : settings.dims], inputs[:, settings.dims :]
        gained = tf.zeros(tf.shape(x)[0])
        for block, subnet in enumerate(self.subnets):
            if block:
                x, log = self.norms[block - 1](x)
                gained += log
            kept, moved = x[:, : settings.kept], x[:, settings.kept :]
            moved, log = self.spline(moved, subnet(tf.concat([kept, condition], axis=1), training=training))
            gained += log
            x = tf.gather(tf.concat([kept, moved], axis=1), self.orders[block], axis=1)
        normal = -0.5 * tf.reduce_sum(x**2, axis=1) - 0.5 * settings.dims * math.log(2 * math.pi)
        return -(normal + gained)[:, tf.newaxis]

    def sample(self, condition: Any, random: np.random.Generator) -> Any:  # noqa: ANN401 - arrays
        """Events `(n, dims)` for conditions `(n, 1)`."""
        settings = self.settings
        x = tf.constant(random.normal(size=(len(condition), settings.dims)), tf.float32)
        condition = tf.constant(condition, tf.float32)
        for block in reversed(range(settings.blocks)):
            x = tf.gather(x, np.argsort(self.orders[block]), axis=1)
            kept, moved = x[:, : settings.kept], x[:, settings.kept :]
            parameters = self.subnets[block](tf.concat([kept, condition], axis=1), training=False)
            moved, _ = self.spline(moved, parameters, inverse=True)
            x = tf.concat([kept, moved], axis=1)
            if block:
                x = self.norms[block - 1].back(x)
        return x.numpy()


class _ActNorm(tf.keras.layers.Layer):  # type: ignore[misc]
    """A scale and an offset for each number, trained."""

    own_weights_are_float = True

    def build(self, shape: Any) -> None:  # noqa: ANN401
        self.log_scale = self.add_weight("log_scale", (shape[-1],), initializer="zeros")
        self.offset = self.add_weight("offset", (shape[-1],), initializer="zeros")

    def call(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x * tf.exp(self.log_scale) + self.offset, tf.reduce_sum(self.log_scale)

    def back(self, x: Tensor) -> Tensor:
        return (x - self.offset) * tf.exp(-self.log_scale)


class _Subnet(tf.keras.layers.Layer):  # type: ignore[misc]
    """Linear layers with BatchNormalization and SiLU between them; the last begins at zero, so that a block is the identity."""

    def __init__(self, settings: FlowSettings, block: int) -> None:
        super().__init__(name=f"block_{block}")
        self.settings = settings
        inputs, outputs = settings.kept + 1, (settings.dims - settings.kept) * settings.of_spline
        sizes = [inputs, *([settings.width] * (settings.layers - 1)), outputs]
        self.linear = [self._layer(size, units, block, place) for place, (size, units) in enumerate(pairwise(sizes))]
        self.norm = [tf.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5) for _ in self.linear[1:]]

    def _layer(self, size: int, units: int, block: int, place: int) -> Any:  # noqa: ANN401 - a layer
        last = place == self.settings.layers - 1
        start = {f"{of}_initializer": "zeros" for of in ("kernel", "bias")} if last else torch_initializers(size)
        kind = BitHepLinear if self.settings.is_ternary(block, place) else tf.keras.layers.Dense
        return kind(units, name=f"block_{block}_linear_{place}", **start)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        for place, linear in enumerate(self.linear):
            x = linear(x)
            if place < len(self.norm):
                x = tf.nn.silu(self.norm[place](x, training=training))
        return x


def spline(x: Tensor, parameters: Tensor, settings: FlowSettings, *, inverse: bool = False) -> tuple[Tensor, Tensor]:
    """Monotone rational-quadratic splines of `(n, k)`, and the log of the slope summed over `k`, `(n,)`.

    Args:
        parameters: `(n, k * (3 bins - 1))`; zeros give the identity.
        inverse: whether `x` is the outcome, and the argument is sought; the log is that of the inverse.
    """
    bins, bound = settings.bins, settings.bound
    raw = tf.reshape(parameters, (-1, x.shape[1], settings.of_spline))
    x_edges, y_edges = (_edges(raw[..., i * bins : (i + 1) * bins], bound) for i in range(2))
    flat = math.log(math.expm1(1 - LEAST_SLOPE))
    slopes = LEAST_SLOPE + tf.nn.softplus(raw[..., 2 * bins :] + flat)
    slopes = tf.pad(slopes, [[0, 0], [0, 0], [1, 1]], constant_values=1.0)
    inside = tf.abs(x) < bound
    value = tf.where(inside, x, tf.zeros_like(x))
    edges = y_edges if inverse else x_edges
    place = tf.reduce_sum(tf.cast(value[..., tf.newaxis] >= edges[..., 1:-1], tf.int32), axis=-1)

    def at(values: Tensor, step: int = 0) -> Tensor:
        return tf.gather(values, place + step, batch_dims=2)

    left, bottom = at(x_edges), at(y_edges)
    width, height = at(x_edges, 1) - left, at(y_edges, 1) - bottom
    first, second, mean = at(slopes), at(slopes, 1), height / width
    both = first + second - 2 * mean
    if inverse:
        rise = value - bottom
        a = height * (mean - first) + rise * both
        b = height * first - rise * both
        c = -mean * rise
        part = 2 * c / (-b - tf.sqrt(tf.maximum(b**2 - 4 * a * c, 0)))
        found = left + part * width
    else:
        part = (value - left) / width
        found = bottom + height * (mean * part**2 + first * part * (1 - part)) / (mean + both * part * (1 - part))
    rest = part * (1 - part)
    slope = mean**2 * (second * part**2 + 2 * mean * rest + first * (1 - part) ** 2) / (mean + both * rest) ** 2
    log = tf.where(inside, tf.math.log(slope), tf.zeros_like(x))
    return tf.where(inside, found, x), tf.reduce_sum(-log if inverse else log, axis=1)


def _edges(raw: Tensor, bound: float) -> Tensor:
    """Limits of the bins from minus to plus `bound`."""
    shares = LEAST_WIDTH + (1 - LEAST_WIDTH * raw.shape[-1]) * tf.nn.softmax(raw, axis=-1)
    inner = tf.cumsum(shares, axis=-1)[..., :-1] * 2 * bound - bound
    return tf.pad(
        tf.pad(inner, [[0, 0], [0, 0], [1, 0]], constant_values=-bound), [[0, 0], [0, 0], [0, 1]], constant_values=bound
    )


def built(settings: FlowSettings, seed: int = 0) -> Flow:
    """A flow with its weights made."""
    tf.keras.utils.set_random_seed(seed)
    flow = Flow(settings, seed)
    flow(tf.zeros((2, settings.dims + 1)))
    return flow
