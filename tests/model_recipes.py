"""The recipes of models/, each of which is a recipe.py beside the modules that it imports."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

MODELS = Path(__file__).resolve().parent.parent / "models"


def load_recipe(model: str, name: str = "recipe") -> ModuleType:
    """The module ``models/<model>/<name>.py``, under a name of its own; the modules beside it can be imported from then on."""
    folder = MODELS / model
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    full = f"{model}_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, folder / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[full])
    return sys.modules[full]
