"""Types of results that lie on no grid of their own: that of the output, or of the quantiser that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend import attributes
from bittrigger.frontend.elementwise.functions import function_from_spec
from bittrigger.frontend.elementwise.grids import Grid
from bittrigger.frontend.lower.walk import Walk
from bittrigger.ir.fixed import parse_fixed
from bittrigger.settings import AUTO


def declared_grid(walk: Walk, node: Any, what: str, default: str) -> Grid:
    """The codes of the results of ``node``.

    Args:
        what: what it computes, in words.
        default: the type at an output for which none is declared.

    Raises:
        UnsupportedModelError: if nothing gives them a type.
    """
    tensor = node.outputs[0]
    if tensor in walk.model_graph.outputs:
        if any(tensor in reader.inputs for reader in walk.model_graph.get_layers()):
            raise UnsupportedModelError(
                f"layer {node.name!r}: {what} leaves the model, rounded to a declared type, and another layer reads it as it is; "
                "allowed is one of the two; put a QActivation behind it for the other layer"
            )
        wanted = walk.settings.output_precision
        kind = parse_fixed(default if wanted == AUTO else wanted)
        if wanted == AUTO:
            walk.builder.account.choose(
                f"layer {node.name!r}: {what} is rounded to {kind}, half to even; choose another type with --output-precision"
            )
        walk.rounded[tensor] = kind
        return Grid(kind.frac, kind.interval.lo, kind.interval.hi)
    grids = set(_grids_behind(walk, tensor))
    if len(grids) == 1 and (grid := next(iter(grids))) is not None:
        return grid
    raise UnsupportedModelError(
        f"layer {node.name!r}: {what} within the model, and its exact results lie on no grid of integers; allowed is one "
        "quantised activation behind it, such as quantized_relu(8), or the output; put a QActivation behind it"
    )


def _grids_behind(walk: Walk, tensor: str) -> Iterator[Grid | None]:
    """The codes of each plain quantiser that reads ``tensor``; None for any other reader."""
    for reader in walk.model_graph.get_layers():
        if tensor not in reader.inputs:
            continue
        kind = attributes.read(reader, attributes.KIND)
        if kind == "reshape" and reader.outputs[0] not in walk.model_graph.outputs:
            yield from _grids_behind(walk, reader.outputs[0])
        elif kind == "function":
            spec = attributes.read(reader, attributes.FUNCTION)
            known = spec["module"] in ("qkeras", "bittrigger", "onnx")
            function = function_from_spec(reader.name, spec) if known else None
            yield function.grid if function is not None and function.plain else None
        else:
            yield None
