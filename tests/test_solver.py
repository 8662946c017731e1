"""The adder-graph solver: exact, within its bounds, deterministic, and better than trees."""

import subprocess
import sys

import numpy as np
import pytest
import strategies as own
from hypothesis import given, settings
from hypothesis import strategies as st

from bittrigger.errors import ConfigError
from bittrigger.ir import adders
from bittrigger.ir.adders import Adder, AdderGraph, Output, Term
from bittrigger.ir.fixed import Interval
from bittrigger.passes.lower_trees import lower_trees
from bittrigger.solver import EFFORTS, SolverOptions, graph_luts, solve
from bittrigger.solver import native as solver_native

EIGHT_BIT = Interval(-128, 127)


def random_ternary(n_in, n_out, seed=0):
    return np.random.default_rng(seed).integers(-1, 2, size=(n_in, n_out))


def solve_plain(weights, **options):
    bias = np.zeros(weights.shape[1], dtype=np.int64)
    return solve(weights, bias, (EIGHT_BIT,) * weights.shape[0], SolverOptions(**options))


@given(st.data(), st.sampled_from([2, 3]), st.sampled_from(["fast", "fast", "default"]))
@settings(max_examples=80, deadline=None)
def test_graph_equals_the_matrix_and_keeps_its_intervals(data, adder_inputs, effort):
    weights, bias, source = data.draw(own.solver_problems(max_abs=data.draw(st.sampled_from([1, 1, 5, 200]))))
    graph = solve(weights, bias, source, SolverOptions(adder_inputs=adder_inputs, effort=effort))
    lows, highs = np.array([r.lo for r in source]), np.array([r.hi for r in source])
    corners = np.vstack([lows, highs, np.clip(0, lows, highs), np.where(np.eye(len(source), dtype=bool), highs, lows)])
    codes = np.vstack([corners, np.random.default_rng(0).integers(lows, highs + 1, size=(8, len(source)))])
    assert np.array_equal(adders.evaluate(graph, codes), codes @ weights + bias)
    for interval, column in zip(adders.value_intervals(graph), adders._all_values(graph, codes), strict=True):
        assert interval.lo <= column.min()
        assert column.max() <= interval.hi
    for adder in graph.adders:
        assert adder.operands <= adder_inputs
        assert len(adder.terms) == 1 or adder.constant or not all(term.negative for term in adder.terms)


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_same_seed_gives_the_same_graph_in_any_layout(data):
    weights, bias, source = data.draw(own.solver_problems(max_abs=3))
    options = SolverOptions(seed=data.draw(st.integers(0, 2**62)))
    first = solve(weights, bias, source, options)
    assert adders.text(solve(np.asfortranarray(weights), bias, source, options)) == adders.text(first)


@pytest.mark.parametrize("adder_inputs", [2, 3])
def test_sharing_beats_trees(adder_inputs):
    weights = random_ternary(32, 32)
    source = (EIGHT_BIT,) * 32
    trees = graph_luts(lower_trees(weights, np.zeros(32, dtype=np.int64), source))
    assert graph_luts(solve_plain(weights, adder_inputs=adder_inputs)) < trees * (0.55 if adder_inputs == 2 else 0.35)


def test_more_effort_is_never_worse():
    for seed in range(40):
        weights = random_ternary(9, 4 + seed % 3, seed)
        costs = [graph_luts(solve_plain(weights, effort=effort)) for effort in EFFORTS[: 3 if seed < 2 else 2]]
        assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize("adder_inputs", [2, 3])
@pytest.mark.parametrize("depth", [None, 4])
def test_more_effort_is_never_worse_and_always_the_same(adder_inputs, depth):
    rng = np.random.default_rng(1)
    near = rng.integers(-1, 2, size=(9, 1)) * np.ones(5, dtype=np.int64)
    near[rng.integers(9, size=4), rng.integers(5, size=4)] *= -1
    for weights in (random_ternary(8, 6), near, rng.integers(-9, 10, size=(3, 3))):
        costs = []
        for effort in EFFORTS:
            options = {"adder_inputs": adder_inputs, "depth": depth, "effort": effort, "seed": 7}
            if depth is not None and adder_inputs == 2:
                options["depth"] = 6
            first, again = (solve_plain(weights, **options) for _ in "ab")
            assert adders.text(first) == adders.text(again)
            costs.append(graph_luts(first))
        assert costs == sorted(costs, reverse=True)


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_empty_rows_and_repeated_columns_cost_nothing(data):
    weights, bias, source = data.draw(own.solver_problems())
    options = SolverOptions(effort="fast", adder_inputs=data.draw(st.sampled_from([2, 3])))
    plain = solve(weights, bias, source, options)
    column = data.draw(st.integers(0, weights.shape[1] - 1))
    repeated = solve(np.c_[weights, weights[:, column]], np.r_[bias, bias[column]], source, options)
    assert repeated.adders == plain.adders
    assert repeated.outputs == (*plain.outputs, plain.outputs[column])
    row = np.zeros((1, weights.shape[1]), dtype=np.int64)
    wider = solve(np.r_[weights, row], bias, (*source, EIGHT_BIT), options)
    assert graph_luts(wider) == graph_luts(plain)


