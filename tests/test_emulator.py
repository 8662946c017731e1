"""The emulator equals the oracle on every bit, and any number of models and versions live in one process."""

import ctypes
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from bittrigger.emit.emulator import emit_emulator
from bittrigger.errors import ConfigError, InternalError, ToolError, UnsupportedModelError
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Requantize, evaluate, frozen_array, input_intervals
from bittrigger.ir.ports import decode_outputs, encode_events
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.schedule.schedule import Schedule
from bittrigger.simulate.executors.emulator import Emulator

SIGNED8 = FixedPoint(True, 8, 4)
FLAGS = ["-std=c++17", "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-psabi"]


def pipeline_of(graph, adders=None):
    verify(graph)
    return Schedule(100.0).apply(graph, lower_graph_to_trees(graph) | (adders or {}))


def corners(graph, events=50, seed=0):
    rng = np.random.default_rng(seed)
    lows = np.array([i.lo for i in input_intervals(graph)])
    highs = np.array([i.hi for i in input_intervals(graph)])
    zero = np.clip(0, lows, highs)
    hot = np.tile(zero, (2 * lows.size, 1))
    hot[np.arange(lows.size), np.arange(lows.size)] = highs
    hot[lows.size + np.arange(lows.size), np.arange(lows.size)] = lows
    return np.vstack([lows, highs, zero, hot, rng.integers(lows, highs + 1, size=(events, lows.size))])


def build_together(pipelines, folder):
    """One library of all ``pipelines``, each a version of its own: quick to compile, and a test of the namespaces."""
    sources = []
    for version, pipeline in enumerate(pipelines):
        files = emit_emulator(pipeline, folder / f"v{version}", version=version)
        sources += [f'#include "{path}"' for path in files if path.suffix == ".cpp" and "cmssw" not in path.name]
    (folder / "all.cpp").write_text("\n".join(sources) + "\n")
    target = folder / "all.so"
    subprocess.run(["g++", *FLAGS, "-o", target, folder / "all.cpp"], check=True)
    return ctypes.CDLL(str(target))


def call(library, name, inputs, n_outputs, kind=np.int64):
    outputs = np.empty((inputs.shape[0], n_outputs), dtype=kind)
    function = getattr(library, name)
    function.restype = ctypes.c_int64
    pointers = [ctypes.c_void_p(np.ascontiguousarray(inputs).ctypes.data), ctypes.c_void_p(outputs.ctypes.data)]
    return function(*pointers, ctypes.c_int64(inputs.shape[0])), outputs


def check_codes(library, graph, version, codes):
    done, found = call(library, f"{graph.name}_v{version}_run_codes", codes, graph.n_outputs)
    assert done == codes.shape[0]
    np.testing.assert_array_equal(found, evaluate(graph, codes))


