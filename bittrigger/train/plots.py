"""Plots of model cards: curves, confusion, efficiencies, histograms, densities. Small PNG files, the same bytes each time.

Colours are those of Okabe and Ito, which people with any colour vision tell apart; line styles and markers differ as well.
matplotlib is imported inside the functions that need it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bittrigger.errors import ConfigError, ToolNotFoundError
from bittrigger.train.checkpoint import replace_file
from bittrigger.train.metrics import Efficiency, roc_auc, roc_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "RocCurve",
    "ScoredDesign",
    "plot_accuracy_against_luts",
    "plot_confusion",
    "plot_density",
    "plot_efficiencies",
    "plot_histograms",
    "plot_roc",
]

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Source: M. Okabe, K. Ito, Color Universal Design, 2008; yellow is left out, since it is faint on white."""

STYLES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX"
DOTS_PER_INCH = 110


@dataclass(frozen=True)
class RocCurve:
    """One curve of a ROC plot.

    Attributes:
        name: text of the legend.
        scores: shape `(n,)`, higher is more likely signal.
        positive: shape `(n,)`, which events are signal.
    """

    name: str
    scores: npt.NDArray[Any]
    positive: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ScoredDesign:
    """One point of a plot of accuracy against LUTs.

    Attributes:
        luts: LUTs of the whole design.
        score: height of the point.
        spread: half of its error bar; None draws none.
        group: designs of one group share colour, marker and a line of the legend.
        label: text beside the point.
    """

    luts: float
    score: float
    spread: float | None = None
    group: str = "ternary"
    label: str = ""


