"""Reading Keras model files that may be damaged or hostile: the configuration is checked before TensorFlow sees it.

A Keras file can name any importable class and even carry byte code (a ``Lambda``). This module reads the configuration
as JSON, walks through it and refuses every class that is not on a list; only then is the file handed to Keras.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bittrigger.errors import BittriggerError, UnsupportedModelError
from bittrigger.keras_allowed import check_config

MAX_BYTES = 2 << 30
"""Largest file, and largest total of the weights in it, that is read."""

MAX_CONFIG_BYTES = 64 << 20
"""Largest configuration that is read."""

KerasModel = Any
"""A model, layer or group of a library without types."""

_ARCHIVE_CONFIG = "config.json"
_ARCHIVE_WEIGHTS = "model.weights.h5"
_ALLOWED = "allowed are files of model.save('name.h5') and model.save('name.keras') of Keras 2"


def load_model(path: Path | str, *, also: frozenset[str] = frozenset()) -> KerasModel:
    """The Keras model in ``path``, not compiled.

    Args:
        path: an ``.h5`` file of Keras 2, or a ``.keras`` archive.
        also: classes of layers that are allowed besides those that convert, see ``keras_allowed.COUNTED``.

    Raises:
        UnsupportedModelError: if the file is missing, damaged, too large, no whole model, or names a class that is not
            allowed; if weights are missing, of a wrong shape or not finite.
    """
    path = Path(path)
    _check_file(path)
    with path.open("rb") as stream:
        start = stream.read(8)
    if start.startswith(b"PK"):
        text, weights = _read_archive(path)
    elif start == b"\x89HDF\r\n\x1a\n":
        text, weights = _read_hdf5(path)
    else:
        raise UnsupportedModelError(
            f"model file {path}: it is neither HDF5 nor a .keras archive; {_ALLOWED}; save it again"
        )
    config = _parse(path, text)
    check_config(str(path), config, also)
    for name, values in weights:
        if not np.isfinite(values).all():
            count = int((~np.isfinite(values)).sum())
            raise UnsupportedModelError(
                f"model file {path}: weight {name!r} holds {count} values that are NaN or infinite; allowed are finite "
                "weights; did the training diverge?"
            )
    return _load(path)


def _check_file(path: Path) -> None:
    if path.is_dir():
        kind = "a SavedModel folder" if (path / "saved_model.pb").exists() else "a folder"
        raise UnsupportedModelError(f"model file {path}: it is {kind}; {_ALLOWED}; save the model as one file")
    if not path.exists():
        raise UnsupportedModelError(f"model file {path}: no such file; {_ALLOWED}; check the path")
    if not path.is_file():
        raise UnsupportedModelError(f"model file {path}: it is no regular file; {_ALLOWED}; copy it to a file")
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise UnsupportedModelError(f"model file {path}: it cannot be read: {error.strerror}") from error
    if size == 0:
        raise UnsupportedModelError(f"model file {path}: it is empty; {_ALLOWED}; save it again")
    if size > MAX_BYTES:
        raise UnsupportedModelError(
            f"model file {path}: it has {size} bytes; allowed are {MAX_BYTES}; save a smaller model"
        )


def _parse(path: Path, text: str) -> Mapping[str, Any]:
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
    return config


Weights = list[tuple[str, np.ndarray[Any, Any]]]


def _read_hdf5(path: Path) -> tuple[str, Weights]:
    """The configuration and the weights of an HDF5 file."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            raw = file.attrs.get("model_config")
            if raw is None:
                found = "weights only" if any(_datasets(file)) else "no model"
                raise UnsupportedModelError(
                    f"model file {path}: it holds {found}, no configuration; {_ALLOWED}; use model.save instead of "
                    "model.save_weights"
                )
            if "model_weights" not in file:
                raise UnsupportedModelError(
                    f"model file {path}: it holds a configuration and no weights; {_ALLOWED}; save the whole model"
                )
            text = raw.decode("utf-8") if isinstance(raw, bytes) else str(raw)
            return text, _weights(path, file["model_weights"])
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise _damaged(path, error) from error


