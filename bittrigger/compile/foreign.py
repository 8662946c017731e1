"""Models that are not of Keras: integer graphs as they are, ONNX files, modules of PyTorch, checkpoints with a description."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bittrigger.compile.read import design_name, measured_graph
from bittrigger.errors import ConfigError, Float32RoundsError
from bittrigger.frontend.pytorch.module import ModuleSource, events_of, is_module
from bittrigger.ir.basis import Reference
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.graph import Graph
from bittrigger.ir.naming import identifier
from bittrigger.settings import AUTO, Settings

if TYPE_CHECKING:
    from bittrigger.frontend.qonnx.file import OnnxModel

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
    if isinstance(source, ModuleSource):
        _check_outputs(source.name, settings, typed=True)
        return _of_module(source, settings, inputs)
    if not isinstance(source, Path) or not is_foreign(source):
        return None
    name = design_name(source, settings.name)
    if source.suffix.lower() == ONNX:
        from bittrigger.frontend.qonnx.file import read_onnx

        _check_outputs(str(source), settings, typed=True)
        return _of_nodes(read_onnx(source), name, settings, inputs, Reference.QONNX)
    return _of_checkpoint(source, name, settings, inputs)


def _of_checkpoint(path: Path, name: str, settings: Settings, inputs: FloatArray | None) -> Graph:
    """The integer graph of a checkpoint of PyTorch, as the file beside it describes it."""
    from bittrigger.frontend.pytorch.description import Description, description_of, read_description
    from bittrigger.frontend.pytorch.lower import lower_pytorch
    from bittrigger.frontend.pytorch.network import written
    from bittrigger.frontend.pytorch.tensors import read_tensors

    if settings.input_precision not in (None, AUTO) or settings.output_precision != AUTO:
        raise ConfigError(
            f"model {path}: --input-precision and --output-precision are for models of Keras; write input and output into the "
            "description beside it"
        )
    tensors, description = read_tensors(path), read_description(description_of(path))
    _check_outputs(str(path), settings, typed=not isinstance(description, Description))
    if isinstance(description, Description):
        return lower_pytorch(tensors, description, name, exactly=settings.require == "exact")
    model, said = written(tensors, description)
    graph = _of_nodes(model, name, settings, inputs, Reference.PYTORCH)
    return replace(graph, basis=replace(graph.basis, chosen=(*graph.basis.chosen, *said)))


def with_events(source: Any, inputs: Any) -> tuple[Any, FloatArray | None]:
    """A model object as ``foreign_graph`` takes it, and its events side by side.

    Args:
        inputs: events, which say the shape that a module of PyTorch is called with; a tuple for several arguments.

    Raises:
        ConfigError: if a module comes without them.
    """
    if not is_module(source):
        return source, None
    arrays = events_of(inputs)
    flat = [np.asarray(array, dtype=np.float64).reshape(len(array), -1) for array in arrays]
    if len({len(array) for array in flat}) > 1:
        raise ConfigError(
            f"inputs of a PyTorch module: {', '.join(str(len(array)) for array in flat)} events; expected as many for each "
            "argument; give the same events"
        )
    return ModuleSource(source, tuple(array.shape[1:] for array in arrays)), np.concatenate(flat, axis=1)


def _of_module(source: ModuleSource, settings: Settings, inputs: FloatArray | None) -> Graph:
    """The integer graph of a module, compared with the module itself."""
    from bittrigger.frontend.pytorch.module import traced

    found = traced(source.module, source.shapes)
    straight = tuple(
        f"layer {owner!r}: x + (q - x) is q here, where float32 rounds the difference and the sum"
        for owner in found.straight
    )
    if straight and settings.require == "exact":
        raise Float32RoundsError(f"{straight[0]}; allowed is q itself at inference; leave out --require exact")
    name = identifier(settings.name or source.name)
    return _of_nodes(found.model, name, settings, inputs, Reference.PYTORCH, straight, source.outputs)


def _of_nodes(  # noqa: PLR0917
    given: OnnxModel,
    name: str,
    settings: Settings,
    inputs: FloatArray | None,
    reference: Reference,
    ideal: tuple[str, ...] = (),
    own: Callable[[FloatArray], FloatArray] | None = None,
) -> Graph:
    """The integer graph of nodes, compared with them in floating point.

    Args:
        ideal: where float32 rounds besides what the nodes say.
        own: what the framework gives for events in float32.

    Raises:
        UnsupportedModelError: if it cannot be computed in integers.
        MismatchError: if a bit differs.
    """
    from bittrigger.compile.onnx_agreement import check_onnx
    from bittrigger.frontend.qonnx.read import lower_onnx
    from bittrigger.frontend.qonnx.typed import as_declared, distance_text

    model, said = as_declared(given, settings.declared)
    chosen = (f"{'; '.join(said)}; {distance_text(given, model, inputs)}",) if said else ()
    graph = lower_onnx(model, name, settings, inputs, chosen, reference)
    if ideal:
        graph = replace(graph, basis=replace(graph.basis, ideal=(*graph.basis.ideal, *ideal)))
    return measured_graph(graph, check_onnx(model, graph, settings, inputs, None if said else own))


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
