"""Signal quality of raw channels, in exact integers: what ``firmware/core/quality`` computes, and its float definition.

A period of about half a second is cut into groups of about 40 ms, a group into blocks of less than a third of the mains
period. Of each channel and period these energies (sums of squares about the mean, counts^2) are formed:

- ``total``: of the samples;
- ``baseline``: of the groups' means, what is below about 11 Hz (a moving average of 40 ms loses 3 dB there);
- ``mains``: of the mains frequency, by a Hann-windowed Fourier sum over the blocks' sums;
- ``rest = total - baseline - mains``: muscle and noise.

Flags compare energies with each other and with thresholds, see :class:`Flag`.

References
----------
Fraser et al. 2014, IEEE Trans. Instrum. Meas. 63(12), doi:10.1109/TIM.2014.2317296 (contaminants of surface EMG).
Harris 1978, Proc. IEEE 66(1), doi:10.1109/PROC.1978.10837 (the Hann window).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import SpecError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MAX_CHANNELS = 64
MAX_PERIOD_FRAMES = 1 << 14
MAX_PERIODS = 4
COEFFICIENT_BITS = 14
TRACK_SHIFT = 7
NO_FLOOR = 1 << 62
GROUP_S = 0.040
LOOKS_A_SECOND = (
    450.0  # at least, where the rate gives them: energies of noise do not change where bands fold
)
RATIO_ONE = 1 << 16


class Flag(IntFlag):
    """What is wrong with a channel. The bits are those of ``myo_quality.h``."""

    SATURATED = 1  # samples at the converter's ends
    FLAT = 2  # nothing above the baseline: dead, shorted, unpowered
    OFF = 4  # MAINS, large, and next to nothing of it is muscle: a floating input's mains and wander
    MAINS = 8  # mains, by size and by share
    MOTION = 16  # baseline motion, by size and by share
    DUPLICATED = 32  # equal to another channel: bridged or miswired electrodes
    LOW_SNR = 64  # the strongest periods are hardly above the quietest ones


# Such a period says nothing of noise and signal.
UNTOLD = int(Flag.SATURATED | Flag.FLAT | Flag.OFF)
ALL_FLAGS = sum(Flag)
# Checks that need samples at the ends counted, and those that need the energy of the mains: by themselves, or for others.
NEED_CLIPS = int(Flag.SATURATED | Flag.LOW_SNR)
NEED_MAINS = int(Flag.OFF | Flag.MAINS | Flag.DUPLICATED | Flag.LOW_SNR)


@dataclass(frozen=True)
class QualitySettings:
    """Thresholds in physical units. Defaults are starting values: ``docs/quality.md`` says what was measured.

    Sizes (``_uv``) are RMS values in the electrode's microvolts; shares are of energies.
    """

    flat_uv: float = 0.5
    off_uv: float = 100.0
    off_share: float = 0.05  # rest / total below it
    mains_uv: float = 20.0
    mains_share: float = 0.5  # mains / (total - baseline) above it
    motion_uv: float = 50.0
    motion_share: float = 0.7  # baseline / total above it
    saturated_share: float = 0.01  # of the samples
    duplicated_share: float = 0.02  # energy of the difference / sum of the rests below it
    snr_db: float = 3.0  # strongest over quietest period
    settle_periods: int = 40  # before LOW_SNR is told
    periods_on: int = 2  # periods in a row that set a flag, 1 .. 4
    periods_off: int = 2  # periods without it that clear it, 1 .. 4
    period_ms: float = 480.0


@dataclass(frozen=True)
class QualityConfig:
    """What the firmware is given: integers only, named as in ``myo_quality.h``."""

    n_channels: int
    adc_bits: int
    stride: int  # of so many frames the last is looked at
    block_frames: int
    group_blocks: int
    n_groups: int
    cosines: tuple[int, ...]  # of each block of the period, Hann-windowed, Q14
    sines: tuple[int, ...]
    cosine_sum: int
    sine_sum: int
    mains_shift: int  # right shift of a Fourier sum before it is squared
    mains_down: int  # and of the squares' sum, before mains_q16; mains_up is to the left, after it
    mains_up: int
    mains_q16: int
    clip_level: int  # counts, of x >= 0 ? x : -1 - x
    clip_count: int
    flat_energy: int
    off_energy: int
    mains_energy: int
    motion_energy: int
    off_q16: int
    mains_share_q16: int
    motion_q16: int
    duplicated_q16: int
    snr_q16: int  # quietest / strongest
    settle_periods: int
    periods_on: int
    periods_off: int
    checks: int  # flags that are looked for; the others are never told

    @property
    def compares(self) -> bool:
        """Whether channels are compared with each other."""
        return bool(self.checks & Flag.DUPLICATED) and self.n_channels > 1

    @property
    def n_blocks(self) -> int:
        """Blocks of a period."""
        return self.group_blocks * self.n_groups

    @property
    def group_frames(self) -> int:
        """Frames of a group that are looked at."""
        return self.block_frames * self.group_blocks

    @property
    def memory_words(self) -> int:
        """Words of the frames that the device keeps."""
        return self.n_channels * self.group_frames

    @property
    def period_looks(self) -> int:
        """Frames of a period that are looked at."""
        return self.block_frames * self.n_blocks

    @property
    def period_frames(self) -> int:
        """Frames of a period."""
        return self.period_looks * self.stride


@dataclass(frozen=True)
class Energies:
    """Energies of periods, counts^2, each (n_periods, n_channels)."""

    total: Ints
    baseline: Ints
    mains: Ints
    clipped: Ints  # samples at the ends
    difference: (
        Ints  # to channel c + 1 + period % (n_channels // 2), of one frame a block, times block_frames
    )

    @property
    def rest(self) -> Ints:
        """Neither baseline nor mains."""
        result: Ints = np.maximum(self.total - self.baseline - self.mains, 0)
        return result


def _ratio_q16(name: str, value: float) -> int:
    if not 0 <= value <= 1:
        raise SpecError(f"quality: {name} is {value:g}, expected 0 to 1")
    return round(value * RATIO_ONE)


def _energy(name: str, size_uv: float, lsb_uv: float, n: int) -> int:
    energy = math.ceil((size_uv / lsb_uv) ** 2 * n) if size_uv >= 0 else -1
    if not 0 <= energy < 1 << 60:
        raise SpecError(f"quality: {name} is {size_uv:g} uV, expected 0 to full scale")
    return energy


def _block_gain(f_hz: float, rate_hz: float, n: int) -> float:
    """Gain of a mean of ``n`` frames at a frequency."""
    half = math.pi * f_hz / rate_hz
    return abs(math.sin(n * half) / (n * math.sin(half)))


def compile_quality(
    settings: QualitySettings,
    *,
    n_channels: int,
    rate_hz: float,
    adc_bits: int,
    lsb_uv: float,
    mains_hz: float = 50.0,
    clip_counts: int | None = None,
    checks: int = ALL_FLAGS,
) -> QualityConfig:
    """Turn thresholds in physical units to integers.

    Parameters
    ----------
    settings
        Thresholds.
    n_channels
        1 .. 64.
    rate_hz
        Frames a second, more than twice ``mains_hz``.
    adc_bits
        Counts are in ``-2^(adc_bits-1) .. 2^(adc_bits-1)-1``; 1 .. 24.
    lsb_uv
        Microvolts of a count, at the electrode.
    mains_hz
        50 or 60 Hz.
    clip_counts
        Where the amplifier ends, if before the converter.
    checks
        Sum of the flags that are looked for.

    Raises
    ------
    SpecError
        If a threshold is out of range, the mains frequency is not below half the rate, or sums would not fit.
    """
    if not 1 <= n_channels <= MAX_CHANNELS or not 1 <= adc_bits <= 24 or lsb_uv <= 0:
        raise SpecError(
            f"quality: {n_channels} channels of {adc_bits} bits and {lsb_uv:g} uV, expected 1-64, 1-24, above 0"
        )
    if not 0 < 2 * mains_hz < rate_hz:
        raise SpecError(
            f"quality: mains of {mains_hz:g} Hz at {rate_hz:g} Hz, expected less than half the rate"
        )
    if not all(1 <= n <= MAX_PERIODS for n in (settings.periods_on, settings.periods_off)):
        raise SpecError(f"quality: periods_on and periods_off, expected 1 to {MAX_PERIODS}")
    stride = max(1, math.floor(rate_hz / LOOKS_A_SECOND))
    rate_hz /= stride
    block = max(
        1, math.floor(rate_hz / (3.3 * mains_hz))
    )  # below half a period with room, as few cuts as that allows
    group_blocks = max(2, round(GROUP_S * rate_hz / block))
    n_groups = max(2, round(settings.period_ms / 1000 * rate_hz / (block * group_blocks)))
    n_blocks, n = group_blocks * n_groups, block * group_blocks * n_groups
    if n > MAX_PERIOD_FRAMES or adc_bits + (block * group_blocks).bit_length() > 31:
        raise SpecError(
            f"quality: a period of {n} frames of {adc_bits} bits, expected at most {MAX_PERIOD_FRAMES}"
        )
    k = np.arange(n_blocks)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * (k + 0.5) / n_blocks)
    turn = 2 * np.pi * mains_hz / rate_hz * block * k
    one = 1 << COEFFICIENT_BITS
    cosines, sines = (np.rint(one * hann * wave(turn)).astype(int).tolist() for wave in (np.cos, np.sin))
    # |a Fourier sum| <= full scale * block * sum |coefficient|; shifted, it stays below 2^30
    largest = (1 << adc_bits) * block * max(np.abs(cosines).sum(), np.abs(sines).sum())
    shift = max(0, int(largest).bit_length() - 30)
    # a sine of amplitude a gives squares of (a * gain * n / 4 * 2^14 / 2^shift)^2 and has the energy n * a^2 / 2
    gain = _block_gain(mains_hz, rate_hz, block)
    factor = 8.0 / (n * gain**2) / 4.0 ** (COEFFICIENT_BITS - shift)
    down, up = max(0, math.floor(-math.log2(factor))), max(0, math.ceil(math.log2(factor)))
    clip = (1 << (adc_bits - 1)) - 1 if clip_counts is None else clip_counts
    if not 0 < clip < 1 << (adc_bits - 1):
        raise SpecError(f"quality: clip_counts is {clip}, expected 1 to {(1 << (adc_bits - 1)) - 1}")
    return QualityConfig(
        n_channels=n_channels,
        adc_bits=adc_bits,
        stride=stride,
        block_frames=block,
        group_blocks=group_blocks,
        n_groups=n_groups,
        cosines=tuple(cosines),
        sines=tuple(sines),
        cosine_sum=sum(cosines),
        sine_sum=sum(sines),
        mains_shift=shift,
        mains_down=down,
        mains_up=up,
        mains_q16=round(factor * 2.0 ** (down - up) * RATIO_ONE),
        clip_level=clip,
        clip_count=max(1, math.ceil(_ratio_q16("saturated_share", settings.saturated_share) * n / RATIO_ONE)),
        flat_energy=_energy("flat_uv", settings.flat_uv, lsb_uv, n),
        off_energy=_energy("off_uv", settings.off_uv, lsb_uv, n),
        mains_energy=_energy("mains_uv", settings.mains_uv, lsb_uv, n),
        motion_energy=_energy("motion_uv", settings.motion_uv, lsb_uv, n),
        off_q16=_ratio_q16("off_share", settings.off_share),
        mains_share_q16=_ratio_q16("mains_share", settings.mains_share),
        motion_q16=_ratio_q16("motion_share", settings.motion_share),
        duplicated_q16=_ratio_q16("duplicated_share", settings.duplicated_share),
        snr_q16=_ratio_q16("snr_db (as a ratio)", 10 ** (-settings.snr_db / 10)),
        settle_periods=settings.settle_periods,
        periods_on=settings.periods_on,
        periods_off=settings.periods_off,
        checks=checks,
    )


def _square_over(total: Ints, n: int) -> Ints:
    """``floor(total^2 / n)`` without the square, which may not fit."""
    mean, left = np.divmod(np.abs(total), n)
    result: Ints = mean * mean * n + 2 * mean * left + left * left // n
    return result


def take_portion(value: Ints, ratio_q16: int) -> Ints:
    """``floor(value * ratio)`` for ratios up to 1."""
    result: Ints = (value >> 16) * ratio_q16 + ((value & 0xFFFF) * ratio_q16 >> 16)
    return result


def cut_periods(config: QualityConfig, counts: NDArray[np.integer]) -> Ints:
    """Cut what is looked at of raw counts (n_frames, n_channels): (n_periods, n_blocks, block_frames, n_channels)."""
    n = len(counts) // config.period_frames
    shape = (n, config.n_blocks, config.block_frames, config.n_channels)
    looks = counts[config.stride - 1 : n * config.period_frames : config.stride]
    return looks.astype(np.int64).reshape(shape)


def offset_of_period(config: QualityConfig, period: int) -> int:
    """By how many channels the partner is away with which a channel is compared; 0: with none."""
    return 1 + period % (config.n_channels // 2) if config.compares else 0


def measure_periods(config: QualityConfig, counts: NDArray[np.integer], first_period: int = 0) -> Energies:
    """Energies of each whole period, to the bit those of the device.

    Parameters
    ----------
    config
        What to compute.
    counts
        Raw samples, (n_frames, n_channels), the first frame the first of a period.
    first_period
        That period's number since the start.
    """
    x = cut_periods(config, counts)
    n_periods = len(x)
    blocks: Ints = x.sum(axis=2)
    groups: Ints = blocks.reshape(n_periods, config.n_groups, config.group_blocks, config.n_channels).sum(
        axis=2
    )
    whole: Ints = groups.sum(axis=1)
    of_mean = _square_over(whole, config.period_looks)
    baseline: Ints = _square_over(groups, config.group_frames).sum(axis=1) - of_mean
    mean: Ints = np.sign(whole) * (np.abs(whole) // config.n_blocks)
    squares = np.zeros_like(whole)
    waves = ((config.cosines, config.cosine_sum), (config.sines, config.sine_sum))
    for wave, wave_sum in waves if config.checks & NEED_MAINS else ():
        part = np.tensordot(blocks, np.array(wave, np.int64), axes=(1, 0)) - mean * wave_sum
        squares += (part >> config.mains_shift) ** 2
    ends = np.where(x < 0, -1 - x, x) >= config.clip_level
    first = x[:, :, 0]
    difference = np.zeros_like(whole)
    for period in range(n_periods if config.compares else 0):
        offset = offset_of_period(config, first_period + period)
        step = first[period] - np.roll(first[period], -offset, axis=1)
        difference[period] = (step**2).sum(axis=0) - _square_over(step.sum(axis=0), config.n_blocks)
    return Energies(
        total=(x * x).sum(axis=(1, 2)) - of_mean,
        baseline=np.maximum(baseline, 0),
        mains=take_portion(squares >> config.mains_down, config.mains_q16) << config.mains_up,
        clipped=ends.sum(axis=(1, 2)),
        difference=difference * config.block_frames,
    )


def measure_float(config: QualityConfig, counts: NDArray[np.integer]) -> tuple[Floats, Floats, Floats]:
    """Define total, baseline and mains energy in float64, with unrounded coefficients given by the table's own scale."""
    x = cut_periods(config, counts).astype(np.float64)
    n_periods = len(x)
    total = x.reshape(n_periods, config.period_looks, config.n_channels).var(axis=1) * config.period_looks
    groups = x.reshape(n_periods, config.n_groups, config.group_frames, config.n_channels).mean(axis=2)
    baseline = groups.var(axis=1) * config.period_looks
    blocks = x.sum(axis=2)
    centred = blocks - blocks.mean(axis=1, keepdims=True)
    wave = (np.array(config.cosines) + 1j * np.array(config.sines)) / 2.0**config.mains_shift
    factor = config.mains_q16 / RATIO_ONE * 2.0 ** (config.mains_up - config.mains_down)
    mains = np.abs(np.tensordot(centred, wave, axes=(1, 0))) ** 2 * factor
    return total, baseline, mains
