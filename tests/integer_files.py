"""Networks of integers as onnxruntime quantises them, with its operators and those of ONNX."""

from __future__ import annotations

import numpy as np

MICROSOFT = "com.microsoft"


def f(net, value):
    return net.constant(np.float32(value), "float32")


def z(net, value, kind="uint8"):
    return net.constant(np.array(value, kind), kind)


def quantised(net, x, scale, zero=0, kind="uint8"):
    return net.add("QuantizeLinear", x, f(net, scale), z(net, zero, kind))


def real(net, x, scale, zero=0, kind="uint8"):
    return net.add("DequantizeLinear", x, f(net, scale), z(net, zero, kind))


def weights(net, *shape, kind="int8"):
    lo, hi = (-128, 128) if kind == "int8" else (0, 256)
    return net.constant(net.random.integers(lo, hi, shape), kind)


def matmul(net):
    """Zero points on all sides, a scale of each column."""
    x = quantised(net, "x", 2.0**-5, 121)
    x = net.add("QLinearMatMul", x, f(net, 2.0**-5), z(net, 121), weights(net, 8, 6), f(net, net.random.uniform(0.002, 0.01, 6)),
                z(net, np.zeros(6), "int8"), f(net, 0.043), z(net, 77))  # fmt: skip
    x = net.add("QLinearMatMul", x, f(net, 0.043), z(net, 77), weights(net, 6, 4, kind="uint8"), f(net, 0.0031),
                z(net, 130), f(net, 0.21), z(net, 113))  # fmt: skip
    return real(net, x, 0.25, 113)


def convolution(net):
    """A convolution with a bias and padding, pooling of integers, a global mean, an output of integers."""
    x = quantised(net, "x", 2.0**-4, 9)
    bias = net.constant(net.random.integers(-900, 900, 4), "int32")
    x = net.add("QLinearConv", x, f(net, 2.0**-4), z(net, 9), weights(net, 4, 3, 3, 3),
                f(net, net.random.uniform(0.001, 0.004, 4)), z(net, np.zeros(4), "int8"), f(net, 0.031), z(net, 128), bias,
                kernel_shape=[3, 3], pads=[1, 0, 1, 1], strides=[1, 2])  # fmt: skip
    x = net.add("MaxPool", x, kernel_shape=[2, 1], strides=[2, 1])
    x = net.add("QLinearGlobalAveragePool", x, f(net, 0.031), z(net, 128), f(net, 0.017), z(net, 101), domain=MICROSOFT)
    net.delivers = "uint8"
    return net.add("Flatten", x)


def depthwise(net):
    x = quantised(net, "x", 2.0**-4, 3, "int8")
    x = net.add("QLinearConv", x, f(net, 2.0**-4), z(net, 3, "int8"), weights(net, 3, 1, 2), f(net, 0.02), z(net, 5, "int8"),
                f(net, 0.113), z(net, -7, "int8"), group=3, kernel_shape=[2], auto_pad="SAME_UPPER")  # fmt: skip
    return real(net, net.add("Reshape", x, net.constant([net.batch, -1], "int64")), 2.0**-3, -7, "int8")


def whole_sums(net):
    """MatMulInteger and ConvInteger, cast to floats and scaled, as static forms of dynamically quantised networks."""
    x = quantised(net, "x", 2.0**-3, 128)
    y = net.add("ConvInteger", net.add("Reshape", x, net.constant([net.batch, 1, 8], "int64")), weights(net, 2, 1, 3),
                z(net, 128), z(net, 1, "int8"), kernel_shape=[3])  # fmt: skip
    y = net.add("Mul", net.add("Cast", y, to=1), f(net, 2.0**-9))
    x = net.add("MatMulInteger", x, weights(net, 8, 5), z(net, 128), z(net, np.arange(5) - 2, "int8"))
    x = net.add("Add", net.add("Mul", net.add("Cast", x, to=1), f(net, 2.0**-9)), np.float32(np.arange(5) / 16))
    net.delivers = "uint8"
    return net.add("Concat", quantised(net, x, 0.37, 11), quantised(net, net.add("Flatten", y), 0.21, 30), axis=1)


