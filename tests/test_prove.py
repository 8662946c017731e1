"""Proofs of whole designs: what is right is proven, what is broken is refuted, and the command line keeps what was found."""

import json
import re
import shutil

import numpy as np
import pytest
from designs import build_of, graph, rounding_forms, solved
from strategies import adder_graphs, graphs, merged
from test_rtl import graph_of_adders, pipeline_of, sample

from bittrigger.build.folder import load_build
from bittrigger.build.manifest import seal, sha256
from bittrigger.errors import ConfigError, ProofError, ToolError
from bittrigger.ir.adders import Adder, AdderGraph, Output, Term
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, frozen_array
from bittrigger.ir.layout import BusLayout
from bittrigger.prove import Verdict, prove
from bittrigger.prove.claims import Unproven
from bittrigger.prove.kept import first_change
from bittrigger.prove.modules import elementwise as elementwise_module
from bittrigger.prove.modules.linear import prove_matrix, prove_widths
from bittrigger.prove.run import save_proof, to_json
from bittrigger.prove.tasks import tasks
from bittrigger.prove.top.wiring import prove_wiring
from bittrigger.synth.netlist import flatten


def verdicts(proof):
    return {(claim.subject, claim.kind): claim.verdict for claim in proof.claims}


def failures(proof):
    return [claim for claim in proof.claims if claim.verdict is not Verdict.PROVEN]


