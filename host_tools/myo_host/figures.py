"""Figures of the report, as SVG text that stands in the page itself."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("svg")
from matplotlib.figure import Figure

from myo_pipeline.bundle import Bundle
from myo_pipeline.chain import design_chain, respond, round_step, split_runs
from myo_pipeline.twin_config import TwinConfig
from myo_pipeline.vectors import GoldenSegment

_STYLE: Any = {
    "svg.hashsalt": "myopatch", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#888888", "text.color": "#555555",
    "axes.labelcolor": "#555555", "xtick.color": "#777777", "ytick.color": "#777777", "figure.facecolor": "none",
    "axes.facecolor": "none", "savefig.facecolor": "none",
}  # fmt: skip
_BLUE, _ORANGE, _GREY = "#2f6fb0", "#d9822b", "#999999"


def _render(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def draw_confusion(confusion: list[list[int]], names: list[str]) -> str:
    """Draw the device's confusion matrix as SVG text."""
    return _render(plot_confusion(confusion, names, "decided on the device, % of the row"))


def plot_confusion(confusion: list[list[int]], names: list[str], label: str) -> Figure:
    """Plot a confusion matrix: rows are labels, shares of the row; the last column is 'no decision'."""
    counts = np.array(confusion, dtype=np.float64)
    columns = [*names, "none"] if counts[:, -1].any() else names
    counts = counts[:, : len(columns)]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(0.62 * len(columns) + 1.8, 0.5 * len(names) + 1.4))
        axes = figure.add_subplot()
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for row, column in np.ndindex(share.shape):
            if counts[row, column]:
                colour = "white" if share[row, column] > 0.5 else "#333333"
                axes.text(
                    column, row, f"{100 * share[row, column]:.0f}", ha="center", va="center", color=colour
                )
        axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel(label)
        axes.set_ylabel("label")
        axes.spines[:].set_visible(False)
        return figure


def draw_first_response(bundle: Bundle, config: TwinConfig) -> str:
    """Draw the magnitude response of the front end's first filters as designed and as rounded, and their difference."""
    designed = design_chain(bundle.spec)
    runs = split_runs(designed)
    if not runs:
        return ""
    steps, rate_hz = config.steps, designed[runs[0][0]].rate_hz
    frequencies = np.linspace(rate_hz / 4000, rate_hz / 2, 2000, endpoint=False)
    h_designed = respond([designed[place] for place in runs[0]], frequencies)
    h_rounded = respond([round_step(designed[place], steps[place]) for place in runs[0]], frequencies)

    def decibels(h: NDArray[np.complexfloating]) -> NDArray[np.float64]:
        return np.asarray(20 * np.log10(np.maximum(np.abs(h), 1e-12)), dtype=np.float64)

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 2.6))
        axes = figure.add_subplot()
        axes.plot(
            frequencies, decibels(h_designed), color=_GREY, linewidth=4, alpha=0.5, label="designed, float64"
        )
        axes.plot(frequencies, decibels(h_rounded), color=_BLUE, linewidth=1.2, label="on the device")
        axes.plot(
            frequencies, decibels(h_rounded - h_designed), color=_ORANGE, linewidth=1, label="difference"
        )
        axes.set_ylim(-240, 10)
        axes.set_xlabel("frequency, Hz")
        axes.set_ylabel("gain, dB")
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        return _render(figure)


