"""The emitted C++, compiled by a real g++ against hls4ml's ap_types, equals the oracle on every bit."""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from designs import dynamic_quantizer, rounding_forms
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from strategies import adder_graphs, codes_of, graphs, merged

from bittrigger.emit.hls import HlsOptions, emit_hls
from bittrigger.emit.hls.vectors import reference_codes
from bittrigger.errors import ConfigError, InternalError, ToolError, ToolNotFoundError
from bittrigger.ir.adders import linear_form
from bittrigger.ir.checks import verify
from bittrigger.ir.fixed import FixedPoint, Interval, Rounding
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Requantize, evaluate, frozen_array
from bittrigger.passes.lower_trees import lower_graph_to_trees
from bittrigger.schedule.schedule import Schedule
from bittrigger.simulate.executors.csim import CSim, ap_types_folder

PART = "xcvu13p-flga2577-2-e"
few = settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each example holds many graphs; shrinking costs minutes
)


def pipeline_of(graph):
    return Schedule(200.0).apply(graph, lower_graph_to_trees(graph))


def emitted(graph, folder, **options):
    emit_hls(pipeline_of(graph), folder, HlsOptions(PART, **options))
    return CSim(graph, folder, folder / "cache")


def mlp(name="net", sizes=(5, 9, 4, 3), seed=0, peak=1):
    rng = np.random.default_rng(seed)
    nodes = [Input("x", sizes[0], FixedPoint(True, 8, 4), Interval(-128, 127))]
    for k, (n_in, n_out) in enumerate(pairwise(sizes)):
        weights = rng.integers(-peak, peak + 1, size=(n_in, n_out))
        bias = rng.integers(-30, 30, size=n_out)
        nodes.append(Linear(f"dense_{k}", (nodes[-1].name,), frozen_array(weights), frozen_array(bias), 4))
        if k < len(sizes) - 2:
            nodes.append(Requantize(f"relu_{k}", (nodes[-1].name,), n_out, 2, Rounding.RND_CONV, 0, 63, 2))
    graph = Graph(name, tuple(nodes), (nodes[-1].name,))
    verify(graph)
    return graph


def assert_equal(csim, codes):
    np.testing.assert_array_equal(csim.run(codes), evaluate(csim.graph, codes))


@few
@given(st.data())
def test_random_graphs_equal_the_oracle(tmp_path_factory, data):
    graph = merged(data.draw(st.lists(graphs(), min_size=12, max_size=12)))
    codes = np.vstack([data.draw(codes_of(graph, events=60)), reference_codes(graph, 0)])
    csim = emitted(graph, tmp_path_factory.mktemp("hls"))
    assert_equal(csim, codes)


@few
@given(st.data())
def test_random_graphs_in_loop_form_equal_the_oracle(tmp_path_factory, data):
    graph = merged(data.draw(st.lists(graphs(), min_size=12, max_size=12)))
    codes = np.vstack([data.draw(codes_of(graph, events=60)), reference_codes(graph, 0)])
    folder = tmp_path_factory.mktemp("hls")
    csim = emitted(graph, folder, max_unrolled=0)
    assert any("bittrigger::" in path.read_text() for path in (folder / "firmware").glob("*linear_*.cpp"))
    assert_equal(csim, codes)


@pytest.mark.parametrize("highest_code", [-18, -1, 0, 5])
def test_a_dynamic_scale_of_codes_that_lie_below_what_rounding_adds(tmp_path, highest_code):
    port = Input("x", 2, FixedPoint(True, 6, 0), Interval(-32, highest_code))
    quantizer = dynamic_quantizer("q", ("x",), 2, bits=5, signed=True, base=0, highest=2)
    graph = Graph("below", (port, *quantizer), ("q", "q_exponent"))
    verify(graph)
    every = np.arange(-32, highest_code + 1)
    assert_equal(emitted(graph, tmp_path), np.stack(np.meshgrid(every, every), axis=-1).reshape(-1, 2))


@few
@given(st.data())
def test_random_adder_graphs_equal_the_oracle(tmp_path_factory, data):
    nodes, adders = [], {}
    for k, solved in enumerate(data.draw(st.lists(adder_graphs(), min_size=12, max_size=12))):
        ports = [Input(f"x{k}_{i}", 1, FixedPoint.holding(span, 0), span) for i, span in enumerate(solved.inputs)]
        weights, bias = linear_form(solved)
        node = Linear(f"dense_{k}", tuple(port.name for port in ports), frozen_array(weights), frozen_array(bias), 0)
        nodes += [*ports, node]
        adders[node.name] = solved
    graph = Graph("adders", tuple(nodes), tuple(adders))
    folder = tmp_path_factory.mktemp("hls")
    chunked = data.draw(st.sampled_from([1, 3, 64]))
    options = HlsOptions(PART, adders_per_function=chunked, adders_per_file=5 * chunked)
    emit_hls(Schedule(200.0).apply(graph, adders), folder, options)
    codes = np.vstack([data.draw(codes_of(graph, events=60)), reference_codes(graph, 0)])
    assert_equal(CSim(graph, folder, folder / "cache"), codes)


