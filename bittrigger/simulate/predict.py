"""``predict``: real arrays in and out, shaped as in Keras; integers in between."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError
from bittrigger.frontend.lower import Lowered
from bittrigger.ir.graph import Graph
from bittrigger.ir.ports import decode_outputs, encode_events
from bittrigger.simulate import Executor

Real = npt.NDArray[np.floating[Any]]


def predict(
    design: Lowered, executor: Executor, inputs: Real | list[Real], shapes: list[tuple[int, ...]]
) -> Real | list[Real]:
    """The outputs that ``executor`` computes for real ``inputs``.

    Args:
        design: the network.
        executor: any way to run it.
        inputs: one array for each input, `(events, …)`; a single event may come without its first axis.
        shapes: shape of each input without the batch.

    Returns:
        One array `(events, …)`, or a list of them for several outputs, in the float type of the first input.

    Raises:
        ConfigError: if the arrays do not fit the inputs or hold values that are not finite.
    """
    arrays = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    if len(arrays) != len(shapes):
        raise ConfigError(f"{len(arrays)} input arrays; the model has {len(shapes)} inputs")
    flat = [_flat(np.asarray(array), shape) for array, shape in zip(arrays, shapes, strict=True)]
    if len({len(array) for array in flat}) != 1:
        raise ConfigError(f"input arrays hold {[len(array) for array in flat]} events; expected equal numbers")
    first = np.asarray(arrays[0])
    dtype = first.dtype if first.dtype in (np.float32, np.float64) else np.dtype(np.float32)
    values = decode_outputs(design.graph, executor.run(encode_events(design.graph, np.concatenate(flat, axis=1))))
    outputs = split_outputs(values.astype(dtype), design.shapes)
    return outputs[0] if len(outputs) == 1 else outputs


def _flat(array: npt.NDArray[Any], shape: tuple[int, ...]) -> Real:
    """`(events, size)`."""
    if array.dtype.kind not in "fiub":
        raise ConfigError(f"input array of type {array.dtype}; expected real numbers")
    if array.shape == shape:
        array = array[np.newaxis]
    size = int(np.prod(shape))
    if array.ndim < 2 or int(np.prod(array.shape[1:])) != size:
        raise ConfigError(f"input array of shape {array.shape}; expected {('events', *shape)}")
    return array.reshape(len(array), size).astype(np.float64)


def split_outputs(values: Real, shapes: tuple[tuple[int, ...], ...]) -> list[Real]:
    """The columns of ``values`` `(events, n_outputs)` as one array for each output."""
    outputs, start = [], 0
    for shape in shapes:
        stop = start + int(np.prod(shape))
        outputs.append(values[:, start:stop].reshape(len(values), *shape))
        start = stop
    return outputs


def outputs_of(graph: Graph, executor: Executor, values: Real) -> Real:
    """Real outputs `(events, n_outputs)` for real inputs `(events, n_inputs)`."""
    return decode_outputs(graph, executor.run(encode_events(graph, values)))
