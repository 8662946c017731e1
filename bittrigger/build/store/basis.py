"""What the bits of a graph are equal to, as JSON."""

from __future__ import annotations

from dataclasses import asdict

from bittrigger.build.store.values import Json, type_of, whole
from bittrigger.ir.basis import Basis, Distance, Measured, Reference


def basis_to_json(basis: Basis) -> Json:
    """``basis`` as plain types."""
    rounded = [None if kind is None else [kind.signed, kind.width, kind.frac] for kind in basis.rounded]
    measured = None if basis.measured is None else asdict(basis.measured)
    facts = {"ideal": basis.ideal, "chosen": basis.chosen, "rounded": rounded, "measured": measured}
    return facts | {"reference": basis.reference.value}


def basis_from_json(data: Json) -> Basis:
    """The basis that ``basis_to_json`` was given.

    Raises:
        ValueError: if a number is out of range; other errors of Python where the structure is another one.
    """
    ideal, chosen = (tuple(map(_sentence, data[name])) for name in ("ideal", "chosen"))
    rounded = tuple(None if kind is None else type_of(kind) for kind in data["rounded"])
    measured = None if data["measured"] is None else _measured(data["measured"])
    return Basis(ideal, chosen, rounded, measured, Reference(data["reference"]))


def _sentence(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:40]!r} is no sentence")
    return value


def _measured(data: Json) -> Measured:
    def distance(value: Json) -> Distance:
        return Distance(whole(value["events"], 0), float(value["largest"]))

    double = data["float64"]
    return Measured(whole(data["events"], 0), distance(data["float32"]), None if double is None else distance(double))
