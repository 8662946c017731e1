"""The compiled harness: every bit and every cycle of emitted SystemVerilog, and proof that it can fail."""

import numpy as np
import pytest
from strategies import graphs, merged
from test_rtl import longer_data, longer_valid, pipeline_of, sample, small_graph

from bittrigger.emit.verilog import emit_verilog
from bittrigger.errors import ConfigError, InternalError, MismatchError, ToolError, ToolNotFoundError
from bittrigger.ir.graph import evaluate
from bittrigger.simulate.compare import compare
from bittrigger.simulate.executors import rtl_fast
from bittrigger.simulate.executors.rtl import RtlSim
from bittrigger.simulate.executors.rtl_fast import RtlFast
from bittrigger.simulate.simulators import runtime, verilated_design
from bittrigger.simulate.simulators.verilator import find_verilator
from bittrigger.simulate.vectors import corner_codes, random_codes


def fast(folder, graph, change=None, **options):
    """The executor of ``graph``, its Verilog changed by ``change(file name, text)``."""
    pipeline = pipeline_of(graph)
    for path in emit_verilog(pipeline, folder / "rtl"):
        if change is not None:
            path.write_text(change(path.name, path.read_text()))
    return RtlFast(pipeline, folder / "rtl", folder / "sim", **options)


def changed_top(change):
    """``change(text)`` of the top alone, which must change it."""

    def edit(name, text):
        if name != "small_net.sv":
            return text
        assert change(text) != text
        return change(text)

    return edit


def test_random_designs_equal_the_oracle_on_every_bit(tmp_path):
    graph = merged(sample(graphs(), 30))
    codes = np.concatenate([random_codes(graph, 300, 7), corner_codes(graph)])
    np.testing.assert_array_equal(fast(tmp_path / "a folder with blanks", graph).run(codes), evaluate(graph, codes))


def test_blocks_and_threads_give_the_events_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(rtl_fast, "BLOCK", 70)
    executor = fast(tmp_path, small_graph(), jobs=2)
    codes = random_codes(executor.pipeline.graph, 1234, 3)
    np.testing.assert_array_equal(executor.run(codes), evaluate(executor.pipeline.graph, codes))
    assert executor.run(codes[:0]).shape == (0, 5)
    with pytest.raises(InternalError, match=r"codes of shape \(4, 1\)"):
        executor.run(codes[:4, :1])


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("small_net_bitlinear_dense.sv", ".NEGATE(2'b10)", ".NEGATE(2'b00)"),
        ("small_net.sv", "assign out_data = {", "assign out_data = 27'd1 ^ {"),
    ],
    ids=["sign", "lowest bit"],
)
def test_a_wrong_bit_is_found(tmp_path, name, old, new):
    assert_edit = []

    def edit(file, text):
        if file == name:
            assert_edit.append(old in text)
        return text.replace(old, new) if file == name else text

    executor = fast(tmp_path, small_graph(), edit)
    assert assert_edit == [True]
    codes = random_codes(executor.pipeline.graph, 20, 1)
    with pytest.raises(MismatchError, match=r"event \d+, output \w+\[\d\]: oracle gives"):
        compare(executor.pipeline.graph, evaluate(executor.pipeline.graph, codes), executor.run(codes), ("oracle", "x"))


LATENCY = pipeline_of(small_graph()).latency_cycles


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: longer_valid(text, LATENCY),
            "out_valid is 0 in cycle 4 of pattern back_to_back from event 0, where event 0 is due; .* first came 3 cycles",
        ),
        (
            lambda text: text.replace(f"valid[{LATENCY - 1}];", "1'b1;"),
            "out_valid is 1 in cycle 1 .*, where nothing is due",
        ),
        (lambda text: text.replace("if (rst)", "if (1'b0 & rst)"), "out_valid is 1 in .*, where nothing is due"),
        (
            lambda text: text.replace("if (rst)", "if (rst | ~in_valid)"),
            "out_valid is 0 in .*, where event [0-9]+ is due",
        ),
    ],
    ids=["valid late", "valid stuck", "reset ignored", "gap drops events"],
)
def test_a_broken_protocol_is_found(tmp_path, change, message):
    executor = fast(tmp_path, small_graph(), changed_top(change))
    with pytest.raises(MismatchError, match=message):
        executor.run(random_codes(executor.pipeline.graph, 200, 1))


def test_data_one_cycle_late_is_found(tmp_path):
    executor = fast(tmp_path, small_graph(), changed_top(lambda text: longer_data(text, LATENCY)))
    graph = executor.pipeline.graph
    codes = random_codes(graph, 50, 1)
    with pytest.raises(MismatchError):
        compare(graph, evaluate(graph, codes), executor.run(codes), ("oracle", "rtl-fast"))


def test_a_design_that_remembers_earlier_events_is_found(tmp_path):
    def remember(text):
        return text.replace(
            "    // valid chain",
            "    reg memory; always_ff @(posedge clk) memory <= in_valid;\n    // valid chain",
        ).replace("assign out_data = {", "assign out_data = {26'd0, memory} ^ {")

    executor = fast(tmp_path, small_graph(), changed_top(remember))
    with pytest.raises(MismatchError, match="when events come back to back, .* in pattern with_gaps"):
        executor.run(random_codes(executor.pipeline.graph, 200, 1))