@pytest.mark.parametrize("signed", [True, False])
def test_every_rounding_shift_and_clip_on_every_code(tmp_path, signed):
    kind = FixedPoint(signed, 6, 0)
    nodes = [Input("x", 1, kind, kind.interval)]
    for shift in (-2, 0, 1, 2, 4, 9):
        for rounding, offset in rounding_forms(shift):
            for lo, hi in ((-999, 999), (0, 5), (-3, 4)):
                name = f"q{len(nodes)}"
                nodes.append(Requantize(name, ("x",), 1, shift, rounding, lo, hi, 0, offset))
    graph = Graph("rounding", tuple(nodes), tuple(node.name for node in nodes[1:]))
    codes = np.arange(kind.interval.lo, kind.interval.hi + 1)[:, None]
    assert_equal(emitted(graph, tmp_path), codes)


def test_lookups_as_comparisons_and_as_tables(tmp_path):
    rng = np.random.default_rng(1)
    wide = FixedPoint(True, 14, 0)
    nodes = [
        Input("s", 3, FixedPoint(True, 8, 0), Interval(-128, 127)),
        Input("u", 2, FixedPoint(False, 8, 0), Interval(3, 200)),
        Input("w", 1, wide, wide.interval),
    ]
    starts = tuple(range(-128, 128, 5)), (-500, -3, 4), (-128,)
    nodes.append(Lookup("a", ("s",), starts, tuple(tuple(rng.integers(-9, 99, len(s))) for s in starts), 0))
    starts = tuple(range(0, 256, 3)), tuple(range(0, 256, 3))
    nodes.append(Lookup("b", ("u",), starts, tuple(tuple(range(len(s))) for s in starts), 0))
    starts = (tuple(range(wide.interval.lo, wide.interval.hi, 700)),)
    nodes.append(Lookup("c", ("w",), starts, tuple(tuple(rng.integers(0, 1 << 40, len(s))) for s in starts), 0))
    nodes = [
        *nodes[:3],
        *(Lookup(n.name, n.inputs, n.starts, tuple(tuple(map(int, v)) for v in n.values), 0) for n in nodes[3:]),
    ]
    graph = Graph("three", tuple(nodes), ("a", "b", "c"))
    csim = emitted(graph, tmp_path)
    firmware = tmp_path / "firmware"
    assert "static const signed char table[]" in (firmware / "three_lookup_a.cpp").read_text()
    assert "table" not in (firmware / "three_lookup_c.cpp").read_text()
    assert (firmware / "three_lookup_b.cpp").read_text().count("static inline") == 1, "equal channels share a function"
    codes = np.vstack([reference_codes(graph, 0), *(reference_codes(graph, 2000)[-2000:],)])
    codes = np.vstack([codes, [[c - 128] * 3 + [min(200, max(3, c))] * 2 + [c] for c in range(256)]])
    assert_equal(csim, codes)


def test_wide_codes_and_constants(tmp_path):
    kind = FixedPoint(True, 34, 40)
    weights = np.array([[1, 1 << 26, -(1 << 26)], [-1, 3, 0]])
    bias = np.array([1 << 40, -(1 << 45), 5])
    graph = Graph(
        "wide",
        (
            Input("x", 2, kind, kind.interval),
            Linear("dense", ("x",), frozen_array(weights), frozen_array(bias), 40),
            Requantize("act", ("dense",), 3, 20, Rounding.RND_ZERO, -(1 << 36), 1 << 36, 20),
        ),
        ("act", "dense"),
    )
    verify(graph)
    codes = reference_codes(graph, 200)
    assert_equal(emitted(graph, tmp_path / "a"), codes)
    assert_equal(emitted(graph, tmp_path / "b", max_unrolled=0), codes)


@pytest.mark.parametrize("peak", [1, 5])
def test_reuse_factors_equal_the_oracle(tmp_path, peak):
    graph = mlp(sizes=(40, 9, 7, 5), peak=peak)
    csim = emitted(graph, tmp_path, reuse_factor={"dense_0": 4, "dense_1": 7, "dense_2": 1})
    assert_equal(csim, reference_codes(graph, 300))


