"""Convolutions and poolings folded in time: windows that overlap are fed from cells that hold each code one time."""

from __future__ import annotations

import numpy as np
import pytest
from designs import build_of, disagreements
from test_prove import failures, verilog_refuted_after

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.device.feed_cost import queue_cost, window_cost
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.forms.window import used_codes, window_of
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, frozen_array
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.prove import prove
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes


def windows(image: tuple[int, int, int], kernel: tuple[int, int], stride: int, *, same: bool) -> np.ndarray:
    """Which codes of an image (rows, columns, channels) each window reads, one window after the other, zeros for padding."""
    rows, columns, channels = image
    high, wide = kernel
    down = -(-rows // stride) if same else (rows - high) // stride + 1
    across = -(-columns // stride) if same else (columns - wide) // stride + 1
    top = max((down - 1) * stride + high - rows, 0) // 2
    left = max((across - 1) * stride + wide - columns, 0) // 2
    r = stride * np.arange(down)[:, None, None, None, None] + np.arange(high)[None, None, :, None, None] - top
    c = stride * np.arange(across)[None, :, None, None, None] + np.arange(wide)[None, None, None, :, None] - left
    index = (r * columns + c) * channels + np.arange(channels)
    there = (r >= 0) & (r < rows) & (c >= 0) & (c < columns)
    return np.where(there, index, ZERO).reshape(down * across, -1)


def wired(image: tuple[int, int, int], table: np.ndarray) -> Graph:
    port = Input("x", int(np.prod(image)), FixedPoint(False, 4, 0), Interval(0, 15))
    return Graph("g", (port, Wire("w", ("x",), frozen_array(table.reshape(-1)), 0)), ("w",))


@pytest.mark.parametrize(
    ("image", "kernel", "stride", "same", "lanes", "cells"),
    [
        ((18, 14, 1), (3, 3), 1, True, 28, 280),
        ((18, 14, 1), (3, 3), 1, True, 7, 301),
        ((18, 14, 1), (3, 3), 1, False, 4, 252),
        ((18, 14, 4), (2, 2), 2, False, 7, 1008),
        ((9, 7, 4), (3, 3), 1, True, 7, 308),
        ((1, 256, 1), (1, 9), 1, True, 5, 268),
        ((1, 64, 2), (1, 4), 2, True, 8, 132),
        ((6, 6, 2), (1, 1), 1, True, 6, 72),
    ],
)
def test_a_window_hands_out_what_each_copy_reads(image, kernel, stride, *, same, lanes, cells):
    """Played in Python: what is shifted in is what the wire says, turn by turn."""
    table = windows(image, kernel, stride, same=same)
    graph = wired(image, table)
    window = window_of(graph, ("w",), len(table), lanes)
    assert len(window.cells) == cells
    used, numbers = used_codes(graph, ("w",), len(table))
    assert sorted(set(window.cells) - {ZERO}) == list(range(len(used)))
    row = list(window.cells)
    for first in range(0, len(table), lanes):
        found = [ZERO if tap == ZERO else row[tap] for tap in window.taps]
        wanted = numbers[first : first + lanes].reshape(-1).tolist()
        assert found[: len(wanted)] == wanted
        step = window.far if window.ends[first // lanes] else window.near
        row = [*row[step:], *[ZERO] * step]


@pytest.mark.parametrize("lanes", [1, 5, 13])
def test_what_does_not_move_evenly_has_no_window(lanes):
    table = np.random.default_rng(2).permutation(64).reshape(16, 4)
    assert window_of(wired((8, 8, 1), table), ("w",), 16, lanes) is None


def image_net() -> Graph:
    """A convolution with padding, a pooling of what it gives, a convolution of that, and what reads everything."""
    random = np.random.default_rng(3)
    first, pooled = (6, 8, 1), (6, 8, 3)
    convolved = windows(first, (3, 3), 1, same=True)
    pool = windows(pooled, (2, 2), 2, same=False).reshape(12, 4, 3).transpose(0, 2, 1).reshape(36, 4)
    again = windows((3, 4, 3), (2, 2), 1, same=True)

    def matrix(n_in: int, n_out: int):
        return frozen_array(random.integers(-1, 2, (n_in, n_out)))

    def bias(n: int):
        return frozen_array(random.integers(-9, 9, n))

    nodes = (
        Input("image", 48, FixedPoint(False, 5, 0), Interval(0, 31)),
        Wire("windows", ("image",), frozen_array(convolved.reshape(-1)), 0),
        Linear("conv", ("windows",), matrix(9, 3), bias(3), 0, 48),
        Requantize("relu", ("conv",), 144, 1, Rounding.TRN, 0, 15, 0, copies=48),
        Wire("squares", ("relu",), frozen_array(pool.reshape(-1)), 0),
        Extremum("pool", ("squares",), 0, copies=36),
        Wire("corners", ("pool",), frozen_array(again.reshape(-1)), 0),
        Linear("second", ("corners",), matrix(12, 4), bias(4), 0, 12),
        Requantize("bend", ("second",), 48, 1, Rounding.TRN, 0, 15, 0, copies=12),
        Linear("last", ("bend",), matrix(48, 2), bias(2), 0),
    )
    return Graph("images", nodes, ("last",))


@pytest.fixture(scope="module", params=[6, 12])
def built(request, tmp_path_factory):
    verify(image_net())
    pipeline = create_pipeline(image_net(), Settings(effort="fast", clock_mhz=300.0, ii=request.param))
    return build_of(pipeline, tmp_path_factory.mktemp("images"), synth=True)


def test_windows_are_fed_from_cells(built):
    modules = {module.node.name: module for module in built.pipeline.modules}
    assert modules["conv"].window
    assert modules["conv"].lanes == {6: 8, 12: 4}[built.pipeline.ii]
    flat = create_pipeline(image_net(), Settings(effort="fast", clock_mhz=300.0))
    assert estimate(built.pipeline)[1].lut < 0.6 * estimate(flat)[1].lut
    assert window_cost(modules["conv"].window, 5).lut < queue_cost(48, modules["conv"].lanes, 45).lut


def test_every_executor_agrees(built):
    assert disagreements(built, ["csim", "emulator", "rtl", "rtl-fast", "gates"], corner_codes(built.graph)) == []


def test_it_is_proven(built):
    assert failures(prove(built)) == []


def test_the_vhdl_is_equal(tmp_path):
    build = build_of(
        create_pipeline(image_net(), Settings(effort="fast", clock_mhz=300.0, ii=12)), tmp_path, hdl="vhdl"
    )
    assert failures(prove(build, netlist=False)) == []


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("images_queue_conv", (r"row <= taken", "row <= near")),
        ("images_queue_conv", (r"near = \{ *(\d+)'d0, row\[(\d+):\d+\]\}", r"near = {\1'd0, row[\2-1:\1-1]}")),
        ("images_queue_conv", (r"taken = \{(\s*)([^,]*), ([^,]*),", r"taken = {\1\3, \2,")),
        ("images_queue_conv", (r"assign y = \{", "assign y = load ? x[0] : {")),  # the next event may be there
        ("images", (r"image_codes\[239:0\]", "{image_codes[4:0], image_codes[239:5]}")),
    ],
)
def test_a_wrong_window_is_refuted(tmp_path, built, file, change):
    assert file in verilog_refuted_after(built, tmp_path, file, *change)
