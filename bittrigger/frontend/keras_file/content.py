"""What a model file holds, in each format that Keras has written: configuration and arrays, from one read of its bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy.typing as npt

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file import hdf5, zip_archive
from bittrigger.frontend.keras_file.beside import DESCRIPTION, weights_beside
from bittrigger.system.files import read_at_most

MAX_BYTES = 2 << 30
"""Largest file that is read."""

MAX_CONFIG_BYTES = 16 << 20
"""Largest configuration that is read."""

Array = npt.NDArray[Any]

_ARCHIVE_CONFIG = "config.json"
_ARCHIVE_METADATA = "metadata.json"
_ARCHIVE_WEIGHTS = "model.weights.h5"
_ALLOWED = (
    "allowed are files of model.save('name.keras') and model.save('name.h5') of Keras 2 and 3, and name.json of model.to_json() "
    "with the weights of Keras 2 in name_weights.h5 beside it"
)


class Format(Enum):
    """How a model was written, and by which Keras."""

    HDF5 = "name.h5 of Keras 2"
    ARCHIVE = "name.keras of Keras 2"
    APART = "name.json and weights beside it, of Keras 2 or before"
    HDF5_3 = "name.h5 of Keras 3"
    ARCHIVE_3 = "name.keras of Keras 3"


@dataclass(frozen=True)
class Content:
    """What a model file holds.

    Attributes:
        config: the configuration, without what concerns training.
        weights: of an HDF5 file for each layer the arrays by name, in order; of an archive the arrays of each path.
    """

    config: Mapping[str, Any]
    weights: dict[str, dict[str, Array]]
    format: Format


def read_content(path: Path) -> Content:
    """What the file ``path`` holds, of which nothing has been checked but that it can be read.

    Raises:
        UnsupportedModelError: if it is missing, damaged, too large, of another format, or of a Keras that is not known.
    """
    return _content(path, read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """The file as it is at one moment: no other read follows.

    Raises:
        UnsupportedModelError: if it is missing, empty, too large or no regular file.
    """
    _check_file(path)
    try:
        with path.open("rb") as stream:
            data = read_at_most(stream, MAX_BYTES + 1)
    except OSError as error:
        raise UnsupportedModelError(f"model file {path}: it cannot be read: {error.strerror}") from error
    if not data:
        raise UnsupportedModelError(f"model file {path}: it is empty; {_ALLOWED}; save it again")
    if len(data) > MAX_BYTES:
        raise UnsupportedModelError(
            f"model file {path}: it has more than {MAX_BYTES} bytes, which is the most allowed; save a smaller model"
        )
    return data


def _check_file(path: Path) -> None:
    if path.is_dir():
        kind = "a SavedModel folder" if (path / "saved_model.pb").exists() else "a folder"
        raise UnsupportedModelError(f"model file {path}: it is {kind}; {_ALLOWED}; save the model as one file")
    if not path.exists():
        raise UnsupportedModelError(f"model file {path}: no such file; {_ALLOWED}; check the path")
    if not path.is_file():
        raise UnsupportedModelError(f"model file {path}: it is no regular file; {_ALLOWED}; copy it to a file")


def _content(path: Path, data: bytes) -> Content:
    """The configuration and the arrays of a model, in either format."""
    if path.suffix.lower() == DESCRIPTION:
        return _read_apart(path, data)
    try:
        if data.startswith(zip_archive.SIGNATURE):
            return _read_archive(path, data)
        if data.startswith(hdf5.SIGNATURE):
            return _read_hdf5(path, data)
    except (hdf5.Hdf5Error, zip_archive.ZipError) as error:
        raise UnsupportedModelError(
            f"model file {path}: it is damaged or cut off, or not as Keras writes it ({error}); {_ALLOWED}; copy or save it again"
        ) from error
    raise UnsupportedModelError(
        f"model file {path}: it is neither HDF5 nor a .keras archive; {_ALLOWED}; save it again"
    )


def _read_hdf5(path: Path, data: bytes) -> Content:
    file = hdf5.Hdf5(data)
    root = file.group(file.root)
    version = (file.texts(root, "keras_version") or [""])[0]
    _check_version(path, version, ("2", "3"))
    texts = file.texts(root, "model_config")
    if texts is None or len(texts) != 1:
        found = "weights only" if file.names(root, "layer_names") else "no model"
        raise UnsupportedModelError(
            f"model file {path}: it holds {found}, no configuration; {_ALLOWED}; use model.save instead of model.save_weights"
        )
    if "model_weights" not in root.entries:
        raise UnsupportedModelError(
            f"model file {path}: it holds a configuration and no weights; {_ALLOWED}; save the whole model"
        )
    weights = _arrays(file, file.group(file.find(root, "model_weights")))
    return Content(_parse(path, texts[0]), weights, Format.HDF5_3 if _major(version) == "3" else Format.HDF5)


def _read_apart(path: Path, data: bytes) -> Content:
    """A configuration, and the arrays of the file beside it."""
    config = _parse(path, data.decode("utf-8", "replace"), also=("keras_version",))
    _check_version(path, str(config.pop("keras_version", "")), ("2",))
    beside = weights_beside(path)
    try:
        file = hdf5.Hdf5(read_bytes(beside))
        root = file.group(file.root)
        _check_version(beside, (file.texts(root, "keras_version") or [""])[0], ("2",))
        return Content(config, _arrays(file, root), Format.APART)
    except hdf5.Hdf5Error as error:
        raise UnsupportedModelError(
            f"model file {beside}: it is damaged or cut off, or not as Keras writes it ({error}); allowed beside {path.name} are "
            "weights of model.save_weights('name_weights.h5') of Keras 2; copy or save it again"
        ) from error


def _read_archive(path: Path, data: bytes) -> Content:
    version = _saved_by(data)
    _check_version(path, version, ("2", "3"))
    found = zip_archive.stored_members(data, (_ARCHIVE_CONFIG, _ARCHIVE_WEIGHTS))
    file = hdf5.Hdf5(found[_ARCHIVE_WEIGHTS])
    weights: dict[str, dict[str, Array]] = {}
    for place, header in file.arrays():
        owner, _, name = place.replace("\\", "/").rpartition("/")  # Windows writes its own separators
        if not owner.startswith("optimizer"):
            if name in weights.setdefault(owner, {}):
                raise hdf5.Hdf5Error(f"two arrays at {place[:80]!r}, with one separator and another")
            weights[owner][name] = file.array(header, place)
    config = _parse(path, found[_ARCHIVE_CONFIG].decode("utf-8", "replace"))
    return Content(config, weights, Format.ARCHIVE_3 if _major(version) == "3" else Format.ARCHIVE)


def _arrays(file: hdf5.Hdf5, group: hdf5.Group) -> dict[str, dict[str, Array]]:
    """The arrays of each layer in a group."""
    weights: dict[str, dict[str, Array]] = {}
    for layer in file.names(group, "layer_names"):
        inside = file.group(file.find(group, layer))
        arrays = {name: file.array(file.find(inside, name), name) for name in file.names(inside, "weight_names")}
        if arrays:
            weights[layer] = arrays
    return weights


def _parse(path: Path, text: str, also: tuple[str, ...] = ()) -> dict[str, Any]:
    """The configuration without what concerns training, and the keys ``also``."""
    if len(text) > MAX_CONFIG_BYTES:
        raise UnsupportedModelError(
            f"model file {path}: its configuration has {len(text)} characters; allowed are {MAX_CONFIG_BYTES}; save a "
            "smaller model"
        )
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnsupportedModelError(
            f"model file {path}: its configuration is no JSON ({error}); save it again"
        ) from error
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict | list):
        raise UnsupportedModelError(
            f"model file {path}: its configuration describes no model; {_ALLOWED}; save it again"
        )
    return {key: config[key] for key in ("module", "class_name", "config", "registered_name", *also) if key in config}


def _saved_by(data: bytes) -> str:
    """The version of Keras that an archive names, or nothing."""
    try:
        described = json.loads(zip_archive.stored_members(data, (_ARCHIVE_METADATA,))[_ARCHIVE_METADATA])
    except (zip_archive.ZipError, ValueError, RecursionError):
        return ""
    return str(described.get("keras_version", "")) if isinstance(described, dict) else ""


def _major(version: str) -> str:
    """The version of Keras that counts: 2 for what came before, and where none is named."""
    major = version.partition(".")[0]
    return "2" if major in ("", "0", "1") else major


def _check_version(path: Path, version: str, known: tuple[str, ...]) -> None:
    """Say what to do with a file of another Keras."""
    if _major(version) not in known:
        raise UnsupportedModelError(
            f"model file {path}: it was saved by Keras {version[:20]}; {_ALLOWED}; save it with model.save('name.keras')"
        )