def test_columns_with_powers_of_two_in_loop_form(tmp_path):
    weights = np.array([[1, 0, -4, 0], [0, 0, 4, 2], [-1, 0, 4, -2]])
    graph = Graph(
        "scaled",
        (
            Input("x", 3, FixedPoint(False, 5, 0), Interval(0, 31)),
            Linear("dense", ("x",), frozen_array(weights), frozen_array(np.array([0, 3, -2, 1])), 0),
        ),
        ("dense",),
    )
    assert_equal(emitted(graph, tmp_path, reuse_factor={"dense": 3}), reference_codes(graph))


def test_files_and_functions_of_any_size_agree(tmp_path):
    graph = mlp(sizes=(12, 20, 6), seed=3)
    csim = emitted(graph, tmp_path, adders_per_function=2, adders_per_file=25)
    assert len(list((tmp_path / "firmware").glob("net_bitlinear_dense_0_part_*.cpp"))) > 3
    assert_equal(csim, reference_codes(graph))


@pytest.mark.parametrize("standard", ["c++11", "c++17", "c++23"])
def test_sources_are_clean_in_every_standard(tmp_path, standard):
    graph = merged([mlp("a"), mlp("b", peak=5), mlp("c")], "clean")
    emit_hls(pipeline_of(graph), tmp_path, HlsOptions(PART, reuse_factor={"g2_dense_0": 3}))
    flags = ["-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-label", "-fsyntax-only"]
    text = "".join(f'#include "{path}"\n' for path in sorted((tmp_path / "firmware").glob("*.cpp")))
    command = ["g++", f"-std={standard}", *flags, f"-I{tmp_path}", f"-I{tmp_path / 'firmware'}"]
    text += '#include "clean_test.cpp"\n'
    command += ["-isystem", str(ap_types_folder()), "-x", "c++", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def make(folder, *arguments):
    command = ["make", "-j2", f"AP_TYPES={ap_types_folder()}", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_testbench_passes_and_fails_as_it_should(tmp_path):
    graph = mlp(sizes=(3, 4, 2))
    emit_hls(pipeline_of(graph), tmp_path, HlsOptions(PART))
    done = make(tmp_path, "check")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert "PASS: 109 events agree on every bit" in done.stdout
    expected = tmp_path / "tb_data" / "tb_output.dat"
    good = expected.read_text()
    lines = good.splitlines()
    first, second = lines[7].split()
    corrupt = [*lines[:7], f"{first} {int(second) ^ 1}", *lines[8:]]
    for text, message in (
        ("\n".join(corrupt) + "\n", f"event 7, output 1: code {second}, expected {int(second) ^ 1}"),
        ("\n".join(lines[:-1]) + "\n", "ends before event 108"),
        (good + "1\n", "do not hold equally many events"),
        ("", "ends before event 0"),
    ):
        expected.write_text(text)
        done = make(tmp_path, "check")
        assert done.returncode != 0
        assert message in done.stderr
    (tmp_path / "tb_data" / "tb_input.dat").write_text("")
    assert "FAIL: 0 of 0 events differ" in make(tmp_path, "check").stderr
    expected.unlink()
    assert "cannot open tb_data/tb_output.dat" in make(tmp_path, "check").stderr


def test_nothing_unchanged_is_compiled_again(tmp_path):
    compiled = []

    def build(graph):
        emit_hls(pipeline_of(graph), tmp_path, HlsOptions(PART))
        compiled.clear()
        csim = CSim(graph, tmp_path, tmp_path / "cache", on_compiled=lambda done, total: compiled.append((done, total)))
        assert_equal(csim, reference_codes(graph, 5))
        return csim.build()

    first = build(mlp(seed=1))
    assert compiled == [(1, 1)]
    assert build(mlp(seed=1)) == first
    assert compiled == []
    second = build(mlp(seed=2))
    assert compiled == [(1, 1)]
    assert second != first
    assert build(mlp(seed=1)) == first
    assert compiled == []
    assert not list((tmp_path / "cache").glob(".*")), "no scratch file stays behind"


def test_a_large_design_is_several_units_and_one_change_compiles_one(tmp_path, monkeypatch):
    monkeypatch.setattr("bittrigger.simulate.executors.csim.UNIT_BYTES", (1, 1))
    graph = mlp(sizes=(3, 4, 2))
    csim = emitted(graph, tmp_path)
    seen = []
    csim = CSim(graph, tmp_path, tmp_path / "cache", jobs=2, on_compiled=lambda done, total: seen.append((done, total)))
    assert_equal(csim, reference_codes(graph, 5))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)], "the top and three layers"
    source = tmp_path / "firmware" / "net_bitlinear_dense_1.cpp"
    source.write_text(source.read_text() + "// changed\n")
    seen.clear()
    CSim(graph, tmp_path, tmp_path / "cache", on_compiled=lambda done, total: seen.append((done, total))).build()
    assert seen == [(1, 1)]


