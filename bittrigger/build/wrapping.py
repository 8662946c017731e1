"""Wrappers in a build: written by a later command, sealed with the rest, and made again to be compared."""

from __future__ import annotations

import tempfile
from pathlib import Path

from bittrigger.build.folder import Build, load_build
from bittrigger.build.manifest import check_seal, present, read_file, seal_part
from bittrigger.emit.verilog import emit_verilog
from bittrigger.emit.wrappers.choice import INTERFACES, OPTIONS, Choice, emit_wrapper, folder_name, read_choice
from bittrigger.errors import ConfigError
from bittrigger.ir.pipeline import Pipeline
from bittrigger.system.files import inside

WRAP = "wrap/"
"""Where wrappers lie."""


def load_to_wrap(folder: Path) -> Build:
    """The build in ``folder``, sealed but for its wrappers: what a run that was cut off left there is written anew.

    Raises:
        ConfigError: as ``load_build``.
    """
    build = load_build(folder, sealed=False)
    check_seal(folder, apart=WRAP)
    return build


def wrap(build: Build, choice: Choice) -> tuple[Path, ...]:
    """Write the wrapper of ``choice`` into ``build`` and into its seal.

    Returns:
        The SystemVerilog files, the top first.

    Raises:
        ConfigError: if an option is out of range, or a folder is a link.
        UnsupportedModelError: if the design has a module of the wrapper's name.
    """
    name = folder_name(choice)
    inside(build.folder, *name.split("/"))
    files = emit_wrapper(build.pipeline, choice, build.folder)
    seal_part(build.folder, f"{name}/", _names(build.pipeline, choice))
    return files


def _names(pipeline: Pipeline, choice: Choice) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
        emit_wrapper(pipeline, choice, Path(scratch))
        return present(Path(scratch))


def emit_wrappers_of(folder: Path, pipeline: Pipeline, target: Path) -> list[str]:
    """Write to ``target``, which holds ``rtl/``, the wrappers that the build in ``folder`` has; what is wrong with their options.

    Raises:
        UnsupportedModelError: if the design has a module of a wrapper's name.
    """
    faults = []
    for name in option_files(folder):
        try:
            emit_wrapper(pipeline, read_choice(name.split("/")[1], read_file(folder, name)), target)
        except ConfigError as error:
            faults.append(str(error))
    return faults


def option_files(folder: Path) -> list[str]:
    """The names of the files that hold the options of the wrappers in ``folder``."""
    there = present(folder)
    return [name for name in (f"{WRAP}{interface}/{OPTIONS}" for interface in INTERFACES) if name in there]


def check_wrappers(build: Build) -> int:
    """How many files the wrappers of ``build`` have, once each is what is emitted for its options.

    Raises:
        ConfigError: naming the first that differs, is missing, or is of no wrapper.
    """
    with tempfile.TemporaryDirectory(prefix="bittrigger-") as scratch:
        emit_verilog(build.pipeline, Path(scratch) / "rtl")
        faults = emit_wrappers_of(build.folder, build.pipeline, Path(scratch))
        wanted, found = (
            {name for name in present(folder) if name.startswith(WRAP)} for folder in (Path(scratch), build.folder)
        )
        for name in sorted(wanted ^ found):
            faults.append(f"{name}: {'missing' if name in wanted else 'of no wrapper'}; run `bittrigger wrap` again")
        for name in sorted(wanted & found):
            if read_file(build.folder, name) != (Path(scratch) / name).read_bytes():
                faults.append(f"{name}: differs from what is emitted; run `bittrigger wrap` again")
    if faults:
        raise ConfigError(f"{build.folder}: {faults[0]}")
    return len(found)
