"""Layers of the proxy models that HGQ writes: quantisers with a type for each code, and tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.flat.calls import Call
from bittrigger.frontend.kernels import check_finite

Facts = dict[str, Any]

MODULES = ("HGQ.proxy", "bittrigger.frontend.keras_model.hgq")
"""Where the layers of such a model come from: HGQ, or readers of its files."""

ROUNDINGS = ("TRN", "TRN_ZERO", "RND", "RND_ZERO", "RND_MIN_INF", "RND_INF", "RND_CONV")
OVERFLOWS = ("WRAP", "SAT", "SAT_SYM")


def casts(call: Call) -> Facts:
    """The type of each code: whether it has a sign, its width, and its bits before the point.

    Raises:
        UnsupportedModelError: if its modes are others.
    """
    layer = call.layer
    if layer.RND not in ROUNDINGS or layer.SAT not in OVERFLOWS:
        raise UnsupportedModelError(
            f"layer {call.name!r}: FixedPointQuantizer with RND={layer.RND!r} and SAT={layer.SAT!r}; allowed are "
            f"{', '.join(ROUNDINGS)} and {', '.join(OVERFLOWS)}; make the proxy model with these"
        )
    arrays = [np.asarray(array, dtype=np.int64) for array in (layer.keep_negative, layer.bits, layer.integers)]
    whole = [np.broadcast_to(array.reshape(array.shape[1:]), call.shape).ravel() for array in arrays]
    return {
        attributes.KIND: "casts",
        attributes.PARAMETERS: [np.array(array) for array in whole],
        attributes.CAST: [layer.RND, layer.SAT],
    }


def tables(call: Call) -> Facts:
    """A table of each code, read at whole numbers."""
    table = np.asarray(call.layer.table, dtype=np.float32)
    check_finite(call.name, "table", table)
    facts: Facts = {attributes.KIND: "parametric", attributes.FUNCTION: "gather", attributes.PARAMETERS: [table]}
    if call.layer.left_open:
        owner = call.name.rpartition("_part")[0] or call.name
        facts[attributes.OPEN] = (
            f"layer {owner!r}: float32 leaves open to which step {call.layer.left_open} of the {table.size} entries of its "
            "tables round; allowed is its definition; leave out --require exact"
        )
    return facts


def table_spec(call: Call) -> Facts:
    """A table of a function, read at the code of the operand."""
    layer = call.layer
    table = np.asarray(layer.table, dtype=np.float32)
    check_finite(call.name, "table", table)
    return {
        "module": "hgq",
        "class_name": "UnaryLUT",
        "config": {"scale": float(layer.scale), "table": [float(value) for value in table]},
    }
