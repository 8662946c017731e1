"""Weights and biases in registers: right in every executor, proven for all that may be held, switched between events."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from designs import build_of
from designs import graph as ternary_graph
from test_emulator_cmssw import INTERFACE

from bittrigger.build.manifest import seal
from bittrigger.build.weights import read_weights, write_weights
from bittrigger.compile.pipeline import create_pipeline
from bittrigger.emit.wrappers import AxisOptions, emit_axis, emit_emp
from bittrigger.errors import ConfigError, MismatchError
from bittrigger.ir.fixed import Overflow
from bittrigger.ir.graph import Requantize, evaluate, evaluate_nodes
from bittrigger.ir.held.weight_file import network_hash, weights_text, with_numbers
from bittrigger.passes.hold import Holding
from bittrigger.passes.simplify import simplify
from bittrigger.patterns.design import LinkOptions, make_payload
from bittrigger.prove import Verdict, prove
from bittrigger.prove.sources.files import copy_build, file_claims
from bittrigger.settings import Settings
from bittrigger.simulate.compare import raise_first, run_executors
from bittrigger.simulate.executors.csim import CSim
from bittrigger.simulate.executors.emulator import Emulator
from bittrigger.simulate.executors.rtl import RtlSim
from bittrigger.simulate.simulators.verilator import find_verilator
from bittrigger.simulate.vectors import corner_codes, other_numbers, random_codes

FAST = Settings(effort="fast")
HOLDINGS = {"weights": Holding(weights=True, bias=False), "bias": Holding(weights=False, bias=True)}


def held_graph(what, sizes=(7, 5, 3)):
    """A small ternary network that holds weights or biases."""
    return simplify(ternary_graph(sizes), held=HOLDINGS[what])


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """A synthesised build that holds weights, and one that holds biases."""
    made = {}
    for what in HOLDINGS:
        pipeline = create_pipeline(held_graph(what), FAST)
        made[what] = build_of(pipeline, tmp_path_factory.mktemp(what) / "build", synth=True)
    return made


@pytest.fixture(params=HOLDINGS)
def build(request, builds):
    """Each of them."""
    return builds[request.param]


def events(graph):
    """Corners of the ports, and random codes."""
    return np.concatenate([corner_codes(graph), random_codes(graph, 200, 1)])


def test_a_weight_file_is_of_its_network_in_every_version():
    graph = held_graph("weights")
    assert network_hash(graph) == "3087ce0351f686ba22ecb982eb1fb37fe3a293db0169504cbf784a18f009e26d"
    limited = next(node for node in graph.nodes if isinstance(node, Requantize))
    nodes = tuple(replace(node, overflow=Overflow.WRAP) if node is limited else node for node in graph.nodes)
    assert network_hash(replace(graph, nodes=nodes)) != network_hash(graph)


@pytest.mark.parametrize("what", HOLDINGS)
def test_holding_changes_no_bit(what):
    plain = ternary_graph((7, 5, 3))
    codes = events(plain)
    assert np.array_equal(evaluate(held_graph(what), codes), evaluate(plain, codes))


def test_every_executor_agrees(build):
    names = ("oracle", "csim", "emulator", "rtl", "rtl-fast", "gates")
    raise_first(run_executors(build, names, events(build.graph), look_into=False))


def test_every_executor_agrees_on_other_numbers(build):
    other = replace(build, pipeline=with_numbers(build.pipeline, other_numbers(build.graph, 3)))
    codes = events(build.graph)
    assert not np.array_equal(evaluate(other.graph, codes), evaluate(build.graph, codes))
    names = ("oracle", "csim", "emulator", "rtl", "rtl-fast", "gates")
    raise_first(run_executors(other, names, codes, entries=False, look_into=False))


def test_it_is_proven_for_all_that_may_be_held(build):
    assert not open_claims(prove(build, jobs=1))


def open_claims(proof):
    """What is not proven, but for the bytes of the files."""
    claims = [claim for claim in proof.claims if claim.verdict is not Verdict.PROVEN and claim.kind != "files"]
    return {(claim.subject.removeprefix("example_"), claim.kind) for claim in claims}


BREAKS = {
    "a layer switches with the first": ("settings", r"turn\[[1-9]\]\)", "turn[0])", "settings"),
    "a write hits the next word": ("settings", r"place == (\d+)'d2\)", r"place == \1'd3)", "settings"),
    "a write is taken while layers switch": ("settings", "write & !waits", "write", "settings"),
    "a column has another clock": ("settings", r"\.clk\(clk\)", ".clk(data[0])", "settings"),
    "busy ends early": ("settings", r"applies \| \(\|turn\)", "applies", "settings"),
    "what is written counts at once": ("held_dense_0", r"turn \? written0", "hits[0] ? data[{0}:0]", "held_dense_0"),
    "what counts is lost": ("held_dense_0", r"turn \? written0 : counts0", "written0", "held_dense_0"),
    "a column reads the next one's bias": ("", r"bias\(dense_0_\w+_bias\[", "bias(dense_1_{1}_bias[", ""),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_of_the_registers_is_refuted(builds, name, tmp_path):
    stem, wanted, instead, subject = BREAKS[name]
    build, folder = builds["weights"], tmp_path / "build"
    shutil.copytree(build.folder, folder)
    (path,) = (
        p
        for p in (folder / "rtl").glob("*.sv")
        if p.stem.startswith(f"example{'_' if stem else ''}{stem}") and (stem or p.stem == "example")
    )
    before = path.read_text()
    width = re.search(r"written0 <= hits\[0\] \? data\[(\d+):0\]", before)
    after = re.sub(wanted, instead.replace("{0}", width[1] if width else "0").replace("{1}", "terms"), before, count=1)
    assert after != before
    path.write_text(after)
    found = open_claims(prove(replace(build, folder=folder), jobs=1, netlist=False))
    assert any(item.startswith(subject) and kind == "verilog" for item, kind in found), found


def test_a_layer_that_switches_too_soon_is_seen_in_simulation(build, tmp_path):
    folder = tmp_path / "build"
    shutil.copytree(build.folder, folder)
    path = folder / "rtl" / "example_settings.sv"
    path.write_text(re.sub(r"turn\[[1-9]\]\)", "turn[0])", path.read_text()))
    executor = RtlSim(build.pipeline, folder / "rtl", tmp_path / "cache")
    with pytest.raises(MismatchError, match="pattern reloaded"):
        executor.run(events(build.graph))


WRONG_FILES = {
    "other network": (lambda t: t.replace("network ", "network 0", 1), "of network"),
    "no file": (lambda t: t[1:], "the first line of a weight file"),
    "other version": (lambda t: t.replace("weights 1", "weights 2", 1), "the first line of a weight file"),
    "other shape": (lambda t: t.replace("layer dense_0 7 5", "layer dense_0 7 4"), "layer dense_0 7 5 weights"),
    "a sign too many": (lambda t: re.sub(r"^([-+0]{7} )", r"0\1", t, count=1, flags=re.M), "7 of the signs"),
    "another sign": (lambda t: re.sub(r"^[-+0]([-+0]{6} )", r"2\1", t, count=1, flags=re.M), "7 of the signs"),
    "a fraction": (lambda t: re.sub(r"^([-+0]{7} -?\d+)$", r"\1.5", t, count=1, flags=re.M), "and a bias"),
    "a number of another writing": (
        lambda t: re.sub(r"^([-+0]{7}) .*$", r"\1 007", t, count=1, flags=re.M),
        "and a bias",
    ),
    "a bias beyond its register": (
        lambda t: re.sub(r"^([-+0]{7}) .*$", r"\1 99999", t, count=1, flags=re.M),
        "its register of",
    ),
    "no end": (lambda t: t.removesuffix("end\n"), "'end'"),
    "more": (lambda t: t + "\n", "nothing behind it"),
    "nothing": (lambda _: "", "the first line of a weight file"),
    "no text": (lambda t: t.replace("design", "d\xe9sign"), "not readable"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_wrong_file_is_refused_by_both_readers(name, builds, tmp_path):
    build, (change, said) = builds["weights"], WRONG_FILES[name]
    path = tmp_path / "weights.txt"
    path.write_bytes(change(weights_text(build.graph)).encode("latin-1"))
    with pytest.raises(ConfigError, match=re.escape(said)):
        read_weights(path, build.graph)
    assert loaded(build, path)


def test_a_good_file_is_taken_by_the_emulator(build, tmp_path):
    path = tmp_path / "weights.txt"
    write_weights(path, other_numbers(build.graph, 8))
    assert loaded(build, path) == ""
    assert "not readable" in loaded(build, tmp_path / "absent.txt")


def loaded(build, path):
    """What the emulator says of a weight file; nothing where it takes it."""
    library = ctypes.CDLL(str(Emulator(build.graph, build.folder / "emulator", build.cache / "emulator").build()))
    library.example_v1_load.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int64]
    library.example_v1_load.restype = ctypes.c_void_p
    library.example_v1_free.argtypes = [ctypes.c_void_p]
    reason = ctypes.create_string_buffer(300)
    model = library.example_v1_load(str(path).encode(), reason, len(reason))
    library.example_v1_free(model)
    return "" if model else reason.value.decode()


def test_the_emulator_of_python_takes_weight_files(build, tmp_path):
    library = Emulator(build.graph, build.folder / "emulator", build.cache / "emulator").build()
    spec = importlib.util.spec_from_file_location("example_v1", build.folder / "emulator" / "example_v1.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    codes = events(build.graph)
    loaded = []
    for seed in (5, 6):
        other = other_numbers(build.graph, seed)
        path = tmp_path / f"{seed}.txt"
        write_weights(path, other)
        loaded.append((module.load(library, weights=path), other))
    for emulator, graph in [(module.load(library), build.graph), *loaded]:
        assert np.array_equal(emulator.run_codes(codes), evaluate(graph, codes))
    (tmp_path / "wrong.txt").write_text("bittrigger weights 2\n")
    with pytest.raises(ValueError, match="'bittrigger weights 1' is due"):
        module.load(library, weights=tmp_path / "wrong.txt")


HOST = r"""// Loads two weight files into one library, and prints what each model gives for one event.
#include <cstdint>
#include <cstdio>
#include <dlfcn.h>
#include <stdexcept>
#include "hls4ml/emulator.h"
using hls4mlEmulator::Model;

