"""The schedule: every operation fits its period, and no value is read before it is there."""

import pytest
import strategies as own
from hypothesis import given, settings
from hypothesis import strategies as st

from bittrigger.errors import ConfigError
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.passes.schedule import Schedule
from bittrigger.timing import DEFAULT_DELAYS, adder_delay_ns, usable_ns


def scheduled(graph, clock_mhz):
    return Schedule(clock_mhz).apply(graph, lower_graph_to_trees(graph))


@given(own.graphs(), st.sampled_from([40.0, 200.0, 360.0, 480.0]))
@settings(max_examples=60, deadline=None)
def test_values_are_read_no_earlier_than_made(graph, clock_mhz):
    pipeline = scheduled(graph, clock_mhz)
    assert len(pipeline.modules) == len(graph.nodes) - len(graph.inputs)
    for module in pipeline.modules:
        assert module.start == max(pipeline.source_stage(name) for name in module.node.inputs)
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
        spent = [0.0] * module.adders.n_inputs
        stages = [module.start] * module.adders.n_inputs + list(module.stages)
        for k, adder in enumerate(module.adders.adders):
            mine = stages[module.adders.n_inputs + k]
            chained = [spent[term.value] for term in adder.terms if stages[term.value] == mine]
            spent.append(max(chained, default=0.0) + adder_delay_ns(adder.operands))
            assert spent[-1] <= budget_ns


@given(own.graphs())
@settings(max_examples=20, deadline=None)
def test_a_slower_clock_never_needs_more_cycles(graph):
    cycles = [scheduled(graph, clock_mhz).latency_cycles for clock_mhz in (40.0, 200.0, 360.0, 480.0)]
    assert cycles == sorted(cycles)


def test_a_clock_too_fast_for_one_operation_is_refused():
    with pytest.raises(ConfigError, match="clock 900 MHz: .* allowed are clocks up to"):
        usable_ns(900.0)
    assert usable_ns(360.0) > DEFAULT_DELAYS.adder_ns