def plot_roc(curves: Sequence[RocCurve], path: Path, *, title: str = "", lowest: float = 1e-3) -> None:
    """Write the background efficiency against the signal efficiency, the former on a logarithmic axis.

    Args:
        curves: at least one; the legend tells the area under each.
        path: PNG file.
        title: heading of the plot.
        lowest: lower end of the logarithmic axis, above 0 and below 1.

    Raises:
        ConfigError: there is no curve, or one lacks signal or background.
        ToolNotFoundError: matplotlib is not installed.
    """
    _expect(curves, "ROC curve")
    with figure_axes(path, (5.2, 4.2)) as axes:
        for i, curve in enumerate(curves):
            background, signal = roc_curve(curve.scores, curve.positive)
            axes.plot(
                signal,
                np.maximum(background, lowest / 10),
                color=COLORS[i % len(COLORS)],
                linestyle=STYLES[i // len(COLORS) % len(STYLES)],
                label=f"{curve.name} (AUC {roc_auc(curve.scores, curve.positive):.4f})",
            )
        axes.plot(*[np.linspace(lowest, 1, 200)] * 2, color="0.6", linewidth=0.8, linestyle=":", label="by chance")
        axes.set(xlim=(0, 1), ylim=(lowest, 1), yscale="log", title=title)
        axes.set(xlabel="signal efficiency", ylabel="background efficiency")
        axes.legend(loc="lower right", fontsize=8)


def plot_confusion(
    predicted: npt.NDArray[Any], labels: npt.NDArray[Any], classes: Sequence[str], path: Path, *, title: str = ""
) -> None:
    """Write the share of each true class that is taken for each class, in per cent; a row adds up to 100.

    Args:
        predicted: shape `(n,)`, class indices.
        labels: shape `(n,)`, true class indices.
        classes: names by index.
        path: PNG file.
        title: heading of the plot.

    Raises:
        ConfigError: the shapes differ, an index has no name, or a class has no event.
        ToolNotFoundError: matplotlib is not installed.
    """
    share = 100 * confusion_shares(predicted, labels, len(classes))
    with figure_axes(path, (4.2, 3.8)) as axes:
        image = axes.imshow(share, cmap="cividis", vmin=0, vmax=100)
        for (row, column), value in np.ndenumerate(share):
            color = "white" if value < 50 else "black"
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", color=color, fontsize=9)
        axes.set(xlabel="predicted class", ylabel="true class", title=title)
        axes.set_xticks(range(len(classes)), classes)
        axes.set_yticks(range(len(classes)), classes)
        bar = axes.figure.colorbar(image, ax=axes, fraction=0.046)
        bar.set_label("share of the true class (%)")


def plot_accuracy_against_luts(
    points: Sequence[ScoredDesign],
    path: Path,
    *,
    origin: str,
    ylabel: str = "accuracy (%)",
    references: Mapping[str, float] | None = None,
    title: str = "",
) -> None:
    """Write the score of designs against their LUTs; the points of a group are joined in the order of their LUTs.

    Args:
        points: at least one.
        path: PNG file.
        origin: where the LUTs come from, as `synth, Yosys 0.70`; it is written at the axis.
        ylabel: what the score is.
        references: horizontal lines by name, such as the float twin's score.
        title: heading of the plot.

    Raises:
        ConfigError: there is no point.
        ToolNotFoundError: matplotlib is not installed.
    """
    _expect(points, "design")
    groups = list(dict.fromkeys(point.group for point in points))
    with figure_axes(path, (5.6, 4.0)) as axes:
        for i, group in enumerate(groups):
            chosen = sorted((p for p in points if p.group == group), key=lambda point: point.luts)
            axes.errorbar(
                [point.luts for point in chosen],
                [point.score for point in chosen],
                yerr=[point.spread or 0.0 for point in chosen],
                color=COLORS[i % len(COLORS)],
                marker=MARKERS[i % len(MARKERS)],
                markersize=5,
                capsize=2,
                linewidth=1,
                label=group,
            )
            for point in chosen:
                axes.annotate(
                    point.label, (point.luts, point.score), xytext=(5, -9), textcoords="offset points", fontsize=7
                )
        for i, (name, value) in enumerate((references or {}).items()):
            axes.axhline(value, color="0.3", linewidth=1, linestyle=STYLES[(i + 1) % len(STYLES)], label=name)
        axes.set(xlabel=f"LUT ({origin})", ylabel=ylabel, title=title)
        axes.set_xlim(left=0)
        axes.grid(visible=True, linewidth=0.4, color="0.85")
        axes.legend(loc="lower right", fontsize=8)


def plot_efficiencies(
    efficiencies: Mapping[str, Sequence[Efficiency]], signals: Sequence[str], path: Path, *, title: str = ""
) -> None:
    """Write the efficiency of some scores for each signal at one rate of background, with its error.

    Args:
        efficiencies: by the name of the score, one for each of `signals`.
        signals: their names.
        path: PNG file.
        title: heading of the plot; it should tell the rate.

    Raises:
        ConfigError: there is no score or no signal, or the numbers differ.
        ToolNotFoundError: matplotlib is not installed.
    """
    _expect(list(efficiencies), "score")
    _expect(signals, "signal")
    for name, values in efficiencies.items():
        if len(values) != len(signals):
            raise ConfigError(
                f"score {name!r}: {len(values)} efficiencies for {len(signals)} signals; expected one each"
            )
    with figure_axes(path, (6.2, 3.8)) as axes:
        places, width = np.arange(len(signals)), 0.7 / len(efficiencies)
        for i, (name, values) in enumerate(efficiencies.items()):
            axes.errorbar(
                places + (i - (len(efficiencies) - 1) / 2) * width,
                [efficiency.value for efficiency in values],
                yerr=[efficiency.error for efficiency in values],
                color=COLORS[i % len(COLORS)],
                marker=MARKERS[i % len(MARKERS)],
                markersize=5,
                capsize=2,
                linestyle="none",
                label=name,
            )
        axes.set(ylim=(0, 1), ylabel="signal efficiency", title=title)
        axes.set_xticks(places, signals)
        axes.grid(visible=True, axis="y", linewidth=0.4, color="0.85")
        axes.legend(loc="best", fontsize=7)


def plot_histograms(
    samples: Mapping[str, npt.NDArray[Any]], path: Path, *, bins: int, span: tuple[float, float], xlabel: str
) -> None:
    """Write the share of each sample in equal bins, on a logarithmic axis, one outline a sample.

    Args:
        samples: values `(n,)` by the name in the legend; at least one sample.
        path: PNG file.
        bins: number of bins.
        span: lower end of the first and upper end of the last bin; what lies beyond is not shown.
        xlabel: what the values are, with their unit.

    Raises:
        ConfigError: there is no sample, or one is empty.
        ToolNotFoundError: matplotlib is not installed.
    """
    _expect(list(samples), "sample")
    for name, values in samples.items():
        _expect(values, f"value of sample {name!r}")
    with figure_axes(path, (5.6, 4.0)) as axes:
        for i, (name, values) in enumerate(samples.items()):
            counts, edges = np.histogram(values, bins, span)
            color, line = COLORS[i % len(COLORS)], STYLES[i % len(STYLES)]
            axes.stairs(counts / len(values), edges, label=name, color=color, linestyle=line)
        axes.set(xlim=span, yscale="log", xlabel=xlabel, ylabel="share of the events")
        axes.legend(loc="best", fontsize=8)


def plot_density(
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    path: Path,
    *,
    span: tuple[float, float],
    xlabel: str,
    ylabel: str,
    title: str = "",
    bins: int = 45,
) -> None:
    """Write how many points lie in each square of a plane, on a logarithmic scale; both axes show the same span.

    Args:
        x: shape `(n,)`.
        y: shape `(n,)`.
        path: PNG file.
        span: ends of both axes; what lies beyond is not shown.
        xlabel: what `x` is, with its unit.
        ylabel: what `y` is, with its unit.
        title: heading of the plot.
        bins: squares along an axis.

    Raises:
        ConfigError: the shapes differ, or no point lies within the span.
        ToolNotFoundError: matplotlib is not installed.
    """
    if x.ndim != 1 or y.shape != x.shape:
        raise ConfigError(f"x of shape {x.shape}, y of shape {y.shape}; expected one shape (n,)")
    counts, edges, _ = np.histogram2d(x, y, bins, (span, span))
    _expect(counts[counts > 0], "point within the span")
    with figure_axes(path, (4.4, 3.8)) as axes:
        shown = np.where(counts > 0, counts, np.nan).T
        image = axes.pcolormesh(edges, edges, shown, cmap="cividis", norm="log", rasterized=True)
        axes.set(xlabel=xlabel, ylabel=ylabel, title=title, box_aspect=1)
        axes.figure.colorbar(image, ax=axes).set_label("events")


def confusion_shares(predicted: npt.NDArray[Any], labels: npt.NDArray[Any], classes: int) -> npt.NDArray[np.float64]:
    """Return the share of each true class that is taken for each class, shape `(classes, classes)`; rows are the truth.

    Raises:
        ConfigError: the shapes differ, an index is out of range, or a class has no event.
    """
    if labels.ndim != 1 or predicted.shape != labels.shape:
        raise ConfigError(
            f"predicted of shape {predicted.shape}, labels of shape {labels.shape}; expected one shape (n,)"
        )
    for name, values in (("predicted", predicted), ("labels", labels)):
        if values.size and not (values.min() >= 0 and values.max() < classes):
            raise ConfigError(
                f"{name}: class {values.min()} to {values.max()}; allowed are 0 to {classes - 1}, an index for each name"
            )
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels, predicted), 1)
    events = counts.sum(axis=1, keepdims=True)
    if not events.all():
        raise ConfigError(f"labels: class {int(np.argmin(events))} has no event; expected at least one of each")
    return np.asarray(counts / events)


