"""Facts of a user's own in a YAML file: a flat mapping, strictly read, that says where its figures come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bittrigger.errors import ConfigError, excerpt

Kinds = Mapping[str, tuple[type, ...]]
"""The types that the value of each field may have."""

NUMBER, WHOLE, TEXT, NAMES = (int, float), (int,), (str,), (list, tuple)

LARGEST = 1e12


def is_file_name(name: str) -> bool:
    """Whether ``name`` means a file and not an entry of a catalogue."""
    return Path(name).suffix in (".yaml", ".yml")


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """What the file ``path`` of a ``what``, such as ``budget``, holds, without what it leaves empty.

    Raises:
        ConfigError: if it cannot be read, or is no mapping.
    """
    from bittrigger.system.files import read_regular
    from bittrigger.system.yaml_file import MAX_BYTES, plain_yaml

    try:
        data = plain_yaml(read_regular(path, MAX_BYTES))
    except OSError as error:
        raise ConfigError(f"{what} {path}: it cannot be read: {error.strerror}; see `bittrigger {what}s`") from error
    except ValueError as error:
        raise ConfigError(f"{what} {path}: {str(error)[:200]}") from error
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise ConfigError(f"{what} {path}: no mapping of names to values; see `bittrigger schema {what}-file-1`")
    return {key: str(value) if key == "retrieved" else value for key, value in data.items() if value is not None}


def check_mapping(values: Mapping[str, Any], kinds: Kinds, needed: tuple[str, ...], where: str, what: str) -> None:
    """Check the fields of a ``what``.

    Args:
        where: how a message begins.

    Raises:
        ConfigError: if a needed field is absent, or one is unknown, of a wrong kind, or no positive number.
    """
    unknown = [key for key in values if key not in kinds]
    if unknown:
        raise ConfigError(f"{where}: field {excerpt(unknown[0])} is unknown; allowed are {', '.join(kinds)}")
    absent = [key for key in needed if not values.get(key)]
    if absent:
        raise ConfigError(f"{where}: no {absent[0]}; a {what} says where its figures were read, and when")
    for key, value in values.items():
        fits = isinstance(value, kinds[key]) and not isinstance(value, bool)
        if fits and kinds[key] is NAMES:
            fits = all(isinstance(name, str) for name in value)
        if not fits or (isinstance(value, int | float) and not 0 < value < LARGEST):
            raise ConfigError(f"{where}: {key} {excerpt(str(value))}; expected {_expected(kinds[key])}")


def _expected(kinds: tuple[type, ...]) -> str:
    if kinds is NAMES:
        return "a list of names"
    return "text" if kinds is TEXT else "a positive number" if kinds is NUMBER else "a positive number, an integer"