def _read_archive(path: Path) -> tuple[str, Weights]:
    """The configuration and the weights of a .keras archive."""
    import h5py

    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
            if sum(sizes.values()) > MAX_BYTES or sizes.get(_ARCHIVE_CONFIG, 0) > MAX_CONFIG_BYTES:
                raise UnsupportedModelError(
                    f"model file {path}: it unpacks to {sum(sizes.values())} bytes; allowed are {MAX_BYTES}, "
                    f"{MAX_CONFIG_BYTES} of them configuration; save a smaller model"
                )
            missing = [name for name in (_ARCHIVE_CONFIG, _ARCHIVE_WEIGHTS) if name not in sizes]
            if missing:
                raise UnsupportedModelError(
                    f"model file {path}: the archive lacks {missing[0]}; {_ALLOWED}; save it again"
                )
            text = archive.read(_ARCHIVE_CONFIG).decode("utf-8")
            with h5py.File(io.BytesIO(archive.read(_ARCHIVE_WEIGHTS)), "r") as file:
                return text, _weights(path, file)
    except (zipfile.BadZipFile, OSError, KeyError, RuntimeError, ValueError, EOFError, NotImplementedError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UnsupportedModelError:
    return UnsupportedModelError(f"model file {path}: it is damaged or cut off ({error}); copy or save it again")


def _datasets(group: KerasModel) -> Iterator[tuple[str, Any]]:
    """All data sets of an HDF5 group that lie in the file itself: links to elsewhere are refused."""
    import h5py

    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink | h5py.SoftLink):
            raise OSError(f"it links to {link.path!r}")
        item = group[name]
        if isinstance(item, h5py.Dataset):
            yield item.name, item
        else:
            yield from _datasets(item)


def _weights(path: Path, group: KerasModel) -> Weights:
    arrays: Weights = []
    total = 0
    for name, item in _datasets(group):
        if item.external or item.is_virtual:
            raise ValueError(f"weight {name!r} lies in another file")
        if item.dtype.kind not in "fiub":
            continue
        total += item.size * item.dtype.itemsize
        if total > MAX_BYTES:
            raise UnsupportedModelError(
                f"model file {path}: its weights take more than {MAX_BYTES} bytes; save a smaller model"
            )
        arrays.append((name, np.asarray(item[()])))
    return arrays


def _load(path: Path) -> KerasModel:
    """Let Keras build the model from a file that has been checked."""
    from bittrigger.quiet import as_written, quiet_tensorflow, without_autograph

    with quiet_tensorflow():
        import tensorflow as tf
        from qkeras import utils

        # Registers the layers of ours with Keras.
        import bittrigger.train.bithep
        import bittrigger.train.layers  # noqa: F401

        as_written()
        known: dict[str, Any] = {}
        # QKeras offers no public list of its classes.
        utils._add_supported_quantized_objects(known)
        if zipfile.is_zipfile(path):
            known["QActivation"] = _QActivationReader
        try:
            with without_autograph():
                return tf.keras.models.load_model(str(path), custom_objects=known, compile=False)
        except tf.errors.OperatorNotAllowedInGraphError:  # a layer that cannot do without
            return tf.keras.models.load_model(str(path), custom_objects=known, compile=False)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OSError) as error:
            reason = " ".join(str(_cause(error)).split())[:400]
            raise UnsupportedModelError(
                f"model file {path}: Keras cannot build it: {reason}; allowed are models whose weights fit their layers; "
                "save it again as .h5 with Keras 2 and QKeras 0.9"
            ) from error


def _cause(error: BaseException) -> BaseException:
    """The error of ours behind one of Keras, else the latter."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, BittriggerError):
        found = found.__context__
    return found or error


class _QActivationReader:
    """Reads a QActivation from a .keras archive; QKeras 0.9 itself fails on one with a quantiser object."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> KerasModel:
        """The layer of ``config``."""
        from qkeras import QActivation
        from qkeras.quantizers import get_quantizer

        settings = dict(config)
        if isinstance(settings["activation"], dict):
            settings["activation"] = get_quantizer(settings["activation"])
        return QActivation(**settings)