def small_net(seed=0, sizes=(16, 24, 5), name="net"):
    rng = np.random.default_rng(seed)
    nodes = [Input("x", sizes[0], SIGNED8, SIGNED8.interval)]
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        weights = rng.integers(-1, 2, size=(n_in, n_out))
        bias = rng.integers(-30, 30, size=n_out)
        nodes.append(Linear(f"dense_{k}", (nodes[-1].name,), frozen_array(weights), frozen_array(bias), 4))
        if k < len(sizes) - 2:
            nodes.append(Requantize(f"relu_{k}", (nodes[-1].name,), n_out, 3, Rounding.RND_CONV, 0, 63, 1))
    return Graph(name, tuple(nodes), (nodes[-1].name,))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A small network, its emitted folder and its executor."""
    folder = tmp_path_factory.mktemp("emulator")
    graph = small_net()
    emit_emulator(pipeline_of(graph), folder / "source")
    executor = Emulator(graph, folder / "source", folder / "cache")
    executor.build()
    return executor


@pytest.mark.parametrize("events", [0, 1, 7, 31, 32, 33, 127, 128, 129, 1000])
def test_any_number_of_events(built, events):
    codes = np.random.default_rng(events).integers(-128, 128, size=(events, 16))
    found = built.run(codes)
    assert found.shape == (events, 5)
    np.testing.assert_array_equal(found, evaluate(built.graph, codes))


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_real_values_are_rounded_to_even_and_saturate(built, kind):
    steps = np.arange(-2 * 140 * 16, 2 * 140 * 16 + 16) / (16 * 16)
    rng = np.random.default_rng(3)
    edge = np.nextafter(steps, np.inf), np.nextafter(steps, -np.inf)
    far = np.array([1e38, -1e38, 5e-324 if kind is np.float64 else 1e-45, -0.0] * 4)
    values = np.concatenate([steps, *edge, far, rng.normal(0, 5, 1600)]).astype(kind).reshape(-1, 16)
    wanted = decode_outputs(built.graph, evaluate(built.graph, encode_events(built.graph, values)))
    np.testing.assert_array_equal(built.run_values(values), wanted)


def test_a_bad_event_is_named_and_the_events_before_it_are_done(built):
    codes = np.zeros((300, 16), dtype=np.int64)
    codes[200, 3] = 128
    with pytest.raises(InternalError, match=r"emulator 'net_v1': event 200: a code lies outside its port"):
        built.run(codes)
    done, found = call(ctypes.CDLL(str(built.build())), "net_v1_run_codes", codes, 5)
    assert done == 200
    np.testing.assert_array_equal(found[:200], evaluate(built.graph, codes[:200]))
    for value in (np.nan, np.inf, -np.inf, 1e300):
        for kind in (np.float32, np.float64):
            values = np.zeros((130, 16), dtype=kind)
            with np.errstate(over="ignore"):
                values[129, 15] = value
            with pytest.raises(ConfigError, match="event 129: an input is not finite; all must be"):
                built.run_values(values)
    with pytest.raises(InternalError, match=r"events of shape \(3, 15\) into a design of 16 inputs"):
        built.run(codes[:3, 1:])


@pytest.mark.parametrize("jobs", [1, 2, 3, 64])
def test_threads_give_the_same_bits_and_name_the_first_bad_event(built, jobs):
    spread = replace(built, jobs=jobs)
    codes = np.random.default_rng(3).integers(-128, 128, size=(25_001, 16))
    wanted = evaluate(built.graph, codes)
    np.testing.assert_array_equal(spread.run(codes), wanted)
    np.testing.assert_array_equal(spread.run_values(codes / 16), decode_outputs(built.graph, wanted))
    assert spread.run(codes[:0]).shape == (0, 5)
    for bad in ([24_000, 12_600], [8_334], [0, 25_000]):
        wrong = codes.copy()
        wrong[bad, 3] = 128
        with pytest.raises(InternalError, match=f"event {min(bad)}: a code lies outside its port"):
            spread.run(wrong)


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """Two versions of one model, another model, and one whose author forgot to raise the version."""
    folder = tmp_path_factory.mktemp("side_by_side")
    nets = [(small_net(1), 1), (small_net(2), 2), (small_net(3, name="other"), 1), (small_net(4), 1)]
    built = []
    for k, (graph, version) in enumerate(nets):
        emit_emulator(pipeline_of(graph), folder / str(k), version=version)
        built.append((graph, version, Emulator(graph, folder / str(k), folder / "cache", version).build()))
    return built


@pytest.mark.parametrize("mode", [ctypes.RTLD_LOCAL, ctypes.RTLD_GLOBAL], ids=["local", "global"])
def test_models_and_versions_side_by_side(mode, libraries):
    loaded = [ctypes.CDLL(str(path), mode=mode) for _, _, path in libraries]
    for (graph, version, _), library in zip(libraries, loaded, strict=True):
        check_codes(library, graph, version, corners(graph, 200))


def test_only_the_interface_is_visible(built):
    table = subprocess.run(
        ["nm", "-D", "--defined-only", built.build()], capture_output=True, text=True, check=True
    ).stdout
    names = {line.split()[-1] for line in table.splitlines()}
    wanted = {"run_codes", "run_values", "run_floats", "encode", "inputs", "outputs"}
    assert names == {f"net_v1_{name}" for name in wanted}
    assert " u " not in table


def test_a_wrong_sign_is_seen(built, tmp_path):
    for path in built.source.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    layer = tmp_path / "net_bitlinear_dense_1.cpp"
    before, after = layer.read_text().split(" - x", 1)
    layer.write_text(f"{before} + x{after}")
    codes = corners(built.graph)
    assert (Emulator(built.graph, tmp_path, tmp_path / "cache").run(codes) != evaluate(built.graph, codes)).any()


def test_the_library_is_built_once(built, monkeypatch):
    again = Emulator(built.graph, built.source, built.cache)
    stamp = built.build().stat().st_mtime_ns
    assert again.build() == built.build()
    assert again.build().stat().st_mtime_ns == stamp
    assert Emulator(built.graph, built.source, built.cache, arch="")._digest("g++") != again._digest("g++")
    monkeypatch.setenv("CXXFLAGS", "-DNO_SUCH_TYPE -include /nonexistent.h")
    with pytest.raises(ToolError, match="failed with exit code 2"):
        Emulator(built.graph, built.source, built.cache / "other").build()
    assert [path.suffix for path in (built.cache / "other").iterdir()] == [".log"]


def test_a_folder_without_the_emulator_is_refused(built, tmp_path):
    with pytest.raises(ConfigError, match=r"no emulator 'net_v2' \(net_v2.cpp is missing\); convert the model again"):
        Emulator(built.graph, built.source, tmp_path, 2).build()


def test_what_cannot_be_emulated_is_refused(tmp_path):
    port = Input("x", 1, FixedPoint(True, 62, 0), FixedPoint(True, 62, 0).interval)
    shifted = Graph("far", (port, Requantize("act", ("x",), 1, 63, Rounding.RND, -1, 1, 0)), ("act",))
    with pytest.raises(
        UnsupportedModelError, match="layer 'act': the emulator would need lanes .* allowed are 64 bits"
    ):
        emit_emulator(pipeline_of(shifted), tmp_path)
    tiny = Graph("tiny", (Input("x", 1, FixedPoint(True, 4, 1001), Interval(-1, 1)),), ("x",))
    with pytest.raises(
        UnsupportedModelError, match="layer 'x': 1001 fractional bits; the emulator allows -1000 to 1000"
    ):
        emit_emulator(pipeline_of(tiny), tmp_path)
    with pytest.raises(ConfigError, match="version -1; expected 0 or more"):
        emit_emulator(pipeline_of(small_net()), tmp_path, version=-1)
    assert not list(tmp_path.iterdir())


def test_a_second_emission_replaces_the_first(tmp_path):
    first = emit_emulator(pipeline_of(small_net()), tmp_path)
    (tmp_path / "mine.cpp").write_text("int mine;\n")
    stamps = {path: path.stat().st_mtime_ns for path in first}
    assert emit_emulator(pipeline_of(small_net()), tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in first} == stamps
    second = emit_emulator(pipeline_of(small_net(sizes=(16, 5))), tmp_path, version=2)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in second} | {"mine.cpp"}


def test_the_python_binding(built):
    script = (
        f"import sys; sys.path.insert(0, {str(built.source)!r})\n"
        "import numpy as np, net_v1\n"
        f"emulator = net_v1.load({str(built.build())!r})\n"
        "x = np.linspace(-9, 9, 160).reshape(10, 16)\n"
        "print(emulator.run(x).tolist(), emulator.run(x.astype(np.float32)).shape, emulator.run_codes(x * 0).tolist()[0])\n"
        "many = np.tile(x, (2000, 1))\n"
        "print((net_v1.load(emulator._library._name, threads=3).run(many) == np.tile(emulator.run(x), (2000, 1))).all())\n"
        "many[15003] = np.nan\n"
        "try:\n    emulator.run(many)\nexcept ValueError as error:\n    print(str(error)[:12])\n"
        "try:\n    emulator.run(x * np.nan)\nexcept ValueError as error:\n    print(str(error)[:8])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    x = np.linspace(-9, 9, 160).reshape(10, 16)
    wanted = decode_outputs(built.graph, evaluate(built.graph, encode_events(built.graph, x)))
    zero = evaluate(built.graph, np.zeros((1, 16), dtype=np.int64))
    assert done.stdout == f"{wanted.tolist()} (10, 5) {zero[0].tolist()}\nTrue\nevent 15003:\nevent 0:\n"


def test_files_name_no_machine(built):
    for path in built.source.iterdir():
        assert str(Path.home()) not in path.read_text()
