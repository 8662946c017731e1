"""Models that are not of Keras: integer graphs as they are, ONNX files, checkpoints of PyTorch with a description beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bittrigger.compile.read import design_name, measured_graph
from bittrigger.errors import ConfigError
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.graph import Graph
from bittrigger.settings import AUTO, Settings

PYTORCH = (".pt", ".pth")
"""What files of PyTorch end in."""

ONNX = ".onnx"


def is_foreign(path: Path) -> bool:
    """Whether a file is one of PyTorch or ONNX by its name."""
    return path.suffix.lower() in (*PYTORCH, ONNX)


def foreign_graph(source: Path | Any, settings: Settings, inputs: FloatArray | None = None) -> Graph | None:
    """The integer graph of ``source``, or None if it is a model of Keras.

    Args:
        inputs: real events `(events, n_inputs)`, which type the ports of an ONNX file that nothing else types.

    Raises:
        ConfigError: if a setting is given that its description has.
        UnsupportedModelError: if it cannot be read, or not be computed in integers.
    """
    if isinstance(source, Graph):
        _check_outputs(source.name, settings)
        return source
    if not isinstance(source, Path) or not is_foreign(source):
        return None
    onnx = source.suffix.lower() == ONNX
    _check_outputs(str(source), settings, typed=onnx)
    if onnx:
        return _of_onnx(source, settings, inputs)
    if settings.input_precision not in (None, AUTO) or settings.output_precision != AUTO:
        raise ConfigError(
            f"model {source}: --input-precision and --output-precision are for models of Keras; write input and output into the "
            "description beside it"
        )
    from bittrigger.frontend.pytorch.lower import read_pytorch

    return read_pytorch(source, design_name(source, settings.name), exactly=settings.require == "exact")


def _of_onnx(path: Path, settings: Settings, inputs: FloatArray | None) -> Graph:
    """The integer graph of an ONNX file, compared with its nodes in floating point.

    Raises:
        UnsupportedModelError: if it cannot be read, or not be computed in integers.
        MismatchError: if a bit differs.
    """
    from bittrigger.compile.onnx_agreement import check_onnx
    from bittrigger.frontend.qonnx.file import read_onnx
    from bittrigger.frontend.qonnx.read import lower_onnx
    from bittrigger.frontend.qonnx.typed import as_declared, distance_text

    given = read_onnx(path)
    model, said = as_declared(given, settings.declared)
    chosen = (f"{'; '.join(said)}; {distance_text(given, model, inputs)}",) if said else ()
    graph = lower_onnx(model, design_name(path, settings.name), settings, inputs, chosen)
    return measured_graph(graph, check_onnx(model, graph, settings, inputs))


def _check_outputs(name: str, settings: Settings, *, typed: bool = False) -> None:
    """Refuse options for models of Keras; those that declare types are for ONNX too, where ``typed``."""
    given = {
        "--log-odds": settings.log_odds,
        "--head-bits": settings.head_bits,
        "--weight-precision": settings.weight_precision and not typed,
        "--layer-precision": settings.layer_precision and not typed,
    }
    option = next((option for option, value in given.items() if value), None)
    if option is not None:
        raise ConfigError(f"model {name}: {option} is for models of Keras; change the outputs in the model itself")
