"""Where float32 rounds between the quantisers of an ONNX file, so that its grade is ideal; and truncations."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_files import GENERAL, network
from onnx_read import read, read_of

from bittrigger.errors import UnsupportedModelError
from bittrigger.ir.basis import Grade
from bittrigger.ir.graph import evaluate


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


def test_a_truncation_rounds_finer_steps_to_its_own_first(tmp_path):
    def build(net):
        x = net.quant("x", 2.0**-6, 8)
        return net.add("Trunc", x, 2.0**-4, 0.0, 6.0, 2.0**-2, 6.0, domain=GENERAL, rounding_mode="FLOOR")

    graph = read_of(tmp_path, build)
    assert evaluate(graph, np.array([[13, 14, -3, 127]])).tolist() == [[0, 1, -1, 8]]
    with pytest.raises(UnsupportedModelError, match="a scale of each channel"):
        read_of(tmp_path, lambda net: net.add(
            "Trunc", net.quant("x", 0.25, 8), 0.25, 0.0, 8.0, np.float32([1, 2, 1, 1]), 5.0, domain=GENERAL))  # fmt: skip
