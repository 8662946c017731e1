"""Reading Keras model files that may be damaged or hostile: what is checked is what is used.

A Keras file can name any importable class and even carry byte code (a ``Lambda``); one file can be two, one for each reader. This
module reads the bytes once, by readers of our own, and refuses every class that is not on a list. Keras gets the configuration
and the arrays that were checked; it never sees the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import BittriggerError, UnsupportedModelError
from bittrigger.frontend.attributes import BIDIRECTIONAL, RECURRENT
from bittrigger.frontend.keras_file import dense_batchnorm, hdf5, keras_3_weights, old_layers, zip_archive
from bittrigger.frontend.keras_file.allowed import check_config
from bittrigger.frontend.keras_file.beside import DESCRIPTION, weights_beside
from bittrigger.frontend.keras_file.hgq_2 import expanded
from bittrigger.frontend.keras_file.keras_3 import as_keras_2
from bittrigger.frontend.keras_file.keras_3_hdf5 import as_archived
from bittrigger.frontend.keras_model.copies import known_classes
from bittrigger.system.extras import require_keras
from bittrigger.system.files import read_at_most
from bittrigger.system.legacy_keras import keras_2_module

MAX_BYTES = 2 << 30
"""Largest file that is read."""

MAX_CONFIG_BYTES = 16 << 20
"""Largest configuration that is read."""

KerasModel = Any
"""A model, layer or group of a library without types."""

Array = npt.NDArray[Any]

SAID = "_bittrigger_said"
"""Where a model keeps what the report tells of its file."""

_BY_CLASS = "layers/"
"""Where the arrays of archives of Keras 2.15 and later lie: by the classes of the layers, as those of Keras 3."""
_BEFORE_2_15 = "_layer_checkpoint_dependencies/"

_ARCHIVE_CONFIG = "config.json"
_ARCHIVE_METADATA = "metadata.json"
_ARCHIVE_WEIGHTS = "model.weights.h5"
_ALLOWED = (
    "allowed are files of model.save('name.keras') and model.save('name.h5') of Keras 2 and 3, and name.json of model.to_json() "
    "with the weights of Keras 2 in name_weights.h5 beside it"
)


@dataclass(frozen=True)
class _Content:
    """What a model file holds.

    Attributes:
        config: the configuration, without what concerns training.
        weights: of an HDF5 file for each layer the arrays by name, in order; of an archive the arrays of each path.
        archive: whether it is a .keras archive.
        keras_3: whether Keras 3 wrote it.
        apart: whether configuration and weights come from two files, as those of old models do.
    """

    config: Mapping[str, Any]
    weights: dict[str, dict[str, Array]]
    archive: bool
    keras_3: bool = False
    apart: bool = False


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
    content = _read(path, _read_bytes(path))
    given = config = content.config
    said: list[str] = []
    normalised: dict[str, float] = {}
    if content.keras_3 and not content.archive:
        given = as_archived(str(path), given)
    if content.keras_3:
        given = expanded(str(path), given, content.weights, said)  # takes the arrays of HGQ2 out
        config = as_keras_2(str(path), given)
    if not (content.archive or content.keras_3 or content.apart):
        config, normalised = dense_batchnorm.as_dense(str(path), config)
        said = dense_batchnorm.told(normalised)
    if content.apart:
        config = old_layers.as_today(str(path), given)
    check_config(str(path), config, also)
    if normalised:
        content = replace(content, weights=dense_batchnorm.folded(content.weights, normalised))
    for owner, arrays in content.weights.items():
        for name, values in arrays.items():
            _check_finite(path, f"{owner}/{name}", values)
    if content.apart:
        content = replace(content, weights=old_layers.computed(str(path), given, content.weights))
    model = _load(path, given, config, content)
    object.__setattr__(model, SAID, tuple(said))  # Keras' own would wrap it
    return model


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


def _read_bytes(path: Path) -> bytes:
    """The file as it is at one moment: no other read follows."""
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


def _read(path: Path, data: bytes) -> _Content:
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


def _read_hdf5(path: Path, data: bytes) -> _Content:
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
    return _Content(_parse(path, texts[0]), weights, archive=False, keras_3=_major(version) == "3")


def _read_apart(path: Path, data: bytes) -> _Content:
    """A configuration, and the arrays of the file beside it."""
    config = _parse(path, data.decode("utf-8", "replace"), also=("keras_version",))
    _check_version(path, str(config.pop("keras_version", "")), ("2",))
    beside = weights_beside(path)
    try:
        file = hdf5.Hdf5(_read_bytes(beside))
        root = file.group(file.root)
        _check_version(beside, (file.texts(root, "keras_version") or [""])[0], ("2",))
        return _Content(config, _arrays(file, root), archive=False, apart=True)
    except hdf5.Hdf5Error as error:
        raise UnsupportedModelError(
            f"model file {beside}: it is damaged or cut off, or not as Keras writes it ({error}); allowed beside {path.name} are "
            "weights of model.save_weights('name_weights.h5') of Keras 2; copy or save it again"
        ) from error


def _arrays(file: hdf5.Hdf5, group: hdf5.Group) -> dict[str, dict[str, Array]]:
    """The arrays of each layer in a group."""
    weights: dict[str, dict[str, Array]] = {}
    for layer in file.names(group, "layer_names"):
        inside = file.group(file.find(group, layer))
        arrays = {name: file.array(file.find(inside, name), name) for name in file.names(inside, "weight_names")}
        if arrays:
            weights[layer] = arrays
    return weights


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


def _saved_by(data: bytes) -> str:
    """The version of Keras that an archive names, or nothing."""
    try:
        described = json.loads(zip_archive.stored_members(data, (_ARCHIVE_METADATA,))[_ARCHIVE_METADATA])
    except (zip_archive.ZipError, ValueError, RecursionError):
        return ""
    return str(described.get("keras_version", "")) if isinstance(described, dict) else ""


def _read_archive(path: Path, data: bytes) -> _Content:
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
    return _Content(config, weights, archive=True, keras_3=_major(version) == "3")


def _load(path: Path, given: Mapping[str, Any], config: Mapping[str, Any], content: _Content) -> KerasModel:
    """Let Keras build the model from a configuration and arrays that have been checked; ``given`` is the file's own."""
    from bittrigger.frontend.keras_model.quiet import (
        as_written,
        mend_qkeras,
        quiet_tensorflow,
        without_autograph,
        without_collection,
    )

    with quiet_tensorflow():
        with without_collection():
            import qkeras  # noqa: F401 - with TensorFlow the largest part of what _build needs
            import tensorflow as tf

        as_written()
        mend_qkeras()
        archive = content.archive and not content.keras_3
        filtered = tf.debugging.is_traceback_filtering_enabled()
        tf.debugging.disable_traceback_filtering()  # which would hide the layer that an error is of
        try:
            try:
                with without_autograph():
                    model = _build(config, archive=archive)
            except tf.errors.OperatorNotAllowedInGraphError:  # a layer that cannot do without
                model = _build(config, archive=archive)
            _assign(model, given, config, content)
        except (
            *(ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError, OSError, ArithmeticError),
            *(RecursionError, MemoryError, NotImplementedError, tf.errors.OpError),
        ) as error:
            reason = " ".join(str(_cause(error)).split())[:400]
            raise UnsupportedModelError(
                f"model file {path}: Keras cannot build it: {_layer_of(error)}{reason}; allowed are models whose weights and "
                f"shapes fit their layers; save it again{_again(content)}"
            ) from error
        finally:
            if filtered:
                tf.debugging.enable_traceback_filtering()
        return model


