"""Packages whose names are imported when they are first asked for, so that a verb imports what it needs and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def attributes(package: str, modules: Mapping[str, tuple[str, ...]]) -> Callable[[str], object]:
    """``__getattr__`` of ``package``, whose ``modules`` hold the names given.

    Raises:
        AttributeError: when it is called with another name.
    """
    places = {name: module for module, names in modules.items() for name in names}

    def attribute(name: str) -> object:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(import_module(f"{package}.{places[name]}"), name)
        return found

    return attribute
