"""``bittrigger patterns``: test vectors as pattern files of the trigger boards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bittrigger.cli.shared.console import busy, json_option, junit_option, terminal, write_json, write_junit

if TYPE_CHECKING:
    from bittrigger.build.folder import Build
    from bittrigger.ir.fixed import IntArray
    from bittrigger.patterns.board import Board
    from bittrigger.patterns.design import LinkOptions, Payload

FORMATS = "empv1, empv2 or apx"


def link_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say how a design sits between links, handed to ``function`` as its argument ``options``."""

    @functools.wraps(function)
    def wrapper(
        *, tmux: int, gap: int, frames_per_bx: int, links: int | None, out_links: int | None, **rest: object
    ) -> None:
        from bittrigger.patterns.design import LinkOptions

        function(options=LinkOptions(tmux, gap, frames_per_bx, links, out_links), **rest)

    options = (
        click.option("--tmux", type=int, default=6, show_default=True, help="Time-multiplexing period, in BX."),
        click.option("--gap", type=int, default=0, show_default=True, help="Invalid frames behind each packet."),
        click.option("--frames-per-bx", type=int, default=9, show_default=True, help="9 at 360 MHz, 6 at 240 MHz."),
        click.option("--links", type=int, help="Input links.  [default: as few as carry an event]"),
        click.option("--out-links", type=int, help="Output links.  [default: as few as carry a result]"),
    )
    decorated: Callable[..., None] = wrapper
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


@click.group()
def command() -> None:
    """Write, play, check and convert pattern files (EMPv1, EMPv2, APx)."""


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="File of the inputs.")
@click.option("--expected", type=click.Path(path_type=Path), help="File of the oracle's outputs, after the latency.")
@click.option("--events", type=click.Path(path_type=Path), help="Real events: .npy, or 'x' in an .npz.")
@click.option("--count", "-n", type=int, help="The first of --events, or so many random ones.  [default: all, or 100]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the random events.")
@click.option("--format", "-f", "form", default="empv2", show_default=True, help=FORMATS)
@click.option("--frames", type=int, default=1024, show_default=True, help="Frames of each file.")
@json_option()
@link_options
def write(
    folder: Path,
    output: Path,
    expected: Path | None,
    events: Path | None,
    count: int | None,
    seed: int,
    form: str,
    frames: int,
    json_file: Path | None,
    options: LinkOptions,
) -> None:
    """Write the inputs of the build in FOLDER as pattern files, and the outputs that must come back."""
    from bittrigger.patterns.design import make_boards, write_boards
    from bittrigger.patterns.formats import parse_format

    wanted = parse_format(form)
    build, payload = _load(folder, options)
    codes = _codes(build, payload, events, count, seed)
    inputs, outputs = make_boards(build.graph, codes, payload, max_frames=frames)
    console = terminal()
    written: list[list[str]] = []
    for path, boards in ((output, inputs), (expected, outputs)):
        written.append([] if path is None else [str(target) for target in write_boards(path, boards, wanted)])
        for target in written[-1]:
            console.print(f"wrote {target}", markup=False)
    console.print(
        f"{len(codes):,} events; inputs {payload.inputs.words} words on {payload.inputs.links} links, outputs "
        f"{payload.outputs.words} words on {payload.outputs.links} links, latency {payload.latency_cycles} cycles"
    )
    sides = [{"links": side.links, "words": side.words} for side in (payload.inputs, payload.outputs)]
    facts = {"events": len(codes), "inputs": sides[0], "outputs": sides[1], "latency_cycles": payload.latency_cycles}
    write_json(json_file, "patterns-write-1", facts | {"input_files": written[0], "output_files": written[1]})


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--events", type=click.Path(path_type=Path), help="What was sent: .npy, .npz, or a pattern file.")
@click.option("--count", "-n", type=int, help="The first of --events, or so many random ones.  [default: all, or 100]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the random events.")
@click.option("--format", "-f", "form", help=f"{FORMATS}.  [default: by the file's first line]")
@click.option("--lenient", is_flag=True, help="Read known deviations of public writers.")
@click.option("--infer-packets", is_flag=True, help="Packets begin and end with valid, for files without these flags.")
@json_option()
@junit_option()
@link_options
def check(
    folder: Path,
    files: tuple[Path, ...],
    events: Path | None,
    count: int | None,
    seed: int,
    form: str | None,
    lenient: bool,
    infer_packets: bool,
    json_file: Path | None,
    junit: Path | None,
    options: LinkOptions,
) -> None:
    """Compare the captured output FILES, by the numbers in their names, with the oracle of the build in FOLDER: every bit."""
    from bittrigger.errors import MismatchError
    from bittrigger.patterns.design import check_boards, in_order
    from bittrigger.report.junit import Case

    build, payload = _load(folder, options)
    files = tuple(in_order(files))
    boards = [_read(path, form, lenient=lenient, infer=infer_packets) for path in files]
    codes = _codes(build, payload, events, count, seed)
    name = f"captured output of {len(files)} files"
    try:
        number = check_boards(build.graph, codes, boards, [str(path) for path in files], payload)
    except MismatchError as error:
        write_junit(junit, build.graph.name, [Case(name, "failure", kind="mismatch", message=str(error))])
        raise
    write_junit(junit, build.graph.name, [Case(name, "passed")])
    terminal().print(f"{number:,} events, every bit equal")
    write_json(json_file, "patterns-check-1", {"files": [str(path) for path in files], "events": number})


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="File of what comes out.")
@click.option("--format", "-f", "form", default="empv2", show_default=True, help=FORMATS)
@json_option()
@link_options
def play(
    folder: Path, files: tuple[Path, ...], output: Path, form: str, json_file: Path | None, options: LinkOptions
) -> None:
    """Play the input FILES into the EMP wrapper of the build in FOLDER, in Verilator, and capture what comes out."""
    from bittrigger.emit.wrappers import emit_emp
    from bittrigger.patterns.design import in_order, write_boards
    from bittrigger.patterns.formats import parse_format
    from bittrigger.simulate.intake import check_emitted
    from bittrigger.simulate.wrapper import WrapperSim, play_boards

    wanted = parse_format(form)
    build, payload = _load(folder, options)
    check_emitted(build)
    boards = [_read(path, None, lenient=False, infer=False) for path in in_order(files)]
    sources = emit_emp(build.pipeline, payload, build.cache / "wrap" / "emp")
    sim = WrapperSim.of_build(folder, build.pipeline, sources, build.cache)
    console = terminal()
    with busy("simulating"):
        captures = play_boards(sim, boards, payload.inputs.links)
    written = [str(path) for path in write_boards(output, [capture.board for capture in captures], wanted)]
    for name in written:
        console.print(f"wrote {name}", markup=False)
    faults = [sum(len(getattr(capture, name)) for capture in captures) for name in ("packet_error", "overrun")]
    console.print(f"packet errors {faults[0]}, overruns {faults[1]}")
    facts = {"files": written, "packet_errors": faults[0], "overruns": faults[1]}
    write_json(json_file, "patterns-play-1", facts)


