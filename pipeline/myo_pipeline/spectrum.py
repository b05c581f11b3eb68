"""The catalogue of spectral EMG features, their keys in the spec, their float definitions, and a patch's integers for them.

The spectrum of a window ``x[0] .. x[N-1]`` (counts), tapered by ``w``, filled up with zeros to ``length``:
``P[k] = 2 |sum w[n] x[n] exp(-2 pi j k n / length)|^2 / (length sum w^2)`` for 0 < k < length / 2, in counts^2, at
``f[k] = k rate / length``; bins 0 and length / 2 are left out. The sum of P is the mean square of a signal without mean.

Float and integers use one taper: none, or Hann, ``w[n] = sin^2(pi n / N)``. Below a signal-to-noise ratio of about 10 dB
the mean frequency is that of the noise as much as the muscle's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_words import Component

Floats = NDArray[np.float64]

MIN_LENGTH, MAX_LENGTH = 64, 1024
WORD_UP_BITS = 9  # words to the transform's input

Taper = Literal["none", "hann"]


class SpectrumKind(IntEnum):
    """As ``myo_spectrum_kind_t`` in the firmware."""

    POWER = 0
    MOMENT_1 = 1
    MOMENT_2 = 2
    MOMENT_3 = 3
    MEAN = 4
    MEDIAN = 5
    PEAK = 6


class SpectrumFeature(BaseModel):
    """A feature of the power spectrum, or of a band of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["mnf", "mdf", "peak_frequency", "power", "sm1", "sm2", "sm3"]
    band_hz: tuple[float, float] | None = Field(
        default=None, description="from and below: bins of these frequencies; all where it is left out"
    )
    taper: Taper = Field(
        default="none",
        description="weights of the window's samples: 'none' or 'hann'; one for all spectral features",
    )


@dataclass(frozen=True)
class SpectrumDefinition:
    """A feature of the catalogue; sums over the bins of its band."""

    formula: str
    unit: str
    reference: str
    kind: SpectrumKind


OSKOEI = "Oskoei and Hu 2008, IEEE Trans. Biomed. Eng. 55(8), doi:10.1109/TBME.2008.919734"
PHINYOMARK = "Phinyomark et al. 2012, Expert Syst. Appl. 39(8), doi:10.1016/j.eswa.2012.01.102"
_LOG = "; log2 of it, which keeps its range"

SPECTRUM_CATALOGUE: Final[dict[str, SpectrumDefinition]] = {
    "mnf": SpectrumDefinition("sum f P / sum P", "Hz", OSKOEI, SpectrumKind.MEAN),
    "mdf": SpectrumDefinition("f with half of sum P below, a bin's power spread evenly over its width", "Hz",
                              OSKOEI + "; it takes a whole bin, whose upper edge is ours rounded up", SpectrumKind.MEDIAN),
    "peak_frequency": SpectrumDefinition("f of the largest P, the lowest of equals", "Hz", PHINYOMARK, SpectrumKind.PEAK),
    "power": SpectrumDefinition("log2 sum P", "log2 counts^2", PHINYOMARK + _LOG, SpectrumKind.POWER),
    "sm1": SpectrumDefinition("log2 sum f P", "log2 counts^2 Hz", PHINYOMARK + _LOG, SpectrumKind.MOMENT_1),
    "sm2": SpectrumDefinition("log2 sum f^2 P", "log2 counts^2 Hz^2", PHINYOMARK + _LOG, SpectrumKind.MOMENT_2),
    "sm3": SpectrumDefinition("log2 sum f^3 P", "log2 counts^2 Hz^3", PHINYOMARK + _LOG, SpectrumKind.MOMENT_3),
}  # fmt: skip


@dataclass(frozen=True)
class SpectrumRow:
    """One feature as a patch computes it: bins ``first .. end - 1``, ``real = word * scale + offset``."""

    spec: SpectrumFeature
    kind: SpectrumKind
    first_bin: int
    end_bin: int
    scale: float
    offset: float


