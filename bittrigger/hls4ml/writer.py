"""hls4ml's writer interface: writes the build folder of a design."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hls4ml.writer.writers import Writer

from bittrigger.hls4ml.design import design_of


class BitTriggerWriter(Writer):  # type: ignore[misc]
    """Writes ``hls/`` (Vitis HLS project), ``rtl/`` (SystemVerilog) and the design files."""

    def write_hls(self, model: Any) -> None:
        """Write the design of ``model`` into its output folder; files that would not change are left alone."""
        design_of(model).write(Path(model.config.get_output_dir()))
