"""Wrappers that put a design between AXI4-Streams or links of the CMS EMP framework, in SystemVerilog."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bittrigger.emit.render import render
from bittrigger.emit.wrappers.files import write_wrapper
from bittrigger.emit.wrappers.stream import Stream, to_beats
from bittrigger.emit.wrappers.words import event_words
from bittrigger.errors import ConfigError
from bittrigger.ir.held.bus import address_bits
from bittrigger.ir.pipeline import Pipeline
from bittrigger.ir.ports import bus_width, input_fields, output_fields
from bittrigger.patterns.design import Payload

__all__ = [
    "AxisOptions",
    "Stream",
    "axis_depth",
    "axis_latency_cycles",
    "axis_streams",
    "emit_axis",
    "emit_emp",
    "to_beats",
]

_EMP_LIBRARY = ("bittrigger_delay", "bittrigger_emp_gather", "bittrigger_emp_send")
_WORDS = ("bittrigger_event_words",)
_AXIS_LIBRARY = ("bittrigger_delay", "bittrigger_axis_gather", "bittrigger_credit_fifo", "bittrigger_axis_send")


@dataclass(frozen=True)
class AxisOptions:
    """What a user may choose about the streams.

    Attributes:
        beat_bits: width of TDATA at the input.
        out_beat_bits: width of TDATA at the output; None takes that of the input.
    """

    beat_bits: int = 64
    out_beat_bits: int | None = None


def axis_streams(pipeline: Pipeline, options: AxisOptions) -> tuple[Stream, Stream]:
    """The input and the output bus of ``pipeline`` on streams.

    Raises:
        ConfigError: if a width is out of range.
    """
    graph = pipeline.graph
    out_bits = options.beat_bits if options.out_beat_bits is None else options.out_beat_bits
    return (
        Stream(bus_width(input_fields(graph)), options.beat_bits),
        Stream(bus_width(output_fields(graph)), out_bits),
    )


def axis_depth(pipeline: Pipeline) -> int:
    """Places of the output FIFO: a power of two with which one event can enter every cycle."""
    return int(1 << (pipeline.latency_cycles + 2).bit_length())


def axis_latency_cycles(pipeline: Pipeline, inputs: Stream) -> int:
    """Cycles from the first beat of an event to the first beat of its result, if nothing waits."""
    return inputs.beats - 1 + pipeline.latency_cycles + 3


def emit_axis(pipeline: Pipeline, options: AxisOptions, folder: Path) -> tuple[Path, ...]:
    """Write ``<graph name>_axis.sv``, the library modules that it needs, and ``<graph name>_axis.f``, the list of all sources.

    Returns:
        The SystemVerilog files, the top first; the design itself is in ``../../rtl``.

    Raises:
        ConfigError: if a width is out of range.
        UnsupportedModelError: if the design has a module of the wrapper's name.
    """
    inputs, outputs = axis_streams(pipeline, options)
    widest = max(inputs.beat_bits, outputs.beat_bits) - 1
    text = render(
        "wrap_axis.sv.j2",
        **_common(pipeline, widest),
        inputs=inputs,
        outputs=outputs,
        in_room=inputs.beats * inputs.beat_bits,
        out_room=outputs.beats * outputs.beat_bits,
        depth=axis_depth(pipeline),
        latency=axis_latency_cycles(pipeline, inputs),
        rate=max(inputs.beats, outputs.beats, pipeline.ii),
    )
    library = (*_AXIS_LIBRARY, *_WORDS * bool(pipeline.arrival))
    return write_wrapper(pipeline, folder, f"{pipeline.graph.name}_axis", {".sv": text}, library)


def emit_emp(pipeline: Pipeline, payload: Payload, folder: Path) -> tuple[Path, ...]:
    """Write ``<graph name>_emp.sv``, its VHDL adapter, the library modules that it needs, and ``<graph name>_emp.f``.

    Returns:
        The SystemVerilog files, the top first; the design itself is in ``../../rtl``.

    Raises:
        UnsupportedModelError: if the design has a module of the wrapper's name.
    """
    inputs, outputs, spec = payload.inputs, payload.outputs, payload.spec
    _check_interval(pipeline, max(spec.period_frames, inputs.words))
    facts = {
        **_common(pipeline, 64 * max(inputs.links, outputs.links) - 1),
        "inputs": inputs,
        "outputs": outputs,
        "spec": spec,
        "in_room": 64 * inputs.links * inputs.words,
        "out_room": 64 * outputs.links * outputs.words,
        "latency": payload.latency_cycles,
        "rate": max(inputs.words, outputs.words, pipeline.ii),
    }
    name = f"{pipeline.graph.name}_emp"
    texts = {".sv": render("wrap_emp.sv.j2", **facts), "_links.vhd": render("wrap_emp.vhd.j2", **facts)}
    return write_wrapper(pipeline, folder, name, texts, (*_EMP_LIBRARY, *_WORDS * bool(pipeline.arrival)))


def _check_interval(pipeline: Pipeline, frames: int) -> None:
    """Refuse links whose packets come every ``frames`` frames, sooner than a folded design takes an event."""
    if frames < pipeline.ii:
        raise ConfigError(
            f"design {pipeline.graph.name!r} takes an event every {pipeline.ii} cycles, and the links bring one every {frames} "
            f"frames; allowed are at least {pipeline.ii}; give a larger --tmux, or convert with a smaller --ii"
        )


def _common(pipeline: Pipeline, widest: int) -> dict[str, object]:
    digits = len(str(max(widest, 31 if pipeline.held else 0)))
    return {
        "name": pipeline.graph.name,
        "mark": pipeline.origin.mark,
        "core_latency": pipeline.latency_cycles,
        "guarded": pipeline.guard_name is not None,
        "interval": pipeline.ii,
        "stream": event_words(pipeline),
        "settings": address_bits(pipeline.graph) if pipeline.held else 0,
        "digits": digits,
        "pad": " " * (digits + 4),
    }