@dataclass(frozen=True)
class SpectrumConfig:
    """All integers that decide what spectral features a patch computes; ``myo_spectrum_config_t`` in the firmware.

    Attributes
    ----------
    length
        Of the transform.
    word_shift
        ``count = word * 2^-word_shift``.
    taper_q15
        int16 (window,), None for none.
    """

    n_channels: int
    window: int
    hop: int
    length: int
    rate_hz: float
    word_shift: int
    taper: Taper
    taper_q15: NDArray[np.int16] | None
    rows: tuple[SpectrumRow, ...]

    @property
    def halvings(self) -> int:
        """Bits that the transform's stages take away."""
        return -(-(self.length.bit_length() - 1) // 2) - 1

    @property
    def gain(self) -> int:
        """Units of the transform's output for one word."""
        return 1 << (WORD_UP_BITS - self.halvings)

    @property
    def memory_words(self) -> int:
        """32-bit words of state on the device, ``myo_spectrum_memory_words`` in the firmware."""
        return self.scratch_words + (self.window * self.n_channels + 1) // 2

    @property
    def scratch_words(self) -> int:
        """Those of them that are of use while a window ends alone, which a patch's parts share."""
        return 2 * self.length + self.length // 2

    @property
    def components(self) -> list[Component]:
        """Each feature."""
        return [
            Component(
                name,
                SPECTRUM_CATALOGUE[row.spec.kind].unit,
                row.kind <= SpectrumKind.MOMENT_3,
                row.scale,
                row.offset,
            )
            for name, row in zip(self.names, self.rows, strict=True)
        ]

    @property
    def names(self) -> list[str]:
        """Name of each component."""
        return [
            row.spec.kind
            if row.spec.band_hz is None
            else f"{row.spec.kind}[{row.spec.band_hz[0]:g}-{row.spec.band_hz[1]:g}]"
            for row in self.rows
        ]


def make_taper(taper: Taper, window: int) -> Floats:
    """Weights of a window's samples."""
    return np.ones(window) if taper == "none" else np.sin(np.pi * np.arange(window) / window) ** 2


def moment_cut(length: int, n: int) -> int:
    """Bits that are cut off a power before a sum of ``k^n P[k]``, so that it stays within 62 bits."""
    return max(0, 31 + (n + 1) * (length.bit_length() - 2) - 62) if n > 1 else 0


def _bins(feature: SpectrumFeature, length: int, rate_hz: float) -> tuple[int, int]:
    if feature.band_hz is None:
        return 1, length // 2
    low, high = feature.band_hz
    first, end = (min(max(math.ceil(f * length / rate_hz - 1e-9), 1), length // 2) for f in (low, high))
    if first >= end:
        raise SpecError(
            f"spectrum, {feature.kind}: band {low:g} to {high:g} Hz holds no bin of {rate_hz / length:g} Hz between 0 and "
            f"{rate_hz / 2:g}; widen it"
        )
    return first, end


def power_offset(config: SpectrumConfig) -> float:
    """Logarithm of a device's unit of power (with exponent 0) in counts^2."""
    weights = make_taper(config.taper, config.window)
    unit = 2.0**32 / (2 * config.gain) ** 2 * 4.0**-config.word_shift
    return math.log2(2 * unit / (config.length * float((weights**2).sum())))


def compile_spectrum(
    features: Sequence[SpectrumFeature], *, n_channels: int, window: int, hop: int, rate_hz: float, word_shift: int,
    taper: Taper = "none", length: int | None = None,
) -> SpectrumConfig:  # fmt: skip
    """Choose the integers of a set of spectral features.

    Parameters
    ----------
    features
        Entries of the spec, in the order of the output.
    n_channels, window, hop
        Channels, and frames.
    rate_hz
        Frames a second.
    word_shift
        ``count = word * 2^-word_shift``.
    taper
        Weights of a window's samples.
    length
        Of the transform; the next power of two where it is None.

    Raises
    ------
    SpecError
        If the features or sizes contradict each other.
    """
    if length is None:
        length = max(MIN_LENGTH, 1 << max(window - 1, 1).bit_length())
    if length & (length - 1) or not (MIN_LENGTH <= length <= MAX_LENGTH):
        raise SpecError(
            f"spectrum: length {length}, expected a power of two in {MIN_LENGTH} .. {MAX_LENGTH}; correct it"
        )
    if not (1 <= hop <= window and 2 <= window <= length):
        raise SpecError(
            f"spectrum: window {window} and hop {hop} frames, expected 1 <= hop <= window <= {length}; correct [window]"
        )
    if not features:
        raise SpecError("spectrum: no features, expected at least one; add one")
    q15 = None
    if taper != "none":
        q15 = np.minimum(np.round(make_taper(taper, window) * 2**15), 2**15 - 1).astype(np.int16)
    config = SpectrumConfig(n_channels, window, hop, length, rate_hz, word_shift, taper, q15, ())
    bin_hz, offset = rate_hz / length, power_offset(config)
    rows = []
    for feature in features:
        kind = SPECTRUM_CATALOGUE[feature.kind].kind
        first, end = _bins(feature, length, rate_hz)
        if kind <= SpectrumKind.MOMENT_3:
            scale, at = 2.0**-16, offset + kind * math.log2(bin_hz)
        else:
            bits = 33 - length.bit_length()
            scale, at = bin_hz * (1.0 if kind is SpectrumKind.PEAK else 2.0**-bits), 0.0
        rows.append(SpectrumRow(feature, kind, first, end, scale, at))
    return SpectrumConfig(n_channels, window, hop, length, rate_hz, word_shift, taper, q15, tuple(rows))


# ---- float definitions ----


def power_spectrum(config: SpectrumConfig, x: Floats) -> Floats:
    """Powers of bins 0 .. length / 2 - 1 of windows (n_windows, n_samples, n_channels), bin 0 set to 0."""
    weights = make_taper(config.taper, config.window)
    spectrum = np.fft.rfft(x * weights[:, None], config.length, axis=1)[:, :-1]
    powers = 2 * np.abs(spectrum) ** 2 / (config.length * (weights**2).sum())
    powers[:, 0] = 0
    return np.asarray(powers)


def find_median(
    powers: Floats, first_bin: int, share: Floats | float = 0.5, *, is_upper: bool = False
) -> Floats:
    """Place, in bins, below which a share of the powers (n_windows, n_bins, n_channels) lies, each spread over its bin.

    Where powers of 0 leave a range of places, its lower end, or its upper.
    """
    total = powers.sum(axis=1)
    sums = np.cumsum(powers, axis=1)
    target = (share * total)[:, None]
    is_before = sums <= target if is_upper else sums < target
    k = np.minimum(is_before.sum(axis=1), powers.shape[1] - 1)[:, None]
    power = np.take_along_axis(powers, k, axis=1)
    below = np.take_along_axis(sums, k, axis=1) - power
    inside = np.clip(np.divide(target - below, power, out=np.ones_like(power), where=power > 0), 0, 1)
    return np.where(total > 0, first_bin - 0.5 + (k + inside)[:, 0], 0.0)


def compute_spectrum_features(config: SpectrumConfig, x: Floats) -> Floats:
    """Features of windows by their definitions.

    Parameters
    ----------
    config
        What to compute.
    x
        Filtered signal in counts, (n_windows, config.window, n_channels).

    Returns
    -------
    NDArray[np.float64]
        Shape (n_windows, n_features, n_channels), in the features' units; frequencies of a silent window are 0, its
        logarithms those of the least power that the device tells from none.
    """
    spectrum, bin_hz = power_spectrum(config, x), config.rate_hz / config.length
    found = []
    for row in config.rows:
        powers = spectrum[:, row.first_bin : row.end_bin]
        k = np.arange(row.first_bin, row.end_bin)[:, None]
        total = powers.sum(axis=1)
        match row.kind:
            case SpectrumKind.MEAN:
                mean = np.divide((k * powers).sum(axis=1), total, out=np.zeros_like(total), where=total > 0)
                found.append(bin_hz * mean)
            case SpectrumKind.MEDIAN:
                found.append(bin_hz * find_median(powers, row.first_bin))
            case SpectrumKind.PEAK:
                found.append(bin_hz * np.where(total > 0, row.first_bin + powers.argmax(axis=1), 0))
            case _:
                n = int(row.kind)
                floor = 2.0 ** (power_offset(config) - 60 + moment_cut(config.length, n))
                moment = np.maximum((k.astype(np.float64) ** n * powers).sum(axis=1), floor)
                found.append(np.log2(moment) + n * math.log2(bin_hz))
    return np.stack(found, axis=1)
