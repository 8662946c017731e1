"""ONNX files made without onnx, and a set of small networks as Brevitas, qkeras2qonnx and tf2onnx export them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

GENERAL = "qonnx.custom_op.general"
LAST = "qonnx.custom_op.channels_last"
DOMAINS = {GENERAL: 2, LAST: 1, "com.microsoft": 1}
_KINDS = {
    "float32": 1,
    "float64": 11,
    "int64": 7,
    "int32": 6,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "float16": 10,
    "bool": 9,
}


def varint(value):
    value &= (1 << 64) - 1
    made = bytearray()
    while value > 127:
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])


def sized(number, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(data)) + data


def whole(number, value):
    return varint(number << 3) + varint(value)


def tensor(name, array):
    array = np.asarray(array)
    dims = b"".join(whole(1, n) for n in array.shape)
    return dims + whole(2, _KINDS[array.dtype.name]) + sized(8, name) + sized(9, array.tobytes())


def attribute(name, value):
    match value:
        case bytes():
            return sized(1, name) + value
        case float():
            return sized(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + whole(20, 1)
        case int():
            return sized(1, name) + whole(3, value) + whole(20, 2)
        case str():
            return sized(1, name) + sized(4, value) + whole(20, 3)
        case np.ndarray():
            return sized(1, name) + sized(5, tensor("", value)) + whole(20, 4)
        case _:
            return sized(1, name) + b"".join(whole(8, n) for n in value) + whole(20, 7)


def node(kind, inputs, outputs, domain="", name="", **attributes):
    ends = b"".join(sized(1, one) for one in inputs) + b"".join(sized(2, one) for one in outputs)
    rest = b"".join(sized(5, attribute(key, value)) for key, value in attributes.items())
    return ends + sized(3, name) + sized(4, kind) + rest + (sized(7, domain) if domain else b"")


def value_info(name, shape, kind=1):
    axes = b"".join(sized(1, sized(2, n) if isinstance(n, str) else whole(1, n)) for n in shape)
    return sized(1, name) + sized(2, sized(1, whole(1, kind) + sized(2, axes)))


def model(graph, opset=13):
    imports = [sized(8, sized(1, domain) + whole(2, n)) for domain, n in {"": opset, **DOMAINS}.items()]
    return whole(1, 8) + b"".join(imports) + sized(7, graph)


@dataclass
class Net:
    """A network that is being written: each method adds a node and returns the name of what it makes."""

    shape: tuple
    seed: int = 0
    dtype: str = "float32"
    batch: int = 1
    nodes: list = field(default_factory=list)
    constants: list = field(default_factory=list)
    known: list = field(default_factory=list)
    opset: int = 13
    x: str = "x"
    delivers: str = ""
    takes: str = ""
    annotated: str = ""

    def __post_init__(self):
        self.random = np.random.default_rng(self.seed)

    def constant(self, values, dtype=None):
        name = f"c{len(self.constants)}"
        self.constants.append(tensor(name, np.asarray(values, dtype=dtype or self.dtype)))
        return name

    def add(self, kind, *inputs, domain="", outputs=1, **attributes):
        names = [f"t{len(self.nodes)}_{k}" for k in range(outputs)]
        given = [one if isinstance(one, str) else self.constant(one) for one in inputs]
        self.nodes.append(node(kind, given, names, domain, f"{kind}_{len(self.nodes)}", **attributes))
        return names[0] if outputs == 1 else names

    def quant(self, x, scale, bits, *, signed=1, narrow=0, zero=0.0, mode="ROUND"):
        return self.add("Quant", x, np.float32(scale), zero, float(bits), domain=GENERAL, signed=signed, narrow=narrow,
                        rounding_mode=mode)  # fmt: skip

    def weights(self, *shape, scale=0.25, bits=4, narrow=1):
        """A constant behind a Quant."""
        values = self.random.uniform(-7, 7, shape) * np.broadcast_to(scale, shape)
        made = self.quant(self.constant(values.astype("float32")), scale, bits, narrow=narrow)
        self.known.append(value_info(made, shape, _KINDS[self.dtype]))
        return made

    def finish(self, *names):
        ends = sized(11, value_info("x", (self.batch, *self.shape), _KINDS[self.takes or self.dtype])) + b"".join(
            sized(12, value_info(name, (), _KINDS[self.delivers or self.dtype])) for name in names
        )
        made = b"".join(sized(1, one) for one in self.nodes) + sized(2, "net")
        known = b"".join(sized(13, one) for one in self.known)
        if self.annotated:
            known += sized(14, sized(1, "x") + sized(2, sized(1, "finn_datatype") + sized(2, self.annotated)))
        return model(made + b"".join(sized(5, one) for one in self.constants) + ends + known, self.opset)


def _image(net):
    return net.quant("x", 2.0**-3, 5)


def dense(net):
    x = net.quant("x", 2.0**-3, 6)
    x = net.add("Gemm", x, net.weights(6, 8), net.quant(net.random.normal(size=6), 2.0**-5, 8), transB=1)
    x = net.quant(net.add("Relu", x), 2.0**-3, 5, signed=0)
    return net.add("MatMul", x, net.weights(6, 3))


def brevitas(net):
    """Scales that are no powers of two: of the input, of each row of the kernels, of the activations."""
    x = net.quant("x", 0.0917, 6)
    kernel = net.weights(6, 8, scale=net.random.uniform(0.05, 0.2, (6, 1)))
    x = net.add("Gemm", x, kernel, net.quant(net.random.normal(size=6), 0.003, 10), transB=1)
    x = net.quant(net.add("Relu", x), 0.113, 4, signed=0)
    x = net.add("Gemm", x, net.weights(3, 6, scale=0.077), net.random.normal(size=3).astype("float32"), transB=1)
    return net.quant(x, 0.0625, 12)


def qkeras(net):
    """Power-of-two steps, MatMul and Add, a ReLU by its quantiser, a softmax at the end."""
    x = net.add("MatMul", net.quant("x", 2.0**-4, 8), net.weights(8, 6))
    x = net.add("Add", x, net.quant(net.random.normal(size=6), 2.0**-4, 6))
    x = net.quant(net.add("Relu", x), 2.0**-2, 6, signed=0)
    return net.add("Add", net.add("MatMul", x, net.weights(6, 4)), net.quant(net.random.normal(size=4), 2.0**-4, 6))


def normalised(net):
    x = net.add("MatMul", net.quant("x", 2.0**-3, 6), net.weights(8, 6))
    parts = [net.random.uniform(0.5, 2, 6), net.random.normal(size=6), net.random.normal(size=6)]
    x = net.add("BatchNormalization", x, *(part.astype("float32") for part in (*parts, net.random.uniform(0.5, 2, 6))),
                epsilon=1e-3)  # fmt: skip
    return net.quant(net.add("Relu", x), 2.0**-3, 6, signed=0)


def convolution(net):
    x = net.add("Conv", _image(net), net.weights(4, 3, 3, 3), kernel_shape=[3, 3], pads=[1, 0, 1, 2], strides=[2, 1])
    x = net.quant(net.add("Relu", x), 2.0**-3, 5, signed=0)
    x = net.add("Conv", x, net.weights(4, 1, 2, 2), group=4, kernel_shape=[2, 2], auto_pad="SAME_UPPER")
    x = net.quant(x, 2.0**-2, 6)
    x = net.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = net.add("Reshape", x, net.constant([net.batch, -1], "int64"))
    return net.add("MatMul", x, net.weights(4 * 1 * 2, 3))


def grouped(net):
    x = net.add("Conv", _image(net), net.weights(6, 2, 3, scale=0.21), group=2, kernel_shape=[3], dilations=[2])
    x = net.quant(x, 0.17, 6)
    x = net.add("AveragePool", x, kernel_shape=[2], strides=[2])
    return net.quant(net.add("GlobalAveragePool", x), 2.0**-4, 8)


def channels_last(net):
    x = net.add("Conv", "x", net.weights(4, 2, 2, 3), domain=LAST, kernel_shape=[2, 2], pads=[1, 1, 0, 0],
                strides=[1, 1], dilations=[1, 1], group=1)  # fmt: skip
    x = net.quant(net.add("Relu", x), 2.0**-3, 5, signed=0)
    return net.add("MatMul", net.add("Flatten", x), net.weights(6 * 5 * 4, 3))


def from_keras(net):
    """Transpositions around a convolution, as converters from Keras write them."""
    x = net.add("Transpose", _image(net), perm=[0, 3, 1, 2])
    x = net.add("Conv", x, net.weights(4, 3, 3, 3), net.random.integers(-8, 8, 4) / 16, kernel_shape=[3, 3])
    x = net.add("Transpose", net.quant(x, 2.0**-2, 5), perm=[0, 2, 3, 1])
    x = net.add("Reshape", x, net.constant([net.batch, -1], "int64"))
    return net.quant(net.add("Gemm", x, net.weights(4 * 4 * 2, 3)), 2.0**-2, 8)


def residual(net):
    a = net.quant(net.add("MatMul", net.quant("x", 2.0**-3, 6), net.weights(8, 6)), 2.0**-2, 5)
    b = net.quant(net.add("MatMul", a, net.weights(6, 6)), 2.0**-3, 6)
    c = net.add("Concat", net.add("Add", a, b), net.add("Mul", a, b), net.add("Sub", b, a), axis=1)
    d = net.add("Max", a, b)
    return net.add("Concat", net.add("MatMul", c, net.weights(18, 3)), d, axis=-1)


def scaled_residual(net):
    a = net.quant(net.add("MatMul", net.quant("x", 0.11, 6), net.weights(8, 6, scale=0.13)), 0.31, 5)
    b = net.quant(net.add("MatMul", a, net.weights(6, 6, scale=0.09)), 0.31, 6)
    return net.quant(net.add("Add", a, net.add("Mul", b, 2.0)), 0.27, 6)


def attention(net):
    x = net.quant("x", 2.0**-2, 4)
    q = net.quant(net.add("MatMul", x, net.weights(4, 3)), 2.0**-2, 4)
    k = net.add("Transpose", net.quant(net.add("MatMul", x, net.weights(4, 3)), 2.0**-2, 4), perm=[0, 2, 1])
    scores = net.quant(net.add("MatMul", q, k), 2.0**-3, 6)
    y = net.quant(net.add("MatMul", scores, x), 2.0**-3, 8)
    return net.add("ReduceSum", y, net.constant([1], "int64"), keepdims=0)


def bipolar(net):
    x = net.add("BipolarQuant", net.quant("x", 2.0**-3, 6), 1.0, domain=GENERAL)
    kernel = net.add("BipolarQuant", net.constant(net.random.normal(size=(8, 5))), 0.5, domain=GENERAL)
    x = net.add("MatMul", x, kernel)
    x = net.add("BipolarQuant", x, 0.37, domain=GENERAL)
    return net.quant(net.add("MatMul", x, net.weights(5, 3)), 2.0**-2, 6)


def roundings(net):
    x = net.quant("x", 2.0**-4, 7)
    made = [
        net.quant(x, 2.0**-1, 4, mode=mode) for mode in ("FLOOR", "CEIL", "DOWN", "UP", "HALF_UP", "HALF_DOWN", "ROUND")
    ]
    return net.add("Concat", *made, net.quant(x, 2.0**-2, 4, narrow=1, signed=0), axis=1)


def zero_points(net):
    x = net.quant("x", 2.0**-3, 6)
    made = [net.quant(x, 0.5, 4, signed=0, zero=3.0), net.quant(x, 0.37, 5, zero=-2.0)]
    return net.quant(net.add("Concat", *made, axis=1), 2.0**-5, 12)


def truncated(net):
    x = net.add("Trunc", net.quant("x", 2.0**-4, 8), 2.0**-4, 0.0, 8.0, 2.0**-2, 5.0, domain=GENERAL,
                rounding_mode="FLOOR", signed=1, narrow=0)  # fmt: skip
    return net.add("MatMul", x, net.weights(8, 3))


def functions(net):
    x = net.quant("x", 2.0**-3, 6)
    made = [
        net.quant(net.add(kind, x), 2.0**-6, 8)
        for kind in ("Tanh", "Sigmoid", "Elu", "Selu", "Softplus", "HardSigmoid", "Abs", "Softsign")
    ]
    made.append(net.quant(net.add("LeakyRelu", x, alpha=0.1015625), 2.0**-4, 7))
    made.append(net.add("Clip", x, -1.0, 1.5))
    return net.add("Concat", *made, axis=1)


def moved(net):
    x = net.quant("x", 2.0**-2, 5)
    a, b = net.add("Split", x, net.constant([1, 3], "int64"), axis=1, outputs=2)
    c = net.add("Slice", x, net.constant([1, -1], "int64"), net.constant([3, -6], "int64"),
                net.constant([1, 2], "int64"), net.constant([1, -2], "int64"))  # fmt: skip
    d = net.add(
        "Pad", net.add("Gather", x, net.constant([2, 0], "int64"), axis=1), net.constant([0, 0, 1, 0, 1, 0], "int64")
    )
    flat = [net.add("Flatten", one) for one in (a, b, c, d)]
    sums = [net.add(kind, x, axes=[1], keepdims=0) for kind in ("ReduceMax", "ReduceMin", "ReduceMean")]
    size = net.add("Gather", net.add("Shape", x), net.constant(0, "int64"), axis=0)
    rest = net.add(
        "Concat", net.add("Unsqueeze", size, net.constant([0], "int64")), net.constant([-1], "int64"), axis=0
    )
    return net.add("Concat", *flat, *sums, net.add("Reshape", x, rest), axis=1)


def linear(net, x, scale, bits, kind="int8", *, zero=0, **options):
    """A QuantizeLinear, a Clip where there are fewer bits than those of its integers, and a DequantizeLinear."""
    step, origin = net.constant(np.float32(scale), "float32"), net.constant(np.array(zero, kind), kind)
    x = net.add("QuantizeLinear", x, step, origin, **options)
    if bits < 8 * np.dtype(kind).itemsize:
        ends = (-(1 << bits - 1), (1 << bits - 1) - 1) if kind == "int8" else (0, (1 << bits) - 1)
        x = net.add("Clip", x, *(net.constant(np.array(end, kind), kind) for end in ends))
    return net.add("DequantizeLinear", x, step, origin, **options)


def integers(net, *shape, scale, axis=0, kind="int8"):
    """Integers of the file behind a DequantizeLinear, and a scale of each channel, or one."""
    values = net.constant(net.random.integers(-7, 8, shape), kind)
    return net.add("DequantizeLinear", values, net.constant(np.float32(scale), "float32"), axis=axis)


def qcdq(net):
    """Quantisers as Brevitas and onnxruntime write them for a runtime, with zero points and a scale of each row."""
    x = linear(net, "x", 2.0**-3, 6)
    kernel = integers(net, 6, 8, scale=2.0 ** -net.random.integers(1, 4, 6))
    weights = linear(net, net.constant(net.random.normal(size=(6, 3)).astype("float32"), "float32"), 0.25, 4)
    x = net.add("Gemm", x, kernel, integers(net, 6, scale=2.0**-5, kind="int32"), transB=1)
    x = linear(net, net.add("Relu", x), 2.0**-3, 5, "uint8")
    x = linear(net, net.add("MatMul", x, weights), 2.0**-2, 8, "uint8", zero=97)
    return linear(net, x, 2.0**-1, 3, "int8")


def resized(net):
    x = net.add("Resize", net.quant("x", 0.25, 5), "", np.float32([1, 1, 2, 3]))
    scales = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return net.add("Resize", x, "", "", net.constant([1, 2, 4, 24], "int64"), **scales)


CASES = {
    "dense": (dense, (8,)),
    "brevitas": (brevitas, (8,)),
    "qkeras": (qkeras, (8,)),
    "normalised": (normalised, (8,)),
    "convolution": (convolution, (3, 6, 5)),
    "grouped": (grouped, (4, 12)),
    "channels last": (channels_last, (6, 5, 3)),
    "from Keras": (from_keras, (6, 4, 3)),
    "residual": (residual, (8,)),
    "scaled residual": (scaled_residual, (8,)),
    "attention": (attention, (3, 4)),
    "bipolar": (bipolar, (8,)),
    "roundings": (roundings, (4,)),
    "zero points": (zero_points, (4,)),
    "truncated": (truncated, (8,)),
    "functions": (functions, (2,)),
    "moved": (moved, (4, 5)),
    "QCDQ": (qcdq, (8,)),
    "resized": (resized, (2, 2, 4)),
}
"""Networks and the shapes of their inputs."""


def file_of(build, shape, seed=0, **options):
    """The file of the network that ``build`` writes; ``options`` are those of ``Net``."""
    net = Net(shape, seed, **options)
    return net.finish(build(net))


def network(name, seed=0, dtype="float32", batch=1):
    """The file of a network of ``CASES``."""
    build, shape = CASES[name]
    return file_of(build, shape, seed, dtype=dtype, batch=batch)
