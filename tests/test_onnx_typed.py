"""ONNX graphs of floats, with types that are declared for their weights and for what their nodes deliver."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from onnx_files import file_of

from bittrigger.cli import cli
from bittrigger.compile.foreign import foreign_graph
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.qonnx.file import read_onnx
from bittrigger.frontend.qonnx.typed import as_declared
from bittrigger.ir.basis import Grade, Reference
from bittrigger.ir.fixed import decode
from bittrigger.ir.graph import evaluate
from bittrigger.settings import Settings

EVERY = {
    "weight_precision": {"*": "fixed<8,3>"},
    "layer_precision": {"*": "fixed<10,5>"},
    "input_precision": "fixed<8,4>",
}


def floats(net, *shape):
    return net.random.normal(size=shape).astype("float32")


def dense(net):
    x = net.add("Relu", net.add("Gemm", "x", floats(net, 8, 6), floats(net, 6)))
    x = net.add("Add", net.add("MatMul", x, floats(net, 6, 4)), floats(net, 4))
    return net.add("Softmax", x)


def gated(net):
    """A function with two readers, a product of tensors, a residual sum."""
    x = net.add("Gemm", "x", floats(net, 8, 8), floats(net, 8))
    x = net.add("Add", net.add("Mul", x, net.add("Sigmoid", x)), "x")
    return net.add("MatMul", net.add("Gelu", x), floats(net, 8, 3))


def image(net):
    x = net.add("Conv", "x", floats(net, 4, 2, 3, 3), floats(net, 4), kernel_shape=[3, 3])
    numbers = [net.random.uniform(0.5, 1.5, 4).astype("float32") for _ in range(4)]
    x = net.add(
        "MaxPool", net.add("Relu", net.add("BatchNormalization", x, *numbers)), kernel_shape=[2, 2], strides=[2, 2]
    )
    return net.add("Gemm", net.add("Flatten", x), floats(net, 16, 3), floats(net, 3))


def attention(net):
    q, k, v = (net.add("Add", net.add("MatMul", "x", floats(net, 4, 4)), floats(net, 4)) for _ in range(3))
    scores = net.add("Div", net.add("MatMul", q, net.add("Transpose", k, perm=[0, 2, 1])), 2.0)
    return net.add("MatMul", net.add("Softmax", scores), v)


def layer_normalised(net):
    x = net.add("LayerNormalization", net.add("Gemm", "x", floats(net, 8, 4)), floats(net, 4) + 2, floats(net, 4))
    return net.add("Gemm", x, floats(net, 4, 3))


def heads(net):
    """An Einsum, a root mean square, a ConvTranspose."""
    x = net.add(
        "RMSNormalization", net.add("Einsum", "x", floats(net, 4, 2), equation="bnc,cd->bnd"), floats(net, 2) + 2
    )
    x = net.add(
        "ConvTranspose", net.add("Transpose", x, perm=[0, 2, 1]), floats(net, 2, 2, 2), floats(net, 2), strides=[2]
    )
    return net.add("Gelu", net.add("ReduceSum", x, net.constant([2], "int64"), keepdims=0))


NETWORKS = {
    "heads": (heads, (3, 4), Grade.IDEAL),
    "dense": (dense, (8,), Grade.EXACT),
    "gated": (gated, (8,), Grade.IDEAL),
    "image": (image, (2, 6, 6), Grade.IDEAL),
    "attention": (attention, (3, 4), Grade.IDEAL),
    "LayerNormalization": (layer_normalised, (8,), Grade.IDEAL),
}


def written(tmp_path, name, opset=23):
    build, shape, _ = NETWORKS[name]
    path = tmp_path / "net.onnx"
    path.write_bytes(file_of(build, shape, opset=opset))
    return path


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_floats_converts_with_types(tmp_path, name):
    settings = dict(EVERY, layer_precision={"*": "fixed<6,4>"}) if name == "LayerNormalization" else EVERY
    graph = foreign_graph(written(tmp_path, name), Settings(**settings))
    assert (graph.basis.grade, graph.basis.reference) == (NETWORKS[name][2], Reference.TYPED_QONNX)
    assert "with the types declared for it" in graph.basis.promise
    assert (graph.basis.measured.float64 or graph.basis.measured.float32).events == 0
    assert not graph.basis.rounded or name == "dense"


def test_every_value_is_that_of_rounded_weights_and_results(tmp_path):
    path = written(tmp_path, "dense")
    graph = foreign_graph(path, Settings(**EVERY))
    kernels = [array.astype(np.float64) for array in read_onnx(path).constants.values()]
    w, b, v, c = (np.clip(np.rint(array * 32), -128, 127) / 32 for array in kernels)
    codes = np.random.default_rng(3).integers(-128, 128, (200, 8))
    hidden = np.clip(np.rint(np.maximum(codes / 16 @ w + b, 0) * 32), -512, 511) / 32
    wanted = np.clip(np.rint((hidden @ v + c) * 32), -512, 511) / 32
    assert np.array_equal(decode(evaluate(graph, codes), graph[graph.outputs[0]].frac), wanted)


def test_without_types_the_refusal_names_the_options(tmp_path):
    with pytest.raises(UnsupportedModelError, match=r"its kernel is float; .*--weight-precision .*quantize_static"):
        foreign_graph(written(tmp_path, "dense"), Settings())


def test_a_node_and_a_bias_have_types_of_their_own(tmp_path):
    path = written(tmp_path, "dense")
    types = {
        "weight_precision": {"*": "fixed<8,3>", "Gemm_0.bias": "fixed<4,3>"},
        "layer_precision": {"Relu_1": "ufixed<5,3>"},
    }
    model, said = as_declared(read_onnx(path), Settings(**types).declared)
    gemm, relu, quant, *_ = model.nodes
    assert set(np.unique(model.constants[gemm.inputs[2]] % 0.5)) == {0.0}
    assert (relu.outputs, quant.inputs[0], quant.kind) == (("t1_0#raw",), "t1_0#raw", "Quant")
    assert quant.attributes == {"signed": 0, "narrow": 0, "rounding_mode": "ROUND"}
    assert [float(model.constants[name]) for name in quant.inputs[1:]] == [0.25, 0.0, 5.0]
    assert said == [
        "weights are rounded to ap_fixed<4,3,RND_CONV,SAT> in 1 arrays, ap_fixed<8,3,RND_CONV,SAT> in 3 arrays "
        "(--weight-precision)",
        "what 1 nodes deliver is rounded to ap_ufixed<5,3,RND_CONV,SAT> (--layer-precision)",
    ]


@pytest.mark.parametrize(
    ("types", "message"),
    [
        (
            {"weight_precision": {"Gemm_7": "fixed<8,3>"}},
            "--weight-precision names 'Gemm_7', which is no node of the ONNX file",
        ),
        ({"layer_precision": {"Gemm_0.bias": "fixed<8,3>"}}, "--layer-precision names 'Gemm_0.bias', which is no node"),
        (
            {"layer_precision": {"*": "fixed<8,3,TRN,WRAP>"}},
            "a Quant of ONNX has no TRN with WRAP; allowed are RND_CONV",
        ),
        ({"layer_precision": {"*": "fixed<8,3,RND,SAT>"}}, "a Quant of ONNX has no RND with SAT"),
    ],
)
def test_what_no_quant_has_and_no_node_is_called_is_refused(tmp_path, types, message):
    with pytest.raises(ConfigError, match=message):
        foreign_graph(written(tmp_path, "dense"), Settings(**types))


def test_the_command_line_tells_the_distance_and_simulates(tmp_path):
    path, out = written(tmp_path, "dense"), tmp_path / "build"
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(50, 8)).astype("float32"))
    command = ["convert", str(path), "-o", str(out), "--effort", "fast", "--no-synth", "--simulate"]
    command += ["--inputs", str(tmp_path / "x.npy")]
    types = ["--weight-precision", "fixed<8,3>", "--layer-precision", "fixed<10,5>", "--input-precision", "fixed<8,4>"]
    done = CliRunner().invoke(cli, command + types)
    assert done.exit_code == 0, done.output
    grade = json.loads((out / "report.json").read_text())["grade"]
    assert grade["reference"] == "typed-qonnx"
    assert any("the argmax changes on " in sentence for sentence in grade["chosen"])


def test_a_type_of_a_node_is_for_each_of_its_outputs(tmp_path):
    path = tmp_path / "net.onnx"

    def halves(net):
        return net.add("Sub", *net.add("Split", "x", net.constant([2, 2], "int64"), outputs=2, axis=1))

    path.write_bytes(file_of(halves, (4,)))
    settings = Settings(layer_precision={"Split_0": "fixed<4,4>"}, input_precision="fixed<8,4>")
    graph = foreign_graph(path, settings)
    codes = np.array([[16, 33, 9, 23]])  # 1, 2.0625, 0.5625, 1.4375, of which each becomes a whole number
    assert decode(evaluate(graph, codes), graph[graph.outputs[0]].frac).tolist() == [[0.0, 1.0]]
