"""Reports as JSON: keys that stay, with their units in them, and back."""

from __future__ import annotations

import enum
import json
import types
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from bittrigger.device.part_file import part_of
from bittrigger.device.parts import Part
from bittrigger.errors import ConfigError, ReportError
from bittrigger.report.model import Period, Report

SCHEMA = 3
"""Version of the layout; raised whenever an older reader would misread the file."""


_LEFT_OUT = {"own_part", "forms", "part_of", "period"}
"""Fields that are not written where they are None, or nothing is in them."""


def report_json(report: Report) -> dict[str, Any]:
    """``report`` as plain types, with the version of its layout under ``schema``."""
    return {"schema": SCHEMA, **_encode(report)}


def to_json(report: Report) -> str:
    """``report`` as JSON text, with the version of its layout under ``schema``."""
    return json.dumps(report_json(report), indent=2, allow_nan=False) + "\n"


def save_report(report: Report, path: Path) -> None:
    """Write ``report`` to ``path``."""
    path.write_text(to_json(report), encoding="utf-8")


def load_report(path: Path) -> Report:
    """Read what ``save_report`` wrote.

    Raises:
        ReportError: if the file is absent, unreadable or of another layout.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data.pop("schema") != SCHEMA:
            raise ReportError(f"{path}: written in another layout than {SCHEMA}; convert the model again")
        report: Report = _decode(Report, data)
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        ConfigError,
    ) as error:
        raise ReportError(
            f"{path}: not a report of bittrigger ({str(error)[:300]}); convert the model again"
        ) from error
    return report


def _encode(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, enum.Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        said = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: _encode(item) for name, item in said.items() if name not in _LEFT_OUT or item}
    return [_encode(item) for item in value] if isinstance(value, tuple) else value


def _decode(kind: Any, data: Any) -> Any:  # noqa: ANN401 - JSON
    """``data`` as the type ``kind``, which is checked."""
    if get_origin(kind) is tuple:
        return tuple(_decode(get_args(kind)[0], item) for item in data)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        if set(data) | (_LEFT_OUT & set(hints)) != set(hints):
            raise ValueError(f"keys {sorted(set(data) ^ set(hints))} are too many or too few")
        make: Callable[..., Any] = kind  # type: ignore[assignment]  # a dataclass is called with its fields
        return make(**{name: _decode(hint, data[name]) for name, hint in hints.items() if name in data})
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind(data)
    if kind == Part | None:
        return None if data is None else part_of(data)
    if kind == Period | None:
        return None if data is None else _decode(Period, data)
    allowed = get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    if (isinstance(data, bool) and kind is not bool) or not isinstance(
        data, (*allowed, int) if float in allowed else allowed
    ):
        raise TypeError(f"{data!r} where {kind} is expected")
    return data
