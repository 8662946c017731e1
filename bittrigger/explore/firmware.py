"""What a trained model costs as firmware: converted and, if wanted, synthesised."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bittrigger.report import Figure
    from bittrigger.settings import Settings

__all__ = ["FirmwareCost", "firmware_cost"]


@dataclass(frozen=True)
class FirmwareCost:
    """Figures of the whole design; each says where it came from.

    Attributes:
        luts: of origin `synth` (Yosys) or `estimate` (the solver's cost model).
        flip_flops: as `luts`.
        latency_ns: from input to output.
    """

    luts: Figure
    flip_flops: Figure
    latency_ns: Figure

    @property
    def origin(self) -> str:
        """Where the LUTs come from, as `synth, Yosys 0.70`."""
        return f"{self.luts.origin.value}, {self.luts.tool} {self.luts.version}"


def firmware_cost(
    model: Path, settings: Settings | None = None, *, synthesize: bool = True, folder: Path | None = None
) -> FirmwareCost:
    """Convert a model file as `bittrigger convert` does, which compares Keras with the integers on every bit.

    Args:
        model: an `.h5` or `.keras` file.
        settings: part, clock and effort of the solver; None takes the defaults of `bittrigger convert`.
        synthesize: whether Yosys counts; else the figures are the solver's estimate, within seconds.
        folder: where the build goes, replacing an earlier one; None keeps none.

    Raises:
        BittriggerError: the model does not convert, or a setting is unknown.
    """
    from bittrigger.compile.convert import convert

    with tempfile.TemporaryDirectory() as scratch:
        _, report = convert(model, folder or Path(scratch) / "build", settings, synthesize=synthesize, overwrite=True)
    counted = report.totals.synth if synthesize else report.totals.estimate
    return FirmwareCost(counted.lut, counted.ff, report.totals.latency_ns)
