"""The build folder: everything that ``bittrigger convert`` leaves behind, and how it is made and found again.

::

    DIR/SHA256SUMS        hash of every file that a tool reads; see `bittrigger.build.manifest`
    DIR/bittrigger.json   settings, versions and the seconds of each stage
    DIR/design.json       the integer graph and its adder graphs
    DIR/hls/              Vitis HLS project
    DIR/emulator/         C++ library of the same integers, for the experiments' software
    DIR/rtl/              SystemVerilog
    DIR/synth/            Yosys run and the Vivado script
    DIR/report.json       resources, latency, verdict
    DIR/sim/              recorded mismatches; may be deleted
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bittrigger import __version__
from bittrigger.ir.adders import AdderGraph
from bittrigger.errors import ConfigError
from bittrigger.ir.graph import Graph, Linear, copy_operand, intervals
from bittrigger.build.manifest import check_seal, read_file, seal
from bittrigger.device.parts import find_part
from bittrigger.schedule.schedule import Schedule
from bittrigger.ir.pipeline import Pipeline
from bittrigger.solver import SolverOptions, solve_blocks
from bittrigger.build.store import load_design, save_design
from bittrigger.system.locks import is_writable
from bittrigger.device.timing import usable_ns
from bittrigger.system.toolchain import cache_folder
from bittrigger.schedule.tradeoff import DEFAULT_REGISTER_WEIGHT, check_tradeoff, within_latency

MANIFEST = "bittrigger.json"
DESIGN = "design.json"
DEFAULT_PART = "xcvu13p-flga2577-2-e"
DEFAULT_CLOCK_MHZ = 360.0


@dataclass(frozen=True)
class BuildSettings:
    """What a user may choose about the firmware.

    Attributes:
        part: FPGA, as Vivado spells it.
        clock_mhz: clock of the design; the pipeline is placed for it.
        budget: name of the Level-1 budget of the verdict, or None.
        effort: how long the adder-graph solver searches: ``fast``, ``default`` or ``max``.
        latency_cycles: the most registers on a path; None allows what the smallest adder graphs take.
        register_weight: LUTs that a flip-flop counts for where one is traded for the other.
        reuse_factor: for each layer name the reuse factor of its HLS loop form; 1 is unrolled.
    """

    part: str = DEFAULT_PART
    clock_mhz: float = DEFAULT_CLOCK_MHZ
    budget: str | None = None
    effort: str = "default"
    latency_cycles: int | None = None
    register_weight: float = DEFAULT_REGISTER_WEIGHT
    reuse_factor: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Build:
    """A build folder that has been read."""

    folder: Path
    settings: BuildSettings
    stage_seconds: dict[str, float]
    pipeline: Pipeline
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        """The integer graph."""
        return self.pipeline.graph

    @property
    def work(self) -> Path:
        """Where mismatches are recorded: ``sim`` in the build, or the cache if that cannot be written."""
        inside = self.folder / "sim"
        return inside if is_writable(inside) and not inside.is_symlink() else self.cache

    @property
    def cache(self) -> Path:
        """Where executors keep what they compile: in the user's cache, for a build may be somebody else's."""
        key = hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:16]
        return cache_folder() / "builds" / f"{self.graph.name}-{key}"


def lower(graph: Graph, settings: BuildSettings) -> dict[str, AdderGraph]:
    """An adder graph for each ``Linear`` node of ``graph``, each proven equal to its matrix."""
    options = SolverOptions(adder_inputs=find_part(settings.part).adder_inputs, effort=settings.effort)
    ranges = intervals(graph)
    solved = {}
    for node in graph.nodes:
        if isinstance(node, Linear):
            source = copy_operand(node, ranges)
            solved[node.name] = solve_blocks(node.weights, node.bias, source, options, apart=node.copies > 1)
    return solved


def create_pipeline(graph: Graph, settings: BuildSettings) -> Pipeline:
    """``graph`` lowered to adders and placed in stages.

    Raises:
        ConfigError: if the clock is too fast, or the latency less than any that was found.
    """
    if settings.latency_cycles is None:
        return Schedule(settings.clock_mhz).apply(graph, lower(graph, settings))
    options = SolverOptions(adder_inputs=find_part(settings.part).adder_inputs, effort=settings.effort)
    return within_latency(graph, settings.clock_mhz, settings.latency_cycles, settings.register_weight, options)


def default_clock_mhz(budget: str | None) -> float:
    """The clock of a budget, or 360 MHz without one."""
    if budget is None:
        return DEFAULT_CLOCK_MHZ
    from bittrigger.device.budgets import find_budget

    return find_budget(budget).clock_mhz or DEFAULT_CLOCK_MHZ


def write_firmware(pipeline: Pipeline, folder: Path, settings: BuildSettings) -> None:
    """Write the HLS project to ``folder/hls`` the SystemVerilog to ``folder/rtl``, and the script for Vivado."""
    from bittrigger.emit.emulator import emit_emulator
    from bittrigger.emit.hls import HlsOptions, emit_hls
    from bittrigger.emit.verilog import emit_verilog
    from bittrigger.report.vivado import write_vivado_script

    emit_hls(pipeline, folder / "hls", HlsOptions(part=settings.part, reuse_factor=settings.reuse_factor))
    emit_emulator(pipeline, folder / "emulator")
    emit_verilog(pipeline, folder / "rtl")
    write_vivado_script(pipeline, settings.part, folder / "rtl", folder / "synth")


def save_stored(folder: Path, pipeline: Pipeline) -> None:
    """Write the design of a build: what everything else in it follows from, together with the settings."""
    solved = {module.node.name: module.adders for module in pipeline.modules if module.adders is not None}
    save_design(folder / DESIGN, pipeline.graph, solved)


def save_build(
    folder: Path,
    pipeline: Pipeline,
    settings: BuildSettings,
    stage_seconds: dict[str, float],
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the design and the manifest of a build, and seal all that is there; whatever writes a build calls this last."""
    save_stored(folder, pipeline)
    manifest = {
        "bittrigger": __version__,
        "settings": asdict(settings),
        "latency_cycles": pipeline.latency_cycles,
        "stage_seconds": stage_seconds,
        "provenance": provenance or {},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    seal(folder)


def _settings(data: dict[str, Any]) -> BuildSettings:
    """The settings in a manifest.

    Raises:
        TypeError: if one is of a wrong type.
        ConfigError: if one is unknown or out of range.
    """
    settings = BuildSettings(**data)
    reuse = settings.reuse_factor
    kinds = (
        (settings.part, str),
        (settings.effort, str),
        (settings.clock_mhz, int | float),
        (settings.budget, str | None),
        (settings.latency_cycles, int | None),
        (settings.register_weight, int | float),
        (reuse, dict),
    )
    if not all(isinstance(value, kind) for value, kind in kinds):
        raise TypeError(f"settings {data}")
    if not all(isinstance(key, str) and isinstance(value, int) for key, value in reuse.items()):
        raise TypeError(f"reuse factors {reuse}")
    find_part(settings.part)
    usable_ns(settings.clock_mhz)
    check_tradeoff(settings.latency_cycles, settings.register_weight)
    return settings


def load_build(folder: Path, *, sealed: bool = True) -> Build:
    """The build in ``folder``.

    Args:
        sealed: whether every file has to be as it was written.

    Raises:
        ConfigError: if ``folder`` holds no build, one that cannot be read, or one that has been changed.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ConfigError(
            f"{folder}: not a build of bittrigger (it has no {MANIFEST}); make one with `bittrigger convert`"
        )
    if sealed:
        check_seal(folder)
    try:
        manifest = json.loads(read_file(folder, MANIFEST))
        settings = _settings(manifest["settings"])
        latency = int(manifest["latency_cycles"])
        seconds = {str(stage): float(value) for stage, value in manifest["stage_seconds"].items()}
        provenance = dict(manifest.get("provenance", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ConfigError(f"{path}: not readable ({str(error)[:300]}); convert the model again") from error
    graph, solved = load_design(folder / DESIGN)
    schedule = Schedule(settings.clock_mhz, latency_cycles=latency)
    return Build(folder, settings, seconds, schedule.apply(graph, solved), provenance)


@contextmanager
def fresh_folder(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A scratch folder beside ``target`` that takes its place if the block succeeds, and vanishes if it fails.

    Args:
        overwrite: whether an earlier build of bittrigger at ``target`` may be replaced; nothing else ever is.

    Raises:
        ConfigError: if ``target`` is in use or cannot be written.
    """
    _check_target(target, overwrite=overwrite)
    before = _identity(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise ConfigError(
            f"output folder {target} cannot be written: {error.strerror}; choose another with -o"
        ) from error
    try:
        yield scratch
        scratch.chmod(0o777 & ~_umask())
        if _identity(target) != before:
            raise ConfigError(
                f"output folder {target} was written by another run meanwhile; this one leaves it alone: choose another with -o"
            )
        _replace(scratch, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _identity(target: Path) -> tuple[int, int] | None:
    """What tells whether the build at ``target`` is still the same; None where nothing or an empty folder is there."""
    if not target.is_dir() or not any(target.iterdir()):
        return None
    status = target.stat()
    return status.st_dev, status.st_ino


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check_target(target: Path, *, overwrite: bool) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise ConfigError(f"output folder {target} is a file; choose another with -o")
    if not any(target.iterdir()):
        return
    if not (target / MANIFEST).is_file():
        raise ConfigError(f"output folder {target} is in use and holds no bittrigger build; choose another with -o")
    if not overwrite:
        raise ConfigError(
            f"output folder {target} holds a build; choose another with -o, or replace it with --overwrite"
        )


def _replace(scratch: Path, target: Path) -> None:
    """Move ``scratch`` to ``target``; what executors cached in an earlier build moves along."""
    if target.exists():
        caches = target / "sim"
        if caches.is_dir():
            shutil.move(caches, scratch / "sim")
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
        target.rename(old / "build")
        scratch.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        scratch.rename(target)
