"""Models that were converted before: read, compared on every bit with what they come from and solved.

They are found for the very same bytes and versions.

What is kept is the design. It is checked whenever it is read, its adder graphs against the matrices of its layers, and scheduled
anew; that the model and the integers were equal is taken from the run that kept it, which had the same model, settings, events,
packages, processor and sources of bittrigger.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from bittrigger.build.store import adders_of, design_text, parse_design
from bittrigger.compile.foreign import PYTORCH
from bittrigger.errors import ConfigError, UnsupportedModelError
from bittrigger.frontend.keras_file.beside import content_of
from bittrigger.frontend.pytorch.description import description_of
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.pipeline import Pipeline
from bittrigger.schedule.schedule import Schedule
from bittrigger.settings import STREAM, Settings
from bittrigger.system.files import read_regular
from bittrigger.system.kept import Kept, key_of
from bittrigger.system.versions import versions

DESIGNS = Kept("designs", room_bytes=1 << 28)

_VARIABLES = ("TF_", "XLA_", "KERAS_", "DNNL_", "ONEDNN_", "CUDA_", "NVIDIA_")
"""Prefixes of variables that change what Keras computes."""

_NOT_THESE = ("TF_CPP_", "TF_USE_LEGACY_KERAS")
"""What is logged, and what TensorFlow sets itself when it is imported."""


def question(path: Path, settings: Settings, name: str, inputs: FloatArray | None) -> str | None:
    """The hash of all that the design of a model depends on, and of all that its comparison with Keras does.

    Returns:
        None if the model is no readable file.
    """
    try:
        model = content_of(path)
        description = read_regular(description_of(path)) if path.suffix.lower() in PYTORCH else b""
    except (OSError, UnsupportedModelError):  # which reading it will tell
        return None
    events = b"" if inputs is None else repr(inputs.shape).encode() + inputs.tobytes()
    variables = sorted(
        item for item in os.environ.items() if item[0].startswith(_VARIABLES) and not item[0].startswith(_NOT_THESE)
    )
    facts = [asdict(settings), name, path.suffix.lower(), versions(), variables, _processor(), _keras_settings()]
    return key_of(model, description, events, json.dumps(facts, sort_keys=True), sources())


@lru_cache(maxsize=1)
def sources() -> str:
    """The hash of bittrigger's own sources, the native ones included."""
    package = Path(__file__).resolve().parents[1]
    files = sorted(path for path in package.rglob("*") if path.suffix in (".py", ".cpp", ".h", ".so", ".yaml", ".json"))
    return key_of(*(part for path in files for part in (str(path.relative_to(package)), path.read_bytes())))


def _processor() -> str:
    """What the processor calls itself: its vector instructions decide in which order Keras adds."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    wanted = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features")
    return repr([*dict.fromkeys(line for line in lines if line.startswith(wanted)), *os.uname()[4:]])


def _keras_settings() -> str:
    try:
        home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
        return (home / "keras.json").read_text(encoding="utf-8", errors="replace")
    except (OSError, RuntimeError):
        return ""


def find(key: str, settings: Settings) -> Pipeline | None:
    """The pipeline of the design that is kept under ``key``, or None; one that does not hold is None too."""
    found = DESIGNS.find(key)
    if found is None:
        return None
    try:
        head, _, text = found.decode().partition("\n")
        latency, chosen = json.loads(head)
        graph, adders, serial = parse_design(text, Path(DESIGNS.kind))
        schedule = Schedule(
            settings.clock_mhz,
            latency_cycles=latency,
            period_margin_ns=settings.period_margin_ns,
            ii=settings.ii,
            stream=settings.port == STREAM,
            serial=serial,
            chosen=chosen,
        )
        return schedule.apply(graph, adders)
    except (ConfigError, ValueError):
        return None


def keep(key: str, pipeline: Pipeline) -> None:
    """Keep the design of ``pipeline``, which has been compared with Keras."""
    text = design_text(pipeline.graph, *adders_of(pipeline))
    head = json.dumps([pipeline.latency_cycles, dict(pipeline.chosen)])
    DESIGNS.keep({key: f"{head}\n{text}".encode()})
