"""What ONNX files are refused for: the node, what is allowed, and what would take gigabytes before it does."""

from __future__ import annotations

import re

import numpy as np
import pytest
from onnx_files import GENERAL, Net, attribute, linear, model, network, node, sized, value_info, whole
from onnx_read import read, read_of, written

from bittrigger.compile.foreign import foreign_graph
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.ir.graph import evaluate
from bittrigger.settings import Settings

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


def test_a_graph_within_a_node_is_refused(tmp_path):
    branch = node("If", ["x"], ["y"], then_branch=sized(6, b"") + whole(20, 5))
    ends = sized(11, value_info("x", (1, 3))) + sized(12, value_info("y", ()))
    with pytest.raises(UnsupportedModelError, match="a graph within a node: loops and branches"):
        read(tmp_path, model(sized(1, branch) + ends))
    assert attribute("axis", 1)


def test_other_settings_of_keras_models_are_refused(tmp_path):
    path = written(tmp_path, network("dense"))
    for settings, option in (
        (Settings(head_bits=8), "--head-bits"),
        (Settings(layer_precision={"a": "fixed<8,4>"}), "--layer-p"),
    ):
        with pytest.raises(ConfigError, match=option):
            foreign_graph(path, settings)


def test_a_quantiser_that_does_not_say_whether_it_is_signed_is_refused(tmp_path):
    with pytest.raises(UnsupportedModelError, match="it does not say signed and narrow; allowed are 0 and 1"):
        read_of(tmp_path, lambda net: net.add("Quant", "x", 0.25, 0.0, 4.0, domain=GENERAL))


def test_a_truncation_of_a_mean_is_refused(tmp_path):
    """It rounds to whole steps before it drops bits, and the mean of four lies between them."""

    def build(net):
        x = net.add("AveragePool", net.quant("x", 0.1, 8), kernel_shape=[2, 2])
        return net.add("Trunc", x, 0.1, 0.0, 8.0, 0.2, 7.0, domain=GENERAL)

    with pytest.raises(UnsupportedModelError, match="what it truncates is not in steps of its scale"):
        read_of(tmp_path, build, (1, 2, 2))


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


def _moved_often(net):
    x = "x"
    for _ in range(70):
        x = net.add("Slice", x, *(net.constant([n], "int64") for n in (0, 1 << 20, 1)))
    return x


def _outer(net):
    kernel = net.quant(net.constant(np.ones((1 << 13, 1))), np.ones((1, 1 << 13)), 4)
    return net.add("MatMul", net.quant("x", 0.25, 5), kernel)


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