def test_a_negated_column_takes_no_more_than_a_negation():
    extra = negations = 0
    for seed in range(40):
        weights = random_ternary(6 + seed % 7, 4 + seed % 9, seed)
        plain = solve_plain(weights, effort="fast")
        both = solve_plain(np.c_[weights, -weights[:, seed % weights.shape[1]]], effort="fast")
        extra += graph_luts(both) - graph_luts(plain)
        negations += adders.value_intervals(both)[both.outputs[-1].value].width
    # Of one matrix the graphs may differ otherwise too, since a column alone may be built negated.
    assert 0 < extra <= negations


@given(st.integers(1, 40), st.data())
@settings(max_examples=20, deadline=None)
def test_a_single_input_or_a_single_output(size, data):
    column = np.array(data.draw(st.lists(st.integers(-3, 3), min_size=size, max_size=size)))
    unsigned = (Interval(0, 15),)
    single_output = solve(column[:, None], np.array([0]), unsigned * size, SolverOptions(effort="fast"))
    adders.verify(single_output, column[:, None], np.array([0]))
    single_input = solve(column[None, :], np.zeros(size, dtype=np.int64), unsigned, SolverOptions(effort="fast"))
    # 3x and its negation, and the negations of x and 2x: no more can be needed
    assert len(single_input.adders) <= 3
    levels = 0 if not column.any() else adders.depth(single_output)
    assert levels <= 6


@pytest.mark.parametrize(("adder_inputs", "least"), [(2, 5), (3, 3)])
def test_depth_bound_is_kept_down_to_the_fewest_levels(adder_inputs, least):
    weights = np.where(np.arange(27)[:, None] % 2 == np.arange(6) % 2, 1, -1)
    weights[:, 3:] = np.abs(random_ternary(27, 3))
    for depth in range(least, least + 3):
        graph = solve_plain(weights[:, 2:], adder_inputs=adder_inputs, depth=depth)
        assert adders.depth(graph) <= depth
    with pytest.raises(ConfigError, match=f"depth {least - 1} .* at least {least} levels"):
        solve_plain(weights[:, 2:], adder_inputs=adder_inputs, depth=least - 1)


def test_a_depth_that_a_negation_exceeds_is_refused():
    weights = np.array([[1, -1], [1, -1], [-1, 1]])
    assert adders.depth(solve_plain(weights, depth=2)) == 2
    with pytest.raises(ConfigError, match="depth 1 .* at least 2 levels"):
        solve_plain(weights, depth=1)


def test_a_weight_is_the_fewest_powers_of_two_and_of_these_the_smallest():
    """3 is 2 + 1 and not 4 - 1: a bit less in an adder that has room for a third operand."""
    weights, source = np.array([[3], [1]]), (Interval(0, 255), Interval(0, 255))
    graph = solve(weights, np.zeros(1, dtype=np.int64), source, SolverOptions(effort="fast"))
    assert graph_luts(graph) == 9  # 10 as 4 - 1
    several = np.random.default_rng(3).integers(-7, 8, size=(24, 12))
    assert graph_luts(solve_plain(several, effort="fast")) < 1380  # 1411 with canonical digits
    powers = [3, 6, 11, 13, 19, 27, 45, 91]
    for value in (*powers, *(-power for power in powers)):  # each is proven by the solver itself
        solve(np.array([[value], [1]]), np.zeros(1, dtype=np.int64), source, SolverOptions(effort="fast"))