@command.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--to", "form", required=True, help=FORMATS)
@click.option("--from", "source_form", help=f"{FORMATS}.  [default: by the file's first line]")
@click.option("--lenient", is_flag=True, help="Read known deviations of public writers.")
@click.option("--infer-packets", is_flag=True, help="Set start and end where valid rises and falls.")
@click.option("--drop", multiple=True, help="May be lost: id, start_of_orbit, start, last, strobe.")
@click.option("--id", "board_id", help="Name of the board.  [default: that of SOURCE]")
@json_option()
def convert(
    source: Path,
    target: Path,
    form: str,
    source_form: str | None,
    lenient: bool,
    infer_packets: bool,
    drop: tuple[str, ...],
    board_id: str | None,
    json_file: Path | None,
) -> None:
    """Convert the pattern file SOURCE to TARGET; what the format cannot carry is refused unless --drop names it."""
    from dataclasses import replace

    from bittrigger.patterns.formats import parse_format
    from bittrigger.patterns.formats import write as write_file

    wanted = parse_format(form)
    board = _read(source, source_form, lenient=lenient, infer=infer_packets)
    write_file(target, board if board_id is None else replace(board, id=board_id), wanted, drop=drop)
    terminal().print(
        f"wrote {target}: {board.frames.shape[0]:,} frames of {len(board.links)} links as {wanted.value}", markup=False
    )
    facts = {"file": str(target), "format": wanted.value, "frames": board.frames.shape[0], "links": len(board.links)}
    write_json(json_file, "patterns-convert-1", facts)


def _load(folder: Path, options: LinkOptions) -> tuple[Build, Payload]:
    from bittrigger.build.folder import load_build
    from bittrigger.patterns.design import make_payload

    build = load_build(folder)
    payload = make_payload(build.graph, build.pipeline.latency_cycles, options)
    return build, payload


def _codes(build: Build, payload: Payload, events: Path | None, count: int | None, seed: int) -> IntArray:
    from bittrigger.compile.convert import read_inputs
    from bittrigger.errors import ConfigError
    from bittrigger.ir.ports import encode_events
    from bittrigger.patterns.design import read_codes
    from bittrigger.simulate.vectors import random_codes

    if count is not None and count < 1:
        raise ConfigError(f"--count {count}; must be at least 1")
    if events is None:
        return random_codes(build.graph, count or 100, seed)
    if events.suffix in (".npy", ".npz"):
        return encode_events(build.graph, read_inputs(events)[:count])
    return read_codes(build.graph, [_read(events, None, lenient=False, infer=False)], [str(events)], payload)[:count]


def _read(path: Path, form: str | None, *, lenient: bool, infer: bool) -> Board:
    from bittrigger.patterns.board import infer_packets
    from bittrigger.patterns.formats import parse_format, read

    board = read(path, form=None if form is None else parse_format(form), lenient=lenient)
    return infer_packets(board) if infer else board
