"""The gate-level executor: its cells against Yosys' models, whole netlists against the oracle."""

import json

import gate_cells
import numpy as np
import pytest
from designs import mlp, solved

from bittrigger.emit.verilog import emit_verilog
from bittrigger.errors import MismatchError, ToolError
from bittrigger.ir.graph import evaluate
from bittrigger.simulate.executors import gates
from bittrigger.simulate.executors.gates import GateSim
from bittrigger.simulate.simulators.cells import EVALUATORS, ONES
from bittrigger.simulate.simulators.program import Program
from bittrigger.synth.netlist import LOW, Cell, Netlist, read_netlist
from bittrigger.synth.yosys import synthesize


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gates")
    pipeline = solved((7, 6, 3), clock_mhz=360.0)
    emit_verilog(pipeline, folder / "rtl")
    synthesize(pipeline, folder / "rtl", folder / "synth")
    return pipeline, folder / "synth"


def codes(pipeline, events):
    rng = np.random.default_rng(3)
    x = rng.integers(-128, 128, (events, pipeline.graph.n_inputs))
    x[: min(3, events)] = np.array([[-128], [127], [0]])[:events]
    return x


@pytest.mark.parametrize(("bench", "repeats"), [("small", 8), ("carry8", 1)])
def test_every_cell_equals_its_model_over_all_inputs(tmp_path, bench, repeats):
    program = gate_cells.build(tmp_path, bench)
    netlist = read_netlist("bench", [tmp_path / "bench.json"])
    known = {cell.type for cell in netlist.cells}
    assert known == ({"CARRY8"} if bench == "carry8" else set(EVALUATORS) - {"CARRY8"})
    # every input in a random order, which also takes the registers through all their transitions
    rng, width = np.random.default_rng(0), gate_cells.WIDTHS[bench]
    stimulus = np.concatenate([rng.permutation(1 << width) for _ in range(repeats)])
    bits = (stimulus[:, None] >> np.arange(width) & 1).astype(np.uint8)
    found = gates._cycles(Program(netlist).run({"v": gates._histories(bits)})["y"])
    wanted = gate_cells.simulate(program, stimulus, found.shape[1])
    different = np.flatnonzero((found != wanted).any(axis=0))
    assert different.size == 0


def test_an_unconnected_output_leaves_the_constants_alone():
    """Of two LUT6_2 one has no O5; its result must not be read as the constant 0 further on."""
    ones = {"INIT": "1" * 64}
    pins = {f"I{k}": (LOW,) for k in range(6)}
    cells = (
        Cell("both", "LUT6_2", ones, pins, {"O6": (3,), "O5": (4,)}),
        Cell("one", "LUT6_2", ones, pins, {"O6": (5,)}),
        Cell("copy", "LUT2", {"INIT": "1110"}, {"I0": (LOW,), "I1": (2,)}, {"O": (6,)}),
        Cell("late", "LUT2", {"INIT": "1110"}, {"I0": (LOW,), "I1": (6,)}, {"O": (7,)}),
    )
    netlist = Netlist("odd", {"clk": (2,)}, {"y": (7,), "o": (3, 5)}, cells, 8, {})
    found = Program(netlist).run({"clk": np.zeros((1, 1), dtype=np.uint64)})
    assert found["y"][0, 0] == 0
    assert (found["o"] == ONES).all()


@pytest.mark.parametrize("clock_mhz", [100.0, 360.0])
def test_netlist_equals_the_oracle(tmp_path, clock_mhz):
    pipeline = mlp((5, 4, 2), clock_mhz=clock_mhz)
    emit_verilog(pipeline, tmp_path / "rtl")
    synthesize(pipeline, tmp_path / "rtl", tmp_path / "synth")
    x = codes(pipeline, 300)
    assert np.array_equal(GateSim(pipeline, tmp_path / "synth").run(x), evaluate(pipeline.graph, x))


