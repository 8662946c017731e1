"""ONNX files with the quantisers of QONNX, read without onnx; `test_qonnx_bits.py` compares them with qonnx itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from onnx_files import CASES, Net, network, sized, tensor, whole
from onnx_read import read, read_of, written

from bittrigger.cli import cli
from bittrigger.compile.foreign import foreign_graph
from bittrigger.errors import MismatchError, UnsupportedModelError
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
    path = written(tmp_path, network(name, 3))
    graph = foreign_graph(path, Settings())
    measured = graph.basis.measured
    assert measured.events > 500
    if graph.basis.grade is Grade.EXACT:
        assert (measured.float32.events, measured.float64) == (0, None)
    else:
        assert measured.float64.events == 0
        assert measured.float32.events < measured.events // 5


def test_a_wrong_bit_is_noticed(tmp_path, monkeypatch):
    path = written(tmp_path, network("dense"))
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


def test_sentences_speak_of_no_other_framework(tmp_path):
    for name in CASES:
        basis = read(tmp_path, network(name)).basis
        assert "Keras" not in " ".join((*basis.ideal, *basis.chosen))


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
    path = written(tmp_path, network("functions"))
    code = (
        "import sys, pathlib\nfrom bittrigger.frontend.qonnx.read import read_qonnx\nfrom bittrigger.settings import Settings\n"
        f"read_qonnx(pathlib.Path({str(path)!r}), 'net', Settings())\n"
        "assert not {'onnx', 'tensorflow', 'hls4ml', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(filter(None, sys.path))})


def test_events_type_a_port_that_nothing_else_does(tmp_path):
    net = Net((3,))
    path = written(tmp_path, net.finish(net.add("MatMul", "x", net.weights(3, 2))))
    events = np.array([[0.5, -1.25, 3.0]])
    graph = foreign_graph(path, Settings(), events)
    assert str(graph.inputs[0].type) == "ap_fixed<5,3>"
    assert np.array_equal(decode(np.array([[2, -5, 12]]), graph.inputs[0].frac), events)


def test_the_names_of_the_file_are_read(tmp_path):
    path = written(tmp_path, network("convolution"))
    found = read_onnx(path)
    assert found.inputs == {"x": (1, 3, 6, 5)}
    assert (found.opset, len(found.outputs)) == (13, 1)


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
    path = written(tmp_path, net.finish(*build(net)))
    graph = foreign_graph(path, Settings())
    codes = random_codes(graph, 50, 1)
    sums = codes @ weights
    first = sums + np.array([2, -4, 8, 12]) - (0 if moves == "output" else np.maximum(sums, 0))
    assert np.array_equal(evaluate(graph, codes), np.concatenate([first, sums], axis=1))


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
