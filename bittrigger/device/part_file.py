"""A part of a user's own, which the catalogue does not hold: ``--part my.yaml``.

The facts go into the build; whatever reads the build takes them from there, and never looks for the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bittrigger.device.own_file import NAMES, TEXT, WHOLE, check_mapping, is_file_name, read_mapping
from bittrigger.device.parts import PARTS, Part
from bittrigger.errors import ConfigError, excerpt

_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("device", "name", "family", "source", "retrieved"), TEXT),
    "aliases": NAMES,
    **dict.fromkeys(("lut", "ff", "dsp", "bram36", "uram", "slrs"), WHOLE),
}
_NEEDED = ("device", "family", "lut", "dsp", "bram36", "slrs", "source", "retrieved")

_DEVICE = re.compile(r"[a-z][a-z0-9]{1,39}")
_NAME = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+){0,6}")
_MAX_TEXT = 1000


def read_part(path: Path) -> Part:
    """The part in the file ``path``: a mapping of the fields of ``Part``; what no source gives is left out.

    Raises:
        ConfigError: if it cannot be read, lacks a field that is needed, or one is unknown or of a wrong kind.
    """
    return part_of(read_mapping(path, "part"), f"part {path}")


def part_of(data: Mapping[str, Any], where: str = "setting 'own_part'") -> Part:
    """The part whose facts ``data`` holds, as a file or a build has them.

    Raises:
        ConfigError: if one is absent, unknown or of a wrong kind, or the part is one of the catalogue.
    """
    values = {key: value for key, value in data.items() if value is not None}
    check_mapping(values, _KINDS, _NEEDED, where, "part")
    device, name = values["device"], values.get("name")
    if _DEVICE.fullmatch(device) is None:
        raise ConfigError(f"{where}: device {excerpt(device)}; expected small letters and digits, such as xcvu13p")
    if name is not None and not (_NAME.fullmatch(name) and name.lower().startswith(device) and len(name) < _MAX_TEXT):
        raise ConfigError(f"{where}: name {excerpt(name)}; expected a part of {device} as Vivado spells it, or none")
    if any(len(value) > _MAX_TEXT for value in values.values() if isinstance(value, str)):
        raise ConfigError(f"{where}: a text of more than {_MAX_TEXT} letters; shorten it")
    aliases = tuple(values.get("aliases", ()))
    if wrong := next((alias for alias in aliases if _DEVICE.fullmatch(alias) is None), None):
        raise ConfigError(f"{where}: alias {excerpt(wrong)}; expected small letters and digits, such as xcu250")
    known = {spelling for part in PARTS for spelling in (part.device, *part.aliases)}
    if taken := next((spelling for spelling in (device, *aliases) if spelling in known), None):
        raise ConfigError(
            f"{where}: {taken!r} is in the catalogue, with other figures and their source; name the device otherwise, or take "
            "the catalogue's; see `bittrigger parts`"
        )
    empty: dict[str, Any] = dict.fromkeys(("name", "ff", "uram"))
    return Part(**(empty | values | {"aliases": aliases}))


def taken_part(name: str) -> dict[str, Any]:
    """The settings that ``--part name`` stands for: a name of the catalogue as it is, a file with the facts in it.

    Raises:
        ConfigError: if it is a file that will not do.
    """
    if not is_file_name(name):
        return {"part": name}
    own = read_part(Path(name))
    return {"part": own.name or own.device, "own_part": own}
