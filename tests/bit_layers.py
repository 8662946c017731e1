"""Quantizers of BitLinear inputs and random events, for the tests of single layers and of whole models."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bittrigger.frontend.keras_model.quiet import quiet_tensorflow

with quiet_tensorflow():
    from bittrigger.layers import StaticQuantizer

SIGNED = StaticQuantizer(bits=8, signed=True, integer=2)
RELU = StaticQuantizer(bits=6, signed=False, integer=3, learned=True)


def events(columns: int = 6, rows: int = 300, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0, 2, (rows, columns)).astype(np.float32)
