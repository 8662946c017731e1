"""Keras against the oracle, on every bit, before anything is built."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import MismatchError
from bittrigger.frontend.reference import (
    has_input_quantizers,
    keras_outputs,
    reference_events,
    without_endings,
)
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.graph import Graph
from bittrigger.ir.ports import decode_inputs
from bittrigger.simulate.executors.oracle import Oracle
from bittrigger.simulate.predict import outputs_of
from bittrigger.simulate.vectors import corner_codes, random_codes

EVENTS = 1000
"""Random events of each kind that are compared."""

SEED = 20240229

MAX_CODES = 1 << 21
"""Codes of the widest node, over all events, that are compared at a time; bounds the memory."""


def check_agreement(model: Any, graph: Graph, inputs: FloatArray | None = None, *, logits: bool = False) -> int:
    """Compare the Keras model with the integer graph.

    The events are the corners of the ports, random codes, reals between the codes where the model itself quantises its
    inputs, and ``inputs``.

    Args:
        model: the Keras model.
        graph: its lowering.
        inputs: further real events `(events, n_inputs)`.
        logits: whether the graph leaves out a softmax or sigmoid at the end of the model.

    Returns:
        The number of events that were compared.

    Raises:
        MismatchError: if a single bit differs.
        ConfigError: if ``inputs`` do not fit the model.
    """
    codes = np.concatenate([corner_codes(graph), random_codes(graph, EVENTS, SEED)])
    events = decode_inputs(graph, codes)
    batches = [events]
    if has_input_quantizers(model, graph):
        batches.append(_between(graph, events))
    if inputs is not None:
        batches.append(reference_events(model, graph, inputs).astype(np.float64))
    values = np.concatenate(batches).astype(np.float32)
    step = max(64, MAX_CODES // max(node.size for node in graph.nodes))
    with without_endings(model, remove=logits) as bare:
        for start in range(0, len(values), step):
            part = values[start : start + step]
            _compare(start, part, keras_outputs(bare, part), outputs_of(graph, Oracle(graph), part))
    return len(values)


def _between(graph: Graph, events: FloatArray) -> FloatArray:
    """Reals off the grid, ties and values beyond the range included."""
    generator = np.random.default_rng(SEED + 1)
    steps = np.repeat([port.type.step for port in graph.inputs], [port.size for port in graph.inputs])
    shift = generator.choice([0.5, -0.5, 0.25, 0.49999], size=events.shape) * steps
    noise = generator.normal(0, 1, size=events.shape) * steps
    return np.concatenate([events + shift, events * 1.75 + noise])


def _compare(first: int, values: npt.NDArray[np.float32], wanted: FloatArray, found: FloatArray) -> None:
    """Compare the outputs of the events from number ``first`` on; those before it agree."""
    different = np.argwhere(wanted != found)
    if not different.size:
        return
    event, column = (int(k) for k in different[0])
    events = int(np.unique(different[:, 0]).size)
    raise MismatchError(
        f"event {first + event}, output {column}: Keras gives {wanted[event, column]!r}, the oracle gives "
        f"{found[event, column]!r} for the inputs {values[event].tolist()}; {events} of {first + len(values)} events differ"
    )