def test_three_input_adders_equal_the_oracle_across_blocks(build, monkeypatch):
    pipeline, folder = build
    x = codes(pipeline, 1000)
    monkeypatch.setattr(gates, "BLOCK", 256)
    sim = GateSim(pipeline, folder)
    assert any(cell.type == "LUT6_2" for cell in sim.program.netlist.cells)
    assert np.array_equal(sim.run(x), evaluate(pipeline.graph, x))


@pytest.mark.parametrize("events", [0, 1, 2])
def test_few_events(build, events):
    pipeline, folder = build
    x = codes(pipeline, 3)[:events]
    assert np.array_equal(GateSim(pipeline, folder).run(x), evaluate(pipeline.graph, x))


def test_one_flipped_bit_of_a_lut_is_seen(build, tmp_path):
    pipeline, folder = build
    for path in folder.glob("*.json"):
        (tmp_path / path.name).write_text(path.read_text())
    path = tmp_path / "example_bitlinear_dense_0.json"
    data = json.loads(path.read_text())
    cell = next(c for c in data["modules"]["example_bitlinear_dense_0"]["cells"].values() if c["type"] == "LUT6_2")
    cell["parameters"]["INIT"] = "".join("10"[int(bit)] for bit in cell["parameters"]["INIT"])
    path.write_text(json.dumps(data))
    x = codes(pipeline, 100)
    assert not np.array_equal(GateSim(pipeline, tmp_path).run(x), evaluate(pipeline.graph, x))


def test_wrong_latency_is_a_mismatch(build):
    from dataclasses import replace

    pipeline, folder = build
    late = replace(pipeline, latency_cycles=pipeline.latency_cycles + 1)
    with pytest.raises(MismatchError, match="out_valid is 1 in cycle"):
        GateSim(late, folder).run(codes(pipeline, 10))


def test_absent_netlist(build, tmp_path):
    with pytest.raises(ToolError, match="not found; convert the model again, without --no-synth"):
        GateSim(build[0], tmp_path).run(codes(build[0], 1))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("RAMB36E2 u(.CLKARDCLK(clk), .DOUTADOUT(y));", "is a RAMB36E2; the gate-level executor knows"),
        ("RAMB18E2 u(.CLKARDCLK(clk), .DOUTADOUT(y));", "memory 'u' has another clock, or is used in another way"),
        (
            "wire q; FDRE u(.C(clk), .CE(1'b1), .R(1'b0), .D(~q), .Q(q)); INV i(.I(q), .O(y[0]));",
            "lies on or behind a loop",
        ),
        ("FDRE u(.C(v[0]), .CE(1'b1), .R(1'b0), .D(v[1]), .Q(y[0]));", "is not clocked by the rising edge of the port"),
        ("FDRE #(.IS_C_INVERTED(1'b1)) u(.C(clk), .CE(1'b1), .R(1'b0), .D(v[1]), .Q(y[0]));", "is not clocked by"),
        ("SRL16E u(.CLK(clk), .CE(v[0]), .D(v[1]), .Q(y[0]));", "can be halted"),
    ],
)
def test_what_no_pipeline_holds_is_refused(tmp_path, body, message):
    if "~q" in body:
        body = "wire q, n; FDRE u(.C(clk), .CE(1'b1), .R(1'b0), .D(n), .Q(q)); INV i(.I(q), .O(n)); assign y[0] = q;"
    (tmp_path / "bench.v").write_text(f"module bench(input clk, input [3:0] v, output [15:0] y); {body} endmodule")
    gate_cells.run_yosys(
        tmp_path,
        "read_verilog -lib +/xilinx/cells_sim.v +/xilinx/cells_xtra.v",
        "read_verilog bench.v",
        "hierarchy -top bench",
        "json -o bench.json",
    )
    with pytest.raises(ToolError, match=message):
        Program(read_netlist("bench", [tmp_path / "bench.json"]))
