"""Removal of the heart's signal by template subtraction: beats found in one channel, a running mean beat of each channel.

All frames wait for as long as a beat's window is, so that a beat is known before its first sample leaves. Where the beats
are, and by how many sixteenths of its channel's mean one is taken away, are decisions; float and integer form make them alike
and apart, and between equal decisions the integer form has a bound (docs/laws.md).

References
----------
Marque et al., "Adaptive filtering for ECG rejection from surface EMG recordings", J. Electromyogr. Kinesiol. 15, 2005,
10.1016/j.jelekin.2004.10.003 (templates beside adaptive filters).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Scales of the mean beat, in sixteenths: what breathing does to a beat's height.
LEAST_SCALE, MOST_SCALE = 12, 20

#: Largest magnitude behind it for an input of 1: a word, and the largest scale of a mean of words.
GAIN = 1 + MOST_SCALE / 16

#: Words of state beside the magnitudes and the channels' own: MYO_ECG_HEAD_WORDS.
HEAD_WORDS = 9

_SCALE_SHIFT = (
    8  # of words before they are multiplied: 2^12 products of 2^44 and 39 times their sum stay below 2^62
)


@dataclass(frozen=True)
class EcgSettings:
    """A removal's settings, all counted in samples; the order stands in ``Step.words``.

    Attributes
    ----------
    reference
        Channel in which beats are found.
    before, after
        Window of a beat: samples before its largest, and from there on.
    log2_beats
        The running mean's weight of a new beat is ``2^-log2_beats`` once as many have come.
    refractory
        Samples after a beat's start in which no other begins.
    learn
        Samples from the start in which the level of beats is learnt and none is found.
    """

    reference: int
    before: int
    after: int
    log2_beats: int
    refractory: int
    learn: int

    @classmethod
    def from_values(cls, values: ArrayLike) -> Self:
        """Read :meth:`to_values`."""
        return cls(*np.asarray(values).astype(int).tolist())

    def to_values(self) -> NDArray[np.float64]:
        """Return the settings in their order."""
        return np.array(astuple(self), dtype=np.float64)

    @property
    def window(self) -> int:
        """Samples of a beat's window, and of the delay."""
        return self.before + self.after

    @property
    def search(self) -> int:
        """Samples to both sides of a beat's start among which its largest is sought."""
        return (self.after - 1) // 2

    @property
    def magnitude_shift(self) -> int:
        """Right shift of magnitudes, so that ``search`` of them fit 31 bits together."""
        return self.search.bit_length()

    def count_state(self, n_channels: int) -> int:
        """Return the words of state that the device keeps."""
        return HEAD_WORDS + 2 * self.search + 1 + 2 * self.window * n_channels


def find_beats(reference: NDArray[np.float64], settings: EcgSettings) -> list[int]:
    """Return the samples with which a beat's window is complete, in real numbers.

    Parameters
    ----------
    reference
        Signal that shows the heart, (n_samples,).
    settings
        Windows and times.
    """
    reach = settings.search
    magnitude = np.concatenate([np.zeros(2 * reach + 1), np.abs(reference)])
    total = np.cumsum(magnitude)
    near = (total[reach:] - total[:-reach])[reach + 1 :]  # of the last `reach` samples, at each
    level = float(near[: settings.learn].max(initial=0.0))
    ends: list[int] = []
    since, due, peak = settings.refractory, 0, 0.0
    for n in range(settings.learn, len(reference)):
        since = min(since + 1, settings.learn + 1)
        if since > settings.refractory and near[n] > 3 * level / 8:
            since, due, peak = 0, 0, float(near[n])
        elif since > settings.learn:
            level -= level / 1024
        if since <= reach or since <= due:
            peak = max(peak, float(near[n]))
        if since == reach:
            due = reach + int(magnitude[n + 1 : n + 2 * reach + 2].argmax()) - 2 * reach + settings.after - 1
        if due and since == due:
            level += (peak - level) / 8
            ends.append(n)
    return ends


