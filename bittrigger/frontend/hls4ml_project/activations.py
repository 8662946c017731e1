"""Activations of a project: assignments to another type, steps, and tables of functions as the C++ fills them."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.hls4ml_project.hls_types import HlsType, code_of, convert_codes
from bittrigger.frontend.hls4ml_project.project import Call
from bittrigger.frontend.hls4ml_project.walk import Walk
from bittrigger.ir.fixed import IntArray, Rounding
from bittrigger.ir.graph import Lookup, Requantize

MAX_TABLE = 1 << 16
"""Most entries of a table."""

_DOUBT = 2.0**-30
"""How much nearer than half a last place a C library may take an exponential to be; glibc's is right to 0.502 last places."""


def linear(walk: Walk, call: Call) -> None:
    """``nnet::linear``: an assignment."""
    walk.check_counts(call, (3,), (2,))
    source = walk.read(call.arguments[0], walk.owner(call))
    kind = walk.project.type(call.parameters[1], walk.owner(call))
    walk.write(call, call.arguments[1], walk.assign(call.arguments[1], source.node, kind), kind)


def relu(walk: Walk, call: Call) -> None:
    """``nnet::relu``, and with a limit ``relu1`` and ``relu6``."""
    walk.check_counts(call, (3,), (2,))
    name = call.arguments[1]
    source = walk.read(call.arguments[0], walk.owner(call))
    kind = walk.project.type(call.parameters[1], walk.owner(call))
    node = source.node
    limit = int(call.function.removeprefix("relu") or 0)
    if limit and walk.hull(node).hi > limit << max(source.type.frac, 0):
        size, frac = walk.builder[node].size, source.type.frac
        if frac < 0:
            raise UnsupportedModelError(
                f"{walk.owner(call)}: an operand with {frac} fractional bits; allowed are 0 or more"
            )
        node = walk.builder.add(Requantize(f"{name}_limit", (node,), size, 0, Rounding.TRN, 0, limit << frac, frac))
    walk.write(call, name, walk.assign(name, node, kind, floor=0), kind)


