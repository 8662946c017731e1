"""Operators of ONNX with random attributes, and networks that onnxruntime quantises, against it; `make test-qonnx`."""

from __future__ import annotations

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_fuzz import outcome, run  # noqa: E402
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static  # noqa: E402

from bittrigger.compile.foreign import foreign_graph  # noqa: E402
from bittrigger.ir.fixed import decode, encode  # noqa: E402
from bittrigger.ir.graph import evaluate  # noqa: E402
from bittrigger.settings import Settings  # noqa: E402
from bittrigger.simulate.vectors import random_codes  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("start", range(0, 240, 40))
def test_an_operator_is_that_of_onnxruntime_or_refused(tmp_path, start):
    found = [outcome(seed, tmp_path) for seed in range(start, start + 40)]
    assert not [case for case in found if case[1] in ("WRONG", "FAR", "SHAPE")]
    assert sum(case[1] in ("equal", "ideal") for case in found) > 10


def network(kind, random):
    """Nodes, constants and the shape of the input of a small float network."""

    def w(name, *shape):
        return numpy_helper.from_array((random.normal(size=shape) / 2).astype("float32"), name)

    if kind == "dense":
        nodes = [("Gemm", ["x", "w1", "b1"], "a", {"transB": 1}), ("Relu", ["a"], "r", {}),
                 ("Gemm", ["r", "w2", "b2"], "c", {"transB": 1}), ("Relu", ["c"], "d", {}), ("Add", ["d", "r"], "e", {}),
                 ("MatMul", ["e", "w3"], "f", {}), ("Add", ["f", "b3"], "y", {})]  # fmt: skip
        return nodes, [w("w1", 12, 8), w("b1", 12), w("w2", 12, 12), w("b2", 12), w("w3", 12, 4), w("b3", 4)], (8,)
    nodes = [("Conv", ["x", "w1", "b1"], "a", {"kernel_shape": [3, 3], "pads": [1] * 4}), ("Relu", ["a"], "r", {}),
             ("MaxPool", ["r"], "p", {"kernel_shape": [2, 2], "strides": [2, 2]}),
             ("Conv", ["p", "w2", "b2"], "c", {"kernel_shape": [3, 3], "group": 2}), ("Relu", ["c"], "d", {}),
             ("GlobalAveragePool", ["d"], "g", {}), ("Flatten", ["g"], "f", {}),
             ("Gemm", ["f", "w3", "b3"], "y", {})]  # fmt: skip
    return (
        nodes,
        [w("w1", 4, 2, 3, 3), w("b1", 4), w("w2", 6, 2, 3, 3), w("b2", 6), w("w3", 6, 3), w("b3", 3)],
        (2, 8, 8),
    )


class Events(CalibrationDataReader):
    """Thirty events to calibrate with."""

    def __init__(self, shape, random):
        self.left = iter([{"x": random.normal(size=(1, *shape)).astype("float32")} for _ in range(30)])

    def get_next(self):
        return next(self.left, None)


INT, UINT = QuantType.QInt8, QuantType.QUInt8


@pytest.mark.parametrize("each", [False, True], ids=["one scale", "each channel"])
@pytest.mark.parametrize(("weights", "values"), [(INT, UINT), (INT, INT), (UINT, UINT)], ids=str)
@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator], ids=str)
@pytest.mark.parametrize("kind", ["dense", "image"])
def test_what_onnxruntime_quantises_converts(tmp_path, kind, form, weights, values, each):  # noqa: PLR0917
    """These are ideal, as scales are no powers of two; a step of an event in a hundred may be another at the most."""
    random = np.random.default_rng(1)
    nodes, constants, shape = network(kind, random)
    made = [helper.make_node(name, given, [result], **options) for name, given, result, options in nodes]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, size) for name, size in (("x", [1, *shape]), ("y", None))
    ]
    model = helper.make_model(
        helper.make_graph(made, "net", ends[:1], ends[1:], constants), opset_imports=[helper.make_opsetid("", 17)]
    )
    model.ir_version = 8
    onnx.save(model, tmp_path / "float.onnx")
    path = tmp_path / "net.onnx"
    reader = Events(shape, random)
    quantize_static(
        tmp_path / "float.onnx",
        path,
        reader,
        quant_format=form,
        weight_type=weights,
        activation_type=values,
        per_channel=each,
    )
    graph = foreign_graph(path, Settings())
    codes = random_codes(graph, 200, 1)
    events = decode(codes, graph.inputs[0].frac).astype(np.float32)
    (rounded,) = graph.basis.rounded
    wanted = decode(encode(run(path.read_bytes(), shape, events), rounded), rounded.frac)
    found = decode(evaluate(graph, codes), rounded.frac)
    assert (found != wanted).any(axis=1).mean() <= 0.01
