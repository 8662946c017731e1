"""Score against cost: which designs no other one beats, and the cheapest that is good enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bittrigger.errors import ConfigError
from bittrigger.train.study import Run, Spread, spread_of

__all__ = ["Point", "cheapest", "pareto_front", "points_of"]


@dataclass(frozen=True)
class Point:
    """A variant of a study, over its seeds.

    Attributes:
        variant: its name.
        cost: LUTs, or what else is to be little.
        score: accuracy, or what else is to be much.
    """

    variant: str
    cost: Spread
    score: Spread


def points_of(runs: Sequence[Run], *, cost: str = "luts", score: str = "accuracy") -> list[Point]:
    """Return a point for each variant, from two figures of its runs.

    Raises:
        ConfigError: a run lacks one of them.
    """
    points = []
    for variant in dict.fromkeys(run.variant for run in runs):
        figures = [run.figures for run in runs if run.variant == variant]
        costs, scores = (spread_of(entry.get(name) for entry in figures) for name in (cost, score))
        if costs is None or scores is None:
            raise ConfigError(
                f"variant {variant!r}: a run has no {cost if costs is None else score!r}; expected it of each seed; "
                f"it has {', '.join(figures[0])}"
            )
        points.append(Point(variant, costs, scores))
    return points


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other one equals or beats in mean cost and mean score, by rising cost.

    Of points with both means equal the first one stays.
    """
    front: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost.mean, -p.score.mean)):
        if not front or point.score.mean > front[-1].score.mean:
            front.append(point)
    return front


def cheapest(points: Sequence[Point], wanted: float) -> Point:
    """Return the point of least mean cost whose mean score is at least `wanted`; of equal ones that of the best score.

    Raises:
        ConfigError: none reaches it.
    """
    front = pareto_front(points)
    reached = next((point for point in front if point.score.mean >= wanted), None)
    if reached is None:
        best = f"the best is {front[-1].score.text(4)} of {front[-1].variant}" if front else "there is no design"
        raise ConfigError(f"score {wanted}: no design reaches it; {best}; ask for less, or try wider networks")
    return reached
