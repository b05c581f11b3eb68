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


def _name_point(row: dict[str, Any]) -> str:
    setting = row["setting"]
    if row["series"] == "bayes":
        return f"{setting.get('stay', 0.9):g}"
    return str(setting.get("debounce" if row["series"] == "debounce" else "vote", 1))


def draw_decisions(rows: Sequence[dict[str, Any]], unit: str = "") -> Figure:
    """Draw error, and instability where there is one, against the latency from electrode to decision.

    Parameters
    ----------
    rows
        As ``decision_curve`` of ``training.json`` has them.
    unit
        Of values' errors; classes have none.
    """
    panels = [("error", f"RMSE {unit}".strip() if rows[0]["series"] == "mean" or rows[0]["instability"] is None
               else "macro error, %")]  # fmt: skip
    classes = rows[0]["instability"] is not None
    if classes:
        panels.append(("instability", "instability, % of decisions"))
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.2 * len(panels), 3.9))
        for place, (axes, (key, label)) in enumerate(
            zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True)
        ):
            _draw_panel(axes, rows, key, 100.0 if classes else 1.0)
            axes.set_xlabel("electrode to decision at the latest, ms, without filters and computing")
            axes.set_ylabel(label)
            if not place:
                figure.legend(
                    *axes.get_legend_handles_labels(), frameon=False, loc="lower center", bbox_to_anchor=(0.5, 0.93), ncols=5
                )  # fmt: skip
        figure.tight_layout(rect=(0, 0, 1, 0.94))
        return figure


def _draw_panel(axes: Axes, rows: Sequence[dict[str, Any]], key: str, scale: float) -> None:
    for series, (colour, marker, label) in _LOOKS.items():
        own = [row for row in rows if row["series"] == series]
        if not own:
            continue
        # Bayesian filters of one latency stand above each other: a line through them would cross itself.
        x, y = [row["latency_ms"] for row in own], [scale * row[key]["mean"] for row in own]
        axes.plot(
            x, y, color=colour, marker=marker, markersize=4, linewidth=1.1, alpha=0.85, label=label,
            linestyle=":" if series == "bayes" else "-",
        )  # fmt: skip
        named = own if len(own) <= 3 else [own[0], own[1], own[len(own) // 2], own[-1]]
        for row in named if key == "error" else []:
            axes.annotate(
                _name_point(row), (row["latency_ms"], scale * row[key]["mean"]), xytext=(3, 4), textcoords="offset points",
                fontsize=7, color=colour,
            )  # fmt: skip
    mine = rows[0]
    mean, low, high = (mine[key][name] for name in ("mean", "low", "high"))
    spread = None if low is None else [[scale * (mean - low)], [scale * (high - mean)]]
    axes.errorbar(
        [mine["latency_ms"]], [scale * mean], yerr=spread, fmt="*", color="#222222", markersize=11, linewidth=0.8,
        capsize=2, label="the spec's, 95 % over persons", zorder=5,
    )  # fmt: skip
    axes.set_ylim(bottom=0)
    axes.grid(color="#dddddd", linewidth=0.5)


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
