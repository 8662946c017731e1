"""Sums of products folded in time, as attention has them: each code waits once, and a sum follows its products at once."""

from __future__ import annotations

import numpy as np
import pytest
from designs import build_of, disagreements
from test_prove import failures, verilog_refuted_after

from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.device.feed_cost import choice_cost
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.forms.window import chosen_codes, used_codes
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, frozen_array
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.prove import prove
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes

TOKENS, UNITS = 7, 3


def scores_net() -> Graph:
    """For each of seven queries and seven keys a sum of three products, and of seven of these another, as attention has them."""
    kind, ones = FixedPoint(True, 4, 0), frozen_array(np.ones((UNITS, 1), dtype=np.int64))
    query, key, unit = np.meshgrid(np.arange(TOKENS), np.arange(TOKENS), np.arange(UNITS), indexing="ij")
    pairs = np.stack([UNITS * query + unit, UNITS * TOKENS + UNITS * key + unit], axis=-1)
    nodes = (
        Input("q", UNITS * TOKENS, kind, Interval(-8, 7)),
        Input("k", UNITS * TOKENS, kind, Interval(-8, 7)),
        Wire("pairs", ("q", "k"), frozen_array(pairs.ravel()), 0),
        Product("products", ("pairs",), 0, copies=pairs.size // 2),
        Linear("scores", ("products",), ones, frozen_array(np.array([3])), 0, copies=TOKENS**2),
        Requantize("weights", ("scores",), TOKENS**2, 3, Rounding.RND_CONV, 0, 7, 0, copies=TOKENS**2),
        Linear(
            "mix",
            ("weights",),
            frozen_array(np.random.default_rng(5).integers(-1, 2, (TOKENS, 4))),
            frozen_array(np.arange(4)),
            0,
            copies=TOKENS,
        ),
        Linear("last", ("mix",), frozen_array(np.ones((4 * TOKENS, 1), dtype=np.int64)), frozen_array(np.zeros(1)), 0),
    )
    graph = Graph("scores_net", nodes, ("last", "weights"))
    verify(graph)
    return graph


def codes_for(graph: Graph):
    return np.concatenate([corner_codes(graph), random_codes(graph, 100, 3)])


@pytest.fixture(scope="module", params=[3, 20])
def built(request, tmp_path_factory):
    pipeline = create_pipeline(scores_net(), Settings(effort="fast", clock_mhz=300.0, ii=request.param))
    return build_of(pipeline, tmp_path_factory.mktemp("scores"), synth=True)


def test_sums_follow_their_products_and_each_code_waits_once(built):
    modules = {module.node.name: module for module in built.pipeline.modules}
    lanes = {name: (module.lanes, module.queue) for name, module in modules.items() if module.is_folded}
    assert (
        lanes
        == {
            3: {"products": (63, True), "scores": (21, False), "weights": (21, False), "mix": (3, False)},
            20: {
                "products": (9, True),
                "scores": (3, False),
                "weights": (3, False),
                "mix": (1, True),
                "last": (1, False),
            },
        }[built.pipeline.ii]
    )
    text = (built.folder / "rtl" / "scores_net_queue_products.sv").read_text()
    assert f"reg  [{2 * 4 * UNITS * TOKENS - 1}:0] waiting;" in text
    found = estimate(built.pipeline)[1]
    assert (found.lut, found.ff) < {3: (1300, 1600), 20: (500, 1400)}[built.pipeline.ii]


def test_every_executor_agrees(built):
    assert disagreements(built, ["csim", "emulator", "rtl", "rtl-fast", "gates"], codes_for(built.graph)) == []


def test_it_is_proven(built):
    assert failures(prove(built)) == []


def test_the_vhdl_is_equal(tmp_path):
    pipeline = create_pipeline(scores_net(), Settings(effort="fast", clock_mhz=300.0, ii=3))
    assert failures(prove(build_of(pipeline, tmp_path, hdl="vhdl"), netlist=False)) == []


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("scores_net_queue_products", (r"waiting\[0\]\};", "waiting[1]};")),
        ("scores_net_queue_products", (r"waiting <= x", "waiting <= {x[3:0], x[167:4]}")),
        ("scores_net_queue_products", (r"assign y = \{", "assign y = load ? x[0] : {")),  # the next event may be there
        ("scores_net", (r"q_codes\[83:0\]", "{q_codes[3:0], q_codes[83:4]}")),
        ("scores_net", (r"products_stream\[24\*p \+: 24\]", "products_stream[8*p +: 24]")),
    ],
)
def test_a_wrong_queue_is_refuted(tmp_path, built, file, change):
    assert file in verilog_refuted_after(built, tmp_path, file, *change)


def test_what_is_always_the_same_code_is_not_chosen():
    numbers = np.array([[0, 5], [1, 5], [2, 5], [3, 5], [4, ZERO]])
    turned = chosen_codes(numbers, 2)
    assert turned.tolist() == [[0, 5, 1, 5], [2, 5, 3, 5], [4, ZERO, 3, 5]]
    assert choice_cost(6, turned[:2, :], 4).lut == 1 + 2 * 4
    assert choice_cost(6, turned, 4).ff == 2 + 6 * 4


def test_codes_that_no_copies_share_wait_as_they_come():
    graph = scores_net()
    used, numbers = used_codes(graph, ("weights",), TOKENS)
    assert len(used) == numbers.size == TOKENS**2


def test_codes_that_all_copies_read_are_held_without_counting_turns(tmp_path):
    kind, weights = FixedPoint(False, 1, 0), frozen_array(np.array([[11, 7, -5]]))
    nodes = (
        Input("x", 1, kind, kind.interval),
        Wire("again", ("x",), frozen_array(np.zeros(6, dtype=np.int64)), 0),
        Linear("each", ("again",), weights, frozen_array(np.arange(3)), 0, copies=6),
    )
    graph = Graph("alike", nodes, ("each",))
    verify(graph)
    pipeline = create_pipeline(graph, Settings(effort="fast", clock_mhz=300.0, ii=3))
    assert [(module.lanes, module.queue) for module in pipeline.modules] == [(2, True)]
    build = build_of(pipeline, tmp_path, hdl="vhdl")
    assert "turn;" not in (tmp_path / "rtl" / "alike_queue_each.sv").read_text()
    assert failures(prove(build, netlist=False)) == []
