"""The grade of a design in words: what its bits equal, why, and what was chosen for it."""

from __future__ import annotations

from bittrigger.ir.basis import Basis, Reference, promise_of
from bittrigger.ir.basis import Grade as GradeName
from bittrigger.report.model import Grade


def grade_of(basis: Basis) -> Grade:
    """The grade for a report."""
    measured = basis.measured
    single = measured.float32 if measured else None
    double = measured.float64 if measured else None
    return Grade(
        name=basis.grade.value,
        reference=basis.reference.value,
        reasons=basis.ideal,
        chosen=basis.chosen,
        events=measured.events if measured else None,
        float32_events=single.events if single else None,
        float32_largest=single.largest if single else None,
        float64_events=double.events if double else None,
        float64_largest=double.largest if double else None,
    )


def grade_lines(grade: Grade) -> list[str]:
    """The grade, its reasons, the comparison with Keras and the choices, a sentence each."""
    lines = [f"grade {grade.name}: {promise_of(GradeName(grade.name), Reference(grade.reference))}"]
    if grade.name == "ideal":
        lines += [f"float32 rounds: {reason}" for reason in grade.reasons]
        lines += [
            f"{precision} differs from the firmware on {events:,} of {grade.events:,} events, by at most {largest:g}"
            for precision, events, largest in (
                ("float32", grade.float32_events, grade.float32_largest),
                ("float64", grade.float64_events, grade.float64_largest),
            )
            if events is not None
        ]
    elif grade.events is not None:
        lines[0] += f", compared on {grade.events:,} events"
    return [*lines, *(f"chosen: {sentence}" for sentence in grade.chosen)]
