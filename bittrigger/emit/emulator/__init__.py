"""A fast C++ emulator of a pipeline: the same integers as the firmware, many events at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, assert_never

import numpy as np

from bittrigger.emit.emulator.held import held_views
from bittrigger.emit.emulator.lanes import Operand, graph_lanes, node_operand
from bittrigger.emit.emulator.lookup import lookup_functions
from bittrigger.emit.emulator.ports import check_fracs, common_ap_type, input_columns, output_columns
from bittrigger.emit.emulator.requantize import rounder
from bittrigger.emit.emulator.sums import Sums, straight_line_sums
from bittrigger.emit.render import render, write_changed
from bittrigger.errors import ConfigError, InternalError
from bittrigger.ir.fixed import FLOAT32_BITS
from bittrigger.ir.forms.engine import common_shift
from bittrigger.ir.graph import Graph, Input, Linear, Lookup, Operation, Requantize
from bittrigger.ir.held.weight_file import network_hash
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.nodes.wire import ZERO, Wire
from bittrigger.ir.origin import MARK
from bittrigger.ir.pipeline import Module, Pipeline

__all__ = ["emit_emulator", "library_name"]

EVENTS = 128
"""Events in a block: four vectors of AVX-512, so that rows of a few hundred codes stay in the nearest caches."""


def library_name(name: str, version: int) -> str:
    """``<name>_v<version>``: the library, its namespace, and the prefix of its functions."""
    return f"{name}_v{version}"


def emit_emulator(pipeline: Pipeline, folder: Path, *, version: int = 1) -> tuple[Path, ...]:
    """Write the emulator of ``pipeline``: C++17 that needs no other library, and a Makefile.

    ::

        <name>_v<n>.h .cpp        the C interface on codes and on real values; everything else is hidden
        <name>_v<n>_block.h       rows and vector types that the layers share
        <name>_v<n>_held.cpp      what is held in registers: read from a weight file
        <layer>.cpp               one a layer, as straight-line vector code
        <name>_v<n>_cmssw.cpp     create_model and destroy_model, compiled where EMULATOR_EXTRAS is set
        <name>_v<n>.py            the C interface from Python
        Makefile                  builds <name>_v<n>.so

    All names live in a namespace of model and version, so that any number of models and versions share a process.

    Args:
        folder: created if need be; files that hold the same text already are left alone, and sources of an earlier
            emission that are no longer part of the design are removed.
        version: version of the model, 0 or more.

    Returns:
        The files, relative paths joined to ``folder``.

    Raises:
        ConfigError: if ``version`` is negative.
        UnsupportedModelError: if a layer needs lanes of more than 64 bits, or a scale no double holds.
    """
    pipeline = pipeline.emulation
    if version < 0:
        raise ConfigError(f"version {version}; expected 0 or more")
    texts = _texts(pipeline, library_name(pipeline.graph.name, version), version)
    for name, text in texts.items():
        write_changed(folder / name, text)
    for path in (*folder.glob("*.cpp"), *folder.glob("*.h"), *folder.glob("*.py")):
        if path.name not in texts and MARK in path.read_text(encoding="utf-8", errors="replace")[:400]:
            path.unlink()
    return tuple(folder / name for name in texts)


@dataclass(frozen=True)
class _Row:
    """A member array of the block."""

    name: str
    size: int
    bits: int


@dataclass(frozen=True)
class _Layer:
    """One module or wire, worked out.

    Attributes:
        n_in: operand codes, of all copies.
        module: None for a wire.
        operand: with the lanes on which all is computed.
    """

    name: str
    node: Wire | Operation
    n_in: int
    module: Module | None
    operand: Operand
    sums: Sums | None

    @property
    def summary(self) -> str:
        """What it does, in a few words."""
        size = f"{self.n_in // self.node.copies} to {self.node.size // self.node.copies} codes"
        size += f", {self.sums.adders} additions" if self.sums else ""
        return f"{self.node.copies} times {size}" if self.node.copies > 1 else size


def _layers(pipeline: Pipeline, lanes: dict[str, int]) -> Iterator[_Layer]:
    modules = {module.node.name: module for module in pipeline.modules}
    for node in pipeline.graph.nodes:
        if isinstance(node, Input):
            continue
        module, sums = modules.get(node.name), None
        if isinstance(node, Linear):
            if module is None:
                raise InternalError(f"layer {node.name!r} has no module")
            sums = straight_line_sums(module.adders, lanes[node.name]) if module.adders else None
        name = module.name if module else f"{pipeline.graph.name}_wire_{node.name}"
        n_in = _size(pipeline.graph, node)
        yield _Layer(name, node, n_in, module, node_operand(pipeline.graph, node, lanes), sums)


def _size(graph: Graph, node: Wire | Operation) -> int:
    """Operand codes of all copies."""
    return sum(graph[name].size for name in node.inputs)


def _texts(pipeline: Pipeline, library: str, version: int) -> dict[str, str]:
    """Every file, by name."""
    graph = pipeline.graph
    check_fracs(graph)
    lanes = graph_lanes(graph)
    layers = list(_layers(pipeline, lanes))
    inputs, outputs = input_columns(graph, lanes), output_columns(graph, lanes)
    common: dict[str, Any] = {
        "library": library,
        "name": graph.name,
        "basis": graph.basis,
        "version": version,
        "mark": pipeline.origin.mark,
        "n_inputs": graph.n_inputs,
        "n_outputs": graph.n_outputs,
        "inputs": inputs,
        "outputs": outputs,
        "float32_bits": FLOAT32_BITS,
        "narrow": any(column.narrow for column in inputs),
        "wide": any(not column.narrow for column in inputs),
        "held": held_views(graph, lanes),
        "network": network_hash(graph),
        "modules": [{"name": layer.name, "summary": layer.summary} for layer in layers],
    }
    texts = {
        f"{library}.h": render("emulator.h.j2", **common),
        f"{library}.cpp": render("emulator.cpp.j2", **common),
        f"{library}_block.h": _block_header(pipeline, lanes, layers, common),
    }
    if common["held"]:
        texts[f"{library}_held.cpp"] = render("emulator_held.cpp.j2", **common)
    for layer in layers:
        texts[f"{layer.name}.cpp"] = _layer_text(layer, common)
    ap_types = {"input_type": common_ap_type(inputs), "output_type": common_ap_type(outputs)}
    texts[f"{library}_cmssw.cpp"] = render("emulator_cmssw.cpp.j2", **common, **ap_types)
    texts[f"{library}.py"] = render("emulator.py.j2", **common)
    objects = [f"$(BUILD)/{layer.name}.o" for layer in layers]
    objects += [f"$(BUILD)/{library}_held.o"] if common["held"] else []
    texts["Makefile"] = render("emulator.mk.j2", **common, layers=objects)
    return texts


def _block_header(pipeline: Pipeline, lanes: dict[str, int], layers: list[_Layer], common: dict[str, Any]) -> str:
    codes = [_Row(node.name, node.size, lanes[node.name]) for node in pipeline.graph.nodes]
    operands = [_Row(layer.node.name, layer.n_in, layer.operand.lane) for layer in layers if layer.operand.parts]
    shared = [
        _Row(layer.node.name, layer.sums.shared, layer.operand.lane)
        for layer in layers
        if layer.sums and layer.sums.shared
    ]
    used = sorted({16, *lanes.values()})
    return render(
        "emulator_block.h.j2", **common, events=EVENTS, lanes=used, codes=codes, operands=operands, shared=shared
    )


def _layer_text(layer: _Layer, common: dict[str, Any]) -> str:  # noqa: PLR0911 - one return a kind
    node, bits, copies = layer.node, layer.operand.lane, layer.node.copies
    source = layer.module.source if layer.module else ()
    parts, first = [], 0
    for name, size, lane in layer.operand.parts:
        parts.append({"name": name, "first": first, "bits": lane})
        first += size
    values = {
        "library": common["library"],
        "mark": common["mark"],
        "module": layer.name,
        "node": node.name,
        "size": node.size,
        "copies": copies,
        "n_in": layer.n_in // copies,
        "n_out": node.size // copies,
        "bits": bits,
        "summary": layer.summary,
        "operand": {"rows": layer.operand.rows, "parts": parts},
    }
    match node:
        case Linear():
            sums = layer.sums
            return render("emulator_sums.cpp.j2", **values, sums=sums) if sums else _matrix_text(node, bits, values)
        case Requantize():
            return render("emulator_requantize.cpp.j2", **values, rounder=rounder(node, source, bits))
        case Lookup():
            functions = lookup_functions(node, source, bits)
            return render("emulator_lookup.cpp.j2", **values, functions=functions)
        case MagnitudeOr() | ShiftDown() | ShiftUp():
            return render("emulator_scaling.cpp.j2", **values, kind=type(node).__name__, definition=node)
        case Product():
            return render("emulator_product.cpp.j2", **values)
        case Weigh() | Hold():
            (view,) = (held for held in common["held"] if held.node == node.name)
            return render("emulator_weigh.cpp.j2", **values, held=view)
        case Extremum():
            return render("emulator_extremum.cpp.j2", **values, sign="<" if node.least else ">")
        case Wire():
            return render("emulator_wire.cpp.j2", **values, indices=node.indices.tolist(), zero=ZERO)
        case _:
            assert_never(node)


def _matrix_text(node: Linear, bits: int, values: dict[str, Any]) -> str:
    """A layer without an adder graph."""
    signs = ["".join("-0+"[int(sign) + 1] for sign in column) for column in np.sign(node.weights).T]
    biases = [f"{int(bias) % (1 << bits)}U{'LL' if bits == 64 else ''}" for bias in node.bias]
    return render("emulator_matrix.cpp.j2", **values, signs=signs, biases=biases, shift=common_shift(node) or 0)
