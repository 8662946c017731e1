"""The matrices that solvers are compared on: seeded, by family, shape and input range."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bittrigger.fixed import FixedPoint, IntArray
from bittrigger.graph import Intervals

FAMILIES = ("uniform", "half", "absmean", "sparse", "lowrank")
"""Density 2/3, density 1/2, Gaussian by the BitNet rule, 75 % zeros, and low-rank Gaussian by the same rule."""

SMALL_SHAPES = ((16, 64), (32, 5), (32, 32), (64, 32))
MEDIUM_SHAPES = ((64, 64), (128, 64))
LARGE_SHAPES = ((128, 128), (256, 64), (64, 256), (256, 128), (256, 256))


@dataclass(frozen=True)
class Case:
    """One matrix-vector product: ``bits``-bit inputs, signed or not."""

    family: str
    n_in: int
    n_out: int
    bits: int = 8
    signed: bool = True
    seed: int = 0

    @property
    def name(self) -> str:
        """As in the tables: ``uniform 64x32 i8``."""
        return f"{self.family} {self.n_in}x{self.n_out} {'i' if self.signed else 'u'}{self.bits} #{self.seed}"

    @property
    def source(self) -> Intervals:
        """The range of every input."""
        return (FixedPoint(self.signed, self.bits, 0).interval,) * self.n_in

    def weights(self) -> IntArray:
        """The matrix, `(n_in, n_out)`."""
        rng = np.random.default_rng([self.seed, self.n_in, self.n_out])
        shape = (self.n_in, self.n_out)
        match self.family:
            case "uniform":
                return rng.integers(-1, 2, size=shape)
            case "half" | "sparse":
                density = 0.5 if self.family == "half" else 0.25
                return rng.choice([-1, 1], size=shape) * (rng.random(shape) < density)
            case "absmean":
                return _absmean(rng.standard_normal(shape))
            case "lowrank":
                rank = max(4, min(shape) // 4)
                return _absmean(rng.standard_normal((self.n_in, rank)) @ rng.standard_normal((rank, self.n_out)))
        raise ValueError(self.family)


def _absmean(values: np.ndarray) -> IntArray:
    """Ternary weights by the rule of BitNet b1.58 (arXiv:2402.17764): divide by the mean magnitude, round, clip."""
    return np.clip(np.rint(values / np.abs(values).mean()), -1, 1).astype(np.int64)


def suite(*, quick: bool, large: bool) -> Iterator[Case]:
    """The cases of a run, smallest first."""
    shapes = SMALL_SHAPES if quick else SMALL_SHAPES + MEDIUM_SHAPES + (LARGE_SHAPES if large else ())
    for n_in, n_out in shapes:
        for family in FAMILIES:
            if (n_in, n_out) in LARGE_SHAPES and family not in ("uniform", "sparse"):
                continue
            for seed in range(1 if quick or n_in * n_out > 4096 else 3):
                yield Case(family, n_in, n_out, seed=seed)
    for bits, signed in ((6, True), (4, True), (2, True), (8, False), (4, False)):
        yield Case("uniform", 64, 32, bits, signed)
