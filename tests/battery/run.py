"""Every case converted and compared with Keras on every bit, and the table of what came of it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from battery.own import OWN_CASES
from battery.parts import Case, tf
from battery.shapes import (
    ACTIVATION_CASES,
    MERGE_CASES,
    OPERATOR_CASES,
    OTHER_CASES,
    POOLING_CASES,
    QUANTISER_CASES,
    SHAPE_CASES,
    STRUCTURE_CASES,
)
from battery.tokens import TOKEN_CASES
from battery.ways_out import WAYS_OUT
from battery.weights import CONV1D_CASES, CONV2D_CASES, DENSE_CASES, KERNEL_CASES, NORMALISATION_CASES
from bittrigger.compile.read import read_model
from bittrigger.errors import BittriggerError, MismatchError
from bittrigger.settings import Settings

GROUPS = {
    "Kernel quantisers of a QDense": KERNEL_CASES,
    "Dense layers": DENSE_CASES,
    "Convolutions along one axis": CONV1D_CASES,
    "Convolutions of images": CONV2D_CASES,
    "Normalisations": NORMALISATION_CASES,
    "QActivation": QUANTISER_CASES,
    "Activations": ACTIVATION_CASES,
    "Merges": MERGE_CASES,
    "Operators of TensorFlow": OPERATOR_CASES,
    "Poolings": POOLING_CASES,
    "Layers that move codes, or do nothing": SHAPE_CASES,
    "Recurrent layers, attention, tables": OTHER_CASES,
    "Structures": STRUCTURE_CASES,
    "Ways out that refusals name": WAYS_OUT,
    "A scale for each token": TOKEN_CASES,
    "Layers of bittrigger": OWN_CASES,
}

PAGE = Path(__file__).resolve().parents[2] / "docs" / "layers.md"
EXACT, IDEAL, REFUSED, WRONG = "exact", "ideal", "refused", "wrong"


def names() -> Iterator[tuple[str, str, Case]]:
    """Group, name and case of each."""
    for group, cases in GROUPS.items():
        for name, case in cases.items():
            yield group, name, case


def outcome(number: int, case: Case) -> tuple[str, str]:
    """The grade of the design of a case and what it says of itself; that it is refused and why; or that a bit is wrong."""
    tf.keras.backend.clear_session()
    logging.disable(logging.CRITICAL)
    try:
        model = case.make()
    except (AttributeError, TypeError, ValueError):
        return REFUSED, "Keras or QKeras itself cannot build it"
    randomize(model, 1000 + number)
    try:
        graph = read_model(model, Settings(**case.settings), name="net").graph
    except MismatchError as error:
        return WRONG, str(error)[:160]
    except BittriggerError as error:
        return REFUSED, _first(str(error))
    finally:
        logging.disable(logging.NOTSET)
    basis = graph.basis
    said = [*basis.ideal, *basis.chosen]
    return str(basis.grade.value), _first(said[0]) if said else ""


def _first(text: str) -> str:
    """What matters of a message: without the layer's name, and without the way out."""
    flat = " ".join(text.split()).replace("|", "\\|")
    body = flat.split("; ", 1)[0] if "; " in flat else flat
    return body.split(": ", 1)[1][:160] if body.startswith(("layer '", "input '")) else body[:160]


def randomize(model, seed: int) -> None:
    """Weights as the cases have them: normal, scales near one, variances over a decade."""
    generator = np.random.default_rng(seed)
    values = []
    for weight in model.weights:
        drawn = generator.normal(0, 0.7, size=weight.shape)
        if "variance" in weight.name:
            drawn = 10 ** generator.uniform(-1, 0.5, size=weight.shape)
        elif "gamma" in weight.name:
            drawn = generator.uniform(0.4, 1.6, size=weight.shape)
        kept = weight.dtype.is_integer or any(
            word in weight.name for word in ("iteration", "step", "mask", "threshold")
        )
        values.append(weight.numpy() if kept else drawn.astype(weight.dtype.as_numpy_dtype))
    model.set_weights(values)


def page(found: Mapping[tuple[str, str], tuple[str, str]]) -> str:
    """The page of the documentation."""
    grades = [grade for grade, _ in found.values()]
    counts = {grade: grades.count(grade) for grade in (EXACT, IDEAL, REFUSED)}
    lines = [
        "# Layers and options",
        "",
        "What converts, in which grade, and why the rest does not: made by `make battery`, which builds a small model of each",
        "row with random weights, converts it without an option but those named, and compares it with Keras on every bit of some",
        "3,000 events. `exact` and `ideal` are the grades of [exactness.md](exactness.md).",
        "",
        f"Of {len(found)} models {counts[EXACT]} are exact, {counts[IDEAL]} ideal and {counts[REFUSED]} refused.",
    ]
    for group, cases in GROUPS.items():
        lines += ["", f"## {group}", "", "| | grade | |", "|---|---|---|"]
        for name in cases:
            grade, said = found[group, name]
            lines.append(f"| {name} | {grade} | {said} |")
    return "\n".join(lines) + "\n"


def written() -> dict[tuple[str, str], tuple[str, str]]:
    """What the page says of each case."""
    found, group = {}, ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            group = line[3:]
        elif line.startswith("| ") and not line.startswith("| |"):
            name, grade, said = (part.strip() for part in line[1:-1].replace("\\|", "\0").split("|"))
            found[group, name.replace("\0", "\\|")] = (grade, said.replace("\0", "\\|"))
    return found


def run(record: Path | None = None) -> dict[tuple[str, str], tuple[str, str]]:
    """The outcome of every case.

    Args:
        record: a file that keeps them, from which a run that was interrupted goes on.
    """
    found = {}
    if record is not None and record.is_file():
        found = {(group, name): (grade, said) for group, name, grade, said in json.loads(record.read_text())}
    for number, (group, name, case) in enumerate(names()):
        if (group, name) not in found:
            found[group, name] = outcome(number, case)
        if record is not None:
            record.write_text(json.dumps([[*key, *value] for key, value in found.items()], indent=1), encoding="utf-8")
    return {(group, name): found[group, name] for group, name, _ in names()}
