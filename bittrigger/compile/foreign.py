"""Models that are not of Keras: integer graphs as they are, and checkpoints of PyTorch with the description beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bittrigger.compile.read import design_name
from bittrigger.errors import ConfigError
from bittrigger.ir.graph import Graph
from bittrigger.settings import AUTO, Settings

SUFFIXES = (".pt", ".pth")
"""What files of PyTorch end in."""


def is_pytorch(path: Path) -> bool:
    """Whether a file is one of PyTorch by its name."""
    return path.suffix.lower() in SUFFIXES


def foreign_graph(source: Path | Any, settings: Settings) -> Graph | None:
    """The integer graph of ``source``, or None if it is a model of Keras.

    Raises:
        ConfigError: if a setting is given that its description has.
        UnsupportedModelError: if it cannot be read, or not be computed in integers.
    """
    if isinstance(source, Graph):
        _check_outputs(source.name, settings)
        return source
    if not isinstance(source, Path) or not is_pytorch(source):
        return None
    _check_outputs(str(source), settings)
    if settings.input_precision not in (None, AUTO) or settings.output_precision != AUTO:
        raise ConfigError(
            f"model {source}: --input-precision and --output-precision are for models of Keras; write input and output into the "
            "description beside it"
        )
    from bittrigger.frontend.pytorch.lower import read_pytorch

    return read_pytorch(source, design_name(source, settings.name), exactly=settings.require == "exact")


def _check_outputs(name: str, settings: Settings) -> None:
    if settings.log_odds is not None or settings.head_bits is not None:
        option = "--head-bits" if settings.log_odds is None else "--log-odds"
        raise ConfigError(f"model {name}: {option} is for models of Keras; change the outputs in the model itself")
