"""Inputs whose integers the file types: by their kind, or as FINN annotates them."""

from __future__ import annotations

import re

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.elementwise.grids import Grid

MAX_BITS = 24
"""Widest integers, which float32 holds."""

INTEGERS = ("int8", "uint8", "int16", "uint16")
"""Kinds of inputs that hold integers."""

_NAMED = {"BIPOLAR": Grid(0, -1, 1), "BINARY": Grid(0, 0, 1), "TERNARY": Grid(0, -1, 1)}
_FLOATS = ("", "FLOAT32")


def port_grid(name: str, kind: str) -> Grid | None:
    """The codes of an input of the type ``kind``, such as ``uint8``, ``INT4`` or ``FIXED<8,3>``; None for floats.

    Raises:
        UnsupportedModelError: if it is another.
    """
    if kind.upper() in _FLOATS:
        return None
    if kind in _NAMED:
        return _NAMED[kind]
    found = re.fullmatch(r"(U?)INT(\d{1,3})", kind.upper()) or re.fullmatch(
        r"(U?)FIXED<(\d{1,3}),(\d{1,3})>", kind.upper()
    )
    bits = int(found[2]) if found else 0
    before = int(found[3]) if found and len(found.groups()) > 2 else bits
    if found is None or not 1 <= bits <= MAX_BITS or before > bits:
        raise UnsupportedModelError(
            f"input {name[:80]!r}: it is of the type {kind[:40]}; allowed are float32, int8, uint8, int16, uint16 and, as FINN "
            f"annotates them, INT, UINT and FIXED of up to {MAX_BITS} bits; export the model in float32"
        )
    if found[1]:
        return Grid(bits - before, 0, (1 << bits) - 1)
    return Grid(bits - before, -(1 << bits - 1), (1 << bits - 1) - 1)
