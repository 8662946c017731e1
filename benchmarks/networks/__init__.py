"""Where the benchmarks find a network: one of their own, which stays as it is, or a shipped one."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def network(name: str) -> Path:
    """The model file of a network of this folder, or of `models/`."""
    own = Path(__file__).parent / name / "model.h5"
    return own if own.is_file() else ROOT / "models" / name / "model.h5"
