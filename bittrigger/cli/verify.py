"""``bittrigger verify``: a release is what it says it is, on any machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bittrigger.cli.shared.console import busy, json_option, junit_option, terminal, write_json, write_junit

if TYPE_CHECKING:
    from bittrigger.build.folder import Build


@click.command()
@click.argument("folder", metavar="PACKAGE", type=click.Path(path_type=Path))
@click.option("--digest", help="SHA-256 of the manifest, as it is known from elsewhere.")
@click.option("--prove", is_flag=True, help="Prove Verilog and netlist again, too.")
@click.option("--jobs", "-j", type=int, help="Proofs at a time.  [default: one a core]")
@json_option()
@junit_option()
def command(
    folder: Path, digest: str | None, prove: bool, jobs: int | None, json_file: Path | None, junit: Path | None
) -> None:
    """Check PACKAGE: every file's hash, the manifest against the build, every emitted file against its design.

    Lists, constraints and pattern files are made again and compared; the proof has to be about these files. With --prove the
    proof is run again. Exit with 1 at the first thing that is not as it was released.
    """
    from bittrigger.build.package import check_package, check_predicate
    from bittrigger.report.junit import Case

    done: list[str] = []
    with busy(f"verifying {folder}") as say:
        statement = check_package(folder, digest)
        done.append(f"{len(statement['subject'])} files have the hashes of the manifest")
        build = _load(folder)
        done.append("the build in it is sealed and readable; its adder graphs compute its weights")
        check_predicate(statement, build)
        done.append("options, inputs and versions in the manifest are those of the build")
        say("emitting it again")
        options = statement["predicate"]["buildDefinition"]["externalParameters"]["package"]
        for said, check in _checks(build, options):
            check()
            done.append(said)
    if prove:
        done.append(_prove(build, jobs))
    for line in done:
        terminal().print(f"ok: {line}", markup=False, soft_wrap=True)
    write_json(json_file, "verify-1", {"package": str(folder), "verified": True, "checks": done})
    write_junit(junit, build.graph.name, [Case(line, "passed") for line in done])


def _load(folder: Path) -> Build:
    from bittrigger.build.folder import load_build
    from bittrigger.errors import ConfigError, TamperError

    try:
        return load_build(folder)
    except ConfigError as error:
        raise TamperError(str(error)) from error


def _checks(build: Build, options: dict[str, Any]) -> list[tuple[str, Callable[[], None]]]:
    return [
        (
            "firmware, C++, emulator and wrappers are what is emitted for the design",
            lambda: _check_emitted(build, options),
        ),
        ("lists and constraints are those of the design", lambda: _check_lists(build, options)),
        ("pattern files hold the outputs of the integer graph", lambda: _check_patterns(build, options)),
        ("every figure of the report is what is counted again", lambda: _check_report(build)),
        ("what is said to be proven and tested is about these files", lambda: _check_evidence(build)),
    ]


def _check_emitted(build: Build, options: dict[str, Any]) -> None:
    import tempfile

    from bittrigger.build.wrapping import check_wrappers
    from bittrigger.emit.emulator import emit_emulator
    from bittrigger.errors import ConfigError, TamperError
    from bittrigger.simulate.intake import check_emitted

    try:
        check_emitted(build)
        check_wrappers(build)
    except ConfigError as error:
        raise TamperError(str(error)) from error
    number = options.get("version", 1)
    if number == 1:
        return
    with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
        for path in emit_emulator(build.pipeline, Path(scratch), version=number):
            _compare(build.folder / f"emulator_v{number}" / path.name, path.read_bytes())


def _compare(path: Path, wanted: bytes) -> None:
    from bittrigger.errors import TamperError

    if not path.is_file() or path.read_bytes() != wanted:
        raise TamperError(f"{path}: it is not what this version of bittrigger writes for the design")


def _check_lists(build: Build, options: dict[str, Any]) -> None:
    from bittrigger.build.release import release_files

    for name, content in release_files(build, str(options.get("root", ""))).items():
        _compare(build.folder / name, content.encode())


def _check_patterns(build: Build, options: dict[str, Any]) -> None:
    from bittrigger.errors import ConfigError, MismatchError, TamperError
    from bittrigger.patterns.design import LinkOptions, check_boards, in_order, make_payload, read_codes
    from bittrigger.patterns.formats import read

    if not options.get("patterns"):
        return
    sent, wanted = (in_order(sorted((build.folder / "patterns").glob(f"{stem}*.txt"))) for stem in ("in", "want"))
    try:
        payload = make_payload(build.graph, build.pipeline.latency_cycles, LinkOptions())
        codes = read_codes(build.graph, [read(path) for path in sent], [str(path) for path in sent], payload)
        number = check_boards(build.graph, codes, [read(path) for path in wanted], [str(p) for p in wanted], payload)
    except (ConfigError, MismatchError, ValueError) as error:
        raise TamperError(f"{build.folder / 'patterns'}: {error}") from error
    if number != options["patterns"]:
        raise TamperError(f"{build.folder / 'patterns'}: {number} events; the manifest says {options['patterns']}")


def _check_report(build: Build) -> None:
    from bittrigger.errors import ReportError, TamperError, ToolError
    from bittrigger.report.recount import report_of

    try:
        report_of(build)
    except (ReportError, ToolError) as error:
        raise TamperError(str(error)) from error


def _check_evidence(build: Build) -> None:
    from bittrigger.cli.shared.evidence import SIMULATION, proof_lines
    from bittrigger.errors import TamperError

    for fact in proof_lines(build)[:1]:
        if fact.mark == "open":
            raise TamperError(f"{build.folder / 'proof.json'}: {fact.what}")
    for name in ("proof.json", SIMULATION):
        path = build.folder / name
        if path.is_file() and json.loads(path.read_text(encoding="utf-8")).get("design") != build.graph.name:
            raise TamperError(f"{path}: it is about another design")


def _prove(build: Build, jobs: int | None) -> str:
    import shutil
    import tempfile

    from bittrigger.prove import prove

    netlist = (build.folder / "synth" / f"{build.graph.name}.json").is_file()
    with busy("proving"), tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
        copy = shutil.copytree(build.folder, Path(scratch) / "build", ignore=shutil.ignore_patterns("sim"))
        proof = prove(_load(copy), netlist=netlist, jobs=jobs)
    proof.raise_unless_proven()
    return f"{len(proof.claims)} claims proven again, {'Verilog and netlist' if netlist else 'Verilog'}"
