"""Flags of the signal quality, from the energies of periods: integers that are the device's to the bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.quality import (
    MAX_PERIODS,
    NO_FLOOR,
    TRACK_SHIFT,
    UNTOLD,
    Energies,
    Flag,
    Ints,
    QualityConfig,
    measure_periods,
    offset_of_period,
    take_portion,
)


def _flag_spectrum(config: QualityConfig, energies: Energies) -> Ints:
    """Give the flags that a period gives by itself."""
    total, baseline, mains, rest = energies.total, energies.baseline, energies.mains, energies.rest
    above = np.maximum(total - baseline, 0)
    is_flat = above <= config.flat_energy
    is_mains = (mains > config.mains_energy) & (mains > take_portion(above, config.mains_share_q16))
    is_off = is_mains & (total > config.off_energy) & (rest <= take_portion(total, config.off_q16))
    is_motion = (baseline > config.motion_energy) & (baseline > take_portion(total, config.motion_q16))
    flags = np.where(energies.clipped >= config.clip_count, Flag.SATURATED, 0)
    for found, flag in (
        (is_flat, Flag.FLAT), (is_off, Flag.OFF), (is_mains, Flag.MAINS), (is_motion, Flag.MOTION)
    ):  # fmt: skip
        flags = flags | np.where(found, int(flag), 0)
    return np.asarray(flags, np.int64)


class FlagTwin:
    """Flags of periods that come one after the other."""

    def __init__(self, config: QualityConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Forget all periods."""
        n_channels = self._config.n_channels
        self.n_periods = 0
        self._equal_to = np.zeros(n_channels, np.int64)  # bit k: equal to the channel that is k + 1 further
        self._floor, self._peak = np.full(n_channels, NO_FLOOR, np.int64), np.zeros(n_channels, np.int64)
        self._n_tracked = np.zeros(n_channels, np.int64)
        self._recent = [np.zeros(n_channels, np.int64)] * MAX_PERIODS
        self._flags = np.zeros(n_channels, np.int64)

    def take(self, energies: Energies) -> NDArray[np.uint8]:
        """Take the next periods' energies and give the flags after each, (n_periods, n_channels)."""
        config, rest, raw = self._config, energies.rest, _flag_spectrum(self._config, energies)
        found = np.zeros(raw.shape, np.uint8)
        for period, now in enumerate(raw):
            if offset := offset_of_period(config, self.n_periods):
                now |= self._compare(now, rest[period], energies.difference[period], offset)
            now |= self._follow(now, rest[period])
            self._recent = [now, *self._recent[:-1]]
            lasting = np.bitwise_and.reduce(self._recent[: config.periods_on])
            self._flags = (self._flags | lasting) & np.bitwise_or.reduce(self._recent[: config.periods_off])
            found[period] = self._flags & config.checks
            self.n_periods += 1
        return found

    def _compare(self, now: Ints, rest: Ints, difference: Ints, offset: int) -> Ints:
        config, is_live = self._config, (now & Flag.FLAT) == 0
        both = rest + np.roll(rest, -offset)
        is_equal = difference <= take_portion(both, config.duplicated_q16)
        is_equal &= is_live & np.roll(is_live, -offset)
        self._equal_to = self._equal_to & ~(1 << (offset - 1)) | (is_equal.astype(np.int64) << (offset - 1))
        flags = np.zeros_like(now)
        for far in range(1, config.n_channels // 2 + 1):
            pair = (self._equal_to >> (far - 1) & 1) * int(Flag.DUPLICATED)
            flags |= pair | np.roll(pair, far)
        return flags

    def _follow(self, now: Ints, rest: Ints) -> Ints:
        config, is_clean = self._config, (now & UNTOLD) == 0
        self._n_tracked += is_clean & (self._n_tracked < config.settle_periods)
        floor = self._floor + (self._floor >> TRACK_SHIFT) + 1
        self._floor = np.where(is_clean, np.minimum(rest, floor), self._floor)
        self._peak = np.where(
            is_clean, np.maximum(rest, self._peak - (self._peak >> TRACK_SHIFT)), self._peak
        )
        is_low = take_portion(self._peak, config.snr_q16) <= self._floor
        return np.where(is_low & (self._n_tracked >= config.settle_periods), int(Flag.LOW_SNR), 0)


def flag_energies(config: QualityConfig, energies: Energies) -> NDArray[np.uint8]:
    """Give the flags after each period, (n_periods, n_channels), from the first period on."""
    return FlagTwin(config).take(energies)


def flag_counts(config: QualityConfig, counts: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Give the flags after each whole period of raw counts (n_frames, n_channels)."""
    return flag_energies(config, measure_periods(config, counts))
