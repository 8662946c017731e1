"""Products of matrices."""

from __future__ import annotations

from typing import Any

from bittrigger.frontend.pytorch.operators.arithmetic import check_plain
from bittrigger.frontend.pytorch.values import Call, Known, Value, Wire


def linear(call: Call) -> Value:
    """``x @ weight.T + bias``."""
    source, weight = call.wire(call.args[0]), call.known(call.args[1], "its matrix")
    return _product(call, source, _turned(weight), call.argument(2, "bias"))


def addmm(call: Call) -> Value:
    """``bias + x @ matrix``."""
    check_plain(call)
    bias, source, matrix = call.args[:3]
    return _product(call, call.wire(source), call.known(matrix, "its matrix"), bias)


def matmul(call: Call) -> Value:
    """A product of two operands, of which each may be one of the event."""
    return call.made("MatMul", *call.args[:2])


def einsum(call: Call) -> Value:
    """Sums of products along axes by their letters."""
    return call.made("Einsum", *call.args[1], equation=str(call.args[0]).replace(" ", ""))


def _turned(matrix: Known) -> Known:
    """A matrix with its axes turned, and with them the scale of each number."""
    scale = None if matrix.scale is None else matrix.scale.expand(matrix.tensor.shape).t()
    return Known(matrix.tensor.t(), scale)


def _product(call: Call, source: Wire, matrix: Known, bias: Any) -> Value:
    if bias is None:
        return call.made("MatMul", source, matrix)
    if len(source.shape) == 2:
        return call.made("Gemm", source, matrix, bias)
    product = call.made("MatMul", source, matrix)
    return Wire(call.writer.one(f"{call.owner}.bias", "Add", product.name, call.read(bias)), call.shape)
