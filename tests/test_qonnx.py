"""ONNX files with the quantisers of QONNX, read without onnx; `test_qonnx_bits.py` compares them with qonnx itself."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from onnx_files import (
    CASES,
    GENERAL,
    Net,
    attribute,
    file_of,
    linear,
    model,
    network,
    node,
    sized,
    tensor,
    value_info,
    whole,
)

from bittrigger.cli import cli
from bittrigger.compile.foreign import foreign_graph
from bittrigger.errors import ConfigError, MismatchError, UnsupportedModelError
from bittrigger.frontend.qonnx.file import read_onnx
from bittrigger.frontend.qonnx.read import read_qonnx
from bittrigger.ir.basis import Grade, Reference
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import evaluate, frozen_array
from bittrigger.settings import Settings
from bittrigger.simulate.vectors import random_codes

DIGESTS = {
    "dense": "441a154fba3069d5",
    "brevitas": "2eec81d0a4eb199d",
    "qkeras": "256403fb66ff0449",
    "normalised": "7622b10c3e3ffb54",
    "convolution": "31fcd9309948a1aa",
    "grouped": "8cb703a8233f6c50",
    "channels last": "e1a2225bff87651b",
    "from Keras": "244881197eafde75",
    "residual": "492724357e48ae74",
    "scaled residual": "0409c2823d2a18de",
    "attention": "6fad05eb88976882",
    "bipolar": "66dd5ff2f625267e",
    "roundings": "ae46f0a28a9b3b85",
    "zero points": "093023a9ac4769ca",
    "truncated": "d9695774bfdf3fa6",
    "functions": "527b51650bffd6aa",
    "moved": "cab78eca930f7341",
    "QCDQ": "9689f5fafdd7a1dd",
    "resized": "a18c984ed8201a1e",
}
"""Of the outputs for 200 events, which `make test-qonnx` compares with qonnx."""


def read(tmp_path, data, **settings):
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    return read_qonnx(path, "net", Settings(**settings))


def digest(graph):
    outputs = evaluate(graph, random_codes(graph, 200, 1)).astype("<i8")
    return hashlib.sha256(outputs.tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("name", CASES)
def test_the_bits_of_a_file_stay(tmp_path, name):
    graph = read(tmp_path, network(name))
    assert graph.basis.reference is Reference.QONNX
    assert digest(graph) == DIGESTS[name]


@pytest.mark.parametrize("name", CASES)
def test_nodes_one_after_the_other_give_the_same(tmp_path, name):
    path = tmp_path / "net.onnx"
    path.write_bytes(network(name, 3))
    graph = foreign_graph(path, Settings())
    measured = graph.basis.measured
    assert measured.events > 500
    if graph.basis.grade is Grade.EXACT:
        assert (measured.float32.events, measured.float64) == (0, None)
    else:
        assert measured.float64.events == 0
        assert measured.float32.events < measured.events // 5


def test_a_wrong_bit_is_noticed(tmp_path, monkeypatch):
    path = tmp_path / "net.onnx"
    path.write_bytes(network("dense"))
    graph = read_qonnx(path, "net", Settings())
    first, *others = graph.nodes
    matrix = others[0]
    wrong = replace(matrix, bias=frozen_array(matrix.bias + np.eye(1, matrix.bias.size, dtype=np.int64)[0]))
    monkeypatch.setattr(
        "bittrigger.frontend.qonnx.read.lower_onnx", lambda *_: replace(graph, nodes=(first, wrong, *others[1:]))
    )
    with pytest.raises(MismatchError, match="the nodes of the file in float32 and the oracle differ"):
        foreign_graph(path, Settings())


def small(net):
    x = net.quant("x", 0.25, 4)
    return net.finish(net.add("MatMul", x, net.constant(np.array([[1, 2], [-1, 0], [3, 1]]))))


def test_values_are_those_of_the_matrix(tmp_path):
    graph = read(tmp_path, small(Net((3,))))
    codes = np.array([[4, -8, 7], [1, 1, 1]])
    assert np.array_equal(evaluate(graph, codes), codes @ [[1, 2], [-1, 0], [3, 1]])
    assert (graph.inputs[0].frac, graph[graph.outputs[0]].frac) == (2, 2)
    assert graph.basis.grade is Grade.EXACT


def test_a_file_of_numbers_in_fields_of_their_kind_is_the_same(tmp_path):
    """Constants come as raw bytes, or as a list of floats or integers."""
    graph = read(tmp_path, small(Net((3,))))
    floats = np.array([[1, 2], [-1, 0], [3, 1]], dtype=np.float32)
    listed = whole(1, 3) + whole(1, 2) + whole(2, 1) + sized(4, floats.tobytes()) + sized(8, "w")
    packed = sized(1, bytes([3, 2])) + whole(2, 1) + sized(4, floats.tobytes()) + sized(8, "w")
    for numbers in (listed, packed):
        net = Net((3,))
        x = net.quant("x", 0.25, 4)
        net.constants.append(numbers)
        other = read(tmp_path, net.finish(net.add("MatMul", x, "w")))
        codes = random_codes(graph, 50, 1)
        assert np.array_equal(evaluate(graph, codes), evaluate(other, codes))


def test_a_transposition_moves_nothing(tmp_path):
    """Images are kept channels last, so that what stands around a convolution of a converter takes no wire."""
    net = Net((4, 4, 2))
    x = net.add("Transpose", net.quant("x", 0.25, 4), perm=[0, 3, 1, 2])
    x = net.add("Transpose", net.add("Conv", x, net.weights(3, 2, 1, 1)), perm=[0, 2, 3, 1])
    graph = read(tmp_path, net.finish(x))
    assert [type(one).__name__ for one in graph.nodes] == ["Input", "Linear"]
    assert graph.nodes[1].copies == 16


def test_a_scale_is_not_multiplied_with_before_the_next_quantiser(tmp_path):
    graph = read(tmp_path, network("brevitas"))
    assert graph.basis.grade is Grade.IDEAL
    assert any("divides by 0.0917, which is no power of two" in reason for reason in graph.basis.ideal)
    matrices = [one.weights for one in graph.nodes if one.name in ("Gemm_3", "Gemm_7")]
    assert [np.abs(matrix).max() for matrix in matrices] == [7, 7]  # 4 bits, and no factor of 24


def test_the_exact_grade_can_be_required(tmp_path):
    assert read(tmp_path, network("dense"), require="exact").basis.grade is Grade.EXACT
    with pytest.raises(UnsupportedModelError, match=r"'Quant_0': it divides by 0\.0917, .*leave out --require exact"):
        read(tmp_path, network("brevitas"), require="exact")


def test_sentences_speak_of_no_other_framework(tmp_path):
    for name in CASES:
        basis = read(tmp_path, network(name)).basis
        assert "Keras" not in " ".join((*basis.ideal, *basis.chosen))


REFUSED = {
    "operator 'NonZero': how many results it has depends on the event; allowed are fixed shapes": lambda net: net.add(
        "NonZero", "x"
    ),
    "operator 'Nothing' is not read; allowed are MatMul,": lambda net: net.add("Nothing", "x"),
    "operator 'Quant' of elsewhere is not read": lambda net: net.add("Quant", "x", domain="elsewhere"),
    "its kernel is float; allowed are kernels behind a Quant": lambda net: net.add(
        "MatMul", net.quant("x", 0.25, 4), net.random.normal(size=(3, 2)).astype("float32")
    ),
    "its input 1 is no constant; allowed are fixed parameters": lambda net: net.add(
        "Quant", "x", "x", 0.0, 4.0, domain=GENERAL
    ),
    "it divides by a value of the event": lambda net: net.add("Div", "x", "x"),
    r"its rounding_mode is 'ODD'; allowed are ROUND, FLOOR": lambda net: net.quant("x", 1.0, 4, mode="ODD"),
    "its scale or zero point is another than that of its QuantizeLinear": lambda net: net.add(
        "DequantizeLinear", net.add("QuantizeLinear", "x", np.float32(0.25)), np.float32(0.5)
    ),
    "it reads integers of a QuantizeLinear; allowed is a DequantizeLinear": lambda net: net.add(
        "Relu", net.add("QuantizeLinear", "x", np.float32(0.25))
    ),
    "its scale is negative; allowed are positive": lambda net: net.add(
        "Relu",
        net.add(
            "DequantizeLinear",
            net.add(
                "MaxPool",
                net.add("QuantizeLinear", net.add("Reshape", "x", net.constant([1, 1, 3], "int64")), np.float32(0.5)),
                kernel_shape=[1],
            ),
            np.float32(-0.3),
        ),
    ),
    "its scale is negative; allowed": lambda net: net.add("QuantizeLinear", "x", np.float32(-0.5)),
    "its bias is no constant of integers; allowed are integers below 16,777,216": lambda net: net.add(
        "QGemm",
        net.add("QuantizeLinear", "x", np.float32(0.5)),
        np.float32(0.5),
        net.constant(0, "uint8"),
        net.constant(np.ones((3, 2)), "int8"),
        np.float32(0.5),
        net.constant(0, "int8"),
        net.constant([-(1 << 31), 1], "int32"),
        np.float32(0.5),
        net.constant(0, "uint8"),
        domain="com.microsoft",
    ),
    "its zero point is of the type int32": lambda net: linear(net, "x", 0.25, 32, "int32"),
    "it reads values; allowed are integers": lambda net: net.add("DequantizeLinear", "x", np.float32(0.25)),
    "it makes integers up to 33,554,431 of a port; allowed are 24 bits and a sign": lambda net: net.quant("x", 1.0, 26),
    r"factors \[1.0, 1.5\]; allowed are whole ones": lambda net: net.add(
        "Resize", net.quant("x", 0.25, 4), "", np.float32([1, 1.5])
    ),
    "linear, round_prefer_floor, half_pixel; allowed is nearest": lambda net: net.add(
        "Resize", net.quant("x", 0.25, 4), "", np.float32([1, 2]), mode="linear"
    ),
    "its integers are typed by output_dtype; allowed is a zero point": lambda net: net.add(
        "DequantizeLinear", net.add("QuantizeLinear", "x", np.float32(0.25), output_dtype=3), np.float32(0.25)
    ),
    "it names axes, or keeps a ratio": lambda net: net.add(
        "Resize", net.quant("x", 0.25, 4), "", np.float32([2, 1]), axes=[1, 0]
    ),
    r"keeps a ratio \(not_larger\)": lambda net: net.add(
        "Resize", net.quant("x", 0.25, 4), "", "", net.constant([1, 6], "int64"), keep_aspect_ratio_policy="not_larger"
    ),
    "allowed are orders that leave the batch in front": lambda net: net.add("Transpose", "x", perm=[1, 0]),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refusals_name_the_node_and_the_way_out(tmp_path, message):
    net = Net((3,))
    made = REFUSED[message](net)
    with pytest.raises(UnsupportedModelError, match=rf"node '.*' \(.*\): .*{message}"):
        read(tmp_path, net.finish(made))


def test_names_of_the_file_are_not_written_over(tmp_path):
    """Names that are made up for what stands within a node, or behind a declared type, are none that the file has."""

    def build(net, *taken):
        for name, value in taken:
            net.constants.append(tensor(name, np.asarray(value, dtype="float32")))
        x = net.add("QuantizeLinear", "x", np.float32(0.5), net.constant(0, "int8"))
        x = net.add("MatMulInteger", x, net.constant([[1, 2, 0], [-1, 0, 3], [3, 1, 1]], "int8"))
        x = net.add("Cast", x, to=1)
        return net.add("Mul", x, taken[0][0] if taken else np.eye(3)[0] * 4 + 2)

    names = ("t1_0#1", "t3_0#scale", "t3_0#bits")
    made = [
        read_of(tmp_path, lambda net, taken=taken: build(net, *taken), (3,), declared={"Mul_3": "fixed<8,6>"})
        for taken in [(), *[((name, [6, 2, 2]),) for name in names]]
    ]
    codes = random_codes(made[0], 50, 1)
    assert len({evaluate(graph, codes).tobytes() for graph in made}) == 1


def test_a_graph_within_a_node_is_refused(tmp_path):
    branch = node("If", ["x"], ["y"], then_branch=sized(6, b"") + whole(20, 5))
    ends = sized(11, value_info("x", (1, 3))) + sized(12, value_info("y", ()))
    with pytest.raises(UnsupportedModelError, match="a graph within a node: loops and branches"):
        read(tmp_path, model(sized(1, branch) + ends))
    assert attribute("axis", 1)


def test_other_settings_of_keras_models_are_refused(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(network("dense"))
    for settings, option in (
        (Settings(head_bits=8), "--head-bits"),
        (Settings(layer_precision={"a": "fixed<8,4>"}), "--layer-p"),
    ):
        with pytest.raises(ConfigError, match=option):
            foreign_graph(path, settings)


def test_a_file_becomes_firmware_that_is_proven(tmp_path):
    path = tmp_path / "tagger.onnx"
    path.write_bytes(network("qkeras"))
    out = tmp_path / "build"
    command = ["convert", str(path), "-o", str(out), "--effort", "fast", "--no-synth", "--prove", "--simulate"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    assert json.loads((out / "report.json").read_text())["grade"]["reference"] == "qonnx"
    assert "every bit of the ONNX graph's own float32 result" in done.output


def test_neither_onnx_nor_tensorflow_is_imported(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(network("functions"))
    code = (
        "import sys, pathlib\nfrom bittrigger.frontend.qonnx.read import read_qonnx\nfrom bittrigger.settings import Settings\n"
        f"read_qonnx(pathlib.Path({str(path)!r}), 'net', Settings())\n"
        "assert not {'onnx', 'tensorflow', 'hls4ml', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(filter(None, sys.path))})


def test_events_type_a_port_that_nothing_else_does(tmp_path):
    net = Net((3,))
    path = tmp_path / "net.onnx"
    path.write_bytes(net.finish(net.add("MatMul", "x", net.weights(3, 2))))
    events = np.array([[0.5, -1.25, 3.0]])
    graph = foreign_graph(path, Settings(), events)
    assert str(graph.inputs[0].type) == "ap_fixed<5,3>"
    assert np.array_equal(decode(np.array([[2, -5, 12]]), graph.inputs[0].frac), events)


def test_the_names_of_the_file_are_read(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(network("convolution"))
    found = read_onnx(path)
    assert found.inputs == {"x": (1, 3, 6, 5)}
    assert (found.opset, len(found.outputs)) == (13, 1)


def read_of(tmp_path, build, shape=(4,), declared=None, **settings):
    path = tmp_path / "net.onnx"
    path.write_bytes(file_of(build, shape, **settings))
    return foreign_graph(path, Settings(layer_precision=declared or {}))


def test_a_quantiser_that_does_not_say_whether_it_is_signed_is_refused(tmp_path):
    with pytest.raises(UnsupportedModelError, match="it does not say signed and narrow; allowed are 0 and 1"):
        read_of(tmp_path, lambda net: net.add("Quant", "x", 0.25, 0.0, 4.0, domain=GENERAL))


@pytest.mark.parametrize("moves", ["Identity", "Dropout", "Transpose", "output"])
def test_a_bias_is_no_other_readers_whatever_stands_between(tmp_path, moves):
    """A node that moves nothing has the layer before it for its own: a bias behind it is not one for what else reads that."""
    weights = np.array([[1, -1, 0, 2], [0, 1, 1, -2], [1, 0, -1, 1], [-1, 1, 1, 0]])

    def build(net):
        sums = net.add("MatMul", net.quant("x", 0.25, 4), net.constant(weights))
        more = {"perm": [0, 1]} if moves == "Transpose" else {}
        moved = net.add("Identity" if moves == "output" else moves, sums, **more)
        ends = net.add("Add", moved, np.float32([0.5, -1, 2, 3]))
        return ends if moves == "output" else net.add("Sub", ends, net.add("Relu", sums)), sums

    net = Net((4,))
    path = tmp_path / "net.onnx"
    path.write_bytes(net.finish(*build(net)))
    graph = foreign_graph(path, Settings())
    codes = random_codes(graph, 50, 1)
    sums = codes @ weights
    first = sums + np.array([2, -4, 8, 12]) - (0 if moves == "output" else np.maximum(sums, 0))
    assert np.array_equal(evaluate(graph, codes), np.concatenate([first, sums], axis=1))


def undone(*between, scale=0.1, frac=0, mode="ROUND"):
    """Integers times a scale, perhaps a node or two, and a quantiser of that scale, which divides by it."""

    def build(net):
        x = net.add("Mul", net.quant("x", 2.0**-frac, 5), np.float32(scale))
        for kind, options in between:
            x = net.add(kind, *((x, x) if kind in ("Add", "Concat") else (x,)), **options)
        return net.quant(x, scale, 6, mode=mode)

    return build


CUT = ("AveragePool", {"kernel_shape": [2, 2]})


@pytest.mark.parametrize(("build", "sure"), [
    (undone(), True),
    (undone(("MaxPool", {"kernel_shape": [2, 2]}), ("Relu", {}), ("Add", {}), ("Concat", {"axis": 1})), True),
    (undone(("ReduceSum", {"axes": [2, 3]})), True),
    (undone(frac=1), False),
    (undone(mode="FLOOR"), False),
    (undone(CUT), False),
    (undone(CUT, scale=0.25), True),
])  # fmt: skip
def test_what_float32_does_not_undo_is_not_exact(tmp_path, build, sure):
    """``x * s / s`` is beside ``x``: between two integers that decides, and numbers of which none is halved are safe."""
    graph = read_of(tmp_path, build, (2, 4, 4), opset=12)
    assert any("float32 is not sure" in reason for reason in graph.basis.ideal) is not sure


def test_a_truncation_of_a_mean_is_refused(tmp_path):
    """It rounds to whole steps before it drops bits, and the mean of four lies between them."""

    def build(net):
        x = net.add("AveragePool", net.quant("x", 0.1, 8), kernel_shape=[2, 2])
        return net.add("Trunc", x, 0.1, 0.0, 8.0, 0.2, 7.0, domain=GENERAL)

    with pytest.raises(UnsupportedModelError, match="what it truncates is not in steps of its scale"):
        read_of(tmp_path, build, (1, 2, 2))


def test_a_truncation_rounds_finer_steps_to_its_own_first(tmp_path):
    def build(net):
        x = net.quant("x", 2.0**-6, 8)
        return net.add("Trunc", x, 2.0**-4, 0.0, 6.0, 2.0**-2, 6.0, domain=GENERAL, rounding_mode="FLOOR")

    graph = read_of(tmp_path, build)
    assert evaluate(graph, np.array([[13, 14, -3, 127]])).tolist() == [[0, 1, -1, 8]]
    with pytest.raises(UnsupportedModelError, match="a scale of each channel"):
        read_of(tmp_path, lambda net: net.add(
            "Trunc", net.quant("x", 0.25, 8), 0.25, 0.0, 8.0, np.float32([1, 2, 1, 1]), 5.0, domain=GENERAL))  # fmt: skip


def test_a_shape_may_be_a_part_of_it(tmp_path):
    def build(net):
        x = net.quant("x", 0.25, 5)
        last = net.add("Shape", x, start=2)
        shape = net.add("Concat", net.constant([1, -1], "int64"), last, axis=0)
        return net.add("ReduceSum", net.add("Reshape", net.add("Flatten", x), shape), axes=[1], keepdims=0)

    graph = read_of(tmp_path, build, (2, 6), opset=15)
    codes = np.arange(12).reshape(1, 12)
    assert evaluate(graph, codes).tolist() == codes.reshape(2, 6).sum(axis=0)[None].tolist()


def test_older_versions_have_attributes_where_newer_ones_have_inputs(tmp_path):
    graph = read_of(
        tmp_path, lambda net: net.add("Slice", net.quant("x", 0.25, 5), starts=[1], ends=[3], axes=[1]), opset=9
    )
    assert evaluate(graph, np.array([[1, 2, 3, 4]])).tolist() == [[2, 3]]
    graph = read_of(tmp_path, lambda net: net.add("Pad", net.quant("x", 0.25, 5), pads=[0, 1, 0, 0]), opset=9)
    assert evaluate(graph, np.array([[1, 2, 3, 4]])).tolist() == [[0, 1, 2, 3, 4]]
    with pytest.raises(UnsupportedModelError, match="allowed are zeros and neighbours around"):
        read_of(tmp_path, lambda net: net.add("Pad", net.quant("x", 0.25, 5), pads=[0, 1, 0, 0], value=1.0), opset=9)
    with pytest.raises(UnsupportedModelError, match="it names axes; allowed are pads of all axes"):
        read_of(tmp_path, lambda net: net.add("Pad", net.quant("x", 0.25, 5), net.constant([0] * 4, "int64"), "",
                                              net.constant([1, 0], "int64")), opset=18)  # fmt: skip
    with pytest.raises(UnsupportedModelError, match="its attribute 'axis' is not read; allowed are none"):
        read_of(tmp_path, lambda net: net.add("Add", net.quant("x", 0.25, 5), np.ones(3), axis=1), (3, 3), opset=6)


def _moved_often(net):
    x = "x"
    for _ in range(70):
        x = net.add("Slice", x, *(net.constant([n], "int64") for n in (0, 1 << 20, 1)))
    return x


def _outer(net):
    kernel = net.quant(net.constant(np.ones((1 << 13, 1))), np.ones((1, 1 << 13)), 4)
    return net.add("MatMul", net.quant("x", 0.25, 5), kernel)


@pytest.mark.parametrize("trains", [0, 1])
def test_a_dropout_does_nothing_or_is_refused(tmp_path, trains):
    def build(net):
        mode = net.add("Cast", net.constant(trains, "int64"), to=9)
        return net.add("Dropout", net.quant("x", 0.25, 5), 0.5, mode)

    if trains:
        with pytest.raises(UnsupportedModelError, match="it draws at random, as in training"):
            read_of(tmp_path, build)
    else:
        assert evaluate(read_of(tmp_path, build), np.array([[1, 2, 3, 4]])).tolist() == [[1, 2, 3, 4]]


def _wrapping(turned, kind="QGemm"):
    """More products of bytes than an int32 holds; the matrix has its sums along either axis."""

    def build(net):
        x = net.add("QuantizeLinear", "x", 0.25, net.constant(0, "uint8"))
        shape = {"QGemm": (1, 33_100) if turned else (33_100, 1), "ConvInteger": (1, 33_100, 1)}.get(kind, (33_100, 1))
        weights, zero = net.constant(np.full(shape, 255), "uint8"), net.constant(0, "uint8")
        if kind == "QGemm":
            return net.add(
                kind, x, 0.25, zero, weights, 1.0, zero, "", 1024.0, zero, domain="com.microsoft", transB=turned
            )
        if kind == "ConvInteger":
            x = net.add("Reshape", x, net.constant([1, 33_100, 1], "int64"))
        return net.add("Cast", net.add(kind, x, weights, zero, zero), to=1)

    return build


@pytest.mark.parametrize(
    "build", [_wrapping(0), _wrapping(1), _wrapping(0, "MatMulInteger"), _wrapping(0, "ConvInteger")]
)
def test_sums_that_an_int32_does_not_hold_are_refused(tmp_path, build):
    message = (
        r"sums of 33,100 products, which reach 2,152,327,500, where an int32 wraps around; .*split it into several"
    )
    with pytest.raises(UnsupportedModelError, match=message):
        read_of(tmp_path, build, (33_100,))


LARGE = {
    "windows": (lambda net: net.add("MaxPool", net.quant("x", 0.25, 5), kernel_shape=[40_000], pads=[39_999] * 2), (1, 3),
                "40002 windows of 40000; allowed are fewer"),
    "product": (lambda net: net.add("MatMul", "x", "x"), (1024, 1024), "1024, 2]; allowed are 16,777,216 elements"),
    "groups": (lambda net: net.add("Conv", "x", net.weights(1 << 13, 1, 1), group=1 << 13), (1 << 13, 1),
               r"[1, 8192, 8192]; allowed are 16,777,216"),
    "outer quantiser": (_outer, (4,), "[8192, 8192]; allowed are 16,777,216 elements"),
    "moved often": (_moved_often, (1 << 20,), "numbers; allowed are 134,217,728"),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_what_would_take_gigabytes_is_refused_before_it_does(tmp_path, name):
    build, shape, text = LARGE[name]
    with pytest.raises(UnsupportedModelError, match=re.escape(text)):
        read_of(tmp_path, build, shape)
