"""The picture of a sensitivity: what each layer costs against what it saves. matplotlib is imported when it is drawn."""

from __future__ import annotations

from pathlib import Path

from bittrigger.explore.sensitivity import ORIGIN, Sensitivity
from bittrigger.train.plots import COLORS, figure_axes

__all__ = ["plot_sensitivity"]


def plot_sensitivity(found: Sensitivity, path: Path) -> None:
    """Write the drop of the metric against the LUTs saved, a point for each layer that is made ternary.

    Args:
        found: the layers.
        path: PNG file.

    Raises:
        ToolNotFoundError: matplotlib is not installed.
    """
    with figure_axes(path, (5.6, 4.0)) as axes:
        for layer in found.layers:
            axes.errorbar(layer.luts_saved, layer.drop, layer.drop_error or 0.0, color=COLORS[0], marker="o", capsize=2)
            axes.annotate(
                layer.layer, (layer.luts_saved, layer.drop), xytext=(6, 4), textcoords="offset points", fontsize=8
            )
        axes.axhline(0, color="0.3", linewidth=1, linestyle=":")
        others = f"one layer ternary, the others {found.probe.bits} bits"
        axes.set(xlabel=f"LUT saved ({ORIGIN})", ylabel=f"drop of {found.metric}", title=f"{found.model}: {others}")
        axes.margins(x=0.15, y=0.15)
        axes.grid(visible=True, linewidth=0.4, color="0.85")
