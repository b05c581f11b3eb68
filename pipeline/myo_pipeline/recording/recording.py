"""What every recording is, whatever file it came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import DataError


class Annotation(NamedTuple):
    """Something that happened: seconds since the first sample, how long it lasted (None: a moment), and what it was."""

    onset_s: float
    duration_s: float | None
    text: str


@dataclass(frozen=True)
class Recording:
    """One uninterrupted recording, read when asked.

    The voltage of a count is ``(count - zero_counts) * lsb_uv``.

    Attributes
    ----------
    source
        File it came from, for messages.
    rate_hz
        Samples a second.
    channels
        Channel names, in the file's order.
    n_samples
        Frames.
    lsb_uv, zero_counts
        A channel's microvolts a count (NaN: the file does not say), and the count at 0 uV; float64 (n_channels,).
    load
        ``load(start, stop)`` returns frames: int32 counts, or float64 microvolts where ``is_counts`` is false;
        (stop - start, n_channels).
    is_counts
        Whether the file holds converter counts.
    annotations
        Events, sorted by onset.
    meta
        What else the file says: hashes, counters, board.
    notes
        What a reader has to say of the file's state, for people: that it is cut off.
    """

    source: str
    rate_hz: float
    channels: tuple[str, ...]
    n_samples: int
    lsb_uv: NDArray[np.float64]
    zero_counts: NDArray[np.float64]
    load: Callable[[int, int], NDArray[Any]] = field(repr=False)
    is_counts: bool = True
    annotations: tuple[Annotation, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (np.isfinite(self.rate_hz) and self.rate_hz > 0):
            raise DataError(f"{self.source}: sample rate {self.rate_hz}, expected above 0 Hz; give --rate-hz")
        if not self.channels:
            raise DataError(f"{self.source}: no signal in it; give a file that holds one")
        if self.n_samples < 1:
            raise DataError(f"{self.source}: no samples; record it again")

    @classmethod
    def from_array(cls, source: str, samples: NDArray[Any], rate_hz: float, **values: Any) -> Self:  # noqa: ANN401
        """Return a recording of an array (n_samples, n_channels): counts if its numbers are whole, else microvolts.

        Raises
        ------
        DataError
            If it is not a matrix of finite numbers, or counts beyond 32 bits.
        """
        if samples.ndim != 2:
            raise DataError(f"{source}: signal of shape {samples.shape}, expected (n_samples, n_channels)")
        if not np.issubdtype(samples.dtype, np.integer):
            samples = samples.astype(np.float64)
            check_finite(source, samples)
        is_counts = bool(values.pop("is_counts", np.issubdtype(samples.dtype, np.integer)))
        if is_counts:
            samples = to_counts(source, samples)
        n_channels = samples.shape[1]
        values.setdefault("channels", tuple(f"ch{k + 1}" for k in range(n_channels)))
        values["lsb_uv"] = spread(values.get("lsb_uv", np.nan), n_channels)
        values["zero_counts"] = spread(values.get("zero_counts", 0.0), n_channels)
        return cls(
            source=source, rate_hz=float(rate_hz), n_samples=len(samples), is_counts=is_counts,
            load=lambda start, stop: samples[start:stop], **values,
        )  # fmt: skip

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Return frames start .. stop as the file holds them."""
        return self.load(start, self.n_samples if stop is None else min(stop, self.n_samples))

    def microvolts(self, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Return frames in microvolts, float64.

        Raises
        ------
        DataError
            If the file does not say what a count is worth.
        """
        samples = self.read(start, stop)
        if not self.is_counts:
            return np.asarray(samples, np.float64)
        if np.isnan(self.lsb_uv).any():
            raise DataError(f"{self.source}: does not say what a count is worth; give --lsb-uv")
        return np.asarray((samples - self.zero_counts) * self.lsb_uv, np.float64)

    def select(self, wanted: Sequence[str]) -> Self:
        """Return the recording with these channels, by name or number from 0, in this order.

        Raises
        ------
        DataError
            If there is no such channel.
        """
        places = []
        for name in wanted:
            if name in self.channels:
                places.append(self.channels.index(name))
            elif name.isdecimal() and int(name) < len(self.channels):
                places.append(int(name))
            else:
                raise DataError(
                    f"{self.source}: no channel {name!r}; it has {', '.join(self.channels)[:200]} "
                    f"(or numbers 0 .. {len(self.channels) - 1})"
                )
        load = self.load
        return replace(
            self, channels=tuple(self.channels[k] for k in places), lsb_uv=self.lsb_uv[places],
            zero_counts=self.zero_counts[places], load=lambda start, stop: load(start, stop)[:, places],
        )  # fmt: skip


def spread(value: Any, n: int) -> NDArray[np.float64]:  # noqa: ANN401
    """Return one value a channel."""
    return np.broadcast_to(np.asarray(value, np.float64), (n,)).copy()


def check_finite(source: str, samples: NDArray[np.float64], start: int = 0) -> None:
    """Refuse NaN and infinity, naming the first; the samples are those from ``start`` on."""
    bad = ~np.isfinite(samples)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise DataError(
            f"{source}: sample {start + row}, channel {column} is {samples[row, column]}, expected a finite number; "
            "interpolate the gap or cut the recording there"
        )


def to_counts(source: str, samples: NDArray[Any]) -> NDArray[np.int32]:
    """Return whole numbers as int32.

    Raises
    ------
    DataError
        If one is not whole, or beyond 32 bits.
    """
    if not np.issubdtype(samples.dtype, np.integer) and (fraction := samples != np.rint(samples)).any():
        row, column = np.argwhere(fraction)[0]
        raise DataError(
            f"{source}: sample {row}, channel {column} is {samples[row, column]:g}, expected whole counts; "
            "if these are microvolts, say --unit uv"
        )
    if samples.size and (samples.min() < -(2**31) or samples.max() >= 2**31):
        raise DataError(f"{source}: counts above 32 bits; correct the unit")
    return samples.astype(np.int32)