def by_meaning(proof):
    """The failures but for those of bytes and structure, which come before any meaning is looked at."""
    return [claim for claim in failures(proof) if claim.kind not in ("files", "structure")]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A synthesised design with three-input adders."""
    return build_of(solved((7, 6, 3), clock_mhz=360.0), tmp_path_factory.mktemp("prove"), synth=True)


@pytest.fixture
def copy(built, tmp_path):
    """The same, free to be broken."""
    return load_build(shutil.copytree(built.folder, tmp_path / "build"))


# what is right is proven


def test_a_synthesised_design_is_proven(built):
    proof = prove(built)
    assert failures(proof) == []
    assert proof.proven
    kinds = {"files", "structure", "weights", "widths", "verilog", "latency", "netlist"}
    assert {claim.kind for claim in proof.claims} == kinds
    assert list(built.folder.glob("sim/*")) == []


@pytest.mark.parametrize("clock_mhz", [100.0, 360.0])
def test_random_networks_are_proven(tmp_path, clock_mhz):
    pipeline = pipeline_of(merged(sample(graphs(), 60)), clock_mhz=clock_mhz)
    assert failures(prove(build_of(pipeline, tmp_path), netlist=False)) == []


def test_random_adder_graphs_are_proven(tmp_path):
    """Three operands, constants, shifts, bypassed bits, dead adders."""
    examples = [adders for adders in sample(adder_graphs(), 60) if adders.adders]
    made = [graph_of_adders(adders) for adders in examples]
    pipeline = pipeline_of(merged(made), {f"g{k}_layer": adders for k, adders in enumerate(examples)})
    assert failures(prove(build_of(pipeline, tmp_path), netlist=False)) == []


def test_a_result_narrower_than_its_wire_is_proven(tmp_path):
    """``s1`` can only be ``x0``, but its wire has a bit more; behind it lies another result."""
    adders = AdderGraph(
        (Interval(-8, 7), Interval(-8, 7)),
        (Adder((Term(0), Term(1))), Adder((Term(2), Term(1, negative=True)))),
        (Output(3, 1), Output(3)),
    )
    pipeline = pipeline_of(graph_of_adders(adders), {"layer": adders})
    assert failures(prove(build_of(pipeline, tmp_path, synth=True))) == []


def requantizer_net(span_width=9):
    """One requantiser a rounding mode, of one signed and one unsigned code."""
    ports = (
        Input("a", 1, FixedPoint(True, span_width, 0), FixedPoint(True, span_width, 0).interval),
        Input("b", 1, FixedPoint(False, span_width, 0), Interval(0, (1 << span_width) - 2)),
    )
    nodes = [
        Requantize(f"r{k}_{j}", ("a", "b"), 2, shift, rounding, lo, hi, 0, offset)
        for j, (shift, lo, hi) in enumerate(
            ((3, -20, 20), (2, 0, 63), (2, 3, 63), (-1, -100, 77), (1, -64, 63), (12, -1, 1))
        )
        for k, (rounding, offset) in enumerate(rounding_forms(shift))
    ]
    return Graph("modes", (*ports, *nodes), tuple(node.name for node in nodes))


@pytest.mark.parametrize("most_codes", [1 << 20, 0])
def test_every_rounding_mode_is_proven_by_exhaustion_and_by_sat(tmp_path, monkeypatch, most_codes):
    monkeypatch.setattr("bittrigger.prove.tasks.modules.MAX_CODES", most_codes)
    proof = prove(build_of(pipeline_of(requantizer_net()), tmp_path), netlist=False)
    assert failures(proof) == []
    found = [claim.detail for claim in proof.claims if claim.subject != "modes" and claim.kind == "verilog"]
    assert all(("by SAT" in detail) == (most_codes == 0) for detail in found)


def test_a_channel_of_forty_bits_is_proven(tmp_path):
    port = Input("x", 1, FixedPoint(True, 40, 0), FixedPoint(True, 40, 0).interval)
    node = Requantize("q", ("x",), 1, 29, Rounding.RND_CONV, 0, 255, 0)
    table = Lookup("t", ("x",), ((-(1 << 39), -5, 1 << 33),), ((1, 0, -1),), 0)
    proof = prove(build_of(pipeline_of(Graph("wide", (port, node, table), ("q", "t"))), tmp_path), netlist=False)
    assert failures(proof) == []


def test_codes_are_tried_in_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(elementwise_module, "CHUNK", 100)
    assert failures(prove(build_of(pipeline_of(requantizer_net()), tmp_path), netlist=False)) == []


def test_vectors_are_those_of_the_emitter(built):
    """Proof and emitter take the layout of buses from one place; simulation checks that layout against ``ports``."""
    assert BusLayout.of(built.pipeline).sizes["dense_0"] == graph((7, 6, 3))["dense_0"].size


# what is broken is refuted


def replace_once(path, pattern, replacement):
    text, count = re.subn(pattern, replacement, path.read_text(), count=1)
    assert count == 1, f"{pattern} is not in {path.name}"
    path.write_text(text)


def refuted_after(build, folder, name, pattern, replacement):
    """What is refuted of a copy of ``build`` in ``folder`` where the Verilog of module ``name`` reads otherwise."""
    return {claim.subject for claim in _refuted(build, folder, name, pattern, replacement) if claim.kind != "files"}


def verilog_refuted_after(build, folder, name, pattern, replacement):
    """The modules whose Verilog is refuted there."""
    return {claim.subject for claim in _refuted(build, folder, name, pattern, replacement) if claim.kind == "verilog"}


def _refuted(build, folder, name, pattern, replacement):
    build_of(build.pipeline, folder)
    replace_once(folder / "rtl" / f"{name}.sv", pattern, replacement)
    proof = prove(load_build(folder, sealed=False), netlist=False)
    return [claim for claim in proof.claims if claim.verdict is Verdict.REFUTED]


@pytest.mark.parametrize(
    ("file", "pattern", "replacement", "kind"),
    [
        ("example_bitlinear_dense_0", r"NEGATE\(3'b000\)", "NEGATE(3'b001)", "verilog"),
        ("example_bitlinear_dense_0", r" x1 = x\[15:8\]", " x1 = x[23:16]", "verilog"),
        ("example_bitlinear_dense_0", r"(wire signed \[)( ?\d+)(:0\] s0[; ])", r"\g<1>6\g<3>", "verilog"),
        ("example_bitlinear_dense_1", r"(\w+)_d1 <= \1;", r"\1_d1 <= \1 + 1;", "verilog"),
        ("example_requantize_relu_0", r">>> 2", ">>> 1", "verilog"),
        ("example_requantize_relu_0", r"\+ (\d+)'\(up0\)", r"- \1'(up0)", "verilog"),
        ("example_requantize_relu_0", r"(x\d+_d1\[)2(\])", r"\g<1>3\2", "verilog"),
        ("example_requantize_relu_0", r"\.over\(r\d+\[.*?\]\)", ".over(1'b0)", "verilog"),
        ("example", r"valid\[(\d+)\];", lambda m: f"valid[{int(m[1]) - 1}];", "latency"),
        ("example", r"(input  wire \[)55(:0\] in_data)", r"\g<1>56\2", "verilog"),
        ("example", r"else valid <= \{valid\[\d+:0\], in_valid\}", "else valid <= {in_valid, valid[2:1]}", "latency"),
        ("example", r"\.x\(dense_0_codes(_d\d+)?\)", ".x(~dense_0_codes)", "verilog"),
    ],
)
def test_broken_verilog_is_refuted(copy, file, pattern, replacement, kind):
    path = copy.folder / "rtl" / f"{file}.sv"
    try:
        replace_once(path, pattern, replacement)
    except AssertionError:
        pytest.fail(path.read_text())
    proof = prove(copy, netlist=False)
    assert {("rtl/", "files"), ("example", "files")} <= {(claim.subject, claim.kind) for claim in failures(proof)}
    failed = by_meaning(proof)
    assert {(claim.subject, claim.kind) for claim in failed} >= {(file, kind)}
    assert {claim.subject for claim in failed} == {file}
    assert failed[0].verdict is Verdict.REFUTED


def test_a_register_too_many_is_refuted(copy):
    path = copy.folder / "rtl" / "example_bitlinear_dense_1.sv"
    replace_once(
        path, r"wire        \[ 5:0\] x1 = (x\[11:6\]);", r"reg [5:0] x1; always_ff @(posedge clk) begin x1 <= \1; end"
    )
    failed = {(claim.subject, claim.kind): claim.detail for claim in by_meaning(prove(copy, netlist=False))}
    assert "mixes stages 1, 2" in failed["example_bitlinear_dense_1", "latency"]


def flip_lut(folder, module):
    """The lowest bit of the first LUT, in the netlist and in its Verilog."""
    path = folder / "synth" / f"{module}.json"
    data = json.loads(path.read_text())
    cells = data["modules"][module]["cells"]
    lut = next(cell for cell in cells.values() if cell["type"].startswith("LUT"))
    old = lut["parameters"]["INIT"]
    lut["parameters"]["INIT"] = new = old[:-1] + ("1" if old[-1] == "0" else "0")
    path.write_text(json.dumps(data))
    size, digits = len(old), -(-len(old) // 4)
    text = (folder / "synth" / f"{module}.v").read_text()
    head, found, tail = text.partition(f"  {lut['type']} #(\n    .INIT({size}'h{int(old, 2):0{digits}x})")
    assert found
    changed = f"  {lut['type']} #(\n    .INIT({size}'h{int(new, 2):0{digits}x})"
    (folder / "synth" / f"{module}.v").write_text(head + changed + tail)


def test_a_flipped_bit_of_a_lut_is_refuted(copy):
    flip_lut(copy.folder, "example_requantize_relu_0")
    proof = prove(copy)
    failed = {(claim.subject, claim.kind): claim.verdict for claim in failures(proof)}
    assert failed == {("example", "files"): Verdict.REFUTED, ("example_requantize_relu_0", "netlist"): Verdict.REFUTED}
    with pytest.raises(
        ProofError, match=r"every file is as it was written: refuted: synth/example_requantize_relu_0.json: changed"
    ):
        proof.raise_unless_proven()
    seal(copy.folder)
    with pytest.raises(
        ProofError, match=r"example_requantize_relu_0: the synthesised netlist equals the Verilog: refuted: "
    ):
        prove(copy).raise_unless_proven()


def test_a_swapped_pin_of_the_top_netlist_is_refuted(copy):
    path = copy.folder / "synth" / "example.json"
    data = json.loads(path.read_text())
    cell = next(c for c in data["modules"]["example"]["cells"].values() if c["type"] == "example_bitlinear_dense_1")
    bits = cell["connections"]["x"]
    bits[0], bits[1] = bits[1], bits[0]
    with pytest.raises(Unproven, match="x of u_bitlinear_dense_1: bit 0 reads another net"):
        prove_wiring(copy.pipeline, flatten("example", data["modules"]))
    path.write_text(json.dumps(data))
    seal(copy.folder)
    found = verdicts(prove(copy))
    assert found["example", "structure"] is Verdict.REFUTED  # its Verilog says otherwise
    assert found["example", "netlist"] is Verdict.OPEN


def test_a_wrong_adder_is_refuted():
    node = Linear("l", ("x",), frozen_array(np.array([[1, -1], [1, 1]])), frozen_array(np.array([0, 3])), 0)
    source = (Interval(-8, 7),) * 2
    right = AdderGraph(
        source,
        (Adder((Term(0), Term(1))), Adder((Term(0, negative=True), Term(1)), 3)),
        (Output(2), Output(3)),
    )
    assert prove_matrix(node, right) == "2 adders, 2 outputs"
    assert prove_widths(right) == "4 values of at most 6 bits"
    wrong = AdderGraph(source, (right.adders[0], Adder((Term(0), Term(1)), 3)), right.outputs)
    with pytest.raises(Unproven, match="output 1 of the adder graph is not its column of the matrix"):
        prove_matrix(node, wrong)


def test_without_a_netlist_there_is_a_clear_error(tmp_path):
    build = build_of(solved((3, 2)), tmp_path)
    with pytest.raises(ConfigError, match=r"no netlist; convert without --no-synth, or leave the netlist out"):
        prove(build)


# JSON and the command line


def test_proof_as_json(built):
    data = json.loads(to_json(prove(built, netlist=False)))
    assert data["schema"] == "bittrigger/proof-2"
    assert data["covers"] == ["rtl"]
    assert data["proven"] is True
    assert {claim["verdict"] for claim in data["claims"]} == {"proven"}
    assert {"design.json", "rtl/example.sv", "synth/example.v", "hls/Makefile"} <= data["files"].keys()
    assert data["files"]["design.json"] == sha256((built.folder / "design.json").read_bytes())


def test_the_command_line_keeps_the_proof_and_fails_when_refuted(copy, tmp_path):
    from bittrigger.cli import main

    main(["prove", str(copy.folder), "--no-netlist", "--json", str(tmp_path / "copy.json")])
    assert json.loads((copy.folder / "proof.json").read_text())["proven"] is True
    assert (tmp_path / "copy.json").read_bytes() == (copy.folder / "proof.json").read_bytes()
    replace_once(copy.folder / "rtl" / "example_requantize_relu_0.sv", r"\.over\(r\d+\[.*?\]\)", ".over(1'b0)")
    with pytest.raises(SystemExit) as stop:
        main(["prove", str(copy.folder), "--no-netlist", "--claims"])
    assert stop.value.code == 1
    assert json.loads((copy.folder / "proof.json").read_text())["proven"] is False


@pytest.mark.parametrize(("options", "text"), [(["--jobs", "0"], "--jobs 0; must be at least 1"), ([], "not a build")])
def test_the_command_line_refuses_what_makes_no_sense(tmp_path, capsys, options, text):
    from bittrigger.cli import main

    with pytest.raises(SystemExit) as stop:
        main(["prove", str(tmp_path), *options])
    assert stop.value.code == 2
    assert text in capsys.readouterr().err


# what is kept of a proof


def test_an_earlier_proof_goes_as_a_run_starts(copy, monkeypatch):
    path = copy.folder / "proof.json"
    path.write_text('{"proven": true}')

    def fail(*_):
        raise ToolError("Yosys is not well")

    monkeypatch.setattr("bittrigger.prove.sources.structure.read_rtl", fail)
    with pytest.raises(ToolError, match="Yosys is not well"):
        prove(copy, netlist=False)
    assert not path.exists()


def test_a_file_that_is_edited_meanwhile_is_not_in_the_proof(copy, monkeypatch):
    """What is hashed and proven is a copy; the kept proof is then about other files, and says which."""
    path = copy.folder / "rtl" / "example.sv"
    before = path.read_bytes()

    def edit(setting):
        path.write_bytes(before + b"// edited")
        return tasks(setting)

    monkeypatch.setattr("bittrigger.prove.run.tasks", edit)
    proof = prove(copy, netlist=False)
    assert proof.proven
    assert proof.files["rtl/example.sv"] == sha256(before)
    assert first_change(proof.files, copy.folder) == "rtl/example.sv"
    path.write_bytes(before)
    assert first_change(proof.files, copy.folder) is None
    (copy.folder / "synth" / "more.v").write_text("")
    assert first_change(proof.files, copy.folder) == "synth/more.v"


def test_a_proof_follows_no_link(copy, tmp_path):
    outside = tmp_path / "outside.json"
    outside.write_text("mine")
    (copy.folder / "proof.json").symlink_to(outside)
    save_proof(prove(copy, netlist=False), copy.folder / "proof.json")
    assert outside.read_text() == "mine"
    assert not (copy.folder / "proof.json").is_symlink()
    (copy.folder / "synth" / "ultrascale" / "bittrigger_clip.sv").unlink()
    (copy.folder / "synth" / "ultrascale" / "bittrigger_clip.sv").symlink_to(outside)
    failed = failures(prove(copy, netlist=False))
    assert outside.read_text() == "mine"
    assert {(claim.subject, claim.kind) for claim in failed} >= {("synth/", "files")}
