"""The picture of a data set: a labelled signal, windows by person and class, spectra."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, hsv_to_rgb
from matplotlib.figure import Figure
from numpy.typing import NDArray

from myo_training.data_summary import WINDOW_S, SetSummary, cut_drawn
from myo_training.recordings import Recording

MAX_CHANNELS = 12  # drawn; of more, some at even distances
MAX_ROWS = 40  # persons whose names are written
MAX_BINS = 2500  # of a line: more than the picture has dots
CHARACTERS = 175  # of the strip's width
_NOTHING = ("rest", "none", "noGesture", "unmarked", "unlabelled")  # class 0 in grey
_STYLE: Any = {
    "font.family": "sans-serif", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
    "axes.edgecolor": "#888888", "text.color": "#444444", "axes.labelcolor": "#444444", "xtick.color": "#666666",
    "ytick.color": "#666666", "axes.titlesize": 10, "axes.titlelocation": "left",
}  # fmt: skip
_BLUE, _ORANGE, _GREY = "#2f6fb0", "#d9822b", "#bbbbbb"


def draw_summary(summary: SetSummary) -> bytes:
    """Draw a summary as PNG.

    Parameters
    ----------
    summary
        What :func:`~myo_training.data_summary.summarize_set` found.

    Returns
    -------
    bytes
        A PNG file.
    """
    info = summary.info
    values = info.kind == "values"
    with rc_context(_STYLE):
        figure = Figure(figsize=(11, 8.2), layout="constrained", dpi=110)
        rows = figure.add_gridspec(2, 1, height_ratios=(1.25, 1))
        above = rows[0].subgridspec(2, 1, height_ratios=(3.2, 1) if values else (12, 1), hspace=0.02)
        below = rows[1].subgridspec(1, 2, width_ratios=(1.5, 1))
        top = figure.add_subplot(above[0])
        _draw_signal(top, figure.add_subplot(above[1], sharex=top), summary)
        _draw_windows(figure.add_subplot(below[0]), summary)
        _draw_spectrum(figure.add_subplot(below[1]), summary)
        figure.suptitle(
            f"{info.name}: {len(summary.persons)} persons, {summary.n_sessions} sessions, {summary.n_recordings} recordings, "
            f"{_tell_time(float(summary.lengths_s.sum()))}, {info.n_channels} x {info.rate_hz:g} Hz",
            x=0.01, ha="left", fontsize=12,
        )  # fmt: skip
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _tell_time(seconds: float) -> str:
    return (
        f"{seconds / 3600:.1f} h"
        if seconds >= 3600
        else f"{seconds / 60:.1f} min"
        if seconds >= 60
        else f"{seconds:.0f} s"
    )


def tell_unit(lsb_uv: float) -> str:
    """Return what a count is worth, in words."""
    return "counts of unknown worth" if lsb_uv == 1.0 else f"{lsb_uv:.4g} uV a count"


def _paint(names: tuple[str, ...]) -> NDArray[np.float64]:
    """Return a colour a class: grey where the first is none, the others around the circle of hues."""
    n_classes = len(names)
    hues = (np.arange(n_classes) * 0.618034) % 1  # neighbours far apart
    rgb = hsv_to_rgb(np.stack([hues, np.full(n_classes, 0.45), np.full(n_classes, 0.88)], axis=1))
    if names[0] in _NOTHING:
        rgb[0] = (0.85, 0.85, 0.85)
    return np.asarray(rgb, np.float64)


def _thin(
    time: NDArray[np.float64], x: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a line of the lowest and the highest of neighbouring samples, so that no peak is lost."""
    size = len(x) // MAX_BINS
    if size < 2:
        return time, x
    bins = x[: len(x) // size * size].reshape(-1, size)
    ends = np.stack([bins.min(axis=1), bins.max(axis=1)], axis=1).reshape(-1)
    return np.repeat(time[: len(bins) * size : size], 2), ends


def _tell_parts(recordings: list[Recording]) -> str:
    first = recordings[0]
    persons = len({recording.person for recording in recordings})
    who = f"person {first.person}, session {first.session}" if persons == 1 else f"{persons} persons"
    if len(recordings) == 1:
        return f"{who}, {first.trial}"
    return f"{who}, {len(recordings)} recordings cut and set side by side"


def _draw_signal(axes: Axes, strip: Axes, summary: SetSummary) -> None:
    """Draw channels above each other, and below them the classes as a strip, or the values as lines."""
    info = summary.info
    parts = cut_drawn(summary.drawn)
    emg = np.concatenate([recording.emg[part] for recording, part in parts]).astype(np.float64)
    labels = np.concatenate([recording.labels[part] for recording, part in parts])
    time = np.arange(len(emg)) / info.rate_hz
    every = max(1, -(-info.n_channels // MAX_CHANNELS))
    channels = list(range(0, info.n_channels, every))
    emg = emg[:, channels] - np.median(emg[:, channels], axis=0)
    step = 2.2 * max(1.0, float(np.percentile(np.abs(emg), 99.5)))
    for place in range(len(channels)):
        axes.plot(
            *_thin(time, np.clip(emg[:, place], -step, step) / step - place), linewidth=0.5,
            color=_BLUE if place % 2 else "#1b4a7a",
        )  # fmt: skip
    names = [info.channels[c] if info.channels else f"ch{c + 1}" for c in channels]
    axes.set_yticks(-np.arange(len(channels)), names)
    axes.set_ylim(-len(channels) + 0.3, 0.7)
    for edge in np.cumsum([part.stop - part.start for _, part in parts])[:-1] / info.rate_hz:
        axes.axvline(edge, color="#333333", linewidth=0.4)
    high = f"{step:.0f} counts of unknown worth" if info.lsb_uv == 1.0 else f"{step * info.lsb_uv:.0f} uV"
    axes.set_title(f"{_tell_parts([recording for recording, _ in parts])}; a row is {high} high")
    axes.tick_params(axis="x", labelbottom=False)
    strip.set_xlabel("s")
    if labels.ndim == 2:
        for k, name in enumerate(info.outputs[:5]):
            strip.plot(*_thin(time, labels[:, k]), linewidth=1, label=name)
        if len(info.outputs) > 1:
            strip.legend(fontsize=7, loc="upper right", frameon=False)
        strip.set_ylabel(info.outputs[0] if len(info.outputs) == 1 else "values", fontsize=8)
        strip.set_xlim(0, time[-1])
        return
    _draw_strip(strip, time, labels, info.outputs)


def _draw_strip(strip: Axes, time: NDArray[np.float64], labels: NDArray[Any], names: tuple[str, ...]) -> None:
    colours = _paint(names)
    edges = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1, [len(labels)]])
    total = time[-1] or 1.0
    for start, stop in pairwise(edges.tolist()):
        left, right = time[start], time[stop - 1]
        label = int(labels[start])
        strip.axvspan(left, right, color=colours[label], linewidth=0)
        room = int(CHARACTERS * (right - left) / total)
        if room >= min(3, len(names[label])):
            name = names[label] if len(names[label]) <= room else names[label][: room - 1] + "."
            strip.text((left + right) / 2, 0.5, name, ha="center", va="center", fontsize=7, clip_on=True)
    strip.set_yticks([])
    strip.set_ylim(0, 1)
    strip.set_xlim(0, time[-1])
    strip.spines["left"].set_visible(False)


def _draw_windows(axes: Axes, summary: SetSummary) -> None:
    info = summary.info
    windows = np.ma.masked_equal(summary.windows, 0)
    steep = summary.windows.max() > 5 * np.median(summary.windows[summary.windows > 0])
    norm: Any = LogNorm() if steep else Normalize(vmin=0)
    image = axes.imshow(windows, aspect="auto", cmap="viridis", norm=norm, interpolation="nearest")
    axes.set_facecolor("#f2f2f2")
    axes.spines[:].set_visible(False)
    every = max(1, -(-len(summary.persons) // MAX_ROWS))
    places = range(0, len(summary.persons), every)
    axes.set_yticks(
        places, [summary.persons[p] for p in places], fontsize=min(8, max(5, 190 / len(summary.persons)))
    )
    if info.kind == "classes":
        names = list(info.outputs)
        longest = max(map(len, names))
        turned = len(names) * (longest + 1) > 90
        axes.set_xticks(
            range(len(names)), names, rotation=60 if turned and longest > 3 else 0,
            ha="right" if turned and longest > 3 else "center", fontsize=8 if len(names) <= 12 else max(5, 130 / len(names)),
        )  # fmt: skip
        axes.set_title(f"windows of {WINDOW_S * 1e3:g} ms by person and class")
    else:
        edges = np.linspace(summary.lowest[0], summary.highest[0], 11)
        axes.set_xticks(np.arange(11) - 0.5, [f"{edge:.3g}" for edge in edges], fontsize=8)
        axes.set_title(f"windows of {WINDOW_S * 1e3:g} ms by person and {info.outputs[0]}")
    axes.figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)


def _draw_spectrum(axes: Axes, summary: SetSummary) -> None:
    known = summary.info.lsb_uv != 1.0
    scale = summary.info.lsb_uv if known else 1.0
    frequencies, densities = summary.frequencies_hz[1:], scale * summary.densities[:, 1:]
    measured = densities[np.isfinite(densities).all(axis=1)]
    for density in measured:
        axes.plot(frequencies, density, color=_GREY, linewidth=0.6)
    if len(measured):
        axes.plot(frequencies, np.median(measured, axis=0), color=_ORANGE, linewidth=1.8)
        positive = measured[measured > 0]
        if positive.size:
            axes.set_yscale("log")
            axes.set_ylim(np.percentile(positive, 0.5) / 2, positive.max() * 1.5)
    for mains in (50, 60):
        if mains < frequencies[-1]:
            axes.axvline(mains, color="#dddddd", linewidth=0.8, zorder=0)
    axes.set_xlim(0, frequencies[-1])
    axes.set_xlabel("Hz")
    axes.set_ylabel("uV per root Hz" if known else "counts per root Hz")
    axes.set_title("spectrum of each person, and their median")
