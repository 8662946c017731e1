"""Functions of ONNX and quantisers of QONNX."""

from __future__ import annotations

import numpy as np

from bittrigger.frontend.elementwise import onnx
from bittrigger.frontend.elementwise.functions.function import Function, in_single
from bittrigger.frontend.elementwise.functions.rounding import rounded_to
from bittrigger.frontend.elementwise.grids import Grid, Spec
from bittrigger.ir.fixed import FloatArray


def of_onnx(name: str, config: Spec) -> Function:
    """A function of ONNX, or a quantiser of QONNX."""
    given = dict(config)
    if name in ("Quant", "Bipolar"):
        grid = Grid(int(given["frac"]), int(given["lo"]), int(given["hi"]))
        if name == "Quant" and given["rounding"] == "ROUND":
            return rounded_to(f"Quant({grid.lo}..{grid.hi})", grid)

        def quantised(values: FloatArray) -> FloatArray:
            scaled = np.ldexp(values, grid.frac)
            whole = np.where(values >= 0, 1.0, -1.0) if name == "Bipolar" else onnx.rounded(scaled, given["rounding"])
            return np.asarray(np.ldexp(np.clip(whole, grid.lo, grid.hi), -grid.frac), dtype=np.float64)

        return Function(name, in_single(quantised), quantised, grid, rational=name == "Bipolar")
    if name in onnx.EVEN:
        return Function(
            name,
            lambda values: np.asarray(onnx.even(name, values, given), dtype=np.float32),
            lambda values: np.asarray(onnx.even(name, values, given), dtype=np.float64),
            is_relu=name == "Relu",
            rational=True,
        )
    own = onnx.IN_DOUBLE[name]

    def double(values: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):  # what is not finite is refused where it is tabulated
            return own(values, given)

    return Function(name, in_single(double), double)
