"""SystemVerilog of a pipeline: one file a module and a top, for people to read and for every tool to take."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from bittrigger.emit.render import render, write_changed
from bittrigger.emit.verilog.columns import columns_text, loader_text
from bittrigger.emit.verilog.engine import feed_text, lane_text
from bittrigger.emit.verilog.extremum import extremum_body
from bittrigger.emit.verilog.held import reader_text, registers_text, settings_text
from bittrigger.emit.verilog.linear import linear_body
from bittrigger.emit.verilog.lookup import lookup_body
from bittrigger.emit.verilog.operands import Operands
from bittrigger.emit.verilog.product import product_body
from bittrigger.emit.verilog.queue import queue_text
from bittrigger.emit.verilog.requantize import requantize_body
from bittrigger.emit.verilog.scaling import scaling_body
from bittrigger.emit.verilog.serial import serial_text
from bittrigger.emit.verilog.tally import tally_text
from bittrigger.emit.verilog.top import top_view
from bittrigger.emit.verilog.views import Body
from bittrigger.errors import InternalError, UnsupportedModelError
from bittrigger.ir.graph import Linear, Lookup, Requantize
from bittrigger.ir.held.memory import placed
from bittrigger.ir.layout import BusLayout
from bittrigger.ir.nodes.block_floating_point import MagnitudeOr, ShiftDown, ShiftUp
from bittrigger.ir.nodes.extremum import Extremum
from bittrigger.ir.nodes.held import Hold, Weigh
from bittrigger.ir.nodes.product import Product
from bittrigger.ir.pipeline import Module, Pipeline
from bittrigger.system.resources import folder as folder_of

__all__ = ["emit_verilog"]

LIBRARY = (
    "bittrigger_adder3",
    "bittrigger_adder2_carry",
    "bittrigger_adder3_carry",
    "bittrigger_clip",
    "bittrigger_weigh2",
    "bittrigger_digit",
    "bittrigger_pick",
    "bittrigger_memory",
    "bittrigger_memory_block",
)
"""Modules of the firmware library that are instantiated; its folder ``ultrascale`` holds the same in primitives."""


def emit_verilog(pipeline: Pipeline, folder: Path) -> tuple[Path, ...]:
    """Write ``<graph name>.sv``, the top, ``<module name>.sv`` for each module, and what they use of the firmware library.

    The top takes one event a clock cycle and never stalls. ``out_valid`` and ``out_data`` follow ``in_valid`` and
    ``in_data`` by exactly ``pipeline.latency_cycles`` rising edges of ``clk``. ``rst`` is synchronous, active high, and
    clears the valid chain only. The fields of ``in_data`` and ``out_data`` are ``ports.input_fields`` and
    ``ports.output_fields``. Each adder result is a wire ``s<number>`` of its module.

    A design that takes an event only every few cycles has a port ``dropped`` and leaves out what comes sooner; the folder
    ``checks`` then gets a module that binds itself to the top and stops a simulation in which that happens. Where the
    positions of an event come in words, a port ``in_start`` tells the first of them, the fields of ``in_data`` are
    ``arrival.word_fields``, and the latency counts from the first word.

    Args:
        folder: created if need be; files that hold the same text already are left alone.

    Returns:
        The files, the top first.

    Raises:
        UnsupportedModelError: if the design bears the name of a module of the firmware library.
    """
    name = pipeline.graph.name
    if name in LIBRARY:
        raise UnsupportedModelError(
            f"design {name!r} bears the name of a module of the firmware library; choose another with --name"
        )
    vectors = BusLayout.of(pipeline)
    apart = [module for module in pipeline.modules if module.engine or module.tally or module.serial]
    unrolled = [module for module in pipeline.modules if module not in apart and module not in pipeline.held]
    bodies = {module.name: _body(vectors, module) for module in unrolled}
    clocked = {stem for stem, body in bodies.items() if body.clocked}
    mark = pipeline.origin.mark
    texts = {name: render("top.sv.j2", **top_view(pipeline, vectors, clocked), mark=mark)}
    texts |= _layer_texts(pipeline, vectors, bodies, mark)
    used = [stem for stem in LIBRARY if any(f"{stem} #(" in text for text in texts.values())]
    for stem in used:
        texts[stem] = (folder_of("firmware") / f"{stem}.sv").read_text(encoding="utf-8")
    paths = []
    for stem, text in texts.items():
        paths.append(folder / f"{stem}.sv")
        write_changed(paths[-1], text)
    if pipeline.guard_name:
        paths.append(folder / "checks" / f"{pipeline.guard_name}_check.sv")
        words = pipeline.arrival.words if pipeline.arrival else 1
        guard = {"name": name, "guard": pipeline.guard_name, "ii": pipeline.ii, "words": words, "mark": mark}
        write_changed(paths[-1], render("interval_check.sv.j2", **guard))
    return tuple(paths)


def _layer_texts(pipeline: Pipeline, vectors: BusLayout, bodies: dict[str, Body], mark: str) -> dict[str, str]:
    """The modules below the top, by name."""
    texts = {}
    for module in pipeline.modules:
        if module.engine:
            texts[module.name] = lane_text(vectors, module, mark)
            texts[module.feed_name] = feed_text(vectors, module, mark)
        elif module.serial:
            texts[module.name] = serial_text(vectors, module, mark)
        elif module.tally:
            texts[module.name] = tally_text(vectors, module, module.tally, mark)
        elif isinstance(module.node, Weigh | Hold):
            texts[module.name] = reader_text(vectors, module, mark)
        else:
            texts[module.name] = _module_text(vectors, module, bodies[module.name], mark)
        if module.queue:
            texts[module.queue_name] = queue_text(pipeline, vectors, module, mark)
    texts |= _held_texts(pipeline, vectors, mark)
    if pipeline.guard_name:
        texts[pipeline.guard_name] = _guard_text(pipeline, pipeline.guard_name, mark)
    return texts


def _held_texts(pipeline: Pipeline, vectors: BusLayout, mark: str) -> dict[str, str]:
    """What is held: registers, or memory that feeds columns which take turns; and the bus."""
    texts = {}
    for place, module in placed(pipeline):
        if module.is_fed:
            texts[module.feed_name] = columns_text(vectors, place, module, mark)
        else:
            texts[module.held_name] = registers_text(place, module, mark)
    if pipeline.loader_name:
        texts[pipeline.loader_name] = loader_text(pipeline, mark)
    if pipeline.settings_name:
        texts[pipeline.settings_name] = settings_text(pipeline, mark)
    return texts


def _guard_text(pipeline: Pipeline, name: str, mark: str) -> str:
    facts = {"name": name, "ii": pipeline.ii, "width": (pipeline.ii - 1).bit_length(), "mark": mark}
    if pipeline.arrival is None:
        return render("interval.sv.j2", **facts)
    words = pipeline.arrival.words
    return render("words.sv.j2", **facts, words=words, word_width=(words - 1).bit_length())


def _module_text(vectors: BusLayout, module: Module, body: Body, mark: str) -> str:
    buses, result = vectors.operands(module), vectors.result(module)
    widest = max(bus.width for bus in (*buses, result))
    digits = len(str(widest - 1))
    return render("module.sv.j2", module=module, buses=buses, result=result, body=body, digits=digits, mark=mark)


def _body(vectors: BusLayout, module: Module) -> Body:
    operands, result = Operands(vectors.places(module), module.source, module.start), vectors.result(module)
    match module.node:
        case Linear():
            if module.adders is None:
                raise InternalError(f"module {module.name!r} has no adder graph")
            return linear_body(module, module.adders, operands, result)
        case Requantize():
            return requantize_body(module, module.node, operands, result)
        case Lookup():
            return lookup_body(module, module.node, operands, result)
        case Extremum():
            return extremum_body(module, module.node, operands, result)
        case Product():
            return product_body(module, operands, result)
        case Weigh() | Hold():
            raise InternalError(f"module {module.name!r} reads held numbers")
        case MagnitudeOr() | ShiftDown() | ShiftUp():
            return scaling_body(module, module.node, operands, result)
        case _:
            assert_never(module.node)
