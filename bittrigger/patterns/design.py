"""A design between links: its inputs and the oracle's outputs as pattern files, and captured outputs checked on every bit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bittrigger.errors import ConfigError, MismatchError
from bittrigger.ir.fixed import IntArray
from bittrigger.ir.graph import Graph, evaluate, input_intervals
from bittrigger.ir.ports import Field, bus_width, input_fields, output_fields, pack, unpack
from bittrigger.patterns.board import Board, infer_packets
from bittrigger.patterns.formats import Format, write
from bittrigger.patterns.packets import (
    FRAMES_PER_BX,
    MAX_FRAMES,
    ChannelSpec,
    Packets,
    WordArray,
    extract_packets,
    pack_events,
)
from bittrigger.patterns.words import WORD_BITS, Layout, from_words, least_links, to_words

WRAPPER_CYCLES = 2
"""Registers of the EMP wrapper around a design: one behind the links, one in front of them."""


@dataclass(frozen=True)
class Payload:
    """How a design is fed by links and drives them.

    Attributes:
        spec: packets at the inputs; those at the outputs follow with the same period.
        inputs: the input bus on links.
        outputs: the output bus on links.
        latency_cycles: from the first word of a packet at the inputs to the first word of its result at the outputs.
    """

    spec: ChannelSpec
    inputs: Layout
    outputs: Layout
    latency_cycles: int


@dataclass(frozen=True)
class LinkOptions:
    """What a user may choose about links.

    Attributes:
        tmux: time-multiplexing period in bunch crossings.
        gap_frames: invalid frames behind each packet.
        frames_per_bx: frames a bunch crossing.
        links: input links; None takes as few as carry an event.
        out_links: output links; None takes as few as carry a result.
    """

    tmux: int = 6
    gap_frames: int = 0
    frames_per_bx: int = FRAMES_PER_BX
    links: int | None = None
    out_links: int | None = None


def make_payload(graph: Graph, core_latency_cycles: int, options: LinkOptions) -> Payload:
    """The payload of ``graph``, whose design has a latency of ``core_latency_cycles``.

    Raises:
        ConfigError: if a number is out of range, or an event or a result does not fit into a packet on so many links.
    """
    spec = ChannelSpec(options.tmux, options.gap_frames, frames_per_bx=options.frames_per_bx)
    layouts = []
    for side, width, chosen in (
        ("input", bus_width(input_fields(graph)), options.links),
        ("output", bus_width(output_fields(graph)), options.out_links),
    ):
        least = least_links(width, spec.packet_frames)
        layout = Layout(width, least if chosen is None else chosen)
        if layout.words > spec.packet_frames:
            raise ConfigError(
                f"{layout.links} {side} links carry {layout.links * spec.packet_frames} words of {WORD_BITS} bits an event "
                f"at TMUX {spec.tmux} and gap {spec.gap_frames}; {width} bits need {least} links or more"
            )
        layouts.append(layout)
    inputs, outputs = layouts
    return Payload(spec, inputs, outputs, inputs.words - 1 + WRAPPER_CYCLES + core_latency_cycles)


def input_words(graph: Graph, codes: IntArray, payload: Payload) -> WordArray:
    """Link words `(events, links, words)` of input codes `(events, n_inputs)`."""
    return to_words(pack(codes, input_fields(graph)), payload.inputs)


def expected_words(graph: Graph, codes: IntArray, payload: Payload) -> WordArray:
    """Link words `(events, links, words)` of the oracle's outputs for input codes `(events, n_inputs)`."""
    return to_words(pack(evaluate(graph, codes), output_fields(graph)), payload.outputs)


def make_boards(
    graph: Graph, codes: IntArray, payload: Payload, *, max_frames: int = MAX_FRAMES
) -> tuple[tuple[Board, ...], tuple[Board, ...]]:
    """Input files, and the outputs that each must give, displaced by the latency.

    Raises:
        ConfigError: if a file of ``max_frames`` does not hold one event and its result.
    """
    spec = payload.spec
    later = replace(spec, offset_frames=spec.offset_frames + payload.latency_cycles)
    room = later.events_in(max_frames)
    if not room:
        raise ConfigError(
            f"files of {max_frames} frames; one event and its result {payload.latency_cycles} cycles later need "
            f"{later.offset_frames + later.period_frames}"
        )
    inputs, outputs = input_words(graph, codes, payload), expected_words(graph, codes, payload)
    return (
        pack_events(inputs, spec, board_id=graph.name, max_frames=max_frames, events_per_file=room),
        pack_events(outputs, later, board_id=graph.name, max_frames=max_frames, events_per_file=room),
    )


def read_codes(graph: Graph, boards: Sequence[Board], sources: Sequence[str], payload: Payload) -> IntArray:
    """Input codes `(events, n_inputs)` of input ``boards``; words behind those of the event are passed over.

    Raises:
        ConfigError: if packets are malformed, do not fit the design, or hold a code that its ports do not take.
    """
    parts = []
    ranges, wanted = input_intervals(graph), payload.inputs
    low, high = np.array([item.lo for item in ranges]), np.array([item.hi for item in ranges])
    for board, source in zip(boards, sources, strict=True):
        words = extract_packets(board, source=source).words
        if words.shape[1] != wanted.links or words.shape[2] < wanted.words:
            raise ConfigError(
                f"{source}: packets of {words.shape[2]} words on {words.shape[1]} links; {graph.name!r} takes {wanted.words} "
                f"words on {wanted.links} links; see --links"
            )
        codes = unpack(from_words(words[:, :, : wanted.words], wanted), input_fields(graph))
        outside = np.argwhere((codes < low) | (codes > high))
        if outside.size:
            event, column = (int(k) for k in outside[0])
            field = input_fields(graph)[column]
            raise ConfigError(
                f"{source}: event {event}, input {field.port}[{field.index}] has code {codes[event, column]}; its range is "
                f"{low[column]} to {high[column]}"
            )
        parts.append(codes)
    return np.concatenate(parts)


