"""Reading Keras model files that may be damaged or hostile: what is checked is what is used.

A Keras file can name any importable class and even carry byte code (a ``Lambda``); one file can be two, one for each reader. This
module reads the bytes once, by readers of our own, and refuses every class that is not on a list. Keras gets the configuration
and the arrays that were checked; it never sees the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, assert_never

import numpy as np

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.keras_file import dense_batchnorm, old_layers
from bittrigger.frontend.keras_file.allowed import check_config
from bittrigger.frontend.keras_file.build import KerasModel, build_model
from bittrigger.frontend.keras_file.content import Array, Content, Format, read_content
from bittrigger.frontend.keras_file.hgq_2 import expanded
from bittrigger.frontend.keras_file.keras_3 import as_keras_2
from bittrigger.frontend.keras_file.keras_3_hdf5 import as_archived
from bittrigger.system.extras import require_keras

SAID = "_bittrigger_said"
"""Where a model keeps what the report tells of its file."""


@dataclass(frozen=True)
class _Translated:
    """A configuration in the words of Keras 2 and QKeras 0.9.

    Attributes:
        given: as the file has it, but for layers that are expanded to several.
        config: in those words.
        said: what the report tells of the file, a sentence each.
        normalised: the epsilon of each layer whose arrays are to be folded with its normalisation.
    """

    given: Mapping[str, Any]
    config: Mapping[str, Any]
    said: tuple[str, ...] = ()
    normalised: Mapping[str, float] = field(default_factory=dict)


def load_model(path: Path | str, *, also: frozenset[str] = frozenset()) -> KerasModel:
    """The Keras model in ``path``, not compiled.

    Args:
        path: an ``.h5`` file of Keras 2, a ``.keras`` archive of Keras 2 or 3, or a ``.json`` with an ``.h5`` beside it.
        also: classes of layers that are allowed besides those that convert, see ``names.COUNTED``.

    Raises:
        ToolNotFoundError: if the extra ``keras`` is not installed.
        UnsupportedModelError: if the file is missing, damaged, too large, no whole model, or names a class that is not
            allowed; if weights are missing, of a wrong shape or not finite.
    """
    require_keras()
    path = Path(path)
    content = read_content(path)
    found = _translated(str(path), content)
    check_config(str(path), found.config, also)
    content = replace(content, weights=_computed(path, content, found))
    model = build_model(path, found.given, found.config, content)
    object.__setattr__(model, SAID, found.said)  # Keras' own would wrap it
    return model


def _translated(where: str, content: Content) -> _Translated:
    """The configuration of a file; arrays of HGQ2 are taken out of ``content`` into it."""
    given = content.config
    match content.format:
        case Format.HDF5:
            config, normalised = dense_batchnorm.as_dense(where, given)
            return _Translated(given, config, tuple(dense_batchnorm.told(normalised)), normalised)
        case Format.ARCHIVE:
            return _Translated(given, given)
        case Format.APART:
            return _Translated(given, old_layers.as_today(where, given))
        case Format.HDF5_3:
            return _of_keras_3(where, as_archived(where, given), content.weights)
        case Format.ARCHIVE_3:
            return _of_keras_3(where, given, content.weights)
        case _:
            assert_never(content.format)


def _of_keras_3(where: str, config: Mapping[str, Any], weights: dict[str, dict[str, Array]]) -> _Translated:
    said: list[str] = []
    given = expanded(where, config, weights, said)
    return _Translated(given, as_keras_2(where, given), tuple(said))


def _computed(path: Path, content: Content, found: _Translated) -> dict[str, dict[str, Array]]:
    """The arrays as the layers of Keras 2 have them, each of which is checked to be finite."""
    weights = content.weights
    if found.normalised:
        weights = dense_batchnorm.folded(weights, found.normalised)
    for owner, arrays in weights.items():
        for name, values in arrays.items():
            _check_finite(path, f"{owner}/{name}", values)
    return old_layers.computed(str(path), found.given, weights) if content.format is Format.APART else weights


def said_of(model: KerasModel) -> tuple[str, ...]:
    """What the report tells of the file that a model comes from, a sentence each."""
    return getattr(model, SAID, ())


def _check_finite(path: Path, name: str, values: Array) -> None:
    with np.errstate(over="ignore"):
        count = int((~np.isfinite(values.astype(np.float32))).sum())
    if count:
        raise UnsupportedModelError(
            f"model file {path}: weight {name!r} holds {count} values that are NaN or infinite; allowed are finite weights; did "
            "the training diverge?"
        )