def test_sums_are_written_as_values_that_cancel_in_part():
    rng = np.random.default_rng(0)
    weights = np.clip(np.rint(rng.standard_normal((12, 3)) @ rng.standard_normal((3, 32))), -1, 1).astype(np.int64)
    graph = solve_plain(weights)
    reached = [{index} for index in range(graph.n_inputs)]
    forms = [*np.eye(graph.n_inputs, dtype=np.int64)]
    cancelling = 0
    for adder in graph.adders:
        forms.append(sum((-1 if t.negative else 1) * (forms[t.value] << t.shift) for t in adder.terms))
        reached.append(set().union(*(reached[term.value] for term in adder.terms)))
        cancelling += bool(reached[-1] - set(np.flatnonzero(forms[-1])))
        reached[-1] = set(np.flatnonzero(forms[-1]))
    assert cancelling > 0
    # Without substitutions the search finds nothing here: 400 LUTs, as without a search.
    assert graph_luts(graph) < 0.96 * graph_luts(solve_plain(weights, effort="fast"))


@given(st.data(), st.sampled_from([2, 3]))
@settings(max_examples=50, deadline=None)
def test_the_search_counts_luts_as_the_cost_model_does(data, adder_inputs):
    weights, bias, source = data.draw(own.solver_problems(max_abs=data.draw(st.sampled_from([1, 1, 9]))))
    lows, highs = (np.array([getattr(interval, end) for interval in source]) for end in ("lo", "hi"))
    options, sizes = np.array([adder_inputs, -1, EFFORTS.index("default"), 3]), np.zeros(3, dtype=np.int64)
    cells = np.zeros(2, dtype=np.int64)
    weights = np.ascontiguousarray(weights)
    pointers = (array.ctypes.data for array in (weights, bias, lows, highs, options, sizes, cells))
    native = solver_native.library()
    native.bittrigger_free(native.bittrigger_solve(*weights.shape, *pointers))
    graph = solve(weights, bias, source, SolverOptions(adder_inputs=adder_inputs, seed=3))
    assert (sizes[0], sizes[2], cells[0]) == (
        len(graph.adders),
        graph_luts(graph),
        graph_luts(graph) if graph.adders else 0,
    )


def test_near_columns_are_built_from_one_another():
    rng = np.random.default_rng(0)
    values = rng.standard_normal((32, 4)) @ rng.standard_normal((4, 32))
    weights = np.clip(np.rint(values / np.abs(values).mean()), -1, 1).astype(np.int64)
    # Without the stage of differences this takes about 1330 LUTs.
    assert graph_luts(solve_plain(weights, effort="fast")) < 1280


def test_near_columns_with_biases_are_built_from_one_another():
    rng = np.random.default_rng(0)
    column = rng.choice([-1, 1], size=(30, 1))
    weights = column * np.where(rng.random((30, 12)) < 0.1, -1, 1)
    bias = rng.integers(-500, 500, size=12)
    biased, plain = (
        graph_luts(solve(weights, b, (EIGHT_BIT,) * 30, SolverOptions(effort="fast"))) for b in (bias, 0 * bias)
    )
    # A bias is one operand more, half an adder. Without the stage of differences these take 622 and 547 LUTs.
    assert biased < plain + 12 * 8
    assert biased < 400


def test_the_graph_is_the_same_on_one_processor():
    """A small matrix is searched on as many processors as there are."""
    script = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "import numpy as np; from bittrigger.ir import adders; from bittrigger.ir.fixed import Interval\n"
        "from bittrigger.solver import solve\n"
        "weights = np.random.default_rng(3).integers(-1, 2, size=(8, 12))\n"
        "print(adders.text(solve(weights, np.zeros(12, dtype=np.int64), (Interval(-128, 127),) * 8)), end='')"
    )
    alone = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert alone == adders.text(solve_plain(random_ternary(8, 12, 3)))


def test_repeated_and_negated_columns_cost_one_sum_and_one_negation():
    column = np.array([[1], [-1], [1]])
    graph = solve_plain(np.hstack([column, -column, 4 * column, -2 * column]))
    assert [adder.operands for adder in graph.adders] == [3, 1]
    assert graph.outputs == (Output(3), Output(4), Output(3, 2), Output(4, 1))


def test_what_reads_a_negated_output_adds_to_it():
    weights = -np.array([[1, 1], [1, 1], [1, 1], [0, 1], [0, 1]])
    graph = solve_plain(weights)
    assert [len(adder.terms) for adder in graph.adders] == [3, 1, 3]
    assert graph_luts(graph) == 29


def test_an_output_is_negated_where_its_constant_is_added():
    weights = np.array([[-2], [-2], [-2]])
    graph = solve(weights, np.array([1]), (EIGHT_BIT,) * 3)
    assert [(len(adder.terms), adder.constant) for adder in graph.adders] == [(3, 0), (1, 1)]