def check_boards(
    graph: Graph, codes: IntArray, boards: Sequence[Board], sources: Sequence[str], payload: Payload
) -> int:
    """Compare captured output ``boards``, in order, with the oracle: every bit of every word, and the packets' period.

    Returns:
        The number of events, all of which agree.

    Raises:
        MismatchError: naming event, output, frame and link of the first difference.
        ConfigError: if packets are malformed.
    """
    expected = expected_words(graph, codes, payload)
    done = 0
    for board, source in zip(boards, sources, strict=True):
        found = extract_packets(board, source=source)
        events = found.words.shape[0]
        wanted = expected[done : done + events]
        if found.words.shape[1:] != expected.shape[1:] and events:
            raise MismatchError(
                f"{source}: packets of {found.words.shape[2]} words on {found.words.shape[1]} links; the oracle gives "
                f"{expected.shape[2]} words on {expected.shape[1]} links"
            )
        _check_words(output_fields(graph), board, found, wanted, source, first_event=done)
        _check_period(found, source, payload.spec.period_frames, done)
        done += events
    if done != len(codes):
        raise MismatchError(f"{', '.join(sources)}: {done} packets; the oracle gives {len(codes)}")
    return done


def _check_words(
    fields: tuple[Field, ...], board: Board, found: Packets, wanted: WordArray, source: str, *, first_event: int
) -> None:
    got = found.words[: len(wanted)]
    different = got != wanted
    if not different.any():
        return
    event = int(np.flatnonzero(different.any(axis=(1, 2)))[0])
    word, column = (int(k) for k in np.argwhere(different[event].T)[0])
    values = int(wanted[event, column, word]), int(got[event, column, word])
    changed = values[0] ^ values[1]
    bit = (word * len(board.links) + column) * WORD_BITS + (changed & -changed).bit_length() - 1
    field = next((item for item in fields if item.offset <= bit < item.offset + item.width), None)
    name = f"output {field.port}[{field.index}]" if field else f"bit {bit}, beyond the outputs, where zero is due"
    there = np.flatnonzero(board.frames["valid"][:, column] & board.frames["strobe"][:, column])
    frame = int(there[event * wanted.shape[2] + word])
    events = int(different.any(axis=(1, 2)).sum())
    raise MismatchError(
        f"{source}: event {first_event + event}, {name}, frame {frame}, link {board.links[column]}: oracle gives "
        f"{values[0]:016x}, the file {values[1]:016x}; {events} of {len(wanted)} events differ"
    )


def _check_period(found: Packets, source: str, period: int, first_event: int) -> None:
    steps = np.diff(found.frames)
    wrong = np.flatnonzero((steps <= 0) | (steps % period != 0))
    if wrong.size:
        at = int(wrong[0])
        raise MismatchError(
            f"{source}: event {first_event + at + 1} starts in frame {found.frames[at + 1]}, {steps[at]} frames after the one "
            f"before it; the period is {period}"
        )


def numbered(path: Path, count: int) -> list[Path]:
    """``count`` names made from ``path``, with numbers of the same length."""
    digits = max(2, len(str(count - 1)))
    return [path.with_stem(f"{path.stem}_{k:0{digits}d}") for k in range(count)]


def in_order(paths: Sequence[Path]) -> list[Path]:
    """``paths`` by the number at the end of each name, whatever order a shell gave them; as they are if one has none.

    The frames inside cannot tell: every file of a series is loaded into the same buffers and begins with frame 0.
    """
    numbers = [re.search(r"_(\d+)$", path.stem) for path in paths]
    stems = {path.with_stem(re.sub(r"_\d+$", "", path.stem)) for path in paths}
    if len(stems) != 1 or None in numbers:
        return list(paths)
    return sorted(paths, key=lambda path: int(path.stem.rpartition("_")[2]))


def write_boards(path: Path, boards: Sequence[Board], form: Format) -> tuple[Path, ...]:
    """Write ``boards`` to ``path``, or where there are several to ``<stem>_00<suffix>``, ``<stem>_01<suffix>``, ….

    The numbers have as many digits as the last one, so that the order of the alphabet is that of the events.
    APx files bear no name of the board; EMPv1 files have no flags of packets, which must have gaps between them.

    Returns:
        The files.

    Raises:
        ConfigError: if packets could not be told apart in the format, or a file cannot be written.
    """
    if form is Format.APX:
        boards = [replace(board, id="") for board in boards]
    drop = ("start_of_orbit", "start", "last") if form is Format.EMPV1 else ()
    if drop and any((infer_packets(board).frames["start"] != board.frames["start"]).any() for board in boards):
        raise ConfigError("empv1 marks no starts of packets, and these follow without a gap; choose empv2, or --gap 1")
    paths = [path] if len(boards) == 1 else numbered(path, len(boards))
    for target, board in zip(paths, boards, strict=True):
        write(target, board, form, drop=drop)
    return tuple(paths)
