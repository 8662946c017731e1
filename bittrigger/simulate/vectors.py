"""Input codes that every executor is run on: corners that break careless arithmetic, and random events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bittrigger.errors import ConfigError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph, Node, frozen_array, input_intervals
from bittrigger.ir.held.bus import held_nodes
from bittrigger.ir.nodes.held import Held, Weigh, register_interval

MAX_BYTES = 2 << 30
"""Most memory that the codes of one run take."""

MAX_ONE_HOT = 1 << 24
"""Most codes of the vectors with one input off zero, at each end of its range."""


def _bounds(graph: Graph) -> tuple[IntArray, IntArray]:
    ranges = input_intervals(graph)
    return np.array([r.lo for r in ranges], dtype=np.int64), np.array([r.hi for r in ranges], dtype=np.int64)


def corner_codes(graph: Graph) -> IntArray:
    """The corner vectors of ``graph``, `(events, n_inputs)` int64, each code within its port's range.

    All lowest, all highest, zero (or the code nearest to it), both alternations of lowest and highest, both
    alternations of 0101… and 1010… bit patterns, and for each input the lowest and the highest with all others at zero; of
    more inputs than ``MAX_ONE_HOT`` values allow, for inputs spread over all of them, the first and the last among them.
    """
    low, high = _bounds(graph)
    zero = np.clip(0, low, high)
    odd = np.arange(graph.n_inputs) % 2 == 1
    checker = np.full(graph.n_inputs, 0x5555_5555_5555_5555, dtype=np.int64)
    checker[odd] <<= 1
    stripes = [_wrapped(bits, low, high) for bits in (checker, ~checker)]
    shared = [low, high, zero, np.where(odd, low, high), np.where(odd, high, low), *stripes]
    size = graph.n_inputs
    chosen = np.unique(np.linspace(0, size - 1, min(size, max(MAX_ONE_HOT // size, 2)), dtype=np.int64))
    alone = chosen[:, None] == np.arange(size)
    one_hot = np.concatenate([np.where(alone, peak, zero) for peak in (low, high)])
    return np.concatenate([np.stack(shared), one_hot])


def _wrapped(codes: IntArray, low: IntArray, high: IntArray) -> IntArray:
    """``codes`` brought into their ranges by dropping upper bits."""
    return (codes - low) % (high - low + 1) + low


def random_codes(graph: Graph, events: int, seed: int) -> IntArray:
    """Uniform codes within each port's range, `(events, n_inputs)` int64; equal for equal ``seed``.

    Raises:
        ConfigError: if ``seed`` is negative, or the codes would take more than ``MAX_BYTES``.
    """
    if seed < 0:
        raise ConfigError(f"seed {seed}; allowed are 0 and above")
    most = MAX_BYTES // (8 * graph.n_inputs)
    if not 0 <= events <= most:
        raise ConfigError(
            f"{events} events of {graph.n_inputs} inputs; allowed are {most} at a time, which take 2 GiB; run fewer"
        )
    low, high = _bounds(graph)
    size = (events, graph.n_inputs)
    return np.random.default_rng(seed).integers(low, high, size=size, dtype=np.int64, endpoint=True)


def other_numbers(graph: Graph, seed: int) -> Graph:
    """``graph`` with other weights and biases, at random over all that its registers hold; itself where it has none."""
    rng = np.random.default_rng(seed)
    changed: dict[str, Node] = {}
    for node in held_nodes(graph):
        span = register_interval(node.bits)
        held = rng.integers(span.lo, span.hi + 1, node.bias.size)
        made: Held = node
        if isinstance(node, Weigh):
            made = replace(node, weights=frozen_array(rng.integers(-1, 2, node.weights.shape)))
        added = made.held - made.bias
        changed[node.name] = replace(made, bias=frozen_array(held - added))
    return replace(graph, nodes=tuple(changed.get(node.name, node) for node in graph.nodes))


def turned_numbers(graph: Graph) -> list[Graph]:
    """``graph`` with every number that it holds turned on, once and twice; none if it holds none."""
    return [_turned(graph, by) for by in (1, 2)] if held_nodes(graph) else []


def _turned(graph: Graph, by: int) -> Graph:
    """``graph`` with weights ``by`` values further on, and biases so many thirds of what their registers hold."""
    changed: dict[str, Node] = {}
    for node in held_nodes(graph):
        span = register_interval(node.bits)
        size = span.hi - span.lo + 1
        held = span.lo + (node.held - span.lo + by * (size // 3)) % size
        made: Held = node
        if isinstance(node, Weigh):
            made = replace(node, weights=frozen_array((node.weights + 1 + by) % 3 - 1))
        changed[node.name] = replace(made, bias=frozen_array(held - (made.held - made.bias)))
    return replace(graph, nodes=tuple(changed.get(node.name, node) for node in graph.nodes))