def test_corner_shapes():
    assert solve_plain(np.array([[0, 1, 4]])) == AdderGraph((EIGHT_BIT,), (), (Output(None), Output(0), Output(0, 2)))
    graph = solve(np.zeros((2, 2), dtype=np.int64), np.array([5, 0]), (EIGHT_BIT,) * 2)
    assert graph.outputs == (Output(None, 0, 5), Output(None))
    graph = solve(np.array([[1, 1]]), np.array([3, -3]), (EIGHT_BIT,))
    assert [adder.constant for adder in graph.adders] == [3, -3]


@pytest.mark.parametrize(
    ("adder", "luts"),
    [
        (Adder((Term(0), Term(1))), 8),  # the top bit is a carry
        (Adder((Term(0), Term(3))), 9),  # -128..382: a carry too
        (Adder((Term(0),), 1), 9),  # a constant: tools build it, with a LUT for each bit
        (Adder((Term(3), Term(3, 1))), 8),  # 255 + 510: no operand reaches the top bit
        (Adder((Term(0), Term(1), Term(2))), 9),  # the top bit is a carry
        (Adder((Term(0), Term(1), Term(3))), 9),
        (Adder((Term(0), Term(1), Term(0, 0, negative=True))), 8),  # no wider than an operand
        (Adder((Term(0), Term(1, 3))), 8),
        (Adder((Term(1, 3), Term(0, 0, negative=True))), 11),
        (Adder((Term(0, 0, negative=True),)), 9),
        (Adder((Term(0, 2), Term(1, 2))), 8),
        (Adder((Term(0),), 8), 6),
    ],
)
def test_cost_of_one_adder(adder, luts):
    graph = AdderGraph((EIGHT_BIT, EIGHT_BIT, EIGHT_BIT, Interval(0, 255)), (adder,), (Output(4),))
    assert graph_luts(graph) == luts


def test_peer_translation_is_exact_and_cached(monkeypatch, root, tmp_path):
    pytest.importorskip("alkaid", reason="the benchmark extra is not installed")
    monkeypatch.syspath_prepend(root / "benchmarks" / "adders")
    peer, cases, cache = (__import__(name) for name in ("alkaid_peer", "cases", "peer_cache"))
    case = cases.random_case("sparse", 8, 12)
    store = cache.PeerCache(tmp_path)
    for setting in peer.SETTINGS:
        result = store.solve(case, setting)
        adders.verify(result.graph, case.weights, case.zero_bias)
        assert all(any(not t.negative for t in a.terms) or len(a.terms) == 1 for a in result.graph.adders)
        assert store.find(case, setting) == result
    assert store.find(cases.random_case("sparse", 8, 12, seed=1), setting) is None


@pytest.mark.parametrize("family", ["sparse", "uniform", "lowrank"])
def test_no_more_than_pairwise_elimination(monkeypatch, root, family):
    monkeypatch.syspath_prepend(root / "benchmarks" / "adders")
    peer, cases = (__import__(name) for name in ("pairwise_peer", "cases"))
    for shape in ((27, 64), (144, 32), (64, 96)):
        case = cases.random_case(family, *shape)
        two, _ = peer.solve_pairwise(case.weights, case.source, 2)
        three, _ = peer.solve_pairwise(case.weights, case.source, 3)
        assert {adder.operands for adder in two.adders} <= {1, 2}
        ours = solve(case.weights, case.zero_bias, case.source, SolverOptions(adder_inputs=2))
        assert len(ours.adders) < len(two.adders)
        ours = solve(case.weights, case.zero_bias, case.source)
        assert graph_luts(ours) < 0.95 * graph_luts(three)


def test_large_matrices_share_among_all_of_their_inputs():
    """They were once divided into blocks of 256 inputs: 396,000 LUTs here, where pairwise elimination takes 400,000."""
    rng = np.random.default_rng(0)
    weights = rng.choice([-1, 1], size=(1152, 256)) * (rng.random((1152, 256)) < 0.25)
    source = (Interval(-(1 << 15), (1 << 15) - 1),) * 1152
    graph = solve(weights, np.zeros(256, dtype=np.int64), source, SolverOptions(effort="fast"))
    assert graph_luts(graph) < 345_000
    assert adders.depth(graph) <= 7


def test_the_example_of_the_specification_is_what_the_solver_makes(root):
    graph = solve_plain(np.array([[1, 4, -2], [-1, -4, 2], [1, 4, -2]]))
    assert adders.text(graph) in (root / "docs" / "adder-graph.md").read_text(encoding="utf-8")