def steps(walk: Walk, call: Call) -> None:
    """``nnet::binary_tanh`` and ``ternary_tanh``: -1, 0 and 1 by the sign, or from more than half."""
    walk.check_counts(call, (3,), (2,))
    source = walk.read(call.arguments[0], walk.owner(call))
    kind = walk.project.type(call.parameters[1], walk.owner(call))
    one_bit = kind.fixed.width == 1 and not kind.fixed.signed
    half, lowest = Fraction(2) ** source.type.frac / 2, walk.hull(source.node).lo
    if call.function == "binary_tanh":
        starts, values = [min(lowest, -1), 0], [0 if one_bit else -1, 1]
    else:  # doubled in the type of the operand, which may wrap
        if source.type.fixed.interval.hi < 2 * walk.hull(source.node).hi or source.type.fixed.interval.lo > 2 * lowest:
            raise UnsupportedModelError(f"{walk.owner(call)}: twice its operand overflows {source.type.fixed}")
        starts = [min(lowest, -int(half) - 1), int(-half // 1) + 1, int(half // 1) + 1]
        values = [-1, 0, 1]
    codes = convert_codes(np.array(values), 0, kind)
    _table(walk, call, tuple(starts), codes, kind)


def table(walk: Walk, call: Call) -> None:
    """``nnet::sigmoid`` and ``nnet::tanh``: a table over the operand's leading bits, each entry rounded to the table's type."""
    walk.check_counts(call, (3,), (2,))
    owner = walk.owner(call)
    config = walk.config(call.parameters[2], owner)
    source = walk.read(call.arguments[0], owner)
    kind = walk.project.type(call.parameters[1], owner)
    size = walk.number(config, "table_size")
    if not 2 <= size <= MAX_TABLE or size & (size - 1):
        raise UnsupportedModelError(f"{owner}: a table of {size} entries; allowed are powers of two up to {MAX_TABLE}")
    reach = 16 if call.function == "sigmoid" else 8
    entries = _entries(call.function, size, reach, walk.type_of(config, "table_t"), owner)
    results = convert_codes(entries, walk.type_of(config, "table_t").frac, kind)
    # The index is the operand times size / reach, rounded towards zero, and limited: it changes where |x| size / reach is whole.
    steps_per_entry = Fraction(2) ** source.type.frac * reach / size
    middle = size // 2
    starts: dict[int, int] = {}
    for index in range(size):
        place = index - middle
        first = place * steps_per_entry if place > 0 else (place - 1) * steps_per_entry
        start = int(-(-first // 1)) if place > 0 else int(first // 1) + 1
        starts[start] = int(results[index])
    lowest = min(walk.hull(source.node).lo, *starts)
    starts[lowest] = int(results[0])
    ordered = sorted(starts)
    kept = [ordered[0]] + [b for a, b in itertools.pairwise(ordered) if starts[a] != starts[b]]
    _table(walk, call, tuple(kept), np.array([starts[start] for start in kept]), kind)


def stored_table(walk: Walk, call: Call) -> None:
    """``nnet::unary_lut``: a table of constants, one for each pattern of the operand's bits."""
    walk.check_counts(call, (3,), (3,))
    owner = walk.owner(call)
    config = walk.config(call.parameters[2], owner)
    source = walk.read(call.arguments[0], owner)
    kind, entry = walk.project.type(call.parameters[1], owner), walk.type_of(config, "table_t")
    width, signed = source.type.fixed.width, source.type.fixed.signed
    if width > MAX_TABLE.bit_length() - 1:
        raise UnsupportedModelError(f"{owner}: an operand of {width} bits; allowed are {MAX_TABLE.bit_length() - 1}")
    stored = convert_codes(walk.constants(call.arguments[2], entry, 1 << width, owner), entry.frac, kind)
    codes = np.roll(stored, 1 << (width - 1)) if signed else stored
    lowest = source.type.fixed.interval.lo
    starts = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist()]
    _table(walk, call, tuple(start + lowest for start in starts), codes[starts], kind)


def _entries(function: str, size: int, reach: int, kind: HlsType, owner: str) -> IntArray:
    """The codes of a table: of a function as C++ computes it in float32, rounded to ``kind``.

    Raises:
        UnsupportedModelError: if the last bit of the C library's function could decide.
    """
    points = np.float32(reach) * (np.arange(size, dtype=np.float32) - np.float32(size / 2)) / np.float32(size)
    codes = []
    for point in points.tolist():
        found = {code_of(value, kind) for value in (_sigmoid if function == "sigmoid" else _tanh)(point)}
        if len(found) > 1:
            raise UnsupportedModelError(
                f"{owner}: the entry of its table for {point:g} lies on an edge of {kind.fixed}, where C libraries differ; "
                "allowed are tables without such; leave it out with --logits"
            )
        codes.append(found.pop())
    return np.array(codes, dtype=np.int64)


def _sigmoid(point: float) -> set[float]:
    """``1.0 / (1 + std::exp(-x))`` as a float, for each exponential that a good C library may give."""
    exact = math.exp(-point)
    around = {float(np.float32(exact * (1 + change))) for change in (-_DOUBT, 0.0, _DOUBT)}
    return {float(np.float32(1.0 / float(np.float32(1) + np.float32(value)))) for value in around}


def _tanh(point: float) -> set[float]:
    """``tanh`` of a float, in double or float32."""
    exact = math.tanh(point)
    return {exact, float(np.float32(exact))}


def _table(walk: Walk, call: Call, starts: tuple[int, ...], codes: IntArray, kind: HlsType) -> None:
    """One table for every element."""
    source = walk.read(call.arguments[0], walk.owner(call))
    size = walk.builder[source.node].size
    values = tuple(int(code) for code in codes)
    name = call.arguments[1]
    node = Lookup(name, (source.node,), (starts,), (values,), kind.frac, size)
    walk.write(call, name, walk.builder.add(node), kind)