def _again(content: _Content) -> str:
    if not content.keras_3:
        return " as .h5 with Keras 2 and QKeras 0.9"
    return "" if content.archive else " with model.save('name.keras')"


def _assign(model: KerasModel, given: Mapping[str, Any], config: Mapping[str, Any], content: _Content) -> None:
    """Give each layer its arrays, wherever the version of Keras that wrote the file puts them."""
    import tensorflow as tf

    by_class = {place: arrays for place, arrays in content.weights.items() if place.startswith(_BY_CLASS)}
    if not by_class and not tf.__version__.startswith("2.14"):  # which finds the place of its own archives
        moved = {place.replace(_BEFORE_2_15, _BY_CLASS): arrays for place, arrays in content.weights.items()}
        by_class = {place: arrays for place, arrays in moved.items() if place.startswith(_BY_CLASS)}
    if not content.archive:
        _assign_hdf5(model, content.weights)
    elif content.keras_3:
        keras_3_weights.assign(model, given, config, content.weights)
    elif by_class:
        keras_3_weights.assign(model, config, config, by_class)
    else:
        _assign_archive(model, content.weights)


def _layer_of(error: BaseException) -> str:
    """The layer that Keras was at when it raised ``error``, with a colon; nothing if it was at none."""
    from tensorflow.keras.layers import Layer

    layer, trace = None, error.__traceback__
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        layer = owner if isinstance(owner, Layer) else layer
        trace = trace.tb_next
    return "" if layer is None else f"layer {layer.name!r} ({type(layer).__name__}): "


