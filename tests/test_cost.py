"""The estimate of LUTs and flip-flops, against Yosys."""

from dataclasses import replace

import pytest
from designs import mlp, solved

from bittrigger.device.cost import Cost
from bittrigger.device.cost_model import estimate, module_cost
from bittrigger.emit.verilog import emit_verilog
from bittrigger.ir.fixed import Interval
from bittrigger.synth.yosys import synthesize


@pytest.mark.parametrize("make", [mlp, solved])
def test_estimate_is_close_to_synthesis(tmp_path, make):
    pipeline = make((12, 10, 4))
    emit_verilog(pipeline, tmp_path / "rtl")
    made = synthesize(pipeline, tmp_path / "rtl", tmp_path / "synth")
    modules, total = estimate(pipeline)
    assert total.lut == pytest.approx(made.total.lut, rel=0.05)
    assert total.ff == pytest.approx(made.total.ff, rel=0.02)
    for name, cost in modules.items():
        assert cost.lut == pytest.approx(made.modules[name].lut, rel=0.25, abs=4)


def test_total_is_the_sum_of_modules_and_of_the_registers_between():
    pipeline = mlp((4, 2))
    modules, total = estimate(pipeline)
    assert total.lut == sum(cost.lut for cost in modules.values())
    assert total.ff > sum(cost.ff for cost in modules.values())


def test_results_that_never_change_cost_nothing():
    """As the emitter has it, which writes a constant in their place; the registers behind them are none either."""
    module = mlp((4, 2)).modules[0]
    constant = replace(module, result=(Interval(3, 3), Interval(0, 0)), stop=module.stop + 1)
    assert module_cost(constant) == Cost(0, 0) != module_cost(module)
