"""Operators of ONNX and QONNX one by one, with the options that files of Brevitas seldom have; `make test-qonnx`."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_files import GENERAL, file_of, linear

onnx = pytest.importorskip("onnx")
pytest.importorskip("qonnx")

from onnx.reference import ReferenceEvaluator  # noqa: E402
from onnx.reference.op_run import OpRun  # noqa: E402
from qonnx.custom_op.general.trunc import trunc_v1, trunc_v2  # noqa: E402
from test_qonnx_bits import BipolarQuant, Quant  # noqa: E402

from bittrigger.frontend.qonnx.read import read_qonnx  # noqa: E402
from bittrigger.ir.fixed import decode  # noqa: E402
from bittrigger.ir.graph import evaluate  # noqa: E402
from bittrigger.settings import Settings  # noqa: E402
from bittrigger.simulate.vectors import corner_codes, random_codes  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


class Trunc(OpRun):
    """qonnx' own functions of either version."""

    op_domain = GENERAL

    def _run(self, x, scale, zero, bits, *rest, rounding_mode="FLOOR", signed=1, narrow=0):
        if len(rest) == 1:
            made = trunc_v1(x, scale, zero, bits, rest[0], rounding_mode)
        else:
            made = trunc_v2(x, scale, zero, bits, narrow, signed, *map(np.asarray, rest), rounding_mode)
        return (np.asarray(made, dtype=np.float32),)


def q(net, scale=0.25, bits=5):
    return net.quant("x", scale, bits)


def i(net, *values):
    return net.constant(list(values), "int64")


def trunc(net, step, *numbers, **options):
    return net.add("Trunc", q(net, step, 9), np.float32(2.0**-4), 0.0, 9.0, *numbers, domain=GENERAL, **options)


def part_of_a_shape(net):
    shape = net.add("Concat", i(net, 1, -1), net.add("Shape", q(net), start=-2, end=2), axis=0)
    return net.add("ReduceSum", net.add("Reshape", net.add("Flatten", q(net)), shape), i(net, 1), keepdims=0)


def repeated(net):
    x = q(net)
    one = net.add("Slice", x, i(net, 0), i(net, 1), i(net, 2))
    other = net.add("Slice", x, i(net, 1), i(net, 2), i(net, 1))
    return net.add("Max", x, one, other)


