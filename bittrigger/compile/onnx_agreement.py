"""An ONNX graph, or a module of PyTorch, in floating point against the integers, before anything is built."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bittrigger.errors import MismatchError, UnsupportedModelError
from bittrigger.frontend.qonnx.evaluate import evaluate_onnx
from bittrigger.frontend.qonnx.file import OnnxModel
from bittrigger.ir.basis import Distance, Grade, Measured
from bittrigger.ir.fixed import FloatArray, decode, encode
from bittrigger.ir.graph import Graph
from bittrigger.ir.ports import decode_inputs, encode_events
from bittrigger.settings import Settings
from bittrigger.simulate.executors.oracle import Oracle
from bittrigger.simulate.predict import outputs_of
from bittrigger.simulate.vectors import corner_codes, random_codes

EVENTS = 500
"""Random events of each kind that are compared."""

SEED = 20261130

MAX_CODES = 1 << 22
"""Codes of the widest tensor, over all events, that are computed at a time; bounds the memory."""


def check_onnx(
    model: OnnxModel,
    graph: Graph,
    settings: Settings,
    inputs: FloatArray | None = None,
    own: Callable[[FloatArray], FloatArray] | None = None,
) -> Measured:
    """Compare the nodes of a graph, computed one after the other, with the integer graph, on values of its ports.

    Args:
        inputs: real events `(events, n_inputs)` besides the corners and random codes.
        own: what the framework itself gives for events in float32, in the place of the nodes.

    Raises:
        MismatchError: if a single bit of a graph of the exact grade differs from float32.
    """
    codes = [corner_codes(graph), random_codes(graph, EVENTS, SEED)]
    if inputs is not None:
        codes.append(encode_events(graph, inputs))
    values = decode_inputs(graph, np.concatenate(codes))
    found = outputs_of(graph, Oracle(graph), values)
    whole = _computed(model, graph, settings, values, np.float32) if own is None else _rounded(graph, own(values))
    single = Distance.between(whole, found)
    if graph.basis.grade is Grade.EXACT:
        if single.events:
            what = "the nodes of the file" if own is None else f"the module of {graph.basis.reference.framework}"
            raise MismatchError(
                f"{single.events} of {len(values)} events: {what} in float32 and the oracle differ, by up to {single.largest:g}"
            )
        return Measured(len(values), single)
    return Measured(len(values), single, Distance.between(_computed(model, graph, settings, values, np.float64), found))


def _computed(model: OnnxModel, graph: Graph, settings: Settings, values: FloatArray, dtype: type) -> FloatArray:
    """The outputs of the nodes in one precision, in the declared types where they have them."""
    step = max(16, MAX_CODES // (16 * max(node.size for node in graph.nodes)))
    try:
        with np.errstate(all="ignore"):
            parts = [
                evaluate_onnx(model, values[start : start + step], dtype, endings=settings.keep_activation)
                for start in range(0, len(values), step)
            ]
    except (ValueError, TypeError, IndexError, KeyError, ArithmeticError, MemoryError) as error:
        raise UnsupportedModelError(
            f"ONNX file of {graph.name!r}: its nodes cannot be computed one after the other ({str(error)[:160]}); allowed are "
            "valid graphs; export it again"
        ) from error
    return _rounded(graph, np.concatenate(parts))


def _rounded(graph: Graph, whole: FloatArray) -> FloatArray:
    """The outputs in the declared types of those that have one."""
    start = 0
    for output, kind in zip(graph.outputs, graph.basis.rounded, strict=False):
        size = graph[output].size
        if kind is not None:
            whole[:, start : start + size] = decode(encode(whole[:, start : start + size], kind), kind.frac)
        start += size
    return whole
