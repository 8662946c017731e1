"""The matrices that solvers are compared on: random ones by family, shape and input range, and those of the models."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.ir.fixed import FixedPoint, IntArray
from bittrigger.ir.graph import Intervals, Linear, copy_operand, intervals
from bittrigger.solver.blocks import independent_blocks

FAMILIES = ("uniform", "half", "absmean", "sparse", "lowrank")
"""Density 2/3, density 1/2, Gaussian by the BitNet rule, 75 % zeros, and low-rank Gaussian by the same rule."""

SMALL_SHAPES = ((16, 64), (32, 5), (32, 32), (64, 32))
LARGE_SHAPES = (
    (64, 64),
    (128, 32),
    (32, 128),
    (128, 64),
    (64, 128),
    (128, 128),
    (256, 64),
    (64, 256),
    (256, 128),
    (256, 256),
)
RANGES = ((6, True), (4, True), (2, True), (8, False), (6, False), (4, False), (2, False))
"""Widths and signedness of the inputs besides signed 8-bit ones, at 64x32."""

SEEDS = 5

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, eq=False)
class Case:
    """One matrix-vector product.

    Attributes:
        name: as in the tables: ``uniform 64x32 i8 #0``.
        family: of ``FAMILIES``, or ``models`` (ternary kernels) and ``models, multi-bit``.
        weights: `(n_in, n_out)`.
        source: the range of every input code.
        seed: of a random matrix.
    """

    name: str
    family: str
    weights: IntArray
    source: Intervals
    seed: int = 0

    @property
    def terms(self) -> int:
        """Non-zero weights."""
        return int(np.count_nonzero(self.weights))

    @property
    def zero_bias(self) -> IntArray:
        """The bias, `(n_out,)`: none."""
        return np.zeros(self.weights.shape[1], dtype=np.int64)

    @cached_property
    def digest(self) -> str:
        """Tells cases apart by what they are, not by their names."""
        ranges = [(i.lo, i.hi) for i in self.source]
        content = np.ascontiguousarray(self.weights, dtype=np.int64).tobytes()
        return hashlib.sha256(repr((self.weights.shape, ranges)).encode() + content).hexdigest()[:16]

    @property
    def slug(self) -> str:
        """The name as a part of a file's name, with the digest."""
        return f"{re.sub('[^a-z0-9_]+', '-', self.name.lower())}-{self.digest}"


def random_case(family: str, n_in: int, n_out: int, *, bits: int = 8, signed: bool = True, seed: int = 0) -> Case:
    """A random matrix of ``family``, the same for the same arguments."""
    rng = np.random.default_rng([seed, n_in, n_out])
    weights = _random_weights(family, rng, n_in, n_out)
    source = (FixedPoint(signed, bits, 0).interval,) * n_in
    return Case(f"{family} {n_in}x{n_out} {'i' if signed else 'u'}{bits} #{seed}", family, weights, source, seed)


def _random_weights(family: str, rng: np.random.Generator, n_in: int, n_out: int) -> IntArray:
    shape = (n_in, n_out)
    match family:
        case "uniform":
            return rng.integers(-1, 2, size=shape)
        case "half" | "sparse":
            density = 0.5 if family == "half" else 0.25
            return rng.choice([-1, 1], size=shape) * (rng.random(shape) < density)
        case "absmean":
            return _absmean(rng.standard_normal(shape))
        case "lowrank":
            rank = max(4, min(shape) // 4)
            return _absmean(rng.standard_normal((n_in, rank)) @ rng.standard_normal((rank, n_out)))
    raise ValueError(family)


def _absmean(values: np.ndarray) -> IntArray:
    """Ternary weights by the rule of BitNet b1.58 (arXiv:2402.17764): divide by the mean magnitude, round, clip."""
    return np.clip(np.rint(values / np.abs(values).mean()), -1, 1).astype(np.int64)


def model_cases(folder: Path = ROOT) -> Iterator[Case]:
    """Every kernel of every trained model below ``folder``, as the converter lowers it; equal ones once.

    Models that do not convert are left out, and named on standard error.
    """
    from bittrigger.compile.read import read_file
    from bittrigger.frontend.keras_model.quiet import quiet_tensorflow
    from bittrigger.settings import Settings

    seen: set[str] = set()
    for path in [path for part in ("benchmarks/networks", "models") for path in sorted((folder / part).glob("*/*.h5"))]:
        try:
            with quiet_tensorflow():
                graph = read_file(path, Settings(), check=False).graph
        except UnsupportedModelError as error:
            sys.stderr.write(f"left out: {error}\n")
            continue
        ranges = intervals(graph)
        stem = path.parent.name if path.stem == "model" else f"{path.parent.name}/{path.stem}"
        for node in graph.nodes:
            if not isinstance(node, Linear):
                continue
            family = "models" if node.is_ternary else "models, multi-bit"
            for weights, source in _kernels(node.weights, copy_operand(node, ranges)):
                case = Case(f"{stem}/{node.name} {weights.shape[0]}x{weights.shape[1]}", family, weights, source)
                if case.digest not in seen:
                    seen.add(case.digest)
                    yield case


def _kernels(weights: IntArray, source: Intervals) -> Iterator[tuple[IntArray, Intervals]]:
    """The matrix, or its independent blocks where it has several; blocks of one input are no sums and left out."""
    blocks = independent_blocks(weights)
    if len(blocks) == 1:
        yield weights, source
        return
    for rows, columns in blocks:
        if len(rows) > 1:
            yield weights[np.ix_(rows, columns)], tuple(source[row] for row in rows)


def suite(*, quick: bool) -> list[Case]:
    """The cases of a run, those first that take alkaid the least time, seed by seed.

    Args:
        quick: small shapes and one seed only.
    """
    seeds = range(1 if quick else SEEDS)
    shapes = SMALL_SHAPES if quick else SMALL_SHAPES + LARGE_SHAPES
    cases = [random_case(f, *shape, seed=s) for shape in shapes for f in FAMILIES for s in seeds]
    for bits, signed in RANGES:
        cases += [
            random_case(f, 64, 32, bits=bits, signed=signed, seed=s) for f in ("uniform", "sparse") for s in seeds
        ]
    # Its time grows a little faster than the square of the matrix's area.
    cases.sort(key=lambda case: case.weights.size**2 * (case.seed + 1))
    return [*model_cases(), *cases]
