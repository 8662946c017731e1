"""The schedule: every operation fits its period, and no value is read before it is there."""

import itertools

import designs
import numpy as np
import pytest
import strategies as own
from hypothesis import given, settings
from hypothesis import strategies as st

from bittrigger.device.cost_model import estimate
from bittrigger.device.delay_model import DEFAULT_DELAYS
from bittrigger.device.timing import adder_delay_ns, usable_ns
from bittrigger.errors import ConfigError
from bittrigger.ir.adders import fold_constants, live_values
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.schedule.difference import Constraints, minimise, smallest
from bittrigger.schedule.period import Operation, period_constraints
from bittrigger.schedule.schedule import Schedule


def scheduled(graph, clock_mhz):
    return Schedule(clock_mhz).apply(graph, lower_graph_to_trees(graph))


@given(own.graphs(), st.sampled_from([40.0, 200.0, 360.0, 480.0]))
@settings(max_examples=60, deadline=None)
def test_values_are_read_no_earlier_than_made(graph, clock_mhz):
    pipeline = scheduled(graph, clock_mhz)
    assert len(pipeline.modules) == len(graph.nodes) - len(graph.inputs)
    for module in pipeline.modules:
        assert module.start >= max(pipeline.source_stage(name) for name in module.node.inputs)
        assert module.start <= module.stop < pipeline.latency_cycles
        if module.adders is not None:
            stages = [module.start] * module.adders.n_inputs + list(module.stages)
            for k, adder in enumerate(module.adders.adders):
                ready = max(stages[term.value] for term in adder.terms)
                assert ready <= module.stages[k] <= module.stop


@given(own.graphs())
@settings(max_examples=30, deadline=None)
def test_chained_adders_fit_the_period(graph):
    budget_ns = usable_ns(360.0)
    for module in scheduled(graph, 360.0).modules:
        if module.adders is None:
            continue
        built = live_values(fold_constants(module.adders, module.result))  # nothing is built for the others
        spent = [0.0] * module.adders.n_inputs
        stages = [module.start] * module.adders.n_inputs + list(module.stages)
        for k, adder in enumerate(module.adders.adders):
            mine = stages[module.adders.n_inputs + k]
            chained = [spent[term.value] for term in adder.terms if stages[term.value] == mine]
            spent.append(max(chained, default=0.0) + adder_delay_ns(adder.operands))
            assert spent[-1] <= budget_ns or module.adders.n_inputs + k not in built


@given(own.graphs())
@settings(max_examples=20, deadline=None)
def test_a_slower_clock_never_needs_more_cycles(graph):
    cycles = [scheduled(graph, clock_mhz).latency_cycles for clock_mhz in (40.0, 200.0, 360.0, 480.0)]
    assert cycles == sorted(cycles)


def test_a_clock_too_fast_for_one_operation_is_refused():
    with pytest.raises(ConfigError, match="clock 900 MHz: .* allowed are clocks up to"):
        usable_ns(900.0)
    assert usable_ns(360.0) > DEFAULT_DELAYS.adder_ns


def fits(operations, stages, budget_ns):
    """Whether no chain of operations in one stage takes longer than the budget, by adding delays along the way."""
    ends = []
    for operation in operations:
        mine = stages[operation.variable]
        chained = [ends[o] for o in operation.operands if stages[operations[o].variable] == mine]
        ends.append(min(operation.delay_ns, budget_ns) + max(chained, default=0.0))
    return max(ends) <= budget_ns


@given(own.graphs(max_layers=2), st.sampled_from([40.0, 200.0, 360.0]), st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_any_latency_from_the_least_on_can_be_had(graph, clock_mhz, more):
    least = scheduled(graph, clock_mhz).latency_cycles
    pipeline = Schedule(clock_mhz, latency_cycles=least + more).apply(graph, lower_graph_to_trees(graph))
    assert pipeline.latency_cycles == least + more
    with pytest.raises(ConfigError, match=f"latency of {least - 1} cycles .* take at least {least}"):
        Schedule(clock_mhz, latency_cycles=least - 1).apply(graph, lower_graph_to_trees(graph))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_critical_pairs_say_exactly_which_placements_fit(data):
    count = data.draw(st.integers(1, 6))
    operations = [
        Operation(
            k,
            data.draw(st.sampled_from([0.5, 1.0, 1.5, 9.0])),
            tuple(sorted(data.draw(st.sets(st.integers(0, k - 1), max_size=3)))) if k else (),
        )
        for k in range(count)
    ]
    pairs = period_constraints(operations, 2.5)
    for stages in itertools.product(range(3), repeat=count):
        if all(stages[o] <= stages[op.variable] for op in operations for o in op.operands):
            assert all(stages[a] < stages[b] for a, b in pairs) == fits(operations, stages, 2.5)


def test_a_search_for_critical_pairs_that_is_too_long_is_given_up(monkeypatch):
    operations = [Operation(0, 1.0, ()), Operation(1, 1.0, (0,))]
    assert period_constraints(operations, 1.5) == [(0, 1)]
    monkeypatch.setattr("bittrigger.schedule.period.MAX_STEPS", 1)
    assert period_constraints(operations, 1.5) is None
    assert period_constraints([], 1.5) == [], "nothing to search takes no step"


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_the_least_objective_is_found(data):
    variables, rows = data.draw(st.integers(2, 5)), data.draw(st.integers(0, 8))
    edges = [sorted(data.draw(st.permutations(range(variables)))[:2]) for _ in range(rows)]
    gaps = [data.draw(st.integers(0, 1)) for _ in range(rows)]
    objective = np.array([data.draw(st.integers(-9, 9)) for _ in range(variables)])
    earlier, later = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    constraints = Constraints(later, earlier, np.array(gaps, dtype=np.int64), np.full(variables, 3))
    allowed = [
        objective @ point
        for point in itertools.product(range(4), repeat=variables)
        if all(point[b] >= point[a] + gap for (a, b), gap in zip(edges, gaps, strict=True))
    ]
    assert (smallest(constraints) is None) == (not allowed)
    if allowed:
        assert objective @ minimise(objective, constraints) == min(allowed)


@given(own.graphs(), st.sampled_from([100.0, 360.0, 480.0]))
@settings(max_examples=30, deadline=None)
def test_registers_are_fewer_than_if_everything_came_as_soon_as_can_be(graph, clock_mhz):
    few = Schedule(clock_mhz).apply(graph, lower_graph_to_trees(graph))
    soon = Schedule(clock_mhz, fewest_registers=False).apply(graph, lower_graph_to_trees(graph))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bittrigger.schedule.retime.period_constraints", lambda *_: None)
        given_up = Schedule(clock_mhz).apply(graph, lower_graph_to_trees(graph))
    assert [module.stages for module in given_up.modules] == [module.stages for module in soon.modules]
    assert few.latency_cycles == soon.latency_cycles
    assert estimate(few)[1].ff <= estimate(soon)[1].ff


def test_registers_wait_where_the_values_are_narrow():
    """The sum of eight codes is registered rather than the codes, however late it is needed."""
    made = designs.mlp([8, 1], clock_mhz=480.0)
    late = Schedule(480.0, latency_cycles=made.latency_cycles + 3).apply(
        made.graph, {"dense_0": made.modules[0].adders}
    )
    width = made.modules[0].result[0].width
    assert estimate(late)[1].ff == estimate(made)[1].ff + 3 * (width + 1)  # and a bit of the valid chain
