"""Functions of layers of ours, and of those that Keras 2 and QKeras 0.9 do not have."""

from __future__ import annotations

from bittrigger.frontend.elementwise.functions.function import Function
from bittrigger.frontend.elementwise.functions.keras import calls
from bittrigger.frontend.elementwise.functions.rounding import rounded_to
from bittrigger.frontend.elementwise.functions.tables import BIT_TABLE, bit_table
from bittrigger.frontend.elementwise.grids import Grid, Spec
from bittrigger.frontend.elementwise.own_functions import GRIDS, OWN, RATIONAL

STATIC = "StaticQuantizer"
"""That of ``bittrigger.layers``, which keeps to its grid at any distance."""


def of_ours(name: str, config: Spec) -> Function | None:
    """A layer of ``bittrigger.layers``, or a function that Keras lacks; None if it is neither."""
    if name == STATIC:
        return _static_quantizer(config)
    if name == BIT_TABLE:
        return bit_table(config)
    if name in OWN:
        return Function(name, *calls(OWN[name]), GRIDS.get(name), rational=name in RATIONAL)
    return None


def _static_quantizer(config: Spec) -> Function:
    """``clip(round(x / step), lo, hi) * step`` and nothing else: a ``StaticQuantizer`` with its range and width of now."""
    bits, signed, integer = int(config["bits"]), bool(config["signed"]), int(config["integer"])
    magnitude = bits - signed
    grid = Grid(magnitude - integer, -(1 << magnitude) if signed else 0, (1 << magnitude) - 1)
    return rounded_to(f"{STATIC}(bits={bits}, signed={signed}, integer={integer})", grid)