def gemm(net):
    x = quantised(net, "x", 2.0**-5, 100)
    bias = net.constant(net.random.integers(-3000, 3000, 6), "int32")
    x = net.add("QGemm", x, f(net, 2.0**-5), z(net, 100), weights(net, 6, 8), f(net, net.random.uniform(0.002, 0.01, 6)),
                z(net, np.zeros(6), "int8"), bias, f(net, 0.0567), z(net, 40), domain=MICROSOFT, transB=1)  # fmt: skip
    net.delivers = "uint8"
    return net.add("QGemm", x, f(net, 0.0567), z(net, 40), weights(net, 6, 3), f(net, 2.0**-7), z(net, 0, "int8"), "",
                   f(net, 0.4), z(net, 128), domain=MICROSOFT, alpha=2.0)  # fmt: skip


def sums(net):
    """A residual sum, a product, a concatenation and functions, which onnxruntime rounds in an order of its own."""
    a = quantised(net, "x", 2.0**-4, 128)
    b = net.add("QLinearMatMul", a, f(net, 2.0**-4), z(net, 128), weights(net, 8, 8), f(net, 0.003), z(net, 0, "int8"),
                f(net, 0.071), z(net, 120))  # fmt: skip
    c = net.add(
        "QLinearAdd",
        a,
        f(net, 2.0**-4),
        z(net, 128),
        b,
        f(net, 0.071),
        z(net, 120),
        f(net, 0.113),
        z(net, 99),
        domain=MICROSOFT,
    )
    d = net.add(
        "QLinearMul",
        a,
        f(net, 2.0**-4),
        z(net, 128),
        b,
        f(net, 0.071),
        z(net, 120),
        f(net, 0.61),
        z(net, 126),
        domain=MICROSOFT,
    )
    e = net.add(
        "QLinearLeakyRelu", b, f(net, 0.071), z(net, 120), f(net, 0.05), z(net, 17), domain=MICROSOFT, alpha=0.1
    )
    s = net.add("QLinearSigmoid", b, f(net, 0.071), z(net, 120), f(net, 2.0**-8), z(net, 0), domain=MICROSOFT)
    net.delivers = "uint8"
    return net.add("QLinearConcat", f(net, 0.1), z(net, 90), c, f(net, 0.113), z(net, 99), d, f(net, 0.61), z(net, 126),
                   e, f(net, 0.05), z(net, 17), s, f(net, 2.0**-8), z(net, 0), domain=MICROSOFT, axis=1)  # fmt: skip


def averages(net):
    x = quantised(net, "x", 2.0**-4, 9)
    x = net.add("QLinearAveragePool", x, f(net, 2.0**-4), z(net, 9), f(net, 0.047), z(net, 12), domain=MICROSOFT,
                kernel_shape=[2, 2], strides=[1, 2])  # fmt: skip
    net.delivers = "uint8"
    return net.add("Flatten", x)


def of_bits(net):
    """Clip of integers in front of a product, and quantisers of 16 bits."""
    x = net.add("Clip", quantised(net, "x", 2.0**-3, 5, "int8"), z(net, -15, "int8"), z(net, 16, "int8"))
    x = net.add("QLinearMatMul", net.add("Transpose", net.add("Identity", x), perm=[0, 1]), f(net, 2.0**-3), z(net, 5, "int8"),
                weights(net, 8, 4), f(net, 2.0**-6), z(net, 0, "int8"), f(net, 0.25), z(net, 0, "int8"))  # fmt: skip
    return net.add("Relu", real(net, x, 0.25, 0, "int8"))


INTEGERS = {
    "integer matmul": (matmul, (8,)),
    "integer convolution": (convolution, (3, 6, 7)),
    "integer depthwise": (depthwise, (3, 7)),
    "integer sums": (whole_sums, (8,)),
    "integer gemm": (gemm, (8,)),
    "integer of bits": (of_bits, (8,)),
}
"""Networks that are exact, and the shapes of their inputs."""

IN_AN_ORDER = {"integer residual": (sums, (8,)), "integer averages": (averages, (2, 4, 6))}
"""Networks that onnxruntime rounds in an order of its own."""
