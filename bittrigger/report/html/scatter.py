"""Score against cost, or latency against LUTs: points and their Pareto front as a page of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bittrigger.report.html.page import environment
from bittrigger.report.html.svg import element, number, picture, text

_WIDTH, _HEIGHT, _LEFT, _LOW = 860.0, 460.0, 76.0, 52.0
_TICKS = 6


@dataclass(frozen=True)
class Dot:
    """One point.

    Attributes:
        label: what it is, in a line.
        note: its figures and the command that makes it, for the tooltip and the table.
        front: whether no other point is better in both.
        chosen: whether it is the one that was asked for.
    """

    x: float
    y: float
    label: str
    note: str = ""
    front: bool = False
    chosen: bool = False


@dataclass(frozen=True)
class Axis:
    """Name, with its unit and origin, and the range that is drawn."""

    name: str
    low: float
    high: float

    @classmethod
    def around(cls, name: str, values: Sequence[float]) -> Axis:
        """An axis that holds all ``values`` with some room."""
        low, high = min(values), max(values)
        room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
        return cls(name, low - room, high + room)

    def ticks(self) -> list[float]:
        """Round values within the range."""
        step = (self.high - self.low) / _TICKS
        power = 10.0 ** math.floor(math.log10(step))
        step = power * min((k for k in (1, 2, 2.5, 5, 10) if k * power >= step), default=10)
        first = math.ceil(self.low / step)
        return [step * k for k in range(first, math.floor(self.high / step) + 1)]

    def share(self, value: float) -> float:
        """Where ``value`` lies, from 0 to 1."""
        return (value - self.low) / (self.high - self.low)


def draw_scatter(dots: Sequence[Dot], x_name: str, y_name: str) -> Markup:
    """The points, the front as a line of steps through those that are on it, and axes."""
    across, up = Axis.around(x_name, [dot.x for dot in dots]), Axis.around(y_name, [dot.y for dot in dots])

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + across.share(x) * (_WIDTH - _LEFT - 20), (_HEIGHT - _LOW) - up.share(y) * (_HEIGHT - _LOW - 20)

    parts = []
    for value in across.ticks():
        x, _ = place(value, up.low)
        parts.append(element("line", x1=x, y1=20, x2=x, y2=_HEIGHT - _LOW, class_="register"))
        parts.append(text(f"{value:,.6g}", x, _HEIGHT - _LOW + 18, "middle soft"))
    for value in up.ticks():
        _, y = place(across.low, value)
        parts.append(element("line", x1=_LEFT, y1=y, x2=_WIDTH - 20, y2=y, class_="register"))
        parts.append(text(f"{value:,.6g}", _LEFT - 8, y + 4, "end soft"))
    parts.append(text(x_name, (_LEFT + _WIDTH) / 2, _HEIGHT - 10, "middle strong"))
    parts.append(text(y_name, 6, 12, "strong"))
    front = sorted((place(dot.x, dot.y) for dot in dots if dot.front), key=lambda point: point[0])
    if len(front) > 1:
        path = "L".join(f"{number(x)} {number(y)}" for x, y in front)
        parts.append(element("path", d=f"M{path}", class_="front"))
    for dot in dots:
        x, y = place(dot.x, dot.y)
        style = "dot chosen" if dot.chosen else "dot on" if dot.front else "dot"
        title = f"{dot.label}\n{dot.note}"
        parts.append(element("circle", title=title, cx=x, cy=y, r=7 if dot.chosen else 5, class_=style))
        if dot.front:
            parts.append(text(dot.label[:28], x + 9, y - 7, "small"))
    return picture(_WIDTH, _HEIGHT, parts, f"{y_name} against {x_name}")


def render_scatter(title: str, dots: Sequence[Dot], x_name: str, y_name: str, said: Sequence[str] = ()) -> str:
    """A page with the picture and a table of the points, the front first."""
    ordered = sorted(dots, key=lambda dot: (not dot.front, dot.x, dot.y))
    page = environment().get_template("scatter.html.j2")
    drawn = draw_scatter(dots, x_name, y_name) if dots else Markup("")
    return page.render(title=title, picture=drawn, dots=ordered, x_name=x_name, y_name=y_name, said=said)
