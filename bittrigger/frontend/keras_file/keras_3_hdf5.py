"""The configuration that Keras 3 writes into HDF5 files, in the form of its archives.

There a layer has no module, and one that a package registered has the name of the package before its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bittrigger.errors import UnsupportedModelError
from bittrigger.frontend.attributes import MODELS

Json = Any

_DEPTH = 40
_QKERAS = "qkeras"


def as_archived(where: str, config: Mapping[str, Json], depth: int = 0) -> dict[str, Json]:
    """The configuration of a model with the module of each of its layers.

    Args:
        where: the file, for messages.
        config: the JSON of Keras 3, which may be hostile.
        depth: how many models are around it.

    Raises:
        UnsupportedModelError: if a layer is of a package of which HDF5 keeps less than an archive.
    """
    body = config.get("config")
    layers = body.get("layers") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(layers, list) or depth > _DEPTH:
        return dict(config)  # what is wrong with it is said by those who read archives
    return {**config, "config": {**body, "layers": [_layer(where, layer, depth) for layer in layers]}}


def _layer(where: str, layer: Json, depth: int) -> Json:
    if not isinstance(layer, dict) or "module" in layer or not isinstance(layer.get("class_name"), str):
        return layer
    package, found, kind = layer["class_name"].rpartition(">")
    if kind in MODELS and not found:
        return as_archived(where, layer, depth + 1)
    if not found:
        return {**layer, "module": "keras.layers", "registered_name": None}
    if package != _QKERAS:
        raise UnsupportedModelError(
            f"model file {where}: layer {str(layer.get('name'))[:80]!r}: class {layer['class_name'][:80]!r} in an HDF5 file; "
            "allowed are layers of Keras and QKeras there, and those of other packages in archives; save it with "
            "model.save('name.keras')"
        )
    return {**layer, "class_name": kind, "module": _QKERAS, "registered_name": f"{_QKERAS}>{kind}"}