def _expect(items: Sequence[object] | npt.NDArray[Any], what: str) -> None:
    if len(items) == 0:
        raise ConfigError(f"0 {what}s to plot; expected at least one {what}")


def require_matplotlib() -> None:
    """Make sure that plots can be drawn; whoever works for long calls it first.

    Raises:
        ToolNotFoundError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401 - whether it is there
    except ImportError as error:
        raise ToolNotFoundError(
            "package 'matplotlib' not found; looked in this Python's packages; plots need it; "
            "install it with `pip install matplotlib`"
        ) from error


@contextmanager
def figure_axes(path: Path, inches: tuple[float, float]) -> Iterator[Axes]:
    """Axes of a figure that is written to `path` when the block ends well; the user's matplotlibrc does not count."""
    with _figure(path, inches) as figure:
        yield figure.add_subplot()


@contextmanager
def figure_grid(path: Path, count: int, columns: int, title: str = "") -> Iterator[list[Axes]]:
    """So many axes in rows of `columns`, of one figure; as `figure_axes`."""
    rows = -(-count // columns)
    with _figure(path, (3.0 * columns, 2.3 * rows + 0.3)) as figure:
        figure.suptitle(title)
        yield [figure.add_subplot(rows, columns, place + 1) for place in range(count)]


@contextmanager
def _figure(path: Path, inches: tuple[float, float]) -> Iterator[Figure]:
    require_matplotlib()
    from matplotlib import style
    from matplotlib.figure import Figure

    with style.context("default"):
        figure = Figure(figsize=inches, dpi=DOTS_PER_INCH, layout="constrained")
        yield figure
        content = io.BytesIO()
        figure.savefig(content, format="png", metadata={"Software": None})
    replace_file(path, content.getvalue())
