"""Energies of wavelet and wavelet-packet coefficients: keys in the spec, design, and a patch's integers.

A window ``x[1] .. x[N]`` is halved by a pair of orthonormal filters, divided by sqrt(2), again and again: ``low`` keeps
what is slow, ``high`` what is fast. The wavelet transform splits the low half further, the packet transform both. The
coefficient ``m`` of a half at level j stands at the sample ``m 2^j``: of the pair's L taps, it takes the L coefficients
before it, ``2 m - L + 1 .. 2 m`` of level j - 1. Only coefficients whose samples all lie in the window count: nothing is
assumed beyond its ends. Their mean square is the wavelet variance at that scale, in counts^2: over all halves it adds up
to the window's mean square, as the power of bands does.

What a window's coefficients are does not depend on where it begins, where the hop is a multiple of ``2^j``: a patch then
computes at that level only the coefficients of the hop, and the others again with each window.

References
----------
Daubechies 1988, Orthonormal bases of compactly supported wavelets, Comm. Pure Appl. Math. 41(7),
doi:10.1002/cpa.3160410705.
Percival 1995, On estimation of the wavelet variance, Biometrika 82(3), doi:10.1093/biomet/82.3.619.
Coifman and Wickerhauser 1992, Entropy-based algorithms for best basis selection, IEEE Trans. Inf. Theory 38(2),
doi:10.1109/18.119732.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_words import Component

Floats = NDArray[np.float64]

MAX_LEVELS, MAX_PACKET_LEVELS = 6, 4
MAX_UP_BITS = 12  # words to coefficients
TAP_BITS = 31
SPLIT_FURTHER = 255  # in the place of a component

Wavelet = Literal["db1", "db2", "db3", "db4", "db5", "db6", "db7", "db8"]

PHINYOMARK = "Phinyomark et al. 2011, Meas. Sci. Rev. 11(2), doi:10.2478/v10048-011-0009-y"
ENGLEHART = "Englehart et al. 1999, Med. Eng. Phys. 21(6), doi:10.1016/S1350-4533(99)00066-1"
_OURS = "; log2, which keeps its range, and of the coefficients inside the window (Percival 1995)"


class WaveletFeature(BaseModel):
    """Energies of a wavelet's levels, from the fastest, then of what is slower than all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["wavelet_energy"]
    wavelet: Wavelet = Field(default="db4", description="Daubechies' of 2 n taps: db1 (Haar) .. db8")
    levels: int = Field(default=4, ge=1, le=MAX_LEVELS, description="halvings; one energy each, and one")


