"""Files of HGQ2 that are kept beside the tests, and copies of them with other layers or arrays."""

from __future__ import annotations

from pathlib import Path

import hostile_models as hostile

KEPT = Path(__file__).parent / "keras_3"
SAMPLE = KEPT / "hgq2.keras"
LINFORMER = KEPT / "hgq2_linformer.keras"
CROSSED = KEPT / "hgq2_crossed.keras"
RECURRENT = KEPT / "hgq2_recurrent.keras"


def spoiled(folder, change=hostile.unchanged, weights=hostile.unchanged, source=SAMPLE):
    """A copy of ``source`` whose layers went through ``change`` and whose arrays through ``weights``."""
    return hostile.spoiled_layers(source, folder / "model.keras", change, weights)