STEPS = np.float32([0.5, 0.25, 0.125])
OPERATORS = {
    "AveragePool, SAME_LOWER": ((2, 5, 4), lambda n: n.add("AveragePool", q(n), kernel_shape=[2, 2], auto_pad="SAME_LOWER")),
    "AveragePool, pads": ((2, 5, 4), lambda n: n.add(
        "AveragePool", q(n), kernel_shape=[2, 2], pads=[1, 0, 0, 0], strides=[2, 2])),
    "MaxPool, dilations": ((2, 7), lambda n: n.add("MaxPool", q(n), kernel_shape=[3], dilations=[2], pads=[2, 1])),
    "GlobalMaxPool": ((2, 3, 4), lambda n: n.add("GlobalMaxPool", q(n))),
    "GlobalAveragePool": ((2, 2, 4), lambda n: n.add("GlobalAveragePool", q(n))),
    "Gather of one": ((3, 4), lambda n: n.add("Gather", q(n), n.constant(np.int64(-2), "int64"), axis=2)),
    "Gather from the end": ((3, 4), lambda n: n.add("Gather", q(n), i(n, 3, 0, -1), axis=-1)),
    "Slice backwards": ((4, 5), lambda n: n.add("Slice", q(n), i(n, -1, 1), i(n, -100, 100), i(n, -1, 1), i(n, -2, 2))),
    "Slice without axes": ((4, 5), lambda n: n.add("Slice", q(n), i(n, 0, 1, 2), i(n, 1, -1, 5))),
    "PRelu of channels": ((3, 2, 2), lambda n: n.add("PRelu", q(n), np.float32([0.25, -0.5, 2]).reshape(3, 1, 1))),
    "LeakyRelu": ((4,), lambda n: n.add("LeakyRelu", q(n), alpha=0.125)),
    "Unsqueeze from the end": ((3, 4), lambda n: n.add("Transpose", n.add("Unsqueeze", q(n), i(n, -2, 1)), perm=[0, 4, 2, 3, 1])),
    "Squeeze": ((1, 3, 1), lambda n: n.add("Squeeze", q(n), i(n, 1, -1))),
    "Clip, ends crossed": ((4,), lambda n: n.add("Clip", q(n), np.float32(1), np.float32(-1))),
    "Clip, no lower end": ((4,), lambda n: n.add("Clip", q(n), "", np.float32(0.5))),
    "Div": ((4,), lambda n: n.add("Div", q(n), np.float32([1, 2, -4, 0.5]))),
    "Sub from a constant": ((4,), lambda n: n.add("Sub", np.float32([1, 2, 3, 4]), q(n))),
    "Split unevenly": ((2, 7), lambda n: n.add("Concat", *n.add("Split", q(n), axis=2, outputs=3, num_outputs=3)[::-1], axis=2)),
    "Pad": ((2, 3), lambda n: n.add("Pad", q(n), i(n, 0, 1, 0, 0, 0, 2))),
    "ReduceMean": ((4, 3), lambda n: n.add("ReduceMean", q(n), axes=[-2], keepdims=0)),
    "ReduceMax over all": ((4, 3), lambda n: n.add("ReduceMax", q(n), axes=[1, 2])),
    "Conv, dilations": ((2, 7, 6), lambda n: n.add(
        "Conv", q(n), n.weights(3, 2, 2, 3), dilations=[2, 1], strides=[1, 2], pads=[0, 1, 1, 0])),
    "Conv, SAME_LOWER": ((2, 7, 6), lambda n: n.add("Conv", q(n), n.weights(3, 2, 3, 2), auto_pad="SAME_LOWER", strides=[2, 2])),
    "ConvTranspose": ((2, 4, 3), lambda n: n.add(
        "ConvTranspose", q(n), n.weights(2, 3, 3, 2), strides=[2, 1], pads=[1, 0, 0, 1], output_padding=[1, 0])),
    "Einsum": ((3, 4), lambda n: n.add("Einsum", q(n), n.weights(4, 2, 5), equation="bij,jkl->blik")),
    "Einsum, a matrix for each": ((3, 4), lambda n: n.add("Einsum", q(n), n.weights(2, 3, 4), equation="bij,kij->bki")),
    "Einsum, dots": ((2, 3, 4), lambda n: n.add("Einsum", n.weights(5, 4), q(n), equation="ji, b...i -> bj...")),
    "Einsum of two": ((3, 2, 4), lambda n: n.add("Einsum", *[q(n, s, 4) for s in (0.25, 0.5)], equation="bihd,bjhd->bhji")),
    "MatMul from the left": ((3, 4), lambda n: n.add("MatMul", n.weights(2, 3), q(n))),
    "Gemm, factors": ((4,), lambda n: n.add("Gemm", q(n), n.weights(4, 3), np.float32([1, 0.5, 0.25]), alpha=2.0, beta=-0.5)),
    "Max of broadcasts": ((4, 2), repeated),
    "a part of a Shape": ((4, 6), part_of_a_shape),
    "Reshape, 0 and -1": ((4, 6), lambda n: n.add("Transpose", n.add("Reshape", q(n), i(n, 0, 0, 2, -1)), perm=[0, 3, 1, 2])),
    "QuantizeLinear, zero point": ((4,), lambda n: linear(n, q(n, 2.0**-6, 9), 0.25, 8, "uint8", zero=131)),
    "QuantizeLinear, odd zero point and half": ((4,), lambda n: linear(n, q(n, 2.0**-3, 9), 0.25, 5, "int8", zero=3)),
    "QuantizeLinear of rows": ((3, 2), lambda n: linear(n, q(n, 2.0**-5, 9), STEPS, 4, "int8", axis=1)),
    "QuantizeLinear of 16 bits": ((4,), lambda n: linear(n, q(n, 2.0**-5, 12), 2.0**-4, 16, "uint16", zero=9)),
    "Resize, ceil": ((2, 3), lambda n: n.add("Resize", q(n), "", np.float32([1, 1, 3]), nearest_mode="ceil")),
    "Resize, round_prefer_ceil": ((2, 3), lambda n: n.add(
        "Resize", q(n), "", np.float32([1, 2, 4]), nearest_mode="round_prefer_ceil",
        coordinate_transformation_mode="asymmetric")),
    "BipolarQuant": ((5,), lambda n: n.add("BipolarQuant", q(n), np.float32(0.5), domain=GENERAL)),
    "Quant of rows": ((3, 2), lambda n: n.quant(q(n, 2.0**-5, 9), STEPS.reshape(3, 1), 4)),
    "Quant, zero points": ((3, 2), lambda n: n.quant(
        q(n, 2.0**-5, 9), STEPS.reshape(1, 3, 1), 4, signed=0, zero=np.float32([1, 2, 3]).reshape(3, 1))),
    "Quant, narrow unsigned": ((4,), lambda n: n.quant(q(n, 2.0**-5, 9), 0.25, 4, signed=0, narrow=1, zero=7.0)),
    "Quant, HALF_UP": ((4,), lambda n: n.quant(q(n, 2.0**-5, 9), 0.25, 4, narrow=1, mode="HALF_UP", zero=-0.5)),
    "Quant, HALF_DOWN": ((4,), lambda n: n.quant(q(n, 2.0**-5, 9), 0.25, 4, mode="HALF_DOWN", zero=0.5)),
    "Quant of 1 bit": ((4,), lambda n: n.quant(q(n), 0.25, 1, signed=0)),
    "Quant of 1 signed bit": ((4,), lambda n: n.quant(q(n), 0.25, 1, zero=0.5)),
    "Trunc of five": ((4,), lambda n: trunc(n, 2.0**-4, 5.0, rounding_mode="ROUND")),
    "Trunc of five, finer": ((4,), lambda n: trunc(n, 2.0**-6, 7.0, rounding_mode="FLOOR")),
    "Trunc of six": ((4,), lambda n: trunc(n, 2.0**-4, 0.25, 5.0, rounding_mode="HALF_UP", signed=1, narrow=1)),
    "Trunc of six, finer": ((4,), lambda n: trunc(n, 2.0**-6, 0.5, 4.0, rounding_mode="CEIL", signed=0)),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_gives_what_the_reference_gives(tmp_path, name):
    shape, build = OPERATORS[name]
    opset = {"Split": 18, "QuantizeLinear": 19}.get(name.split(" ")[0].strip(","), 15)
    path = tmp_path / "net.onnx"
    path.write_bytes(file_of(build, shape, opset=opset))
    graph = read_qonnx(path, "net", Settings())
    codes = np.concatenate([corner_codes(graph)[:40], random_codes(graph, 60, 1)])
    reference = ReferenceEvaluator(onnx.load(path), new_ops=[Quant, BipolarQuant, Trunc])
    events = decode(codes, graph.inputs[0].frac).astype(np.float32)
    wanted = [reference.run(None, {"x": event.reshape(1, *shape)})[0].ravel() for event in events]
    assert np.array_equal(decode(evaluate(graph, codes), graph[graph.outputs[0]].frac), np.array(wanted))