class PacketFeature(BaseModel):
    """Energies of wavelet packets, ``2^levels`` bands of one width, from the lowest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["packet_energy"]
    wavelet: Wavelet = Field(default="db4", description="Daubechies' of 2 n taps: db1 (Haar) .. db8")
    levels: int = Field(default=3, ge=1, le=MAX_PACKET_LEVELS, description="halvings of every band")


@dataclass(frozen=True)
class WaveletDefinition:
    """A feature of the catalogue; sums over the coefficients of its half."""

    formula: str
    unit: str
    reference: str


WAVELET_CATALOGUE: Final[dict[str, WaveletDefinition]] = {
    "wavelet_energy": WaveletDefinition("log2 mean w^2 of each level, w its coefficients / 2^(level/2)", "log2 counts^2",
                                        PHINYOMARK + _OURS),
    "packet_energy": WaveletDefinition("log2 mean w^2 of each packet, w its coefficients / 2^(level/2)", "log2 counts^2",
                                       ENGLEHART + _OURS),
}  # fmt: skip


@dataclass(frozen=True)
class Split:
    """One halving, ``myo_wavelet_split_t`` in the firmware.

    Attributes
    ----------
    parent
        The half that is split: ``2 * split``, one more where it is a high one; -1 for the window.
    level
        Of the two halves, from 1.
    low, high
        Component that a half's energy is, SPLIT_FURTHER where it is split further.
    """

    parent: int
    level: int
    low: int
    high: int


@dataclass(frozen=True)
class WaveletConfig:
    """All integers that decide what energies a patch computes; ``myo_wavelet_config_t`` in the firmware.

    Attributes
    ----------
    word_shift
        ``count = word * 2^-word_shift``.
    up
        A coefficient of the device stands for ``2^-up`` words.
    taps
        What a coefficient takes, from the earliest to the latest, of low and high, int64 (L, 2), Q31.
    splits
        A half before what is split of it.
    """

    spec: WaveletFeature | PacketFeature
    n_channels: int
    window: int
    hop: int
    word_shift: int
    up: int
    taps: NDArray[np.int64]
    splits: tuple[Split, ...]

    @cached_property
    def n_components(self) -> int:
        """Energies a channel."""
        return sum(half != SPLIT_FURTHER for split in self.splits for half in (split.low, split.high))

    @cached_property
    def levels_of(self) -> list[int]:
        """Level of each component."""
        found = {half: split.level for split in self.splits for half in (split.low, split.high)}
        return [found[k] for k in range(self.n_components)]

    @cached_property
    def first_whole(self) -> list[int]:
        """First coefficient, from 1, of each level, from 0, whose samples all lie in the window."""
        found = [1]
        for _ in range(self.spec.levels):
            found.append((found[-1] + len(self.taps)) // 2)
        return found

    def count(self, level: int) -> int:
        """Coefficients of a level whose samples all lie in the window."""
        return (self.window >> level) - self.first_whole[level] + 1

    @property
    def n_updated(self) -> int:
        """Levels that are updated with each hop."""
        return min(self.spec.levels, (self.hop & -self.hop).bit_length() - 1)

    @property
    def components(self) -> list[Component]:
        """Each energy."""
        definition, levels = WAVELET_CATALOGUE[self.spec.kind], self.spec.levels
        if isinstance(self.spec, WaveletFeature):
            names = [*(f"d{j}" for j in range(1, levels + 1)), f"a{levels}"]
        else:
            names = [str(k) for k in range(1 << levels)]
        return [
            Component(
                f"{self.spec.kind}[{name}]", definition.unit, True, 2.0**-16, energy_offset(self, level)
            )
            for name, level in zip(names, self.levels_of, strict=True)
        ]

    def _kept(self, level: int) -> int:
        """Coefficients that are kept of a half that is split further, at a level that is updated; 0 is the window."""
        n_new = self.hop >> level
        if level == self.n_updated:
            return max(self.count(level), n_new)
        return n_new + len(self.taps) - 2 + ((self.window >> level) & 1)

    @property
    def memory_words(self) -> int:
        """32-bit words of state on the device, ``myo_wavelet_memory_words`` in the firmware."""
        kept = self._kept(0)
        words, scratch, widest = 0, kept, 0
        for split in self.splits:
            is_updated = split.level <= self.n_updated
            n_new = self.hop >> split.level if is_updated else self.count(split.level)
            widest = max(widest, n_new)
            for half in (split.low, split.high):
                if half == SPLIT_FURTHER and is_updated:
                    words += self._kept(split.level)
                elif half == SPLIT_FURTHER:
                    scratch += n_new
                elif is_updated:
                    words += 4 * (self.count(split.level) // n_new + 1)
        tables = 2 * len(self.splits) + 4 * (self.spec.levels + 1)
        frames = (kept * self.n_channels + 1) // 2
        return tables + words * self.n_channels + scratch + 2 * widest + frames


def energy_offset(config: WaveletConfig, level: int) -> float:
    """Logarithm of a unit of the device's sum of squares in counts^2."""
    return -math.log2(config.count(level)) - 2.0 * (config.up + config.word_shift)


