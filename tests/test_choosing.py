"""Queues that choose a cycle before it is read, into registers: in every executor, proven, and where the clock asks for it."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from designs import build_of, disagreements
from test_prove import failures, refuted_after
from test_queue import layer

from bittrigger.build.folder import load_build
from bittrigger.compile.pipeline import solve_layers
from bittrigger.device.cost_model import estimate
from bittrigger.device.delay_model import DelayModel
from bittrigger.device.feed_cost import chosen_cost
from bittrigger.device.timing import spread_delay_ns
from bittrigger.errors import ConfigError
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.forms.queue import Choosing, keeps_all, least_distance
from bittrigger.ir.graph import Graph, Input, Linear, frozen_array
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.ir.pipeline import early_queues, turned_codes
from bittrigger.prove import Verdict, prove
from bittrigger.schedule.fold import Fold
from bittrigger.schedule.moments import Moment
from bittrigger.schedule.queued import _choices, _choosing
from bittrigger.schedule.schedule import Schedule
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import corner_codes, random_codes

TOKENS = 5
QUEUE = "choosing_queue_products"
READING, TAKING, WAITING = Choosing


def scores(tokens: int = TOKENS) -> Graph:
    """The products of so many queries and keys, which come out of layers, and their sums by query; keys are always the same."""
    query, key = np.meshgrid(np.arange(tokens), np.arange(tokens), indexing="ij")
    pairs, alone = np.stack([query, tokens + key], axis=-1), np.eye(2 * tokens, dtype=np.int64)
    nodes = (
        Input("x", 2 * tokens, FixedPoint(True, 2, 0), Interval(-2, 1)),
        Linear("first", ("x",), frozen_array(11 * alone), frozen_array(range(2 * tokens)), 0),
        Linear("scaled", ("first",), frozen_array(3 * alone), frozen_array(range(2 * tokens)), 0),
        Wire("pairs", ("scaled",), frozen_array(pairs.ravel()), 0),
        Product("products", ("pairs",), 0, copies=tokens**2),
        Linear("sums", ("products",), frozen_array(np.ones((tokens, 1))), frozen_array([3]), 0, copies=tokens),
    )
    graph = Graph("choosing", nodes, ("sums",))
    verify(graph)
    return graph


def scheduled(graph, ii, queues, clock_mhz=400.0):
    solved = solve_layers(graph, Settings(effort="fast", ii=ii, adder_inputs=2))
    return Schedule(clock_mhz, ii=ii, queues=queues).apply(graph, solved)


def codes_for(graph):
    return np.concatenate([corner_codes(graph), random_codes(graph, 150, 917)])


CASES = [(TAKING, TOKENS), (TAKING, TOKENS + 2), (WAITING, TOKENS), (WAITING, TOKENS + 2)]
REGISTERS = dict(zip(CASES, (72 + 8 + 3 + 1, 72 + 8 + 3 + 1, 80 + 48 + 3, 80 + 8 + 3), strict=True))
"""What waits, what is chosen (a query; with the keys where these are replaced too soon), the turn, whether an event is there."""


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"{case[0].value}-{case[1]}")
def built(request, tmp_path_factory):
    choosing, ii = request.param
    pipeline = scheduled(scores(), ii, {"products": choosing})
    module = pipeline.module_of("products")
    assert (module.phases, module.choosing) == (TOKENS, choosing)
    return build_of(pipeline, tmp_path_factory.mktemp("choosing"), synth=True)


def case_of(build):
    return build.pipeline.module_of("products").choosing, build.pipeline.ii


def test_every_executor_agrees_and_it_is_proven(built):
    assert disagreements(built, ["csim", "rtl", "rtl-fast", "gates"], codes_for(built.graph)) == []
    assert failures(prove(built)) == []


def test_registers_and_cycles_are_those_that_are_said(built):
    cells = json.loads((built.folder / "synth" / f"{QUEUE}.json").read_text())["modules"][QUEUE]["cells"].values()
    assert sum(cell["type"].startswith("FD") for cell in cells) == REGISTERS[case_of(built)]
    choosing, ii = case_of(built)
    module, plain = built.pipeline.module_of("products"), scheduled(scores(), ii, {}).module_of("products")
    assert module.reads == plain.reads == 2
    assert (module.start, module.told) == {TAKING: (3, 1), WAITING: (4, 2)}[choosing]
    chosen = turned_codes(built.graph, module)
    assert 80 + 3 + chosen_cost(choosing, chosen, 8, ii).ff == REGISTERS[case_of(built)]
    assert chosen_cost(READING, chosen, 8, ii).ff == 0


def test_it_is_proven_in_vhdl(tmp_path):
    for choosing, ii in CASES[::2]:
        build = build_of(scheduled(scores(), ii, {"products": choosing}), tmp_path / choosing.value, hdl="vhdl")
        assert failures(prove(build, netlist=False)) == []


EACH = {
    "a register is missing": (r"chosen\[0\]", "p0"),
    "a choice is held for a turn more": (r"chosen <= \{", "chosen <= turn == 3'd1 ? chosen : {"),
    "a turn is left out": (r"turn \+ 3'd1", "turn + 3'd2"),
    "two registers are one": (r"chosen\[1\]", "chosen[0]"),
}
OWN = {
    TAKING: {
        "the first turn is chosen from what waits": (QUEUE, r" x\[0\]\}\)", " waiting[0]})"),
        "an event is taken while the last turn is read": (QUEUE, r"taken \?", "load ?"),
        "a queue is told of its event when it is there": ("choosing", r"\.load\(valid\[0\]\)", ".load(valid[1])"),
    },
    WAITING: {
        "the first turn is chosen from what comes": (QUEUE, r" waiting\[0\]\}\)", " x[0]})"),
        "a queue is told of its event before it is there": ("choosing", r"\.load\(valid\[1\]\)", ".load(valid[0])"),
    },
}
UNDER = {"what is always the same is read from under the next event": (QUEUE, r"chosen\[8\]", "waiting[40]")}
FAULTS = [
    (case, fault, change)
    for case in CASES
    for fault, change in {
        **{fault: (QUEUE, *change) for fault, change in EACH.items()},
        **OWN[case[0]],
        **(UNDER if case == (WAITING, TOKENS) else {}),
    }.items()
]


@pytest.mark.parametrize(("case", "fault", "change"), FAULTS, ids=[f"{c[0].value}-{c[1]}: {f}" for c, f, _ in FAULTS])
def test_a_wrong_queue_is_refuted(tmp_path, case, fault, change):
    made = SimpleNamespace(pipeline=scheduled(scores(), case[1], {"products": case[0]}))
    assert change[0] in refuted_after(made, tmp_path, *change), fault


def test_what_is_always_the_same_may_be_read_from_where_it_waits_if_the_next_event_comes_later():
    assert keeps_all(WAITING, TOKENS, TOKENS)
    assert not keeps_all(WAITING, TOKENS, TOKENS + 1)
    assert not keeps_all(TAKING, TOKENS, TOKENS)
    distances = [least_distance(choosing, 5, ii) for choosing in (READING, TAKING, WAITING) for ii in (5, 6)]
    assert distances == [5, 5, 5, 5, 5, 6]


def test_a_queue_for_a_longer_interval_is_refuted_at_a_shorter_one(tmp_path):
    """The keys are read from where they wait while the last query is, when the next event is there."""
    longer, shorter = (scheduled(scores(), ii, {"products": WAITING}) for ii in (TOKENS + 1, TOKENS))
    build_of(longer, tmp_path / "longer")
    build_of(shorter, tmp_path / "shorter")
    text = (tmp_path / "longer" / "rtl" / f"{QUEUE}.sv").read_text()
    (tmp_path / "shorter" / "rtl" / f"{QUEUE}.sv").write_text(text)
    proof = prove(load_build(tmp_path / "shorter", sealed=False), netlist=False)
    assert (QUEUE, "verilog") in {(c.subject, c.kind) for c in proof.claims if c.verdict is Verdict.REFUTED}


@pytest.mark.parametrize("ii", [5, 8])
def test_a_queue_at_a_port_chooses_while_an_event_waits(tmp_path, ii):
    build = build_of(scheduled(layer(5), ii, {"each": WAITING}), tmp_path, synth=True)
    assert disagreements(build, ["rtl", "rtl-fast", "gates"], codes_for(build.graph)) == []
    assert failures(prove(build)) == []


# when the clock asks for it


def test_small_queues_and_slow_clocks_choose_as_they_are_read():
    for clock_mhz in (50.0, 100.0, 200.0):
        assert early_queues(scheduled(scores(), 5, None, clock_mhz)) == {}
    for clock_mhz in (100.0, 200.0, 300.0, 360.0):
        assert early_queues(scheduled(layer(8), 8, None, clock_mhz)) == {}


def wide() -> Graph:
    """Thirty codes of eight bits for each of eight turns, at a port."""
    port = Input("x", 8 * 30, FixedPoint(True, 8, 0), Interval(-128, 127))
    weights = frozen_array(np.random.default_rng(3).integers(-1, 2, (30, 12)))
    return Graph("wide", (port, Linear("each", ("x",), weights, frozen_array(range(12)), 0, 8)), ("each",))


@pytest.mark.parametrize(
    ("graph", "ii", "clock_mhz", "due"),
    [
        (wide(), 8, 360.0, {"each": WAITING}),
        (wide(), 8, 60.0, {}),
        (scores(), 5, 360.0, {"products": TAKING}),
        (scores(), 5, 60.0, {}),
    ],
)
def test_long_wires_at_a_fast_clock_ask_for_it_and_cost_no_lut(graph, ii, clock_mhz, due):
    """A queue at a port is not told of an event before it is there."""
    made, plain = (scheduled(graph, ii, queues, clock_mhz) for queues in (None, {}))
    assert early_queues(made) == due
    assert estimate(made)[1].lut == estimate(plain)[1].lut
    assert (made.latency_cycles > plain.latency_cycles) <= (WAITING in due.values())


def test_wires_that_logic_makes_up_for_do_not_count():
    model = DelayModel(spread_ns=0.1, spread_share=0.25)
    assert [spread_delay_ns(doublings, 2.0, model) for doublings in (0.0, 4.9, 5.0, 5.1)] == [0.0, 0.0, 0.0, 0.1 * 5.1]


def test_a_code_that_comes_again_is_not_chosen_while_it_is_taken():
    """It would be one choice more, from elsewhere in the first turn than later: a key, where half a query goes at a time."""
    graph = scores(6)
    asked = Schedule(360.0, ii=6).asked(graph, solve_layers(graph, Settings(effort="fast", ii=6, adder_inputs=2)))
    node, there = graph["products"], Moment(2, 0.0)
    whole, half = (_choices(asked, node, Fold(lanes, True)) for lanes in (6, 3))
    assert (whole.turns, whole.again, half.turns, half.again) == (6, False, 12, True)
    assert _choosing(asked, node, there, whole) is TAKING
    assert _choosing(asked, node, there, replace(whole, again=True)) is WAITING
    assert _choosing(asked, node, Moment(0, 0.0), whole) is WAITING
    assert _choosing(asked, node, Moment(2, asked.spare.budget_ns), whole) is WAITING


def test_registers_are_estimated():
    """A query, and a key that is always the same; then one of two keys."""
    turned, again = (np.array([[0, 4], [1, 4], [2, 4], [3, 4]]), np.array([[0, 4], [1, 4], [0, 4], [1, ZERO]]))
    found = [
        chosen_cost(*given).ff for given in ((TAKING, turned, 3, 4), (WAITING, turned, 3, 5), (WAITING, turned, 3, 4))
    ]
    assert found == [1, 3, 6]
    assert chosen_cost(TAKING, again, 3, 4).ff == 3 * 2 + 1


# from build to build


def test_a_build_is_read_as_it_was_made(built):
    read = load_build(built.folder).pipeline
    assert [(m.choosing, m.start, m.stop, m.reads, m.told) for m in read.modules] == [
        (m.choosing, m.start, m.stop, m.reads, m.told) for m in built.pipeline.modules
    ]


def manifest(folder, change):
    path = folder / "bittrigger.json"
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))
    return load_build(folder, sealed=False)


def test_a_build_of_an_earlier_version_chooses_as_it_did(tmp_path):
    """Its manifest says nothing of queues; at this clock another one is made today."""
    assert early_queues(scheduled(scores(), 5, None, 360.0)) == {"products": TAKING}
    build = build_of(scheduled(scores(), 5, {}, 360.0), tmp_path)
    old = manifest(tmp_path, lambda facts: facts.pop("queues"))
    assert early_queues(old.pipeline) == {}
    assert old.pipeline.latency_cycles == build.pipeline.latency_cycles
    assert {claim.kind for claim in failures(prove(old, netlist=False))} == {
        "files"
    }  # the seal alone: the manifest was changed


@pytest.mark.parametrize("said", ["never", "taking", ["waiting"]])
def test_a_manifest_that_cannot_be_is_refused(tmp_path, said):
    build_of(scheduled(layer(5), 5, {}), tmp_path)
    with pytest.raises(ConfigError, match=r"convert the model again$"):
        manifest(tmp_path, lambda facts: facts.update(queues={"each": said}))
