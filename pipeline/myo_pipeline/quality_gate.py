"""The quality gate of a patch: which channels are masked, and which windows may vote.

``[quality]`` of the spec becomes integers that twin and firmware (``firmware/core/stream/myo_quality_gate.h``) share. After
each period of about half a second every channel of the sensor has its flags. From the next frame on a channel with one of
the masking flags is masked: whatever lies behind the front end and is made of it too gives the network its zero point, which
is what training saw on average. Where more than ``max_masked`` channels are masked, a window casts no vote.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from myo_pipeline.errors import SpecError
from myo_pipeline.quality import Flag, Ints, QualityConfig, QualitySettings, compile_quality, measure_periods
from myo_pipeline.quality_flags import FlagTwin
from myo_pipeline.stages import MAX_CHANNELS, Table
from myo_pipeline.steps import Kind, Step

if TYPE_CHECKING:
    from myo_pipeline.spec import PatchSpec

Check = Literal["saturated", "flat", "off", "mains", "motion", "duplicated", "low_snr"]
_DEFAULTS: Final = QualitySettings()
_SETTINGS: Final = tuple(QualitySettings.__dataclass_fields__)


def _sum_flags(names: Sequence[str]) -> int:
    return sum(Flag[name.upper()] for name in set(names))


def name_flags(flags: int) -> list[str]:
    """Return the names of flags, as the spec has them."""
    return [str(flag.name).lower() for flag in Flag if flags & flag]


class Quality(Table):
    """Signal quality: raw counts are watched, bad channels are told and masked. Without this table nothing is."""

    checks: list[Check] = Field(
        default=["saturated", "flat", "off", "mains", "motion", "duplicated"],
        min_length=1,
        description="what is looked for: saturated, flat, off, mains, motion, duplicated, low_snr",
    )
    mask: list[Check] = Field(
        default=["saturated", "flat", "off", "duplicated"],
        description="of the checks, those that mask a channel; the others are only told",
    )
    max_masked: int | None = Field(
        default=None,
        ge=0,
        lt=MAX_CHANNELS,
        description="with more channels masked behind the stages a window casts no vote; a quarter of them if left out",
    )
    mains_hz: Literal[50, 60] = Field(default=50, description="mains frequency, 50 or 60")
    clip_counts: int | None = Field(
        default=None,
        ge=1,
        description="count at which the amplifier ends; the converter's largest if left out",
    )
    period_ms: float = Field(
        default=_DEFAULTS.period_ms, ge=80, le=4000, description="time between two looks, about"
    )
    periods_on: int = Field(
        default=_DEFAULTS.periods_on,
        ge=1,
        le=4,
        description="looks in a row with a fault that raise its flag",
    )
    periods_off: int = Field(
        default=_DEFAULTS.periods_off, ge=1, le=4, description="looks in a row without it that clear the flag"
    )
    saturated_share: float = Field(
        default=_DEFAULTS.saturated_share, gt=0, le=1, description="saturated: share of samples at the ends"
    )
    flat_uv: float = Field(
        default=_DEFAULTS.flat_uv, ge=0, description="flat: RMS above the baseline is at most this"
    )
    off_uv: float = Field(default=_DEFAULTS.off_uv, ge=0, description="off: total RMS is above this")
    off_share: float = Field(
        default=_DEFAULTS.off_share, ge=0, le=1, description="off: energy that is neither mains nor baseline"
    )
    mains_uv: float = Field(default=_DEFAULTS.mains_uv, ge=0, description="mains: its RMS is above this")
    mains_share: float = Field(
        default=_DEFAULTS.mains_share,
        ge=0,
        le=1,
        description="mains: its share of the energy above the baseline",
    )
    motion_uv: float = Field(
        default=_DEFAULTS.motion_uv, ge=0, description="motion: RMS below about 11 Hz is above this"
    )
    motion_share: float = Field(
        default=_DEFAULTS.motion_share, ge=0, le=1, description="motion: its share of the total energy"
    )
    duplicated_share: float = Field(
        default=_DEFAULTS.duplicated_share,
        ge=0,
        le=1,
        description="duplicated: energy of the difference to another channel, of both",
    )
    snr_db: float = Field(
        default=_DEFAULTS.snr_db, ge=0, le=60, description="low_snr: strongest over quietest look, decibels"
    )
    settle_periods: int = Field(
        default=_DEFAULTS.settle_periods, ge=1, le=10_000, description="low_snr: looks before it is told"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in self.mask:
            if name not in self.checks:
                raise ValueError(
                    f"quality.mask: {name!r} is not in checks: add it there, or remove it from mask"
                )
        return self


def compile_table(spec: PatchSpec) -> QualityConfig | None:
    """Turn the spec's table into integers; None where it has none.

    Raises
    ------
    SpecError
        If a threshold does not fit the sensor.
    """
    table, sensor = spec.quality, spec.sensor
    if table is None:
        return None
    if table.max_masked is not None and table.max_masked >= spec.front_end_channels:
        raise SpecError(
            f"quality.max_masked: {table.max_masked} of {spec.front_end_channels} channels behind the stages would "
            "never gate a window: lower it, or leave it out"
        )
    return compile_quality(
        QualitySettings(**{name: getattr(table, name) for name in _SETTINGS}),
        n_channels=sensor.channels,
        rate_hz=sensor.rate_hz,
        adc_bits=sensor.adc_bits,
        lsb_uv=sensor.lsb_uv,
        mains_hz=float(table.mains_hz),
        clip_counts=table.clip_counts,
        checks=_sum_flags(table.checks),
    )


def trace_channels(n_channels: int, steps: Sequence[Step]) -> NDArray[np.bool_]:
    """Return which channels behind the front end are made of which of the sensor, (n_channels, n_behind)."""
    reach = np.eye(n_channels, dtype=bool)
    for step in steps:
        if step.kind is Kind.MATRIX:
            reach = reach @ (step.words.reshape(step.n_out, step.n_in) != 0).T
    return reach


@dataclass(frozen=True)
class QualityGate:
    """All integers of the gate; the ``quality_`` entries of ``twin.npz``.

    Attributes
    ----------
    config
        Of the flags.
    mask_flags
        Flags that mask a channel.
    max_masked
        With more channels masked behind the front end, a window casts no vote.
    reach
        Whether a channel behind the front end is made of one of the sensor, bool (n_channels, n_behind).
    decimation
        Frames of the sensor for one behind the front end.
    """

    config: QualityConfig
    mask_flags: int
    max_masked: int
    reach: NDArray[np.bool_]
    decimation: int

    def mask(self, flags: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return the masked channels behind the front end of flags (..., n_channels): bool (..., n_behind)."""
        is_bad = (flags & self.mask_flags) != 0
        return np.asarray(is_bad @ self.reach, np.bool_)

    def judge(self, flags: NDArray[np.integer]) -> Ints:
        """Return the words that the device tells of flags (n_periods, n_channels).

        Returns
        -------
        NDArray
            int64 (n_periods, n_channels + 2): flags, masked channels behind the front end, and 1 where windows cast no vote.
        """
        n_masked = self.mask(flags).sum(axis=-1, dtype=np.int64)[:, None]
        return np.concatenate([flags.astype(np.int64), n_masked, n_masked > self.max_masked], axis=1)

    def mask_frames(self, rows: NDArray[np.integer], first: int, n_frames: int) -> NDArray[np.bool_]:
        """Return what is masked of frames behind the front end.

        Parameters
        ----------
        rows
            What :meth:`judge` gave of all periods since the start.
        first, n_frames
            The frames.

        Returns
        -------
        NDArray
            bool (n_frames, n_behind): of the periods that had ended before the frame's last sample came.
        """
        last_sample = (first + np.arange(n_frames) + 1) * self.decimation - 1
        return self._mask_after(rows, last_sample // self.config.period_frames)

    def mask_windows(self, rows: NDArray[np.integer], ends: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return what is masked at windows' ends, counted in frames behind the front end: bool (n_windows, n_behind)."""
        return self._mask_after(rows, np.asarray(ends) * self.decimation // self.config.period_frames)

    def gate_windows(self, rows: NDArray[np.integer], ends: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return which windows that end so cast no vote, bool (n_windows,)."""
        is_gated: NDArray[np.bool_] = self.mask_windows(rows, ends).sum(axis=1) > self.max_masked
        return is_gated

    def _mask_after(self, rows: NDArray[np.integer], n_periods: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return the mask that so many periods leave."""
        masks = np.concatenate(
            [np.zeros((1, self.reach.shape[1]), bool), self.mask(rows[:, : self.config.n_channels])]
        )
        return np.asarray(masks[n_periods], np.bool_)

    def to_arrays(self) -> dict[str, Any]:
        """Return the gate as arrays and numbers."""
        return {
            "quality_config": json.dumps(asdict(self.config)),
            "quality_mask_flags": self.mask_flags,
            "quality_max_masked": self.max_masked,
            "quality_reach": self.reach,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, Any], decimation: int) -> Self:
        """Take the gate back from what :meth:`to_arrays` gave."""
        values = json.loads(str(arrays["quality_config"]))
        values |= {name: tuple(values[name]) for name in ("cosines", "sines")}
        return cls(
            QualityConfig(**values),
            int(arrays["quality_mask_flags"]),
            int(arrays["quality_max_masked"]),
            np.asarray(arrays["quality_reach"], bool),
            decimation,
        )


def make_gate(spec: PatchSpec, steps: Sequence[Step], decimation: int) -> QualityGate | None:
    """Choose the gate's integers; None where the spec has no ``[quality]``.

    Parameters
    ----------
    spec
        The patch.
    steps, decimation
        Its front end in integers.
    """
    config, table = compile_table(spec), spec.quality
    if config is None or table is None:
        return None
    allowed = spec.front_end_channels // 4 if table.max_masked is None else table.max_masked
    return QualityGate(
        config, _sum_flags(table.mask), allowed, trace_channels(config.n_channels, steps), decimation
    )


class GateTwin:
    """Flags of counts that come in blocks of any size."""

    def __init__(self, gate: QualityGate) -> None:
        self._gate = gate
        self._flags = FlagTwin(gate.config)
        self.reset()

    def reset(self) -> None:
        """Return to the state after START."""
        n_channels = self._gate.config.n_channels
        self._flags.reset()
        self._counts = np.zeros((0, n_channels), np.int64)
        self.rows: Ints = np.zeros((0, n_channels + 2), np.int64)

    def push(self, counts: NDArray[np.integer]) -> None:
        """Take counts (n_samples, n_channels) within the converter's range; ``rows`` has what :meth:`QualityGate.judge` says."""
        config = self._gate.config
        joined = np.concatenate([self._counts, counts.astype(np.int64)])
        n = len(joined) // config.period_frames * config.period_frames
        if n:
            energies = measure_periods(config, joined[:n], self._flags.n_periods)
            self.rows = np.concatenate([self.rows, self._gate.judge(self._flags.take(energies))])
        self._counts = joined[n:]
