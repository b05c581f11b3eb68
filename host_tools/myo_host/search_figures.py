"""Pictures of a search and of a selection of features, as SVG for the page and as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import matplotlib as mpl

from myo_host.figures import _BLUE, _GREY, _ORANGE, _STYLE, _render
from myo_pipeline.bundle import replace_file

mpl.use("svg")
from matplotlib.figure import Figure

_PNG_DPI: Final = 150


@dataclass(frozen=True)
class Mark:
    """A point: cost, accuracy, and a few words."""

    cost: float
    accuracy: float
    text: str = ""


@dataclass(frozen=True)
class Cloud:
    """What is drawn of a search against one cost.

    Attributes
    ----------
    axis
        What the cost is, with its unit.
    tried, front
        All points, and those on the front, the cheapest first; the front may be empty.
    start, chosen
        Marked, where there are any.
    """

    axis: str
    tried: Sequence[Mark]
    front: Sequence[Mark]
    start: Mark | None
    chosen: Mark | None


def draw_clouds(clouds: Sequence[Cloud], metric: str) -> Figure:
    """Draw accuracy against each cost, side by side."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.6 * len(clouds), 3.4))
        for place, (axes, cloud) in enumerate(
            zip(figure.subplots(1, len(clouds), squeeze=False)[0], clouds, strict=True)
        ):
            axes.scatter(
                [m.cost for m in cloud.tried], [100 * m.accuracy for m in cloud.tried], s=14, color=_GREY, alpha=0.6,
                label="tried",
            )  # fmt: skip
            if cloud.front:
                costs = [m.cost for m in cloud.front]
                axes.step(
                    costs, [100 * m.accuracy for m in cloud.front], where="post", color=_BLUE, linewidth=1.2
                )
                axes.scatter(
                    costs, [100 * m.accuracy for m in cloud.front], s=20, color=_BLUE, label="Pareto front"
                )
            for mark, name, colour, shape in (
                (cloud.start, "the spec given", "#444444", "s"),
                (cloud.chosen, "chosen", _ORANGE, "D"),
            ):
                if mark is not None:
                    axes.scatter(
                        [mark.cost],
                        [100 * mark.accuracy],
                        s=46,
                        color=colour,
                        marker=shape,
                        label=name,
                        zorder=3,
                    )
            axes.set_xscale("log")
            axes.minorticks_off()
            low, high = (f(m.cost for m in [*cloud.tried, *cloud.front]) for f in (min, max))
            ticks = [low * (high / low) ** (k / 3) for k in range(4)] if high > low else [low]
            axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
            axes.set_xlabel(cloud.axis)
            if place == 0:
                axes.set_ylabel(f"{metric}, %")
                axes.legend(frameon=False, loc="lower right")
        figure.tight_layout()
        return figure


def draw_paths(
    single: Sequence[Mark],
    forward: Sequence[Mark],
    backward: Sequence[Mark],
    own: Mark,
    chosen: Mark,
    metric: str,
) -> Figure:
    """Draw a selection: each feature by itself, and the sets on the way forward and back."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.4, 4.0))
        axes = figure.add_subplot()
        axes.scatter(
            [m.cost for m in single],
            [100 * m.accuracy for m in single],
            s=14,
            color=_GREY,
            label="one feature",
        )
        for path, name, colour, style in (
            (forward, "forward", _BLUE, "o-"),
            (backward, "backward", _ORANGE, "o--"),
        ):
            axes.plot(
                [m.cost for m in path], [100 * m.accuracy for m in path], style, color=colour, markersize=4, linewidth=1,
                label=name,
            )  # fmt: skip
        for mark in forward:
            axes.annotate(
                mark.text,
                (mark.cost, 100 * mark.accuracy),
                xytext=(3, 4),
                textcoords="offset points",
                fontsize=7,
            )
        axes.scatter(
            [own.cost],
            [100 * own.accuracy],
            s=46,
            color="#444444",
            marker="s",
            label="the spec given",
            zorder=3,
        )
        axes.scatter(
            [chosen.cost], [100 * chosen.accuracy], s=60, color=_ORANGE, marker="D", label="chosen", zorder=3
        )
        axes.set_xlabel("microseconds a decision, whole patch, predicted")
        axes.set_ylabel(f"{metric}, %")
        axes.legend(frameon=False, loc="lower right")
        figure.tight_layout()
        return figure


def to_svg(figure: Figure) -> str:
    """Return a figure as text that stands in a page."""
    with mpl.rc_context(_STYLE):
        return _render(figure)


def write_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, on white, whole or not at all."""
    buffer = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(buffer, format="png", dpi=_PNG_DPI, facecolor="white", metadata={"Software": None})
    with replace_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())
