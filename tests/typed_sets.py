"""Sets whose constituents have types of their own, as heterogeneous quantisers leave them: random networks."""

import numpy as np
from designs import around

from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, frozen_array
from bittrigger.ir.nodes.wire import ZERO, Wire

ROUNDINGS = (Rounding.TRN, Rounding.RND, Rounding.RND, Rounding.RND_CONV, Rounding.RND_MIN_INF, Rounding.TRN_ZERO)


def of_types(rng, name, source, size, *, kinds, positive, padded):
    """The nodes that give each code of ``source`` one of a few types, on one grid again; some codes stay away."""
    which = rng.integers(0, kinds, size)
    if padded:
        which[1:][rng.random(size - 1) < 0.15] = ZERO
    nodes, parts = [], []
    place = np.full(size, ZERO)
    start = 0
    for kind in range(kinds):
        taken = np.flatnonzero(which == kind)
        if not taken.size:
            continue
        drop, bits = int(rng.integers(0, 4)), int(rng.integers(1, 5))
        mode = ROUNDINGS[rng.integers(3 if positive and rng.random() < 0.8 else len(ROUNDINGS))]
        signed = bool(rng.integers(0, 2)) and not positive
        limits = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        one = f"{name}_{kind}"
        nodes.append(Wire(f"{one}_part", (source,), frozen_array(taken), 4))
        if rng.random() < 0.7 and limits[0] < limits[1]:
            nodes.append(around(one, (f"{one}_part",), taken.size, drop, limits, (mode, 0)))
        else:
            nodes.append(Requantize(one, (f"{one}_part",), taken.size, drop, mode, *limits, 4))
        factor = int(1 << drop) * int(rng.choice([1, 1, -1, 3]))
        align = np.diag([factor] * taken.size)
        nodes.append(Linear(f"{one}_align", (one,), frozen_array(align), frozen_array(np.zeros(taken.size)), 4))
        parts.append(f"{one}_align")
        place[taken] = start + np.arange(taken.size)
        start += taken.size
    nodes.append(Wire(f"{name}_codes", tuple(parts), frozen_array(place), 4))
    return nodes


def typed_set(seed, name="typed_set"):
    """Constituents through types of their own, a shared matrix, a limit at zero, types again, and another matrix."""
    rng = np.random.default_rng(seed)
    copies, n_in, n_mid, n_out = (int(rng.integers(2, high)) for high in (5, 5, 4, 4))
    span = [Interval(-32, 31), Interval(0, 63), Interval(-5, 40)][rng.integers(3)]
    port = Input("x", copies * n_in, FixedPoint(True, 7, 4), span)
    nodes = [port, *of_types(rng, "in", "x", port.size, kinds=4, positive=False, padded=bool(rng.integers(2)))]
    weights = rng.integers(-7, 8, (n_in, n_mid)) * (rng.random((n_in, n_mid)) < 0.8)
    square = n_in == n_mid and rng.random() < 0.5
    weights = np.diag(np.diagonal(weights)) if square else weights
    bias = rng.integers(-20, 21, n_mid) * int(rng.integers(0, 2))
    nodes.append(Linear("dense", ("in_codes",), frozen_array(weights), frozen_array(bias), 4, copies))
    form = [(0, Rounding.TRN), (1, Rounding.TRN), (1, Rounding.RND)][rng.integers(3)]
    top = int(rng.choice([9, 255, 1 << 20]))
    source = "dense"
    if rng.random() < 0.8:
        nodes.append(Requantize("relu", ("dense",), copies * n_mid, *form, 0, top, 4, copies=copies))
        source = "relu"
    nodes += of_types(rng, "mid", source, copies * n_mid, kinds=3, positive=source == "relu", padded=False)
    last = rng.integers(-3, 4, (n_mid, n_out))
    nodes.append(Linear("last", ("mid_codes",), frozen_array(last), frozen_array(np.zeros(n_out)), 4, copies))
    outputs = ("last", "dense") if rng.random() < 0.2 else ("last",)
    if rng.random() < 0.3 and source == "relu":
        total = np.tile(np.eye(n_mid, dtype=np.int64), (copies, 1))
        nodes.append(Linear("total", ("relu",), frozen_array(total), frozen_array(np.zeros(n_mid)), 4))
        nodes.append(around("mean", ("total",), n_mid, 2, (0, 15), (Rounding.RND, 0)))
        outputs = (*outputs, "mean")
    graph = Graph(name, tuple(nodes), outputs)
    verify(graph)
    return graph
