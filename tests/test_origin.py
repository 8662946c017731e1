"""The line in emitted files that says which bittrigger made them, and from which model."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from designs import build_of, mlp, scales
from test_engine import network
from test_reload import FAST, held_graph
from test_stream_port import constituent_net
from test_tally import network as network_of_sums

from bittrigger import __version__, load, solve
from bittrigger.build.folder import MANIFEST, load_build, write_firmware
from bittrigger.build.manifest import seal
from bittrigger.cli import main
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.emit.wrappers import AxisOptions, emit_axis
from bittrigger.emit.wrappers.control import AxiLiteOptions, IpbusOptions, emit_control
from bittrigger.errors import ConfigError, ProofError
from bittrigger.ir.origin import MARK, Origin, without_mark
from bittrigger.prove import prove
from bittrigger.settings import Settings
from bittrigger.synth import yosys

SHA = "0123456789abcdef" * 4
UNMARKED = ("bittrigger_", "nnet_bitlinear", "tb_input.dat", "tb_output.dat", "example_vhdl.f")
"""What is not made from a model: the library, which designs share; and test vectors and a list of names, without comments."""


def emitted(folder, origin):
    write_firmware(replace(mlp((6, 5, 3)), origin=origin), folder, Settings(hdl="vhdl"))
    return {path.relative_to(folder): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_every_emitted_file_says_what_it_was_made_by_and_from(tmp_path):
    line = f"{MARK} {__version__} from model 0123456789abcdef; do not edit."
    files = emitted(tmp_path, Origin(kind="model", sha256=SHA))
    assert len(files) > 20
    for path, text in files.items():
        assert (line in text) is not path.name.startswith(UNMARKED), path


KINDS = {
    "weights in registers": lambda: create_pipeline(held_graph("weights"), FAST),
    "word by word": lambda: create_pipeline(constituent_net(), Settings(effort="fast", ii=9, port="stream")),
    "step by step": lambda: create_pipeline(network(), Settings(effort="fast", ii=40)),
    "digit by digit": lambda: create_pipeline(network(), Settings(effort="fast", ii=9)),
    "sums over positions": lambda: create_pipeline(network_of_sums(), Settings(effort="fast", ii=6)),
    "block floating point": lambda: create_pipeline(scales(4), FAST),
}


@pytest.mark.parametrize("kind", KINDS)
def test_so_do_the_files_of_every_kind_of_design_and_of_its_wrappers(tmp_path, kind):
    pipeline = replace(KINDS[kind](), origin=Origin(kind="model", sha256=SHA))
    write_firmware(pipeline, tmp_path, Settings())
    emit_axis(pipeline, AxisOptions(16, 16), tmp_path / "wrap" / "axis")
    if pipeline.held:
        for options in (AxiLiteOptions(), IpbusOptions()):
            emit_control(pipeline, options, tmp_path / "wrap" / type(options).__name__)
    paths = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "weights.txt"]
    unmarked = [path.name for path in paths if pipeline.origin.mark not in path.read_text()]
    assert len(paths) > 20
    assert [name for name in unmarked if not name.startswith(UNMARKED)] == []


def test_an_origin_changes_nothing_but_its_line(tmp_path):
    one = emitted(tmp_path / "one", Origin("0.1.0", "model", SHA))
    two = emitted(tmp_path / "two", Origin("2.0.0.dev1", "matrix", SHA[::-1]))
    assert list(one) == list(two)
    for path in one:
        changed = [
            pair for pair in zip(one[path].split("\n"), two[path].split("\n"), strict=True) if pair[0] != pair[1]
        ]
        assert all(all(MARK in line for line in pair) for pair in changed), path
        assert len(changed) <= 1


def test_the_kept_netlists_do_not_depend_on_it(tmp_path, monkeypatch):
    """A new version of bittrigger, or of a model with some layers unchanged, does not synthesise those again."""
    pipeline = mlp((6, 5, 3))
    write_firmware(pipeline, tmp_path, Settings())
    first = yosys.synthesize(pipeline, tmp_path / "rtl", tmp_path / "synth")
    write_firmware(replace(pipeline, origin=Origin("9.9.9", "model", SHA)), tmp_path, Settings())
    monkeypatch.setattr(yosys, "run_scripts", lambda *_: pytest.fail("synthesised again"))
    assert yosys.synthesize(pipeline, tmp_path / "rtl", tmp_path / "synth") == first


def test_a_build_keeps_it_and_is_proven_with_it(tmp_path):
    """Also by a later version, whose firmware for the design is the same."""
    folder = tmp_path / "build"
    build_of(replace(mlp((4, 3)), origin=Origin("0.0.1", "model", SHA)), folder)
    build = load_build(folder)
    assert build.pipeline.origin == Origin("0.0.1", "model", SHA)
    assert prove(build, netlist=False).proven
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["origin"]["sha256"] = SHA[::-1]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    seal(folder)
    with pytest.raises(ProofError, match="differs from what is emitted, first in line"):
        prove(load_build(folder), netlist=False).raise_unless_proven()


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": "1\nmodule evil; endmodule"},
        {"version": "*/ int evil; /*"},
        {"version": 1},
        {"kind": "network"},
        {"kind": "model"},
        {"sha256": SHA},
        {"kind": "model", "sha256": SHA.upper()},
        {"kind": "model", "sha256": f"{SHA}\n"},
    ],
)
def test_nothing_else_gets_into_a_header(tmp_path, wrong):
    with pytest.raises(ConfigError, match="origin: "):
        Origin(**wrong)
    folder = tmp_path / "build"
    build_of(mlp((4, 3)), folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["origin"] |= wrong
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ConfigError, match="origin: "):
        load_build(folder, sealed=False)


def test_a_build_of_before_has_none(tmp_path):
    folder = tmp_path / "build"
    build_of(replace(mlp((4, 3)), origin=Origin("")), folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["origin"]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    seal(folder)
    build = load_build(folder)
    assert build.pipeline.origin.mark == "Generated by bittrigger; do not edit."
    assert prove(build, netlist=False).proven


def test_a_matrix_is_hashed_as_its_file_or_as_its_integers(tmp_path):
    matrix = np.array([[1, -1], [0, 1], [1, 1]])
    np.save(tmp_path / "w.npy", matrix)
    main(["solve", str(tmp_path / "w.npy"), "-o", str(tmp_path / "file"), "--effort", "fast"])
    wanted = hashlib.sha256((tmp_path / "w.npy").read_bytes()).hexdigest()
    assert load(tmp_path / "file").build.pipeline.origin == Origin(kind="matrix", sha256=wanted)
    memory = [solve(matrix, tmp_path / name, effort="fast").build.pipeline.origin for name in ("one", "two")]
    assert memory[0] == memory[1]
    assert memory[0].kind == "matrix"


def test_a_text_without_its_line_has_as_many_lines():
    text = f"// a\n// {Origin().mark}\nmodule a;\n"
    assert without_mark(text) == "// a\n//\nmodule a;\n"
