"""Pictures of an evaluation: what a slower decision buys, and which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl

from myo_host.figures import _BLUE, _GREY, _ORANGE, _STYLE, _render, plot_confusion
from myo_pipeline.bundle import replace_file

mpl.use("svg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_PNG_DPI: Final = 150
_LOOKS: Final = {  # colour, marker, what is told of a point
    "majority": (_BLUE, "o", "majority, vote"), "average": (_ORANGE, "D", "average, vote"),
    "bayes": ("#3f8f5b", "s", "bayes, stay"), "debounce": (_GREY, "^", "single windows, debounce"),
    "mean": (_BLUE, "o", "mean, windows"),
}  # fmt: skip


_PLACES: Final = {  # of names beside points, in points of type
    "majority": (0, 6), "average": (0, -11), "bayes": (-2, -12), "debounce": (8, 6), "mean": (0, 6),
}  # fmt: skip


def _name_point(row: dict[str, Any]) -> str:
    setting = row["setting"]
    if row["series"] == "bayes":
        return f"{setting.get('stay', 0.9):g}"
    return str(setting.get("debounce" if row["series"] == "debounce" else "vote", 1))


def draw_decisions(rows: Sequence[dict[str, Any]], unit: str = "") -> Figure:
    """Draw error, and instability where there is one, against the latency from electrode to decision, as it was measured.

    Parameters
    ----------
    rows
        As ``decision_curve`` of ``training.json`` has them.
    unit
        Of values' errors; classes have none.
    """
    classes = rows[0]["instability"] is not None
    panels = [("error", "macro error, %")] if classes else [("error", f"RMSE, {unit}" if unit else "RMSE")]
    panels += [("instability", "instability, % of decisions")] if classes else []
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.4 * len(panels), 3.9))
        for axes, (key, label) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            _draw_panel(axes, rows, key, 100.0 if classes else 1.0)
            axes.set_xlabel("electrode to decision, ms: window, hop and median wait for the vote")
            axes.set_ylabel(label)
        figure.tight_layout(rect=(0, 0, 1, 0.9))
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, frameon=False, loc="upper center", ncols=min(3, len(labels)))
        return figure


def _draw_panel(axes: Axes, rows: Sequence[dict[str, Any]], key: str, scale: float) -> None:
    for series, (colour, marker, label) in _LOOKS.items():
        own = [(row, x) for row in rows if row["series"] == series and (x := _find_ms(row)) is not None]
        if not own:
            continue
        y = [scale * row[key]["mean"] for row, _ in own]
        axes.plot(
            [x for _, x in own], y, color=colour, marker=marker, markersize=4, linewidth=1.1, label=label
        )
        # The ends of a series tell its direction; between them names would cover each other.
        for row, x in own[-1:] if series in ("average", "debounce") else (own[0], own[-1]):
            axes.annotate(
                _name_point(row), (x, scale * row[key]["mean"]), xytext=_PLACES[series], textcoords="offset points",
                fontsize=7.5, color=colour, ha="center",
            )  # fmt: skip
    mine, classes = rows[0], rows[0]["instability"] is not None
    at = _find_ms(mine)
    if at is not None:
        interval, name = mine["error"], "the spec's, error" if classes else "the spec's, RMSE"
        if interval["low"] is not None:
            mean, low, high = (scale * interval[end] for end in ("mean", "low", "high"))
            name += f" {mean:.3g} ({low:.3g} to {high:.3g})"
        axes.plot(
            [at], [scale * mine[key]["mean"]], "*", color="#222222", markersize=11, label=name, zorder=5
        )
    axes.margins(y=0.12)
    axes.grid(color="#dddddd", linewidth=0.5)


def _find_ms(row: dict[str, Any]) -> float | None:
    """Return where a row stands: as measured; of values as derived; nowhere where a median change is never followed."""
    found: float | None = row["measured_ms"] if row["instability"] is not None else row["latency_ms"]
    return found


def render_decisions(rows: Sequence[dict[str, Any]], unit: str = "") -> str:
    """Return :func:`draw_decisions` as SVG text."""
    return _render(draw_decisions(rows, unit))


def save_figure(figure: Figure, path: Path) -> None:
    """Save a figure as PNG on white."""
    with replace_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=_PNG_DPI, bbox_inches="tight", facecolor="white")


def save_confusion(confusion: list[list[int]], names: list[str], path: Path) -> None:
    """Save the confusion matrix of decisions as PNG."""
    save_figure(plot_confusion(confusion, names, "decided, % of the row"), path)
