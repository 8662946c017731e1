"""hls4ml's writer interface: writes the build folder of a design."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hls4ml.writer.writers import Writer

from bittrigger.hls4ml.design import design_of

CONFIG = "hls4ml_config.yml"
"""Where ``hls4ml.converters.link_existing_project`` looks for the configuration of a project."""


class BitTriggerWriter(Writer):  # type: ignore[misc]
    """Writes ``hls/`` (Vitis HLS project), ``rtl/`` (SystemVerilog), the design files and hls4ml's configuration."""

    def write_hls(self, model: Any) -> None:
        """Write the design of ``model`` into its output folder; files that would not change are left alone."""
        folder = Path(model.config.get_output_dir())
        design_of(model).write(folder)
        (folder / CONFIG).write_text(configuration(model, folder), encoding="utf-8")


def configuration(model: Any, folder: Path) -> str:
    """hls4ml's configuration of ``model`` as YAML, with the shapes of its inputs and outputs and without the Keras model."""
    variables = {"InputShapes": model.get_input_variables(), "OutputShapes": model.get_output_variables()}
    shapes = {key: {v.name: [int(n) for n in v.shape] for v in found} for key, found in variables.items()}
    left_out = ("KerasModel", "InputData", "OutputPredictions")
    config = {key: value for key, value in model.config.config.items() if key not in left_out}
    return str(yaml.safe_dump(_plain(config | {"OutputDir": str(folder), **shapes}), sort_keys=True))


def _plain(value: Any) -> Any:
    """``value`` as YAML knows it."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