def remove_beats(x: NDArray[np.float64], settings: EcgSettings) -> NDArray[np.float64]:
    """Subtract each channel's running mean beat, in real numbers; what comes out is late by the window.

    Parameters
    ----------
    x
        Signal, (n_samples, n_channels).
    settings
        Windows and times.

    Returns
    -------
    NDArray[np.float64]
        The same shape.
    """
    line = np.concatenate([np.zeros((settings.window, x.shape[1])), x])
    mean = np.zeros((settings.window, x.shape[1]))
    for count, end in enumerate(find_beats(x[:, settings.reference], settings), 1):
        beat = line[end + 1 : end + 1 + settings.window]
        energy, likeness = (mean**2).sum(axis=0), (mean * beat).sum(axis=0)
        scale = LEAST_SCALE + sum(
            32 * likeness >= (2 * step + 1) * energy for step in range(LEAST_SCALE, MOST_SCALE)
        )
        removed = scale / 16 * mean
        mean = mean + (beat - mean) * 2.0 ** -min(settings.log2_beats, count.bit_length() - 1)
        line[end + 1 : end + 1 + settings.window] -= removed
    return line[: len(x)]


class _BeatFinder:
    """:func:`find_beats` in integers, sample by sample."""

    def __init__(self, settings: EcgSettings) -> None:
        self._settings = settings
        self._magnitudes = [0] * (2 * settings.search + 1)
        self._seen = self._since = self._due = self._sum = self._level = self._peak = 0

    def take(self, word: int) -> bool:
        """Take a sample of the reference; say whether a beat's window is complete with it."""
        settings = self._settings
        reach = settings.search
        self._magnitudes = [*self._magnitudes[1:], abs(word) >> settings.magnitude_shift]
        self._sum += self._magnitudes[-1] - self._magnitudes[reach]
        if self._seen < settings.learn:
            self._seen += 1
            self._level = max(self._level, self._sum)
            self._since = settings.refractory
            return False
        self._since = min(self._since + 1, settings.learn + 1)
        if self._since > settings.refractory and self._sum > 3 * (self._level >> 3):
            self._since, self._due, self._peak = 0, 0, self._sum
        elif self._since > settings.learn:
            self._level -= self._level >> 10
        if self._since <= reach or self._since <= self._due:
            self._peak = max(self._peak, self._sum)
        if self._since == reach:
            largest = self._magnitudes.index(max(self._magnitudes))
            self._due = largest + settings.after - 1 - reach
        if self._due == 0 or self._since != self._due:
            return False
        self._level += (self._peak - self._level) >> 3
        return True

    def take_all(self, words: NDArray[np.int64]) -> Iterator[int]:
        """Yield the places in a block with which a beat's window is complete."""
        for place, word in enumerate(words.tolist()):
            if self.take(word):
                yield place


class EcgTwin:
    """:func:`remove_beats` in integers, word for word as the device does it.

    Parameters
    ----------
    settings
        Windows and times.
    n_channels
        Words of a frame.
    """

    def __init__(self, settings: EcgSettings, n_channels: int) -> None:
        self._settings, self._finder, self._n_beats = settings, _BeatFinder(settings), 0
        self._line = np.zeros((settings.window, n_channels), np.int64)
        self._mean = np.zeros_like(self._line)

    def run(self, x: NDArray[np.int64]) -> NDArray[np.int64]:
        """Take a block of words, (n_frames, n_channels), and return as many, late by the window."""
        line = np.concatenate([self._line, x])
        for place in self._finder.take_all(x[:, self._settings.reference]):
            self._remove(line[place + 1 : place + 1 + self._settings.window])
        self._line = line[len(x) :]
        return line[: len(x)]

    def _remove(self, beat: NDArray[np.int64]) -> None:
        self._n_beats = min(self._n_beats + 1, 1 << self._settings.log2_beats)
        weight = self._n_beats.bit_length() - 1
        mean, word = self._mean >> _SCALE_SHIFT, beat >> _SCALE_SHIFT
        energy, likeness = (mean * mean).sum(axis=0), (mean * word).sum(axis=0)
        scale = np.full(len(energy), LEAST_SCALE, np.int64)
        for step in range(LEAST_SCALE, MOST_SCALE):
            scale += 32 * likeness >= (2 * step + 1) * energy
        removed = (scale * self._mean + 8) >> 4
        self._mean = self._mean + ((beat - self._mean + ((1 << weight) >> 1)) >> weight)
        beat -= removed