int main(int, char **argv) {
    void *library = dlopen(argv[1], RTLD_LAZY);
    if (!library) { std::puts(dlerror()); return 1; }
    auto create = reinterpret_cast<Model *(*)(const char *)>(dlsym(library, "create_model_from"));
    auto destroy = reinterpret_cast<void (*)(Model *)>(dlsym(library, "destroy_model"));
    Model *models[] = {create(argv[2]), create(argv[3])};
    std::int64_t codes[7], results[3];
    for (int i = 0; i < 7; i++) codes[i] = 30 * i - 90;
    for (Model *model : models) {
        model->prepare_input(static_cast<std::int64_t *>(codes));
        model->predict();
        model->read_result(static_cast<std::int64_t *>(results));
        for (auto code : results) std::printf("%ld ", static_cast<long>(code));
    }
    for (Model *model : models) destroy(model);
    try { create("absent"); } catch (const std::invalid_argument &wrong) { std::puts(wrong.what()); }
}
"""


def test_cmssw_loads_weight_files(build, tmp_path):
    (tmp_path / "extras" / "include" / "hls4ml").mkdir(parents=True)
    (tmp_path / "extras" / "include" / "hls4ml" / "emulator.h").write_text(INTERFACE)
    (tmp_path / "host.cpp").write_text(HOST)
    shutil.copytree(build.folder / "emulator", tmp_path / "emulator")
    command = ["make", "-j2", "CXXFLAGS=-Werror", f"EMULATOR_EXTRAS={tmp_path / 'extras'}"]
    subprocess.run(command, cwd=tmp_path / "emulator", check=True, capture_output=True)
    compile_host = ["g++", "-std=c++17", "-I", tmp_path / "extras" / "include", tmp_path / "host.cpp", "-ldl"]
    subprocess.run([*compile_host, "-o", tmp_path / "host"], check=True, capture_output=True)
    others = [other_numbers(build.graph, seed) for seed in (1, 2)]
    for k, graph in enumerate(others):
        write_weights(tmp_path / f"{k}.txt", graph)
    program = [
        tmp_path / "host",
        tmp_path / "emulator" / "build" / "example_v1.so",
        tmp_path / "0.txt",
        tmp_path / "1.txt",
    ]
    said = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    codes = np.array([[30 * i - 90 for i in range(7)]])
    wanted = [str(code) for graph in others for code in evaluate(graph, codes)[0]]
    assert said.split()[:6] == wanted
    assert "absent: not readable" in said


def test_wrappers_pass_the_bus_on(builds, tmp_path):
    build = builds["weights"]
    design = sorted((build.folder / "rtl").glob("*.sv"))
    for files, top in (
        (emit_axis(build.pipeline, AxisOptions(64, 64), tmp_path / "axis"), "example_axis"),
        (
            emit_emp(
                build.pipeline,
                make_payload(build.graph, build.pipeline.latency_cycles, LinkOptions(tmux=6)),
                tmp_path / "emp",
            ),
            "example_emp",
        ),
    ):
        find_verilator().lint([*design, *files], top, tmp_path / "lint.log")
        assert ".settings_busy(settings_busy)" in files[0].read_text()
    assert "settings_write => settings_write" in (tmp_path / "emp" / "example_emp_links.vhd").read_text()


def test_traces_of_the_emulator_are_of_the_numbers_that_are_held(build, tmp_path):
    codes = events(build.graph)
    for graph in (build.graph, other_numbers(build.graph, 7)):
        found = Emulator(graph, build.folder / "emulator", tmp_path / "cache").layer_codes(codes)
        wanted = evaluate_nodes(graph, codes)
        assert found
        for name, rows in found.items():
            assert np.array_equal(rows, wanted[name]), name


# what was changed by hand, in what the executors and the proof have to read


LOADS = {
    "of another network": (r'if \(lines\.next\(\) != "network \w+"\)', "if (lines.next().empty())"),
    "with a bias that no register holds": (r"if \(held < LO \|\| held > HI\)", "if (held < LO - 1 || held > HI + 1)"),
    "with more behind its end": (r"if \(!lines\.done\(\)\) return", "if (false) return"),
}


@pytest.mark.parametrize("what", LOADS)
def test_an_emulator_that_takes_a_wrong_weight_file_is_noticed(builds, what, tmp_path):
    wanted, instead = LOADS[what]
    with pytest.raises(MismatchError, match=f"takes a weight file {what}"):
        changed_emulator(builds["weights"], wanted, instead, tmp_path).check_entries()


def test_models_of_two_weight_files_are_compared_each_with_its_own(builds, tmp_path):
    with pytest.raises(MismatchError, match="gives other results than its numbers"):
        changed_emulator(
            builds["weights"], r"return model->held;", "static const Held one = model->held;\n    return one;", tmp_path
        ).check_entries()


def changed_emulator(build, wanted, instead, folder):
    """The emulator of ``build`` with another line in what reads weight files."""
    shutil.copytree(build.folder / "emulator", folder / "emulator")
    change(folder / "emulator" / "example_v1_held.cpp", wanted, instead)
    return Emulator(build.graph, folder / "emulator", folder / "cache")


def change(path, wanted, instead):
    before = path.read_text()
    after = re.sub(wanted, instead, before, count=1, flags=re.M)
    assert after != before
    path.write_text(after)


@pytest.mark.parametrize(("wanted", "instead"), [(r"\{1, -1, 0", "{1, 1, 0"), (r"^    6, -22", "    7, -22")])
def test_what_an_hls_project_holds_in_the_beginning_is_compared(builds, wanted, instead, tmp_path):
    build = builds["weights"]
    shutil.copytree(build.folder / "hls", tmp_path / "hls")
    change(tmp_path / "hls" / "firmware" / "example_weigh_dense_0_terms.cpp", wanted, instead)
    with pytest.raises(MismatchError, match="holds in the beginning is not what the design holds"):
        CSim(build.graph, tmp_path / "hls", tmp_path / "cache").check_entries()


def test_an_hls_project_that_keeps_a_weight_is_noticed(builds, tmp_path):
    build = builds["weights"]
    shutil.copytree(build.folder / "hls", tmp_path / "hls")
    path = tmp_path / "hls" / "firmware" / "example_weigh_dense_0_terms.cpp"
    change(path, r"(\w+_weights)\[j\]\[i\];", r"i == 0 && j == 0 ? ap_int<2>(1) : \1[j][i];")
    with pytest.raises(MismatchError, match="given other weights and biases"):
        CSim(build.graph, tmp_path / "hls", tmp_path / "cache").check_entries()


def test_a_weight_file_that_is_gone_is_refuted(builds, tmp_path):
    folder = shutil.copytree(builds["weights"].folder, tmp_path / "build")
    (folder / "weights.txt").unlink()
    seal(folder)
    (claim,) = (c for c in file_claims(copy_build(folder, tmp_path / "work")) if c.verdict is not Verdict.PROVEN)
    assert claim.detail.startswith("weights.txt: missing, or written otherwise")