def draw_response(found: Any) -> str:  # noqa: ANN401 - a Response of myo_export
    """Draw magnitude and group delay, designed and rounded; the difference is of the complex responses."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.6, 4.8))
        gain, delay = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        for axes, designed, rounded in (
            (gain, found.designed_db, found.rounded_db),
            (delay, found.designed_delay_ms, found.rounded_delay_ms),
        ):
            axes.plot(
                found.frequencies_hz, designed, color=_GREY, linewidth=4, alpha=0.5, label="designed, float64"
            )
            axes.plot(found.frequencies_hz, rounded, color=_BLUE, linewidth=1.2, label="on the device")
        gain.plot(found.frequencies_hz, found.difference_db, color=_ORANGE, linewidth=1, label="difference")
        gain.set_ylim(min(-200.0, float(found.difference_db.min()) - 10), 10)
        gain.set_ylabel("gain, dB")
        gain.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        passing = found.designed_db > found.designed_db.max() - 40  # elsewhere the delay says nothing
        low, high = found.designed_delay_ms[passing].min(), found.designed_delay_ms[passing].max()
        delay.set_ylim(low - 0.1 * (high - low) - 0.01, high + 0.1 * (high - low) + 0.01)
        delay.set_ylabel("group delay, ms")
        delay.set_xlabel("frequency, Hz")
        return _render(figure)


def draw_segment(bundle: Bundle, config: TwinConfig, segment: GoldenSegment) -> str:
    """Draw one streamed recording: counts, filtered signal, and what was decided."""
    rate_hz = bundle.spec.sensor.rate_hz
    ends_s = (
        (config.window_samples + np.arange(segment.n_windows) * config.hop_samples)
        / rate_hz
        * config.decimation
    )
    classes = bundle.spec.decides_classes
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.6, 5.2))
        panels = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 2])
        filtered = segment.filtered_words * 2.0**-config.exponent
        for axes, data, factor, title in (
            (panels[0], segment.counts, 1, "counts"),
            (panels[1], filtered, config.decimation, "filtered, counts"),
        ):
            n_channels = data.shape[1]
            time_s = (np.arange(len(data)) + 1 - 1 / factor) * factor / rate_hz
            step = 1.2 * float(np.abs(data).max(initial=1.0))
            for channel in range(n_channels):
                axes.plot(time_s, data[:, channel] - channel * step, color=_BLUE, linewidth=0.5)
            axes.set_yticks([-channel * step for channel in range(n_channels)], range(n_channels))
            axes.set_ylabel(f"channel\n({title})")
        axes = panels[2]
        if classes:
            axes.step(
                ends_s, segment.targets, where="mid", color=_GREY, linewidth=4, alpha=0.5, label="label"
            )
            axes.step(
                ends_s, segment.decisions[:, 0], where="mid", color=_ORANGE, linewidth=1.2, label="decided"
            )
            axes.set_yticks(range(len(bundle.spec.output_names)), bundle.spec.output_names, fontsize=7)
        else:
            n = segment.decisions[:, 3:]
            values = (
                np.where(n > 0, segment.sums / np.maximum(n, 1), np.nan) - config.output_zero_point
            ) * config.output_scale
            axes.plot(ends_s, segment.targets, color=_GREY, linewidth=3, alpha=0.5, label="target")
            axes.plot(ends_s, values, color=_ORANGE, linewidth=1.2, label="device")
        axes.legend(frameon=False, loc="upper right")
        axes.set_xlabel(f"time, s ({segment.name})")
        return _render(figure)


def draw_memory(parts: dict[str, int], title: str) -> str:
    """Draw where bytes go, as one bar."""
    colours = ("#2f6fb0", "#d9822b", "#5a9e6f", "#b0587a", "#8a7fb8", "#999999")
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.6, 0.9))
        axes = figure.add_subplot()
        left = 0
        for (name, size), colour in zip(parts.items(), colours, strict=False):
            axes.barh(0, size, left=left, color=colour, label=f"{name} {size:,} B")
            left += size
        axes.set_yticks([])
        axes.set_xlabel(f"{title}, bytes")
        axes.spines[:].set_visible(False)
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        return _render(figure)


def draw_stages(stages: list[dict[str, Any]]) -> str:
    """Draw each stage's signal-to-noise ratio, twin against float."""
    rows = [s for s in stages if np.isfinite(s["snr_db"])]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.0, 0.24 * len(rows) + 0.7))
        axes = figure.add_subplot()
        axes.barh([s["name"] for s in rows], [s["snr_db"] for s in rows], color=_BLUE)
        axes.invert_yaxis()
        axes.set_xlabel("signal-to-noise ratio of the twin against float, dB")
        for row, stage in enumerate(rows):
            axes.text(stage["snr_db"], row, f" {stage['snr_db']:.1f}", va="center")
        return _render(figure)


def draw_costs(costs: dict[str, tuple[float, float]], unit: str) -> str:
    """Draw what each part costs: instructions, and behind them the cycles that they take."""
    names = list(costs)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.0, 0.26 * len(names) + 0.9))
        axes = figure.add_subplot()
        cycles = [costs[name][1] for name in names]
        axes.barh(names, cycles, color=_ORANGE, alpha=0.5, label="cycles of a Cortex-M4, estimated")
        axes.barh(names, [costs[name][0] for name in names], height=0.5, color=_BLUE, label="instructions")
        axes.invert_yaxis()
        axes.set_xlabel(unit)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        for row, value in enumerate(cycles):
            axes.text(value, row, f" {value:,.0f}", va="center")
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
        return _render(figure)


def draw_sensitivity(found: dict[str, Any]) -> str:
    """Draw what each layer's rounding leaves of the network's output: it alone, and all but it.

    Parameters
    ----------
    found
        ``quantization.sensitivity`` of ``training.json``.
    """
    layers = found["layers"]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.0, 0.3 * len(layers) + 0.9))
        axes = figure.add_subplot()
        rows = np.arange(len(layers))
        for offset, key, colour, label in (
            (-0.2, "alone_snr_db", _BLUE, "this layer alone rounded"),
            (0.2, "without_snr_db", _ORANGE, "all layers but this one"),
        ):
            values = [layer[key] for layer in layers]
            axes.barh(rows + offset, values, height=0.38, color=colour, label=label)
            for row, value in zip(rows, values, strict=True):
                axes.text(value, row + offset, f" {value:.1f}", va="center", fontsize=7)
        axes.axvline(
            found["all_snr_db"], color=_GREY, linewidth=1, label=f"all layers: {found['all_snr_db']:.1f} dB"
        )
        axes.set_yticks(rows, [layer["layer"] for layer in layers])
        axes.invert_yaxis()
        axes.set_xlabel("signal-to-noise ratio of the network's output against float, dB")
        axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
        return _render(figure)
