"""Every type, rounding and overflow of HGQ2's quantisers beside our reading of them, on every bit; `make test-hgq2`."""

from __future__ import annotations

import itertools
import os
import warnings

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
pytest.importorskip("hgq")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import tensorflow as tf
    from hgq.quantizer import Quantizer, QuantizerConfig

from bittrigger.frontend.keras_file.hgq_2.types import quantised, read_types

pytestmark = pytest.mark.filterwarnings("ignore")

ROUNDINGS = ("TRN", "RND", "RND_CONV", "TRN_ZERO", "RND_ZERO", "RND_MIN_INF", "RND_INF", "S_RND", "S_RND_CONV")
OVERFLOWS = ("WRAP", "SAT", "SAT_SYM")
PLACES = ("weight", "bias", "datalane", "table")
SHAPES = {"each": ((), None), "channel": (None, (1,)), "all": (None, ())}
"""Of the types: one for each number, for each column, and one; as axes of one type, and of several."""


def made(kind, mode, place, shape, *, trainable, seed):
    """A quantiser with drawn types for tensors of 6 x 5, built."""
    rounding, overflow = mode
    homogeneous, heterogeneous = SHAPES[shape]
    config = QuantizerConfig(
        kind, place, round_mode=rounding, overflow_mode=overflow, homogeneous_axis=homogeneous,
        heterogeneous_axis=heterogeneous, trainable=trainable,
    )  # fmt: skip
    quantiser = Quantizer(config)
    quantiser.build((6, 5))
    draw = np.random.default_rng(seed)
    inner = quantiser.quantizer
    size = inner._k.shape
    inner._k.assign(draw.integers(0, 2, size))
    inner._i.assign(draw.uniform(-4, 5, size))
    (inner._f if kind == "kif" else inner._b).assign(draw.uniform(-3 if kind == "kif" else -1, 9, size))
    return quantiser


def values(seed):
    """Numbers of all sizes, and many halfway between steps."""
    draw = np.random.default_rng(seed)
    size = (400, 6, 5)
    halves = draw.integers(-4096, 4097, size) / 2.0 ** draw.integers(0, 12, size)
    return np.where(draw.random(size) < 0.6, halves, draw.normal(size=size) * 2.0 ** draw.integers(-6, 7, size)).astype(
        np.float32
    )


@pytest.mark.parametrize("trainable", [True, False])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["kif", "kbi"])
def test_every_mode_and_shape_of_types(kind, place, trainable):
    for number, (mode, shape) in enumerate(itertools.product(itertools.product(ROUNDINGS, OVERFLOWS), SHAPES)):
        quantiser = made(kind, mode, place, shape, trainable=trainable, seed=number)
        given = values(number)
        call = tf.function(quantiser, jit_compile=True) if shape == "each" else quantiser  # predict compiles
        config = {
            "config": {**quantiser.config.get_config(), "is_weight": quantiser.config.config.get("is_weight", False)}
        }
        types = read_types(config, [np.asarray(array) for array in variables(quantiser.quantizer)])
        assert np.array_equal(quantised(given, types), call(given, training=False).numpy()), (mode, shape)


def variables(inner):
    """As Keras saves them."""
    return [v.numpy() for v in (*inner._trainable_variables, *inner._non_trainable_variables)]
