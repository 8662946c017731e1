"""The build folder: everything that ``bittrigger convert`` leaves behind, and how it is made and found again.

::

    DIR/SHA256SUMS        hash of every file that a tool reads; see `bittrigger.build.manifest`
    DIR/bittrigger.json   settings, grade, versions and the seconds of each stage
    DIR/design.json       the integer graph and its adder graphs
    DIR/emulated.json     the same with its numbers held, of which the emulator is made, where that takes weight files
    DIR/weights.txt       what its registers hold, if it holds anything; see `bittrigger.ir.held.weight_file`
    DIR/hls/              Vitis HLS project
    DIR/emulator/         C++ library of the same integers, for the experiments' software
    DIR/rtl/              SystemVerilog
    DIR/vhdl/             the same in VHDL-2008, if it was asked for
    DIR/synth/            Yosys run and the Vivado script
    DIR/report.json       resources, latency, verdict
    DIR/timing.json       what `bittrigger timing` found last; see `bittrigger.report.period`
    DIR/sim/              recorded mismatches; may be deleted
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bittrigger import __version__
from bittrigger.build.exchange import exchanged, recover
from bittrigger.build.manifest import check_seal, read_file, seal
from bittrigger.build.store import adders_of, load_design, save_design
from bittrigger.build.weights import FILE, write_weights
from bittrigger.device.parts import vivado_name
from bittrigger.errors import ConfigError
from bittrigger.ir.forms.queue import Choosing
from bittrigger.ir.graph import Graph
from bittrigger.ir.origin import Origin
from bittrigger.ir.pipeline import Pipeline, early_queues
from bittrigger.schedule.schedule import Schedule
from bittrigger.settings import STREAM, Settings
from bittrigger.system.locks import is_writable
from bittrigger.system.toolchain import cache_folder

MANIFEST = "bittrigger.json"
DESIGN = "design.json"
EMULATED = "emulated.json"


@dataclass(frozen=True)
class Build:
    """A build folder that has been read."""

    folder: Path
    settings: Settings
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


def write_firmware(pipeline: Pipeline, folder: Path, settings: Settings) -> None:
    """Write the HLS project, the emulator, the hardware, the script for Vivado, and the lists of files."""
    from bittrigger.emit.emulator import emit_emulator
    from bittrigger.emit.file_list import write_file_list
    from bittrigger.emit.hls import HlsOptions, emit_hls
    from bittrigger.emit.verilog import LIBRARY, emit_verilog
    from bittrigger.emit.vhdl import emit_vhdl
    from bittrigger.synth.vivado_script import write_synthesis_list, write_vivado_script

    part = settings.part if settings.own_part else vivado_name(settings.part)
    emit_hls(pipeline, folder / "hls", HlsOptions(part=part, reuse_factor=settings.reuse_factor))
    emit_emulator(pipeline, folder / "emulator")
    rtl, synth, name = folder / "rtl", folder / "synth", pipeline.graph.name
    sources = [path.name for path in emit_verilog(pipeline, rtl) if path.parent == rtl and path.stem not in LIBRARY]
    title = f"{name}: sources for simulation and lint"
    write_file_list(rtl / f"{name}_rtl.f", title, pipeline.origin, sources, ["."])
    if settings.hdl == "vhdl":
        emit_vhdl(rtl, name, folder / "vhdl")
    write_vivado_script(pipeline, part, rtl, synth)
    write_synthesis_list(pipeline, rtl, synth)
    if settings.emulator_weights and pipeline.emulated is None:
        raise ConfigError("setting 'emulator_weights' is for `bittrigger convert`; leave it out here")
    if pipeline.emulation.held:
        write_weights(folder / FILE, pipeline.emulation.graph)


def save_stored(folder: Path, pipeline: Pipeline) -> None:
    """Write the design of a build: what everything else in it follows from, together with the settings."""
    save_design(folder / DESIGN, pipeline.graph, *adders_of(pipeline))
    if pipeline.emulated is not None:
        save_design(folder / EMULATED, pipeline.emulated.graph, *adders_of(pipeline.emulated))


def save_build(
    folder: Path,
    pipeline: Pipeline,
    settings: Settings,
    stage_seconds: dict[str, float],
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write the design and the manifest of a build, and seal all that is there; whatever writes a build calls this last."""
    save_stored(folder, pipeline)
    manifest = {
        "bittrigger": __version__,
        "settings": asdict(settings),
        "origin": asdict(pipeline.origin),
        "grade": pipeline.graph.basis.grade.value,
        "latency_cycles": pipeline.latency_cycles,
        "forms": dict(pipeline.chosen),
        "queues": {name: choosing.value for name, choosing in early_queues(pipeline).items()},
        "stage_seconds": stage_seconds,
        "provenance": provenance or {},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    seal(folder)


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
        settings = Settings(**manifest["settings"])
        latency = int(manifest["latency_cycles"])
        forms = {str(layer): str(form) for layer, form in manifest.get("forms", {}).items()}
        queues = {str(layer): Choosing(choosing) for layer, choosing in manifest.get("queues", {}).items()}
        seconds = {str(stage): float(value) for stage, value in manifest["stage_seconds"].items()}
        provenance = dict(manifest.get("provenance", {}))
        origin = Origin(**manifest.get("origin", {"version": ""}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ConfigError(f"{path}: not readable ({str(error)[:300]}); convert the model again") from error
    graph, solved, serial = load_design(folder / DESIGN)
    schedule = Schedule(
        settings.clock_mhz,
        latency_cycles=latency,
        period_margin_ns=settings.period_margin_ns,
        ii=settings.ii,
        stream=settings.port == STREAM,
        serial=serial,
        chosen=forms,
        queues=queues,
    )
    pipeline = replace(schedule.apply(graph, solved), origin=origin, emulated=_load_emulated(folder, settings))
    return Build(folder, settings, seconds, pipeline, provenance)


def _load_emulated(folder: Path, settings: Settings) -> Pipeline | None:
    if not settings.emulator_weights:
        return None
    graph, solved, _ = load_design(folder / EMULATED)
    return Schedule(settings.clock_mhz).apply(graph, solved)


@contextmanager
def fresh_folder(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A scratch folder whose content takes the place of the build in ``target`` if the block succeeds, and vanishes if it fails.

    Args:
        target: a link to a folder stays one.
        overwrite: whether an earlier build of bittrigger at ``target`` may be replaced; nothing else ever is, and what else lies
            in the folder stays there.

    Raises:
        ConfigError: if ``target`` is in use or cannot be written.
    """
    try:
        place = target.resolve()
    except (OSError, RuntimeError) as error:
        raise ConfigError(f"output folder {target} cannot be found ({error}); choose another with -o") from error
    recover(place)
    _check_target(place, overwrite=overwrite)
    with exchanged(place) as scratch:
        yield scratch


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