def test_an_unchanged_design_is_not_built_again(tmp_path):
    executor = fast(tmp_path, small_graph())
    library = executor.build()
    made = library.stat().st_mtime_ns
    assert fast(tmp_path, small_graph()).build() == library
    assert library.stat().st_mtime_ns == made
    assert [path.name for path in executor.cache.iterdir()] == [library.name]
    top = executor.folder / "small_net.sv"
    top.write_text(top.read_text() + "\n// changed\n")
    assert executor.build() != library


def test_a_long_function_is_split(tmp_path, monkeypatch):
    monkeypatch.setattr(verilated_design, "compile_units", lambda *_: [])
    tool = find_verilator()
    steps = "".join(
        f"reg [15:0] r{k}; always @(posedge clk) r{k} <= ({last} + {{{last}[7:0], x[7:0]}}) ^ ({last} >> 3) ^ (x - {last});\n"
        for k, last in ((k, f"r{k + 1}") for k in range(1500))
    )
    text = f"module long(input wire clk, input wire [15:0] x, output wire [15:0] y);\nwire [15:0] r1500 = x;\n{steps}"
    maker = verilated_design.Maker(tool, runtime.compiled_runtime(tool, ("verilated",)), tmp_path / "log", 1)
    texts = {"long.sv": f"{text}assign y = r0;\nendmodule\n".encode()}
    maker.verilate("long", texts, verilated_design.OPTIONS, tmp_path)
    assert len([path for path in (tmp_path / "cpp").glob("*root__*.cpp") if "Slow" not in path.name]) > 1


def test_a_large_design_is_compiled_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "UNIT_BYTES", 10_000)
    monkeypatch.setattr(verilated_design, "OPTIONS", (*verilated_design.OPTIONS, "--output-split", "50"))
    monkeypatch.setattr("bittrigger.system.kept.cache_folder", lambda: tmp_path / "cache")
    executor = fast(tmp_path, small_graph(), jobs=2)
    codes = random_codes(executor.pipeline.graph, 100, 1)
    np.testing.assert_array_equal(executor.run(codes), evaluate(executor.pipeline.graph, codes))


@pytest.mark.parametrize("task", ["$finish", "$stop", "$fatal"])
def test_a_design_that_ends_the_simulation_is_an_error(tmp_path, task):
    def stop(text):
        return text.replace("    // valid chain", f"    always @(posedge out_valid) {task};\n    // valid chain")

    executor = fast(tmp_path, small_graph(), changed_top(stop))
    with pytest.raises(ToolError, match=r"the design stopped the simulation: .*small_net\.sv:\d+"):
        executor.run(random_codes(executor.pipeline.graph, 20, 1))


def test_what_is_missing_or_wrong_is_named(tmp_path, monkeypatch):
    executor = fast(tmp_path, small_graph())
    empty = RtlFast(executor.pipeline, tmp_path / "nowhere", tmp_path / "sim")
    with pytest.raises(ConfigError, match=r"no small_net\.sv; convert the model again"):
        empty.build()
    top = executor.folder / "small_net.sv"
    top.write_text(top.read_text().replace("assign out_valid", "assing out_valid"))
    with pytest.raises(ToolError, match="Duplicate declaration"):
        executor.build()
    top.write_text(
        "module small_net (input wire clk, rst, in_valid, in_data, output wire out_valid, out_data); endmodule"
    )
    with pytest.raises(ToolError, match="port in_data is too narrow for its fields"):
        executor.run(random_codes(executor.pipeline.graph, 20, 1))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolNotFoundError, match=r"g\+\+"):
        executor.build()


def test_a_design_is_compiled_once_for_cocotb_and_harness_and_damage_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("bittrigger.system.kept.cache_folder", lambda: tmp_path / "cache")
    compiled = []
    monkeypatch.setattr(
        verilated_design, "compile_units", lambda *given: compiled.append(given) or runtime.compile_units(*given)
    )
    executor = fast(tmp_path, small_graph())
    rtl = RtlSim(executor.pipeline, executor.folder, tmp_path / "rtl")
    executor.build()
    rtl.build()
    assert len(compiled) == 1
    (entry,) = (path for path in (tmp_path / "cache" / "verilated-designs").iterdir() if path.name[0] != ".")
    data = bytearray(entry.read_bytes())
    data[len(data) // 2] ^= 1
    entry.write_bytes(data)
    executor.build().unlink()
    executor.build()
    assert len(compiled) == 2
    codes = random_codes(executor.pipeline.graph, 20, 1)
    assert (executor.run(codes) == evaluate(executor.pipeline.graph, codes)).all()


def test_a_warning_of_verilator_is_an_error_of_rtl_alone(tmp_path):
    executor = fast(
        tmp_path, small_graph(), changed_top(lambda text: text.replace("endmodule", "wire idle;\nendmodule"))
    )
    executor.build()
    with pytest.raises(ToolError, match="Verilator warns of the design: %Warning-UN.*'idle'"):
        RtlSim(executor.pipeline, executor.folder, tmp_path / "rtl").build()