def test_builds_of_one_folder_at_the_same_time(tmp_path):
    graph = mlp()
    emitted(graph, tmp_path)
    codes = reference_codes(graph, 20)
    script = (
        "import sys; from pathlib import Path; from bittrigger.simulate.executors.csim import CSim; import test_csim as t;"
        f"print(CSim(t.mlp(), Path({str(tmp_path)!r}), Path({str(tmp_path / 'cache')!r})).build())"
    )
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).parents[1]}:{Path(__file__).parent}"}
    with ThreadPoolExecutor(2) as pool:
        runs = list(
            pool.map(
                lambda _: subprocess.run(
                    [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
                ),
                range(2),
            )
        )
    assert len({run.stdout for run in runs}) == 1
    assert_equal(CSim(graph, tmp_path, tmp_path / "cache"), codes)


def test_designs_of_one_name_in_one_process_keep_apart(tmp_path):
    graphs_ = [mlp(seed=seed) for seed in range(2)]
    runs = [emitted(graph, tmp_path / str(seed)) for seed, graph in enumerate(graphs_)]
    for csim in runs + runs[::-1]:
        assert_equal(csim, reference_codes(csim.graph, 10))


def test_wrong_shapes_are_refused(tmp_path):
    csim = CSim(mlp(), tmp_path, tmp_path)
    with pytest.raises(InternalError, match=r"codes of shape \(2, 4\) into a design of 5 inputs"):
        csim.run(np.zeros((2, 4), dtype=np.int64))


def test_no_events_and_other_integer_types(tmp_path):
    csim = emitted(mlp(), tmp_path)
    assert csim.name == "csim"
    assert csim.run(np.zeros((0, 5), dtype=np.int64)).shape == (0, 3)
    codes = reference_codes(csim.graph, 9)
    strided = np.asfortranarray(codes.astype(np.int16))
    np.testing.assert_array_equal(csim.run(strided), evaluate(csim.graph, codes))


def test_missing_project(tmp_path):
    with pytest.raises(
        ConfigError, match=r"no HLS project of 'net': firmware/net_codes.h is missing; convert the model"
    ):
        CSim(mlp(), tmp_path, tmp_path / "cache").run(np.zeros((1, 5), dtype=np.int64))


def test_missing_compiler(tmp_path, monkeypatch):
    csim = emitted(mlp(), tmp_path)
    monkeypatch.setenv("BITTRIGGER_GXX", "no-such-compiler")
    with pytest.raises(
        ToolNotFoundError, match=r"program 'g\+\+' not found; looked in BITTRIGGER_GXX=no-such-compiler"
    ):
        csim.build()


def test_missing_headers(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ToolNotFoundError, match=r"header 'ap_int.h' not found.*pip install"):
        ap_types_folder()


def test_sources_that_do_not_compile(tmp_path):
    csim = emitted(mlp(), tmp_path)
    (tmp_path / "firmware" / "net_bitlinear_dense_0.cpp").write_text("#error broken on purpose\n")
    with pytest.raises(ToolError, match="broken on purpose") as caught:
        csim.build()
    log = Path(str(caught.value).split("full log: ")[1].splitlines()[0])
    assert "firmware/net_bitlinear_dense_0.cpp:1:2: error: #error broken on purpose" in log.read_text()
    assert not list((tmp_path / "cache").glob("*.o"))


def test_neither_hls4ml_nor_tensorflow_is_imported():
    script = (
        "import sys; from bittrigger.simulate.executors.csim import ap_types_folder; ap_types_folder();"
        "sys.exit(bool({'hls4ml', 'tensorflow'} & set(sys.modules)))"
    )
    subprocess.run(
        [sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[1], capture_output=True, text=True
    )


def test_a_corrupted_source_is_seen(tmp_path):
    """The comparison itself works: one changed constant makes the C-simulation differ."""
    graph = mlp()
    csim = emitted(graph, tmp_path)
    source = tmp_path / "firmware" / "net_bitlinear_dense_0.cpp"
    text = source.read_text()
    assert " + x[" in text
    source.write_text(text.replace(" + x[", " - x[", 1))
    codes = reference_codes(graph)
    assert (csim.run(codes) != evaluate(graph, codes)).any()
    shutil.rmtree(tmp_path / "cache")