def design_wavelet(name: str) -> Floats:
    """Low-pass taps of Daubechies' wavelet ``db1 .. db8``, ``h[0] .. h[2n-1]`` of sum sqrt(2), of least phase.

    ``|H(w)|^2 = 2 cos^2n(w/2) P(sin^2(w/2))``, ``P(y) = sum binomial(n-1+k, k) y^k``, factored with the roots inside the
    unit circle.

    References
    ----------
    Daubechies 1988, doi:10.1002/cpa.3160410705, section 4.
    """
    n = int(name[2:])
    of_y = [math.comb(n - 1 + k, k) for k in range(n)][::-1]
    taps = np.ones(1)
    for y in np.roots(of_y):  # y = (2 - z - 1/z) / 4
        pair = np.roots([1.0, 4 * y - 2, 1.0])
        taps = np.convolve(taps, [1.0, -pair[np.argmin(np.abs(pair))]])
    for _ in range(n):
        taps = np.convolve(taps, [1.0, 1.0])
    real = np.asarray(np.real(taps), np.float64)
    return np.asarray(real * math.sqrt(2) / real.sum(), np.float64)


def arrange_taps(low: Floats) -> Floats:
    """Both filters over sqrt(2), as a coefficient takes samples from the earliest to the latest, (L, 2)."""
    high = low[::-1] * np.resize([1.0, -1.0], len(low))
    return np.asarray(np.stack([low, high], axis=1) / math.sqrt(2), np.float64)


def _plan(spec: WaveletFeature | PacketFeature) -> tuple[Split, ...]:
    levels = spec.levels
    if isinstance(spec, WaveletFeature):
        return tuple(
            Split(2 * (j - 2) if j > 1 else -1, j, levels if j == levels else SPLIT_FURTHER, j - 1)
            for j in range(1, levels + 1)
        )
    splits: list[Split] = []
    places = {0: -1}  # of the last level, by its place among the bands: a high half's bands run downwards
    for level in range(1, levels + 1):
        halves = {}
        for band, parent in sorted(places.items()):
            number = len(splits)
            low, high = 2 * band + (band & 1), 2 * band + 1 - (band & 1)
            halves[low], halves[high] = 2 * number, 2 * number + 1
            is_last = level == levels
            splits.append(
                Split(parent, level, low if is_last else SPLIT_FURTHER, high if is_last else SPLIT_FURTHER)
            )
        places = halves
    return tuple(splits)


def largest_coefficient(taps: NDArray[np.int64], up: int, levels: int) -> int:
    """Return a bound on all coefficients of the device up to a level, and on their parents; the firmware checks it."""
    growth = int(np.abs(taps).sum(axis=0).max())
    largest = 1 << (15 + up)
    for _ in range(levels):
        largest = max(largest, ((largest * growth) >> TAP_BITS) + 1)
    return largest


def compile_wavelet(
    spec: WaveletFeature | PacketFeature, *, n_channels: int, window: int, hop: int, word_shift: int
) -> WaveletConfig:
    """Choose the integers of a wavelet's energies.

    Parameters
    ----------
    spec
        The entry of the spec.
    n_channels, window, hop
        Channels, and frames.
    word_shift
        ``count = word * 2^-word_shift``.

    Raises
    ------
    SpecError
        If no coefficient of the last level fits into the window.
    """
    taps = np.round(arrange_taps(design_wavelet(spec.wavelet)) * 2.0**TAP_BITS).astype(np.int64)
    if not 1 <= hop <= window <= 65_535:
        raise SpecError(
            f"features, {spec.kind}: window {window} and hop {hop} frames, expected 1 <= hop <= window <= 65535; "
            "correct [window]"
        )
    up = MAX_UP_BITS
    n = max(window // 2, 1)
    while ((largest_coefficient(taps, up, spec.levels) ** 2 >> 16) + 1) * n > 1 << 46:
        up -= 1
    config = WaveletConfig(spec, n_channels, window, hop, word_shift, up, taps, _plan(spec))
    if config.count(spec.levels) < 1:
        needed = config.first_whole[spec.levels] << spec.levels
        raise SpecError(
            f"features, {spec.kind}: {spec.levels} levels of {spec.wavelet} need a window of {needed} frames, found "
            f"{window}; use fewer levels or a shorter wavelet"
        )
    return config
