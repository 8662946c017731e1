"""Keras against the oracle, on every bit, before anything is built."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError, MismatchError, UnsupportedModelError
from bittrigger.frontend.keras_model.double import in_double
from bittrigger.frontend.keras_model.reference import (
    has_input_quantizers,
    keras_outputs,
    reference_events,
    round_outputs,
    without_endings,
)
from bittrigger.ir.basis import Distance, Grade, Measured
from bittrigger.ir.fixed import FLOAT32_BITS, FloatArray, decode
from bittrigger.ir.graph import Graph, Input
from bittrigger.ir.ports import decode_inputs
from bittrigger.simulate.executors.oracle import Oracle
from bittrigger.simulate.predict import outputs_of
from bittrigger.simulate.vectors import corner_codes, random_codes

_log = logging.getLogger(__name__)

EVENTS = 1000
"""Random events of each kind that are compared."""

SEED = 20240229

MAX_CODES = 1 << 21
"""Codes of the widest node, over all events, that are compared at a time; bounds the memory."""


def check_agreement(
    model: Any, graph: Graph, inputs: FloatArray | None = None, *, keep_activation: bool = False
) -> Measured:
    """Compare the Keras model with the integer graph.

    The events are the corners of the ports, random codes, reals between the codes where the model itself quantises its
    inputs, and ``inputs``. Where an output is rounded to a declared type, so is what Keras gives. A graph of the exact grade
    has to be equal on every bit; with one of the ideal grade the events are counted on which float32 and float64 differ.

    Args:
        model: the Keras model.
        graph: its lowering.
        inputs: further real events `(events, n_inputs)`.
        keep_activation: whether the graph holds a softmax or sigmoid at the end of the model.

    Raises:
        MismatchError: if a single bit of a graph of the exact grade differs, or Keras gives no number.
        ConfigError: if ``inputs`` do not fit the model.
    """
    values = _events(model, graph, inputs)
    found = outputs_of(graph, Oracle(graph), values) if graph.basis.grade is Grade.IDEAL else None
    step = max(64, MAX_CODES // max(node.size for node in graph.nodes))
    with without_endings(model, remove=not keep_activation) as bare:
        if found is None:
            for start in range(0, len(values), step):
                part = values[start : start + step]
                wanted = round_outputs(graph, keras_outputs(bare, part))
                _compare(start, part, wanted, outputs_of(graph, Oracle(graph), part))
            return Measured(len(values), Distance(0, 0.0))
        wanted = round_outputs(graph, keras_outputs(bare, values))
        _check_finite(values, wanted)
        single = Distance.between(wanted, found)
        return Measured(len(values), single, _from_double(bare, graph, values, found))


def _events(model: Any, graph: Graph, inputs: FloatArray | None) -> npt.NDArray[np.float32]:
    """All events; each kind is rounded to float32 as soon as it is made, which bounds the memory of large ports."""
    events = decode_inputs(graph, np.concatenate([corner_codes(graph), random_codes(graph, EVENTS, SEED)]))
    batches = [events.astype(np.float32)]
    if has_input_quantizers(model, graph):
        batches += _between(graph, events)
    del events
    if inputs is not None:
        batches.append(reference_events(model, graph, inputs).astype(np.float32))
    return _within(graph, np.concatenate(batches))


def _within(graph: Graph, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """``values``, none of which float32 has rounded up beyond a port that has more bits than float32."""
    tops = [_top(port) if port.type.width > FLOAT32_BITS else np.float32(np.inf) for port in graph.inputs]
    most = np.repeat(np.array(tops, dtype=np.float32), [port.size for port in graph.inputs])
    return np.minimum(values, most, out=values)


def _top(port: Input) -> np.float32:
    """The largest float32 that is a code of ``port``."""
    highest = float(decode(np.array([port.interval.hi]), port.frac)[0])
    nearest = np.float32(highest)
    return nearest if nearest <= highest else np.nextafter(nearest, np.float32(-np.inf))


def _from_double(model: Any, graph: Graph, values: npt.NDArray[np.float32], found: FloatArray) -> Distance | None:
    """How far the model is in double precision; None, with a warning, where Keras does not build it so."""
    import tensorflow as tf

    try:
        with in_double(model) as twin:
            return Distance.between(round_outputs(graph, keras_outputs(twin, values)), found)
    except (ValueError, TypeError, AttributeError, tf.errors.OpError, ConfigError, UnsupportedModelError) as error:
        reason = " ".join(str(error).split())[:200]
        _log.warning("Keras in float64 was not run, so that the report lacks its distance: %s", reason)
        return None


def _check_finite(events: npt.NDArray[np.float32], wanted: FloatArray) -> None:
    """Refuse a model that gives no number: there is none that firmware could be compared with."""
    lacking = np.argwhere(~np.isfinite(wanted))
    if lacking.size:
        event, column = (int(k) for k in lacking[0])
        raise MismatchError(
            f"event {event}, output {column}: Keras gives {wanted[event, column]!r} for the inputs {events[event].tolist()}; "
            "allowed are numbers; change what divides by 0 or overflows there"
        )


def _between(graph: Graph, events: FloatArray) -> Iterator[npt.NDArray[np.float32]]:
    """Reals off the grid, ties and values beyond the range included."""
    generator = np.random.default_rng(SEED + 1)
    steps = np.repeat([port.type.step for port in graph.inputs], [port.size for port in graph.inputs])
    moved = generator.choice([0.5, -0.5, 0.25, 0.49999], size=events.shape)
    moved *= steps
    moved += events
    yield moved.astype(np.float32)
    del moved
    noise = generator.normal(0, 1, size=events.shape)
    noise *= steps
    noise += events * 1.75
    yield noise.astype(np.float32)


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
