"""Where device and twin part: the first word that differs, what stands around it, and what the difference looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 3  # words told before and after the first that differs
MAX_LAG = 8  # samples by which a signal is looked for early or late
LAG_SHARE = (
    0.7  # of the words that must fit before a signal is said to be early or late: the ends of blocks may not
)
SAMPLES, WINDOWS = "samples", "windows"


@dataclass(frozen=True)
class Layout:
    """What the axes of a stage's words, shape (n_rows, n_words), are.

    Attributes
    ----------
    segment
        Name of the recording that was replayed.
    rows
        :data:`SAMPLES`: a row is one sample, a word one channel. :data:`WINDOWS`: a row is one window.
    n_channels
        Words of a window that belong to the same sample; they lie side by side. As many as the row has where a window holds
        no time (features, outputs).
    fields
        Names of a row's words where they are not channels.
    step
        Samples that a row stands for, of which the last is named; above 1 where the rows are periods.
    """

    segment: str
    rows: str
    n_channels: int
    fields: tuple[str, ...] = ()
    step: int = 1


@dataclass(frozen=True)
class Neighbour:
    """One word near a difference; None where one side has no such word.

    Attributes
    ----------
    at
        Index of the sample, or of the window where a window holds no time.
    device, twin
        The words.
    """

    at: int
    device: int | None
    twin: int | None


@dataclass(frozen=True)
class Divergence:
    """The first word of a stage at which device and twin differ.

    Attributes
    ----------
    segment
        Name of the recording that was replayed.
    window
        Window number; None where the stage's words are samples.
    sample
        Sample since START, or within the window; None where a window holds no time.
    channel
        Channel, or index of the word where a window holds no time.
    field
        The word's name, where it has one instead of a channel.
    device, twin
        The two words; None where one side has none.
    neighbours
        The same channel's words before and after.
    patterns
        What the difference looks like over the whole run, each a sentence's part.
    """

    segment: str
    window: int | None
    sample: int | None
    channel: int
    field: str
    device: int | None
    twin: int | None
    neighbours: tuple[Neighbour, ...]
    patterns: tuple[str, ...]

    @property
    def place(self) -> str:
        """Where it is, for people."""
        parts = [self.segment]
        parts += [f"window {self.window}"] if self.window is not None else []
        parts += [f"sample {self.sample}"] if self.sample is not None else []
        parts.append(self.field or f"channel {self.channel}")
        return " ".join(parts)

    def __str__(self) -> str:
        device, twin = ("none" if word is None else word for word in (self.device, self.twin))
        return f"{self.place}: device {device}, twin {twin}"


def find_divergence(device: NDArray[Any], twin: NDArray[Any], layout: Layout) -> Divergence | None:
    """Find the first word that differs.

    Parameters
    ----------
    device, twin
        Integers, shape (n_rows, n_words), n_words the same; where one has more rows, the first that the other lacks differs.
    layout
        What the axes are.

    Returns
    -------
    Divergence or None
        None if all words are equal.
    """
    n_rows = min(len(device), len(twin))
    different = np.argwhere(device[:n_rows] != twin[:n_rows])
    if len(different):
        row, word = (int(i) for i in different[0])
        patterns = tuple(describe_patterns(device[:n_rows], twin[:n_rows], layout))
    elif len(device) != len(twin):
        row, word = n_rows, 0
        patterns = (f"the device sent {len(device)} {layout.rows}, the twin has {len(twin)}",)
    else:
        return None
    sample, channel = divmod(word, layout.n_channels)
    holds_time = layout.rows == SAMPLES or twin.shape[1] > layout.n_channels
    if layout.rows == SAMPLES:
        window, at = None, (row + 1) * layout.step - 1
    else:
        window, at = row, sample if holds_time else row
    return Divergence(
        segment=layout.segment,
        window=window,
        sample=at if holds_time else None,
        channel=channel,
        field=layout.fields[channel] if layout.fields else "",
        device=_word(device, row, word),
        twin=_word(twin, row, word),
        neighbours=tuple(_list_neighbours(device, twin, row, word, layout, at)),
        patterns=patterns,
    )


def _word(words: NDArray[Any], row: int, word: int) -> int | None:
    return int(words[row, word]) if row < len(words) else None


def _list_neighbours(
    device: NDArray[Any], twin: NDArray[Any], row: int, word: int, layout: Layout, at: int
) -> list[Neighbour]:
    along_row = layout.rows == WINDOWS and twin.shape[1] > layout.n_channels
    found = []
    for step in range(-NEIGHBOURS, NEIGHBOURS + 1):
        r, w = (row, word + step * layout.n_channels) if along_row else (row + step, word)
        if 0 <= r < max(len(device), len(twin)) and 0 <= w < twin.shape[1]:
            found.append(Neighbour(at + step * layout.step, _word(device, r, w), _word(twin, r, w)))
    return found


def describe_patterns(device: NDArray[Any], twin: NDArray[Any], layout: Layout) -> list[str]:
    """Say what a difference looks like: which channels, swapped, early or late, negated, a last bit.

    Parameters
    ----------
    device, twin
        Integers of the same shape (n_rows, n_words), of which some differ.
    layout
        What the axes are.

    Returns
    -------
    list of str
        Parts of a sentence; each states a fact about all of these words, none guesses its cause.
    """
    shape = (-1, layout.n_channels) if layout.rows == SAMPLES else (len(twin), -1, layout.n_channels)
    d, t = (np.asarray(words, np.int64).reshape(shape) for words in (device, twin))
    if layout.rows == SAMPLES:
        d, t = d[None], t[None]  # (runs of uninterrupted time, samples, channels)
    error = d - t
    affected = np.flatnonzero(error.any(axis=(0, 1))).tolist()
    names = [layout.fields[c] if layout.fields else str(c) for c in affected]
    noun = ("channel" if not layout.fields else "word") + "s" * (len(names) != 1)
    facts = []
    if len(affected) < layout.n_channels:
        facts.append(
            f"only {noun} {', '.join(names[:8])}{' ...' if len(names) > 8 else ''} of {layout.n_channels}"
        )
    swapped = [(c, o) for c in affected for o in affected if o != c and _matches(d[..., c], t[..., o])]
    facts += [f"the device's channel {c} is the twin's channel {o}" for c, o in swapped[:4]]
    noun_of_lag = "sample" if layout.step == 1 else "period"
    lag, share = _find_lag(d[..., affected], t[..., affected])
    if lag and not swapped:
        part = "" if share == 1 else f" in {100 * share:.3g} % of the words"
        facts.append(
            f"the device is {abs(lag)} {noun_of_lag}{'s' * (abs(lag) != 1)} {'late' if lag > 0 else 'early'}{part}"
        )
    if _matches(-d[..., affected], t[..., affected]):
        facts.append("the device has the opposite sign")
    largest = int(np.abs(error).max())
    n = int(np.count_nonzero(error))
    facts.append(f"{100 * n / error.size:.3g} % of the words, by {largest} at most")
    return facts


def _matches(device: NDArray[Any], twin: NDArray[Any]) -> bool:
    """Whether the words are equal and not all the same word, which anything equals."""
    return bool(device.size) and bool((twin != twin.flat[0]).any()) and bool(np.array_equal(device, twin))


def _find_lag(device: NDArray[Any], twin: NDArray[Any]) -> tuple[int, float]:
    """Return by how many samples the device is late (negative: early), and for which share of the words; 0 if by none."""
    in_place = np.mean(device == twin)
    for size in range(1, min(MAX_LAG, device.shape[1] // 2) + 1):
        for lag in (size, -size):
            late, early = (
                (device[:, size:], twin[:, :-size]) if lag > 0 else (device[:, :-size], twin[:, size:])
            )
            share = float(np.mean(late == early))
            # Words that hardly change would equal their neighbours: then so would most words in place.
            if share >= LAG_SHARE and in_place < share / 2 and (twin != twin.flat[0]).any():
                return lag, share
    return 0, 0.0