def _build(config: Mapping[str, Any], *, archive: bool) -> KerasModel:
    """The model of a configuration, with the weights that its initialisers give."""
    import tensorflow as tf

    legacy = keras_2_module("src.saving.legacy.saved_model.utils")  # how Keras reads HDF5 files has no public name
    known = known_classes()
    if _holds(config, "PruneLowMagnitude"):
        known["PruneLowMagnitude"] = _pruning_wrapper()
    if archive:
        return tf.keras.models.model_from_config(_built_by_calls(dict(config)), custom_objects=known)
    with (
        tf.keras.utils.custom_object_scope(known),
        legacy.keras_option_scope(save_traces=False, in_tf_saved_model_scope=True),
    ):
        return tf.keras.models.model_from_config(dict(config))


def _built_by_calls(value: Any) -> Any:
    """A configuration without the shapes of recurrent layers, which Keras takes for nests; their calls have them too."""
    if isinstance(value, list):
        return [_built_by_calls(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _built_by_calls(item) for key, item in value.items()}
    if kept.get("class_name") in (*RECURRENT, *BIDIRECTIONAL):
        kept.pop("build_config", None)
    return kept


def _holds(value: Any, class_name: str) -> bool:
    """Whether an object of a class stands anywhere in a configuration."""
    if isinstance(value, dict):
        return value.get("class_name") == class_name or any(_holds(item, class_name) for item in value.values())
    return isinstance(value, list) and any(_holds(item, class_name) for item in value)


def _pruning_wrapper() -> Any:
    """The wrapper of a layer that is pruned in training; QKeras brings the package."""
    from importlib import import_module

    home = "tensorflow_model_optimization.python.core.sparsity.keras.pruning_wrapper"
    return import_module(home).PruneLowMagnitude


def _assign_hdf5(model: KerasModel, weights: Mapping[str, Mapping[str, Array]]) -> None:
    """Give each layer its arrays, those that are trained first, as Keras writes them."""
    pairs: list[tuple[Any, Array]] = []
    waiting = dict(weights)
    for layer in model.layers:
        variables = layer.trainable_weights + layer.non_trainable_weights
        arrays = waiting.pop(layer.name, {})
        wanted = [(_leaf(variable.name), tuple(variable.shape)) for variable in variables]
        found = [(_leaf(name), values.shape) for name, values in arrays.items()]
        if wanted != found:
            raise ValueError(f"layer {layer.name!r} has the weights {found}; expected {wanted}")
        pairs += zip(variables, arrays.values(), strict=True)
    if waiting:
        raise ValueError(f"it holds weights of {next(iter(waiting))[:80]!r}, which is no layer of the model")
    for variable, values in pairs:
        variable.assign(values.astype(variable.dtype.as_numpy_dtype))


def _leaf(name: str) -> str:
    return name.rsplit("/", 1)[-1].removesuffix(":0")


def _assign_archive(model: KerasModel, weights: Mapping[str, Mapping[str, Array]]) -> None:
    """Give each object of the model the arrays at its path, which Keras finds by walking through the model."""
    saving_lib = keras_2_module("src.saving.saving_lib")  # the walk has no public name
    saving_lib._load_state(model, _Store(weights), assets_store=None, inner_path="", visited_trackables=set())


@dataclass(frozen=True)
class _Store:
    """Arrays by path, as Keras asks for them."""

    weights: Mapping[str, Mapping[str, Array]]

    def get(self, path: str) -> Mapping[str, Array]:
        """The arrays of the object at ``path``."""
        return self.weights.get(f"{path}/vars", {})


def _cause(error: BaseException) -> BaseException:
    """The error of ours behind one of Keras, else the latter."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, BittriggerError):
        found = found.__context__
    return found or error
