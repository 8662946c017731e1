"""LUTs and registers within a latency; and networks whose layers are ternary and multi-bit by turns."""

import json
from functools import lru_cache

import numpy as np
import pytest
from designs import build_of, graph
from test_matrix import WEIGHTS, run, save

from bittrigger.build.folder import load_build, write_firmware
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.device.cost_model import estimate
from bittrigger.errors import ConfigError
from bittrigger.ir.adders import evaluate as evaluate_adders
from bittrigger.ir.adders import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, evaluate, frozen_array
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.passes.simplify import simplify
from bittrigger.prove import prove
from bittrigger.schedule import tradeoff
from bittrigger.schedule.schedule import Schedule
from bittrigger.schedule.tradeoff import within_latency
from bittrigger.settings import Settings
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.vectors import corner_codes
from bittrigger.solver import SolverOptions

NETWORK = graph([12, 16, 10, 4], seed=2)
FAST = SolverOptions(effort="fast")


@lru_cache
def bounded(cycles, weight=0.5, clock_mhz=360.0):
    return within_latency(NETWORK, Schedule(clock_mhz), cycles, weight, FAST)


def cost(pipeline, weight=0.5):
    total = estimate(pipeline)[1]
    return total.lut + weight * total.ff


def least():
    with pytest.raises(ConfigError, match=r"latency of 1 cycles at 360 MHz: the network takes at least \d+; ") as error:
        bounded(1)
    return int(str(error.value).split("at least ")[1].split(";")[0])


def test_the_message_names_the_least_latency_that_can_be_had():
    assert bounded(least()).latency_cycles == least()
    with pytest.raises(ConfigError, match=f"at least {least()}"):
        bounded(least() - 1)


def test_a_looser_bound_is_never_worse():
    costs = [cost(bounded(cycles)) for cycles in range(least(), least() + 5)]
    assert costs == sorted(costs, reverse=True)
    assert all(bounded(cycles).latency_cycles <= cycles for cycles in range(least(), least() + 5))


def test_the_least_latency_is_less_than_that_of_the_smallest_graphs():
    smallest = create_pipeline(NETWORK, Settings(effort="fast", clock_mhz=480.0))
    with pytest.raises(ConfigError) as error:
        bounded(1, clock_mhz=480.0)
    assert int(str(error.value).split("at least ")[1].split(";")[0]) < smallest.latency_cycles


def test_every_combination_is_still_the_network():
    for cycles in (least(), least() + 3):
        for module in bounded(cycles).modules:
            if isinstance(module.node, Linear):
                verify(module.adders, module.node.weights, module.node.bias)


def test_registers_weigh_what_one_says():
    loose = least() + 4
    light, heavy = (estimate(bounded(loose, weight))[1] for weight in (0.0, 50.0))
    assert light.lut <= heavy.lut
    assert heavy.ff <= light.ff


def test_layer_after_layer_finds_the_least_latency_too(monkeypatch):
    monkeypatch.setattr(tradeoff, "MAX_COMBINATIONS", 0)
    one_by_one = within_latency(NETWORK, Schedule(360.0), least(), 0.5, FAST)
    assert one_by_one.latency_cycles == least()
    with pytest.raises(ConfigError, match=f"at least {least()}"):
        within_latency(NETWORK, Schedule(360.0), least() - 1, 0.5, FAST)


@pytest.mark.parametrize(
    ("cycles", "weight", "message"),
    [
        (0, 0.5, "latency of 0 cycles; allowed are 1 to 4096, or no bound"),
        (9, -1.0, "register weight -1; allowed are 0 to 1000 LUTs a flip-flop"),
        (9, float("nan"), "register weight nan; allowed are 0 to 1000"),
    ],
)
def test_wrong_bounds_are_refused(cycles, weight, message):
    with pytest.raises(ConfigError, match=message):
        Settings(latency_cycles=cycles, register_weight=weight)


def test_the_command_line_bounds_the_latency_and_the_build_keeps_it(tmp_path):
    path = save(tmp_path, WEIGHTS)
    free = json.loads(run(path, "--json", folder=tmp_path).stdout)["latency_cycles"]
    assert "at least" in run(path, "--latency-cycles", 1, "--clock-mhz", 480, folder=tmp_path).stderr
    done = run(path, "--json", "--latency-cycles", free, "-o", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    build = load_build(tmp_path / "out")
    assert build.pipeline.latency_cycles == json.loads(done.stdout)["latency_cycles"] <= free
    write_firmware(build.pipeline, tmp_path / "again", build.settings)
    for text in (tmp_path / "out" / "rtl").glob("*.sv"):
        assert (tmp_path / "again" / "rtl" / text.name).read_bytes() == text.read_bytes()


def mixed():
    """Six-bit weights, then ternary ones, then four-bit ones, with a bias and half-to-even rounding between them."""
    rng = np.random.default_rng(5)
    sizes, reach = [10, 14, 12, 3], [31, 1, 7]
    nodes = [Input("x", sizes[0], FixedPoint(True, 8, 4), Interval(-128, 127))]
    for k, most in enumerate(reach):
        weights = frozen_array(rng.integers(-most, most + 1, (sizes[k], sizes[k + 1])))
        bias = frozen_array(rng.integers(-99, 99, sizes[k + 1]))
        nodes.append(Linear(f"dense_{k}", (nodes[-1].name,), weights, bias, 4))
        if k < 2:
            shift = (6, 3)[k]
            nodes.append(Requantize(f"relu_{k}", (f"dense_{k}",), sizes[k + 1], shift, Rounding.RND_CONV, 0, 63, 2))
    return Graph("mixed", tuple(nodes), (nodes[-1].name,))


def test_multi_bit_and_ternary_layers_share_one_optimiser(tmp_path):
    network = mixed()
    settings = Settings(effort="fast")
    pipeline = create_pipeline(simplify(network), settings)
    trees = Schedule(360.0).apply(network, lower_graph_to_trees(network))
    assert estimate(pipeline)[1].lut < 0.6 * estimate(trees)[1].lut
    assert [module.label for module in pipeline.modules if isinstance(module.node, Linear)] == [
        "linear_dense_0",
        "bitlinear_dense_1",
        "linear_dense_2",
    ]
    codes = corner_codes(network)
    np.testing.assert_array_equal(evaluate(pipeline.graph, codes), evaluate(network, codes))
    first = pipeline.modules[0]
    assert (evaluate_adders(first.adders, codes) == codes @ first.node.weights + first.node.bias).all()
    build = build_of(pipeline, tmp_path)
    assert prove(build, netlist=False).proven
    assert [outcome.error for outcome in run_executors(build, ("oracle", "emulator"), codes)] == [None, None]
