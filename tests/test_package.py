"""A release holds what a repository needs, and whatever is done to it afterwards is found."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from click.testing import CliRunner
from designs import graph

from bittrigger.build.folder import fresh_folder, load_build, save_build, write_firmware
from bittrigger.build.manifest import seal, sha256
from bittrigger.build.package import DIGEST, MANIFEST, check_package, write_manifest
from bittrigger.cli import cli
from bittrigger.cli.simulate import keep_results
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.errors import ConfigError, ProofError, TamperError
from bittrigger.prove import prove, save_proof
from bittrigger.report import make_report, save_report
from bittrigger.settings import Settings
from bittrigger.simulate.compare import run_executors
from bittrigger.simulate.results import results_json
from bittrigger.simulate.vectors import random_codes

PROVENANCE = {
    "bittrigger": "0.1.0",
    "model": {"file": "model.h5", "sha256": "ab" * 32},
    "events_sha256": None,
    "options": {"input_precision": None, "logits": False, "name": None, "synthesize": False},
    "versions": {"python": "3.11.7"},
}


def invoke(*words):
    return CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=True)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    folder = tmp_path_factory.mktemp("builds") / "tiny"
    settings = Settings(effort="fast", budget="cms-phase2-correlator-layer2")
    with fresh_folder(folder, overwrite=False) as scratch:
        pipeline = create_pipeline(graph((4, 5, 2), name="tiny"), settings)
        write_firmware(pipeline, scratch, settings)
        save_report(make_report(pipeline, settings, None), scratch / "report.json")
        save_build(scratch, pipeline, settings, {"emit": 0.1}, PROVENANCE)
    made = load_build(folder)
    save_proof(prove(made, netlist=False), folder / "proof.json")
    outcomes = run_executors(made, ["oracle"], random_codes(made.graph, 20, 0))
    keep_results(made, results_json(made.graph, outcomes, 0))
    return folder


@pytest.fixture(scope="module")
def released(build, tmp_path_factory):
    folder = tmp_path_factory.mktemp("release") / "tiny_v3"
    done = invoke("package", build, "-o", folder, "--version", "3", "--root", "algos/tiny", "--check", "-n", "40")
    assert done.exit_code == 0, done.exception
    return folder


@pytest.fixture
def copy(released, tmp_path):
    return shutil.copytree(released, tmp_path / "copy")


def test_a_package_verifies_and_verifying_changes_nothing(released, tmp_path):
    before = {path: path.read_bytes() for path in released.rglob("*") if path.is_file()}
    digest = sha256((released / MANIFEST).read_bytes())
    done = invoke("verify", released, "--digest", digest, "--json", tmp_path / "v.json", "--junit", tmp_path / "v.xml")
    assert done.exit_code == 0, done.exception
    assert {path: path.read_bytes() for path in released.rglob("*") if path.is_file()} == before
    assert len(json.loads((tmp_path / "v.json").read_text())["checks"]) == 8
    assert 'failures="0"' in (tmp_path / "v.xml").read_text()


def test_it_can_be_proven_again(released):
    done = invoke("verify", released, "--prove")
    assert done.exit_code == 0, done.exception
    assert "claims proven again" in done.output


def test_a_package_holds_what_a_repository_needs(released):
    for name in (
        "tiny.f",
        "firmware/cfg/tiny.dep",
        "list/tiny.src",
        "list/tiny.con",
        "constraints/tiny.xdc",
        "report.html",
    ):
        assert (released / name).is_file(), name
    assert (released / "emulator_v3" / "tiny_v3.h").is_file()
    sources = [line for line in (released / "tiny.f").read_text().splitlines() if not line.startswith("//")]
    assert sources[-1] == "rtl/tiny.sv"
    assert sorted(sources) == sorted(f"rtl/{path.name}" for path in (released / "rtl").glob("*.sv"))
    assert "algos/tiny/rtl/tiny.sv" in (released / "list" / "tiny.src").read_text()
    assert "create_clock -name clk -period 2.7778" in (released / "constraints" / "tiny.xdc").read_text()
    statement = json.loads((released / MANIFEST).read_text())
    definition = statement["predicate"]["buildDefinition"]
    assert definition["resolvedDependencies"] == [{"name": "model.h5", "digest": {"sha256": "ab" * 32}}]
    assert definition["externalParameters"]["settings"]["effort"] == "fast"


def test_two_packages_of_one_build_are_the_same(build, released, tmp_path):
    again = tmp_path / "again"
    assert invoke("package", build, "-o", again, "--version", "3", "--root", "algos/tiny", "-n", "40").exit_code == 0
    assert (again / DIGEST).read_text() == (released / DIGEST).read_text()


def test_a_build_is_no_package_and_what_is_not_proven_is_refused(build, tmp_path):
    assert isinstance(invoke("verify", build).exception, ConfigError)
    bare = shutil.copytree(build, tmp_path / "bare")
    (bare / "proof.json").unlink()
    refused = invoke("package", bare, "-o", tmp_path / "out", "--check").exception
    assert isinstance(refused, ProofError)
    assert "is not proven" in str(refused)


def edit(name, old, new):
    """Replace the first match of a pattern in a file of the package."""

    def change(folder):
        path = folder / name
        text = path.read_text()
        changed = re.sub(old, new, text, count=1)
        assert changed != text, (name, old)
        path.write_text(changed)

    return change


def remove(name):
    return lambda folder: (folder / name).unlink()


def add(name, text="x\n"):
    def change(folder):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    return change


def swap(first, second):
    def change(folder):
        a, b = (folder / first).read_bytes(), (folder / second).read_bytes()
        assert a != b
        (folder / first).write_bytes(b)
        (folder / second).write_bytes(a)

    return change


def link(name, target):
    def change(folder):
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return change


def in_manifest(change):
    """Edit the manifest, and write its hash anew."""

    def apply(folder):
        statement = json.loads((folder / MANIFEST).read_text())
        change(statement)
        text = json.dumps(statement, indent=1, sort_keys=True) + "\n"
        (folder / MANIFEST).write_text(text)
        (folder / DIGEST).write_text(f"{sha256(text.encode())}  {MANIFEST}\n")

    return apply


def released_anew(change):
    """Make a change and then all hashes anew, as somebody would who knows the format."""

    def apply(folder):
        options = json.loads((folder / MANIFEST).read_text())["predicate"]["buildDefinition"]["externalParameters"][
            "package"
        ]
        change(folder)
        seal(folder)
        write_manifest(folder, load_build(folder), options)

    return apply


LAYER, TOP = "rtl/tiny_bitlinear_dense_0.sv", "rtl/tiny.sv"
TAMPERINGS = {
    "a sign in a layer": edit(LAYER, r" - ", " + "),
    "a register of the top": edit(TOP, "always_ff", "always_ff "),
    "a library cell": edit("rtl/bittrigger_clip.sv", "module", "module "),
    "two layers exchanged": swap(LAYER, "rtl/tiny_bitlinear_dense_1.sv"),
    "a layer removed": remove(LAYER),
    "a source added": add("rtl/extra.sv", "module extra; endmodule\n"),
    "a source for primitives": edit("synth/vivado_synth.tcl", "place_design", "place_design -directive Quick"),
    "a weight in the design": edit("design.json", r'"weights":\[\[-?\d', '"weights":[[7'),
    "an adder in the design": edit("design.json", r'"adders":\{"', '"adders": {"'),
    "the clock of the build": edit("bittrigger.json", "360", "240"),
    "the model's hash": edit("bittrigger.json", "ababab", "bababa"),
    "the seconds of a stage": edit("bittrigger.json", "0.1", "0.2"),
    "a line of the seal": edit("SHA256SUMS", r"^[0-9a-f]", "z"),
    "a figure of the report": edit("report.json", r'"value": \d+', '"value": 1'),
    "a figure on the page": edit("report.html", "LUT", "LUX"),
    "the page removed": remove("report.html"),
    "a verdict of the proof": edit("proof.json", '"proven"', '"proven" '),
    "the hash in the proof": edit("proof.json", r'("rtl/tiny.sv": ")\w', r"\g<1>z"),
    "the proof removed": remove("proof.json"),
    "the simulation": edit("simulation.json", "true", "false"),
    "the emulator's code": edit("emulator/tiny_v1.cpp", ";", "; "),
    "the emulator's header": edit("emulator_v3/tiny_v3.h", r"\n", "\n\n"),
    "the emulator's makefile": edit("emulator/Makefile", "-O", "-g -O"),
    "the HLS code": edit("hls/firmware/tiny.cpp", ";", ";;"),
    "an expected output": edit("patterns/want_00.txt", r"(\d111 )0", r"\g<1>1"),
    "a pattern file added": add("patterns/in_99.txt"),
    "a constraint": edit("constraints/tiny.xdc", "2.7778", "5.0000"),
    "a list of sources": edit("tiny.f", "rtl/tiny.sv", "rtl/other.sv"),
    "a hidden file": add(".hidden"),
    "a link in the place of a file": link("tiny.f", "list/tiny.src"),
    "a byte of the manifest": edit(MANIFEST, "sha256", "sha512"),
    "the hash of the manifest": edit(DIGEST, r"^[0-9a-f]", "z"),
    "the hash of the manifest removed": remove(DIGEST),
    "a subject left out": in_manifest(lambda s: s["subject"].pop()),
    "a subject that is not there": in_manifest(
        lambda s: s["subject"].append({"name": "x", "digest": {"sha256": "0" * 64}})
    ),
    "a subject with another hash": in_manifest(lambda s: s["subject"][3]["digest"].update(sha256="0" * 64)),
    "the part in the manifest": in_manifest(
        lambda s: s["predicate"]["buildDefinition"]["externalParameters"]["settings"].update(part="xcvu9p")
    ),
    "the model in the manifest": in_manifest(
        lambda s: s["predicate"]["buildDefinition"]["resolvedDependencies"].clear()
    ),
    "a version in the manifest": in_manifest(
        lambda s: s["predicate"]["runDetails"]["builder"]["version"].update(python="2")
    ),
    "another kind of statement": in_manifest(lambda s: s.update(predicateType="x")),
    "a sign, and all hashes anew": released_anew(edit(LAYER, r" - ", " + ")),
    "the emulator, and all hashes anew": released_anew(edit("emulator/tiny_v1.cpp", ";", "; ")),
    "the versioned emulator, and all hashes anew": released_anew(edit("emulator_v3/tiny_v3.cpp", ";", "; ")),
    "an expected output, and all hashes anew": released_anew(edit("patterns/want_00.txt", r"(\d111 )0", r"\g<1>1")),
    "a constraint, and all hashes anew": released_anew(edit("constraints/tiny.xdc", "2.7778", "5.0000")),
    "the latency in the report, and all hashes anew": released_anew(
        edit(
            "report.json",
            r'("latency_cycles": \{\s+"value": )\d+(,\s+"origin": "rtl",[^}]*\},\s+"latency_ns")',
            r"\g<1>99\2",
        )
    ),
    "a proof of other files, and all hashes anew": released_anew(
        edit("proof.json", r'("rtl/tiny.sv": ")\w', r"\g<1>z")
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_tampering_is_caught(what, copy):
    TAMPERINGS[what](copy)
    done = invoke("verify", copy)
    assert isinstance(done.exception, TamperError | ConfigError), done.exception or done.output
    assert str(copy) in str(done.exception) or MANIFEST in str(done.exception)


def test_there_are_thirty_tamperings_and_more():
    assert len(TAMPERINGS) >= 30


def test_a_digest_known_from_elsewhere_catches_a_package_made_anew(copy):
    released_anew(edit("report.html", "LUT", "LUX"))(copy)
    assert invoke("verify", copy).exit_code == 0
    caught = invoke("verify", copy, "--digest", "0" * 64).exception
    assert isinstance(caught, TamperError)


def test_what_an_executor_caches_is_no_part_of_a_package(copy):
    (copy / "sim" / "csim").mkdir(parents=True)
    (copy / "sim" / "csim" / "x.o").write_text("x")
    check_package(copy)
