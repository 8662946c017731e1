"""Networks as FINN streamlines them: thresholds instead of scales and activations, windows written out, binary products."""

from __future__ import annotations

import numpy as np
from onnx_files import GENERAL, value_info


def thresholds(net, x, rows, *, dtype="UINT2", **attributes):
    return net.add(
        "MultiThreshold", x, np.asarray(rows, dtype="float32"), domain=GENERAL, out_dtype=dtype, **attributes
    )


def whole(net, *shape, most=3):
    """A matrix of small whole numbers, as a streamlined graph has them: no quantiser stands in front."""
    return net.constant(net.random.integers(-most, most + 1, shape).astype("float32"))


def rows(net, channels, steps, spread=12.0, *, step=0.5):
    """Thresholds in an order of no meaning, some of them twice."""
    return np.round(net.random.uniform(-spread, spread, (channels, steps)) / step) * step


def port(net, bits=6):
    return net.quant("x", 1.0, bits)


def dense(net):
    x = net.add("MatMul", port(net), whole(net, 8, 6))
    x = thresholds(net, x, rows(net, 6, 7, 60.0))
    x = net.add("MatMul", x, whole(net, 6, 5))
    x = thresholds(net, x, rows(net, 1, 3), out_scale=2.0, out_bias=-3.0, dtype="INT3")
    return net.add("MatMul", x, whole(net, 5, 3))


def bipolar(net):
    x = thresholds(net, port(net), rows(net, 8, 1), out_scale=2.0, out_bias=-1.0, dtype="BIPOLAR")
    x = net.add("MatMul", x, net.constant(np.sign(net.random.normal(size=(8, 5))).astype("float32")))
    return thresholds(net, x, rows(net, 5, 1), out_scale=2.0, out_bias=-1.0, dtype="BIPOLAR")


def xnor(net):
    x = thresholds(net, port(net), rows(net, 8, 1), dtype="BINARY")
    x = net.add(
        "XnorPopcountMatMul", x, net.constant(net.random.integers(0, 2, (8, 5)).astype("float32")), domain=GENERAL
    )
    return thresholds(net, x, rows(net, 5, 1, 3.0) + 4, dtype="BINARY")


def lowered_convolution(net):
    """An image channels last, as FINN lowers convolutions."""
    shape = {"input_shape": f"({net.batch}, 6, 5, 3)", "kernel_size": [3, 2], "stride": [2, 1]}
    x = net.add("Im2Col", port(net, 4), domain=GENERAL, pad_amount=[1, 0, 1, 1], pad_value=0, depthwise=0, **shape)
    x = thresholds(net, net.add("MatMul", x, whole(net, 18, 4)), rows(net, 4, 3, 20.0), data_layout="NHWC")
    net.known.append(value_info(x, (net.batch, 3, 5, 4)))
    x = net.add("MaxPoolNHWC", x, domain=GENERAL, kernel_shape=[1, 2], strides=[1, 2], pads=[0, 0, 0, 0])
    x = net.add("Im2Col", x, domain=GENERAL, input_shape=f"({net.batch}, 3, 2, 4)", kernel_size=[2, 1], stride=[1, 1],
                dilations=[2, 1])  # fmt: skip
    return net.add(
        "Flatten", thresholds(net, net.add("MatMul", x, whole(net, 8, 3)), rows(net, 3, 7), data_layout="NHWC")
    )


def channels_first(net):
    x = thresholds(net, port(net), rows(net, 3, 7), data_layout="NCHW", dtype="UINT3")
    x = net.add("Conv", x, whole(net, 4, 3, 2, 2), kernel_shape=[2, 2])
    x = thresholds(net, x, rows(net, 4, 15, 40.0), dtype="UINT4")
    return net.add(
        "QuantAvgPool2d", x, domain=GENERAL, kernel=3, stride=1, ibits=4, obits=4, signed=0, data_layout="NCHW"
    )


def sequence(net):
    """Three axes, where qonnx takes the last for the channels."""
    return thresholds(net, port(net), rows(net, 3, 3), out_scale=0.5, out_bias=0.25)


def marked(net):
    x = net.add("DebugMarker", port(net), domain=GENERAL, export_debug_name="seen")
    x = thresholds(net, x, [[1.0, -np.inf, 0.3, np.inf, 0.3]])
    return thresholds(net, net.add("Mul", x, 0.25), rows(net, 8, 2, 1.0, step=0.0625))


def scaled(net):
    """Scales that are no powers of two before and behind: followed in exact arithmetic."""
    x = net.add("MatMul", net.quant("x", 0.0917, 6), whole(net, 8, 6))
    x = thresholds(net, x, rows(net, 6, 7, 4.0, step=0.013), out_scale=0.37)
    x = net.add("MatMul", x, whole(net, 6, 4))
    return thresholds(net, net.add("Mul", x, -0.71), rows(net, 4, 15, 4.0, step=0.021))


FINN = {
    "FINN dense": (dense, (8,)),
    "FINN bipolar": (bipolar, (8,)),
    "FINN xnor": (xnor, (8,)),
    "FINN lowered convolution": (lowered_convolution, (6, 5, 3)),
    "FINN channels first": (channels_first, (3, 5, 6)),
    "FINN sequence": (sequence, (4, 3)),
    "FINN marked": (marked, (8,)),
    "FINN scaled": (scaled, (8,)),
}
"""Networks and the shapes of their inputs."""
