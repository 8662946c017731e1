"""What a build was made from: the hash of the model and of the events, all versions; and the card of the model, taken along."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from bittrigger import __version__
from bittrigger.build.store import design_text
from bittrigger.frontend.keras_file.beside import content_of
from bittrigger.ir.fixed import FloatArray
from bittrigger.ir.graph import Graph
from bittrigger.ir.origin import Origin
from bittrigger.system.versions import versions

_PICTURE = re.compile(r"!\[[^\]]*\]\(([\w.-]+\.(?:png|jpe?g|svg))\)")


def provenance(model: Path | None, inputs: FloatArray | None, *, synthesize: bool) -> dict[str, Any]:
    """The facts that the settings of a build do not hold.

    Args:
        model: the file that was converted; None for a model that is in no file.
        inputs: events on which Keras and the integers were compared, or None.
    """
    return {
        "bittrigger": __version__,
        "model": {} if model is None else {"file": model.name, "sha256": hashlib.sha256(content_of(model)).hexdigest()},
        "events_sha256": None if inputs is None else hashlib.sha256(np.ascontiguousarray(inputs).tobytes()).hexdigest(),
        "options": {"synthesize": synthesize},
        "versions": versions(),
    }


def origin_of(graph: Graph, model: Path | None) -> Origin:
    """What stands in the header of every emitted file; of a model that is in no file the integer graph is hashed.

    Args:
        model: the file that was converted, or None.
    """
    if model is not None:
        return Origin(kind="model", sha256=hashlib.sha256(content_of(model)).hexdigest())
    return Origin(kind="graph", sha256=hashlib.sha256(design_text(graph, {}).encode()).hexdigest())


def copy_card(model: Path, folder: Path) -> None:
    """Take along ``card.md`` beside a ``model.h5`` or ``model.keras``, which is the card of that model, and its pictures."""
    card = model.parent / "card.md"
    if model.stem != "model" or not card.is_file():
        return
    shutil.copyfile(card, folder / "card.md")
    for name in _PICTURE.findall(card.read_text(encoding="utf-8")):
        if (card.parent / name).is_file():
            shutil.copyfile(card.parent / name, folder / name)
