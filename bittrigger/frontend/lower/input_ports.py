"""The type of an input port: what the first quantiser makes of it, or what the user asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bittrigger.errors import Float32RoundsError
from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.functions import function_from_spec, is_softmax
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.kernels import common_fraction_bits
from bittrigger.frontend.nodes.account import Account
from bittrigger.ir.casts import parse_cast
from bittrigger.ir.fixed import FLOAT32_BITS, FixedPoint, FloatArray, Interval, parse_fixed
from bittrigger.settings import Settings


@dataclass(frozen=True, slots=True)
class Port:
    """Type and range of the codes of one input."""

    type: FixedPoint
    interval: Interval


WIDTH = 16
"""Bits of a type that events choose where they lie on no grid of 24 bits."""

MAX_FRACTION = 100
"""Most bits behind the point of a type that events choose."""


def find_port(
    model_graph: Any, node: Any, settings: Settings, account: Account, events: FloatArray | None = None
) -> Port:
    """The port of input ``node``.

    Args:
        model_graph: hls4ml's ModelGraph.
        node: an input node of it.
        settings: the type to take, or else the one for an input that neither a quantiser nor events type.
        account: is told of a choice.
        events: real values of the port, `(events, codes)`; where nothing types it, the narrowest type that covers them does.

    Raises:
        Float32RoundsError: if the type has more bits than Keras' float32, and only the exact grade will do.
    """
    if settings.input_precision is not None:
        cast = parse_cast(settings.input_precision)
        if not cast.has_default_modes:
            account.choose(
                f"input {node.name!r}: {cast.rounding.value} and {cast.overflow.value} of its type say what becomes of values "
                "that are no codes of the port, which lies before the firmware; executors that take real inputs round them half "
                "to even and limit them, whatever these say"
            )
        return _port(node.name, parse_fixed(settings.input_precision), account)
    readers, held = _cast_types(model_graph, node)
    if held is not None and readers == 1 and events is None:
        account.choose(
            f"input {node.name!r}: each of its values is rounded and limited to a type of its own; it takes {held}, which "
            "holds them all; choose another type with --input-precision"
        )
        return _port(node.name, held, account)
    whole = bool(node.get_attr(attributes.WHOLE))
    grids = list(_first_quantizers(model_graph, node))
    grid = grids[0] if grids else None
    if grid is None or any(other != grid for other in grids):
        found = "different quantisers read it" if grids and None not in grids else "no quantiser reads it directly"
        if held is not None and readers > 1:
            found = f"{readers} quantisers with types of their own read it, which {held} would hold"
        kind = parse_fixed("fixed<16,16>" if whole else settings.input_default) if events is None else covering(events)
        reason = (
            "the narrowest that covers --inputs"
            if events is not None
            else "for whole numbers"
            if whole
            else "as in hls4ml"
        )
        account.choose(
            f"input {node.name!r}: its bits are not known ({found}); it takes {kind}, {reason}; choose another type with "
            "--input-precision"
        )
        return _port(node.name, kind, account)
    if whole and grid.frac > 0:
        grid = Grid(0, -(-grid.lo >> grid.frac), grid.hi >> grid.frac)
    interval = Interval(grid.lo, grid.hi)
    return Port(FixedPoint(interval.signed, interval.width, grid.frac), interval)


def _cast_types(model_graph: Any, node: Any) -> tuple[int, FixedPoint | None]:
    """How many quantisers read ``node``, and the narrowest type that holds all their types; None where others read it too."""
    readers = [reader for reader in model_graph.get_layers() if node.outputs[0] in reader.inputs]
    if {attributes.read(reader, attributes.KIND) for reader in readers} != {"casts"}:
        return len(readers), None
    parameters = [[np.ravel(array) for array in attributes.read(reader, attributes.PARAMETERS)] for reader in readers]
    signed, bits, integers = (np.concatenate(arrays) for arrays in zip(*parameters, strict=True))
    there = bits > 0
    if not there.any():
        return len(readers), None
    sign = bool(signed[there].any())
    before = int((integers - signed)[there].max()) + sign
    frac = int((bits - integers)[there].max())
    return len(readers), FixedPoint(sign, max(before + frac, 1), frac)


def covering(events: FloatArray) -> FixedPoint:
    """The narrowest type that holds all values of ``events``; of those that need more than 24 bits, 16 bits that cover them."""
    values = np.unique(events[np.isfinite(events)].astype(np.float32))
    lowest, highest = (float(values[0]), float(values[-1])) if values.size else (0.0, 0.0)
    signed = lowest < 0
    magnitude = max(-lowest, np.nextafter(highest, np.inf))
    integer = max(math.ceil(math.log2(magnitude)) if magnitude > 0 else 0, 1 - MAX_FRACTION) + signed
    frac = common_fraction_bits(values)
    if max(frac + integer, 1) > FLOAT32_BITS:
        frac = WIDTH - integer
    return FixedPoint(signed, max(frac + integer, 1), frac)


def _port(name: str, kind: FixedPoint, account: Account) -> Port:
    if kind.width > FLOAT32_BITS:
        account.rounds(
            Float32RoundsError(
                f"input {name!r}: {kind} has {kind.width} bits, and Keras reads its input as float32, which holds "
                f"{FLOAT32_BITS}; allowed are types that it holds; choose a narrower one with --input-precision"
            )
        )
    return Port(kind, kind.interval)


def _first_quantizers(model_graph: Any, node: Any) -> Iterator[Grid | None]:
    """The grid of each plain quantiser that reads ``node``, through reshapes; None for any other reader."""
    tensor = node.outputs[0]
    if tensor in model_graph.outputs:
        yield None
    for reader in model_graph.get_layers():
        if tensor not in reader.inputs:
            continue
        kind = attributes.read(reader, attributes.KIND)
        if kind == "reshape":
            yield from _first_quantizers(model_graph, reader)
        elif kind == "function":
            spec = attributes.read(reader, attributes.FUNCTION)
            if spec["class_name"] == "linear":
                yield from _first_quantizers(model_graph, reader)
                continue
            if is_softmax(spec):
                yield None
                continue
            function = function_from_spec(reader.name, spec)
            yield function.grid if function.plain else None
        elif kind == "embedding":
            yield Grid(0, 0, len(attributes.read(reader, attributes.PARAMETERS)[0]) - 1)
        else:
            yield None
