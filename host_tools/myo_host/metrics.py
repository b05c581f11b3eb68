"""Distances between two signals, summed up piece by piece; docs/hil.md defines each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Distance:
    """How far a signal is from its reference, over all pieces that were added.

    With ``x`` the signal, ``r`` the reference, ``e = x - r``:

    - ``rmse = sqrt(mean(e^2))``, ``mae = mean(|e|)``, ``max_error = max(|e|)``, in the signal's unit
    - ``l2_relative = ||e|| / ||r||``, ``snr_db = -20 log10(l2_relative)``
    - ``cosine = x . r / (||x|| ||r||)``
    - ``nse = 1 - sum e^2 / sum (r - mean r)^2``, the Nash-Sutcliffe efficiency (the coefficient of determination)

    References
    ----------
    Nash and Sutcliffe, J. Hydrology 10 (1970) 282-290, doi:10.1016/0022-1694(70)90255-6.
    """

    def __init__(self) -> None:
        self.n = 0
        self.max_error = float("nan")
        self._errors = self._squared_errors = self._signals = self._dots = 0.0
        self._references = self._sum = 0.0

    def add(self, signal: NDArray[Any], reference: NDArray[Any]) -> None:
        """Add a piece; both float64, one-dimensional, of the same length and unit."""
        if not signal.size:
            return
        error = signal - reference
        self.n += error.size
        self.max_error = float(np.nanmax([self.max_error, np.abs(error).max()]))
        self._errors += float(np.abs(error).sum())
        self._squared_errors += float(error @ error)
        self._signals += float(signal @ signal)
        self._references += float(reference @ reference)
        self._dots += float(signal @ reference)
        self._sum += float(reference.sum())

    @property
    def rmse(self) -> float:
        """Root of the mean squared error."""
        return float(np.sqrt(self._squared_errors / self.n)) if self.n else float("nan")

    @property
    def mae(self) -> float:
        """Mean absolute error."""
        return self._errors / self.n if self.n else float("nan")

    @property
    def noise_to_signal(self) -> float:
        """``sum e^2 / sum r^2``; infinite where the reference is silent and the signal is not."""
        if not self.n:
            return float("nan")
        if not self._references:
            return float("inf") if self._squared_errors else 0.0
        return self._squared_errors / self._references

    @property
    def l2_relative(self) -> float:
        """Length of the error against the length of the reference."""
        return float(np.sqrt(self.noise_to_signal))

    @property
    def snr_db(self) -> float:
        """Signal-to-noise ratio in decibels; infinite where the two are equal."""
        ratio = self.noise_to_signal
        return -10.0 * float(np.log10(ratio)) if ratio else float("inf")

    @property
    def cosine(self) -> float:
        """Cosine of the angle between the two, as one long vector each."""
        if not self.n:
            return float("nan")
        norm = float(np.sqrt(self._signals * self._references))
        return self._dots / norm if norm else 1.0

    @property
    def nse(self) -> float:
        """Nash-Sutcliffe efficiency: 1 is equal, 0 as good as the reference's mean; NaN for a constant reference."""
        if not self.n:
            return float("nan")
        spread = self._references - self._sum**2 / self.n
        # What cancellation leaves of a constant's spread is no spread.
        if spread <= 1e-12 * self._references:
            return float("nan")
        return 1.0 - self._squared_errors / spread


def count_ulps(error_steps: NDArray[Any]) -> dict[str, int]:
    """Count errors by size, in steps of the last bit (units in the last place).

    Parameters
    ----------
    error_steps
        Integer errors in steps, any shape and sign.

    Returns
    -------
    dict
        Words by size: ``"0"``, ``"1"``, ``"2-3"``, ``"4-7"``, doubling; only sizes that occur, in order.
    """
    sizes = np.abs(np.asarray(error_steps, np.int64)).ravel()
    # The bit length, from the exponent of a float64: exact below 2^53, and no word has more than 32 bits.
    bits, counts = np.unique(np.frexp(sizes.astype(np.float64))[1], return_counts=True)
    return {_name_bin(int(b)): int(n) for b, n in zip(bits, counts, strict=True)}


def _name_bin(bits: int) -> str:
    low, high = (1 << bits) >> 1, (1 << bits) - 1
    return str(high) if low >= high else f"{low}-{high}"


def merge_ulps(a: dict[str, int], b: dict[str, int]) -> dict[str, int]:
    """Add two histograms of :func:`count_ulps`."""
    names = sorted({*a, *b}, key=lambda name: int(name.split("-")[0]))
    return {name: a.get(name, 0) + b.get(name, 0) for name in names}


def share_loss(noise_to_signal: list[float]) -> list[float]:
    """Split the loss of a chain of stages among them.

    Parameters
    ----------
    noise_to_signal
        ``sum e^2 / sum r^2`` at each stage's output, in the signal's order; NaN where a stage was not measured.

    Returns
    -------
    list of float
        Each stage's share, 0 to 1: by how much it raised the largest noise-to-signal ratio before it. They sum to 1, or are
        all 0 where nothing was lost. A stage that hides noise (a pool, a mean) gives none back.
    """
    worst = 0.0
    added = []
    for ratio in noise_to_signal:
        new = max(worst, ratio) if np.isfinite(ratio) else worst
        added.append(new - worst)
        worst = new
    return [value / worst if worst else 0.0 for value in added]
