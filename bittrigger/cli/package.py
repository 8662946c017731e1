"""``bittrigger package``: a build becomes a release that an experiment's repository can hold."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bittrigger.cli.shared.console import busy, errors, json_option, terminal, write_json

if TYPE_CHECKING:
    from bittrigger.build.folder import Build

DEFAULT_EVENTS = 100
_LEFT_OUT = ("sim", "build")
"""Folders of a build that are made anew at any time."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(path_type=Path), required=True, help="Folder of the package.")
@click.option("--version", "number", type=int, default=1, show_default=True, help="Of the emulator: <design>_v<N>.")
@click.option("--root", help="Where it lies in the repository, for Hog's lists.  [default: the name of OUTPUT]")
@click.option("--inputs", type=click.Path(path_type=Path), help="Events of the pattern files: .npy, or 'x' in an .npz.")
@click.option(
    "--events", "-n", type=int, default=DEFAULT_EVENTS, show_default=True, help="Events of the pattern files."
)
@click.option(
    "--card", type=click.Path(path_type=Path), help="Markdown with the model's accuracy.  [default: that of the build]"
)
@click.option("--overwrite", is_flag=True, help="Replace an earlier package in the output folder.")
@click.option("--check", is_flag=True, help="Refuse a build that is not proven, or was not simulated.")
@json_option()
def command(
    folder: Path,
    output: Path,
    number: int,
    root: str | None,
    inputs: Path | None,
    events: int,
    card: Path | None,
    overwrite: bool,
    check: bool,
    json_file: Path | None,
) -> None:
    """Make a release of the build in FOLDER: everything of it, and what a repository needs beside it.

    Lists of sources for simulators, IPBB and Hog, constraints, pattern files with the outputs that must come back, the
    emulator under its version, the page of the report, what was proven, and a manifest of every file's hash.
    """
    from bittrigger.build.folder import fresh_folder, load_build
    from bittrigger.build.package import check_package, file_names, write_manifest
    from bittrigger.build.release import release_files
    from bittrigger.cli.report import write_page
    from bittrigger.emit.emulator import emit_emulator
    from bittrigger.report.recount import report_of

    build = load_build(folder)
    if check:
        raise_unless_proven(build)
    place = root or output.name
    options: dict[str, object] = {"version": number, "root": place, "events": events}
    with busy(f"packing {build.graph.name}") as say, fresh_folder(output, overwrite=overwrite) as scratch:
        _copy(build.folder, scratch)
        packed = load_build(scratch)
        if number != 1:
            emit_emulator(packed.pipeline, scratch / f"emulator_v{number}", version=number)
        for name, content in release_files(packed, place).items():
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            (scratch / name).write_text(content, encoding="utf-8")
        say("writing pattern files")
        options["patterns"] = _write_patterns(packed, inputs, events)
        say("drawing the report")
        write_page(packed, report_of(packed), card=card)
        digest = write_manifest(scratch, packed, options)
        check_package(scratch)
        files = len(file_names(scratch))
    terminal().print(f"wrote {output}: {files} files; SHA-256 of the manifest {digest}", soft_wrap=True)
    terminal().print(f"check it anywhere: bittrigger verify {output} --digest {digest}", soft_wrap=True)
    write_json(json_file, "package-1", {"folder": str(output), "files": files, "sha256": digest})


def _copy(source: Path, target: Path) -> None:
    """Copy a build without what is made anew at any time, and without logs, which hold paths of this machine."""
    for place, folders, files in os.walk(source):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT and not name.startswith("."))
        here = target / Path(place).relative_to(source)
        here.mkdir(exist_ok=True)
        for name in sorted(files):
            if not name.endswith(".log") and not name.startswith("."):
                shutil.copyfile(Path(place) / name, here / name)


def _write_patterns(build: Build, inputs: Path | None, events: int) -> int:
    """Write inputs and the outputs that must come back as EMPv2 files; how many events they hold, 0 where none fit."""
    from bittrigger.compile.convert import read_inputs
    from bittrigger.errors import ConfigError
    from bittrigger.ir.ports import encode_events
    from bittrigger.patterns.design import LinkOptions, make_boards, make_payload, write_boards
    from bittrigger.patterns.formats import Format
    from bittrigger.simulate.vectors import random_codes

    if events < 1:
        raise ConfigError(f"--events {events}; must be at least 1")
    graph = build.graph
    codes = encode_events(graph, read_inputs(inputs)[:events]) if inputs else random_codes(graph, events, 0)
    try:
        boards = make_boards(graph, codes, make_payload(graph, build.pipeline.latency_cycles, LinkOptions()))
    except ConfigError as error:
        errors().print(f"note: no pattern files: {error}", markup=False)
        return 0
    for stem, half in zip(("in", "want"), boards, strict=True):
        write_boards(build.folder / "patterns" / f"{stem}.txt", half, Format.EMPV2)
    return len(codes)


def raise_unless_proven(build: Build) -> None:
    """Refuse a build without a proof of its own files, or whose last simulation is missing or bad."""
    from bittrigger.cli.shared.evidence import ELSEWHERE, proof_lines, simulation_lines
    from bittrigger.errors import ProofError

    proven, tested = proof_lines(build), simulation_lines(build)
    if not proven or any(fact.mark != "yes" for fact in proven) or ELSEWHERE in proven[0].detail:
        raise ProofError(f"{build.folder}: it is not proven; run `bittrigger prove {build.folder}` first")
    if not tested or any(fact.mark != "yes" for fact in tested):
        raise ProofError(f"{build.folder}: no simulation that agrees; run `bittrigger simulate {build.folder}` first")
