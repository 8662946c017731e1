"""VHDL of every kind of module: its text, GHDL's simulation to the bit and the cycle, and the proof that it is the Verilog."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from designs import build_of, digit_sums, divided_sums, modulo, places, products, scales, solved, tables
from hypothesis import Phase, given, settings
from library import analysed, yosys
from strategies import graphs
from test_emit_verilog import pipeline_of
from test_engine import network
from test_folding import folding_net
from test_tally import network as network_of_sums

from bittrigger.build.folder import load_build
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.emit.verilog import emit_verilog
from bittrigger.emit.vhdl import emit_vhdl
from bittrigger.emit.vhdl.expression import alone, assigned
from bittrigger.emit.vhdl.names import spelled
from bittrigger.emit.vhdl.syntax import Names
from bittrigger.emit.vhdl.terms import Shape
from bittrigger.errors import ConfigError, InternalError, UnsupportedModelError
from bittrigger.ir.fixed import FixedPoint, Interval
from bittrigger.ir.graph import Graph, Input, Linear, frozen_array
from bittrigger.prove import Verdict, prove
from bittrigger.prove.circuits.same import prove_same
from bittrigger.prove.claims import Unproven
from bittrigger.prove.sources.rtl import read_rtl
from bittrigger.prove.sources.vhdl import read_vhdl, repaired
from bittrigger.settings import Settings
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.vectors import corner_codes, random_codes

needs_ghdl = pytest.mark.skipif(shutil.which("ghdl") is None, reason="GHDL is not installed")

DESIGNS = {
    "shared adders": lambda: solved([12, 9, 4]),
    "block floating point": lambda: create_pipeline(scales(4), Settings(effort="fast", clock_mhz=360.0)),
    "copies and wires": lambda: create_pipeline(places(), Settings(effort="fast", clock_mhz=360.0)),
    "tables": lambda: create_pipeline(tables(), Settings(effort="fast", clock_mhz=360.0)),
    "sums of tables": lambda: create_pipeline(digit_sums(), Settings(effort="fast", clock_mhz=480.0)),
    "sums of tables behind a division": lambda: create_pipeline(
        divided_sums(), Settings(effort="fast", clock_mhz=480.0)
    ),
    "codes that wrap around": lambda: create_pipeline(modulo(), Settings(effort="fast", clock_mhz=360.0)),
    "products": lambda: create_pipeline(products(), Settings(effort="fast", clock_mhz=360.0)),
    "folded": lambda: create_pipeline(folding_net(), Settings(effort="fast", clock_mhz=300.0, ii=3)),
    "step by step": lambda: create_pipeline(network(), Settings(effort="fast", clock_mhz=300.0, ii=40)),
    "sums over positions": lambda: create_pipeline(network_of_sums(), Settings(effort="fast", clock_mhz=300.0, ii=6)),
}
NETS = Names({"a": Shape(8, True), "b": Shape(5, False), "c": Shape(1, False), "s": Shape(12, True)}, spelled)


@pytest.fixture(scope="module", params=DESIGNS)
def built(request, tmp_path_factory):
    return build_of(DESIGNS[request.param](), tmp_path_factory.mktemp("vhdl"), hdl="vhdl")


@pytest.mark.parametrize(
    ("verilog", "width", "vhdl"),
    [
        ("a", 8, "a"),
        ("12'(a)", 12, "sign_extended(a, 12)"),
        ("12'(b)", 12, "extended(b, 12)"),
        ("a + b", 8, "add(a, extended(b, 8))"),
        ("(12'(a) << 2) - 12'(b)", 12, "subtract(shifted_left(sign_extended(a, 12), 2), extended(b, 12))"),
        ("9'(a >>> 1)", 9, "sign_extended(sign_shifted_right(a, 1), 9)"),
        ("9'(a << 1)", 9, "sign_extended(shifted_left(a, 1), 9)"),
        ("b >> 1", 5, "shifted_right(b, 1)"),
        ("b[c]", 1, "bit_at(b, c)"),
        ("70'd3", 70, '("000000" & "' + "0" * 32 + '" & "' + "0" * 30 + '11")'),
        ("a[3]", 1, "a(3 downto 3)"),
        ("{4{a[7]}}", 4, "copies(4, a(7 downto 7))"),
        ("{a[3:0], 2'd1}", 6, '(a(3 downto 0) & "01")'),
        ("c ? 8'sd3 : a", 8, 'choice(c, "00000011", a)'),
        ("a >= -8'sd5", 1, '(not sign_less(a, "11111011"))'),
        ("|b[4:1] & ~c", 1, "(some(b(4 downto 1)) and (not c))"),
        ("c ? -8'sd128 : a", 8, 'choice(c, "10000000", a)'),
    ],
)
def test_widths_and_signs_are_spelled_out(verilog, width, vhdl):
    assert assigned(verilog, Shape(width, False), NETS) == vhdl


@pytest.mark.parametrize("text", ["a && c", "a || c", "~&a", "d", "a <<< 2", "a << b", "a ** 2", "a +", "(a", "{a"])
def test_what_the_emitter_does_not_write_is_refused(text):
    with pytest.raises(InternalError):
        alone(text, NETS)


def test_names_that_vhdl_would_read_otherwise_are_extended():
    assert [spelled(name) for name in ("x0", "dense_1_codes", "u_s3")] == ["x0", "dense_1_codes", "u_s3"]
    assert [spelled(name) for name in ("Dense", "a__b", "end_", "signal", "less")] == [
        *("\\Dense\\", "\\a__b\\", "\\end_\\", "\\signal\\", "\\less\\")
    ]


def net(name, layer="dense"):
    port = Input("x", 3, FixedPoint(True, 8, 4), Interval(-127, 127))
    nodes = (port, Linear(layer, ("x",), frozen_array([[1, 0], [-1, 1], [0, 1]]), frozen_array([20, -7]), 4))
    return Graph(name, nodes, (layer,))


@pytest.mark.parametrize("name", ["Tagger", "signal", "a__b"])
def test_a_top_has_a_name_that_every_tool_tells_from_others(name, tmp_path):
    emit_verilog(pipeline_of(net(name)), tmp_path / "rtl")
    with pytest.raises(UnsupportedModelError, match="choose another with --name"):
        emit_vhdl(tmp_path / "rtl", name, tmp_path / "vhdl")
    assert not (tmp_path / "vhdl").exists()


def test_a_language_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="hdl 'ada' is unknown; allowed are verilog, vhdl"):
        Settings(hdl="ada")


def test_files_are_listed_in_the_order_in_which_a_tool_reads_them(built):
    names = (built.folder / "vhdl" / f"{built.graph.name}_vhdl.f").read_text().split()
    assert sorted(names) == sorted(path.name for path in (built.folder / "vhdl").glob("*.vhd"))
    assert (names[0], names[-1]) == ("bittrigger_logic.vhd", f"{built.graph.name}.vhd")
    for path in (built.folder / "vhdl").glob("*.vhd"):
        used = re.findall(r"entity work\.(\w+)", path.read_text())
        assert all(names.index(f"{name}.vhd") < names.index(path.name) for name in used)


@needs_ghdl
def test_every_bit_in_its_cycle(built):
    codes = np.concatenate([corner_codes(built.graph), random_codes(built.graph, 20, 4)])
    outcomes = run_executors(built, ("oracle", "vhdl"), codes)
    assert all(outcome.agrees for outcome in outcomes), outcomes


@needs_ghdl
def test_it_is_proven_to_be_the_verilog(built):
    proof = prove(built, netlist=False)
    assert [claim for claim in proof.claims if claim.verdict is not Verdict.PROVEN] == []
    modules = {module.name for module in built.pipeline.modules} | {built.graph.name}
    assert modules <= {claim.subject for claim in proof.claims if claim.kind == "vhdl"}
    assert proof.ghdl


@needs_ghdl
@settings(max_examples=8, deadline=None, phases=[Phase.generate])
@given(graphs())
def test_any_network_is_the_same_in_both_languages(tmp_path_factory, graph):
    assert_same_in_both(tmp_path_factory.mktemp("both"), pipeline_of(graph))


@needs_ghdl
def test_results_that_are_constants_are_the_same_in_both_languages(tmp_path):
    """GHDL 2.0 writes long constants beside a signal as text."""
    port, weights = FixedPoint(signed=True, width=6, frac=0), np.array([[1, 0, 0, 0, 0], [1, 0, 0, 0, 0]])
    layer = Linear("dense", ("x",), frozen_array(weights), frozen_array(np.array([14, -31, -37, 400, -31])), 0)
    graph = Graph("constants", (Input("x", 2, port, port.interval), layer), ("dense",))
    assert_same_in_both(tmp_path, pipeline_of(graph))


def assert_same_in_both(folder, pipeline):
    graph, sources = pipeline.graph, emit_verilog(pipeline, folder / "rtl")
    emit_vhdl(folder / "rtl", graph.name, folder / "vhdl")
    verilog = read_rtl(pipeline, sorted(sources), folder / "a")
    vhdl = read_vhdl(pipeline, folder / "vhdl", folder / "b")
    for module in pipeline.modules:
        work = folder / module.name
        work.mkdir()
        prove_same(verilog.module(module.name), vhdl.module(module.name), work)


CHANGES = {
    "add(": "subtract(",
    "sign_extended(": "extended(",
    'NEGATE => "0': 'NEGATE => "1',
}


@needs_ghdl
@pytest.mark.parametrize(("old", "new"), CHANGES.items())
def test_a_changed_entity_is_refuted(old, new, tmp_path):
    pipeline = DESIGNS["shared adders"]()
    sources = emit_verilog(pipeline, tmp_path / "rtl")
    emit_vhdl(tmp_path / "rtl", pipeline.graph.name, tmp_path / "vhdl")
    verilog = read_rtl(pipeline, sorted(sources), tmp_path / "a")
    changed = next(m for m in pipeline.modules if old in (tmp_path / "vhdl" / f"{m.name}.vhd").read_text())
    path = tmp_path / "vhdl" / f"{changed.name}.vhd"
    path.write_text(path.read_text().replace(old, new, 1))
    vhdl = read_vhdl(pipeline, tmp_path / "vhdl", tmp_path / "b")
    with pytest.raises(Unproven, match="an input exists"):
        prove_same(verilog.module(changed.name), vhdl.module(changed.name), tmp_path)


@needs_ghdl
def test_a_changed_file_of_a_build_is_refuted(tmp_path):
    build = build_of(DESIGNS["shared adders"](), tmp_path, hdl="vhdl")
    path = build.folder / "vhdl" / f"{build.graph.name}.vhd"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(ConfigError, match="changed since the build was written"):
        load_build(tmp_path)
    proof = prove(build, netlist=False)
    refuted = {claim.subject for claim in proof.claims if claim.verdict is Verdict.REFUTED}
    assert "vhdl/" in refuted


def test_all_does_not_mean_vhdl_where_there_is_none(tmp_path):
    build = build_of(solved([4, 3, 2]), tmp_path)
    assert not (tmp_path / "vhdl").exists()
    codes = random_codes(build.graph, 2, 1)
    assert "vhdl" not in {outcome.executor for outcome in run_executors(build, ("oracle", "all"), codes)}
    (_, named) = run_executors(build, ("oracle", "vhdl"), codes)
    assert "convert the model again, with --hdl vhdl" in str(named.error)


def adder_forms():
    pairs = [(width, negate) for width in (1, 7, 9) for negate in ("000", "100", "010", "001", "011", "101", "110")]
    return [
        ({"WIDTH": width, "NEGATE": f'"{negate}"'}, dict.fromkeys("abc", width), {"sum": width})
        for width, negate in pairs
    ]


def carry_forms(count):
    """Operands of several widths and signs; a sum that only a carry can widen."""
    forms = []
    for seed in range(16):
        rng = np.random.default_rng([count, seed])
        signed = rng.integers(0, 2, count)
        negative = rng.permutation([1, *[0] * (count - 1)]) * rng.integers(0, 2)
        width = (
            int(rng.integers(6, 19)) if seed < 12 else (8, 9, 16, 17)[seed - 12]
        )  # whole blocks of eight, and one bit more
        sizes = rng.integers(1, width - (2 if count == 3 else 1), count)
        names = "abc"[:count]
        flags = {
            name: '"' + "".join(map(str, reversed(values.tolist()))) + '"'
            for name, values in (("SIGNED", signed), ("NEGATE", negative))
        }
        generics = {
            "WIDTH": width,
            **{f"WIDTH_{n.upper()}": int(k) for n, k in zip(names, sizes, strict=True)},
            **flags,
        }
        forms.append((generics, {n: int(k) for n, k in zip(names, sizes, strict=True)}, {"sum": width}))
    return forms


def clip_forms():
    pairs = [(width, overs) for width in (1, 2, 5, 8) for overs in (1, 2)]
    return [
        ({"WIDTH": width, "OVERS": overs}, {"code": width, "zero": None, "over": overs}, {"clipped": width})
        for width, overs in pairs
    ]


def digit_forms():
    pairs = [(width, invert) for width in (1, 2, 3, 4) for invert in ("00", "01", "11")]
    return [
        (
            {"WIDTH": width, "INVERT": f'"{invert}"'},
            {"a": width, "b": width, "carry": None},
            {"sum": width, "above": None},
        )
        for width, invert in pairs
    ]


def weigh_forms():
    sizes = [(1, 2, 1), (8, 9, 1), (8, 10, 0), (7, 7, 1), (12, 17, 0)]
    return [
        (
            {"WIDTH": width, "X": own, "SIGNED": f'"{signed}"'},
            {"a": own, "b": own, "weights": 4},
            {"sum": width},
        )
        for own, width, signed in sizes
    ]


FORMS = {
    "bittrigger_weigh2": weigh_forms(),
    "bittrigger_adder3": adder_forms(),
    "bittrigger_clip": clip_forms(),
    "bittrigger_digit": digit_forms(),
    "bittrigger_pick": [
        ({"INVERT": f'"{invert}"'}, {"choices": 8, "index": 3}, {"chosen": None})
        for invert in ("00000000", "10000000", "10100101")
    ],
    "bittrigger_adder2_carry": carry_forms(2),
    "bittrigger_adder3_carry": carry_forms(3),
}
"""From those that are proven in the shortest time to the longest."""


def form_text(module, forms):
    """An entity that holds every form of a cell."""
    kinds = {"in": [form[1] for form in forms], "out": [form[2] for form in forms]}
    ports = [
        f"{port}_{k} : {way} " + ("std_logic" if width is None else f"std_logic_vector({width - 1} downto 0)")
        for way, listed in kinds.items()
        for k, found in enumerate(listed)
        for port, width in found.items()
    ]
    cells = [
        f"u{k} : entity work.{module} generic map ({', '.join(f'{n} => {v}' for n, v in generics.items())}) "
        f"port map ({', '.join(f'{port} => {port}_{k}' for port in (*ins, *outs))});\n"
        for k, (generics, ins, outs) in enumerate(forms)
    ]
    head = "library ieee;\nuse ieee.std_logic_1164.all;\nentity forms is port (\n"
    return (
        head
        + ";\n".join(ports)
        + "\n); end entity;\narchitecture all_of_them of forms is begin\n"
        + "".join(cells)
        + "end;\n"
    )


def gates_of(root, folder, module, source):
    """What GHDL makes of the forms with the cell in ``source``, in Verilog."""
    folder.mkdir()
    (folder / "forms.vhd").write_text(form_text(module, FORMS[module]))
    logic = root / "firmware" / "vhdl" / "bittrigger_logic.vhd"
    own = [("work", path) for path in (logic, source, folder / "forms.vhd")]
    options = analysed(folder, ("unisim", root / "tests" / "unisim.vhd"), *own)
    done = subprocess.run(
        ["ghdl", "synth", *options, "--out=verilog", "forms"], check=True, capture_output=True, text=True
    )
    (folder / "forms.v").write_text(repaired(done.stdout))
    return folder / "forms.v"


@needs_ghdl
@pytest.mark.parametrize("broken", [False, True], ids=["as it is", "broken"])
@pytest.mark.parametrize("module", FORMS)
def test_cells_in_primitives_are_the_cells(module, broken, root, tmp_path):
    library = root / "firmware" / "vhdl"
    primitive = tmp_path / f"{module}.vhd"
    text = (library / "ultrascale" / f"{module}.vhd").read_text()
    changed = (
        text.replace("sum_table(NEGATE)", "sum_table(not NEGATE)")
        .replace("total := total + 2", "total := total + 1")
        .replace("row / 8 > 0 or", "")
        .replace("row / 2 ** which", "row / 2")
        .replace("if ones > 1 then", "if ones > 2 then")
        .replace("48B7B748", "48B7B749")
    )
    assert changed != text
    primitive.write_text(changed if broken else text)
    gold = gates_of(root, tmp_path / "gold", module, library / f"{module}.vhd")
    gate = gates_of(root, tmp_path / "gate", module, primitive)
    commands = []
    for name, path in (("gold", gold), ("gate", gate)):
        commands += [f"read_verilog {path}", "hierarchy -top forms", "proc; flatten; opt_clean"]
        commands += [f"rename forms {name}", f"design -stash {name}"]
    commands += ["design -copy-from gold gold", "design -copy-from gate gate", "miter -equiv -flatten gold gate both"]
    done = yosys(tmp_path, *commands, f"sat {'-falsify' if broken else '-verify'} -prove trigger 0 both")
    assert done.returncode == 0, done.stdout[-2000:]
