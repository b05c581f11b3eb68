"""Calibration on the patch: the spec's table, and the twin of ``firmware/core/calibration/myo_calibration.h``.

While the host says which class the person holds, the patch sums the embeddings of whole windows; a commit makes a head of the
sums, stores it, and uses it in the network's place from the next window on. The head's arithmetic is
:mod:`myo_pipeline.calibration_head`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from myo_pipeline.calibration_head import MAX_WINDOWS, Head, HeadConfig, Tally, fit_head, score, to_softmax
from myo_pipeline.stages import Table

NO_LABEL: Final = -1
STORE_SLOTS: Final = 2


class Refusal(IntEnum):
    """Why the patch does not do what was asked; the numbers of ``CalibrationError`` on the link."""

    NONE = 0
    BAD_ACTION = 1
    BAD_LABEL = 2
    BUSY = 3
    TOO_FEW = 4
    NOTHING_TO_UNDO = 5
    STORE_FAILED = 6


class Calibration(Table):
    """Calibration on the patch: a person's own head behind the network. Without this table there is none."""

    dense_layers: int = Field(
        default=2,
        ge=1,
        le=2,
        description="dense layers at the model's end that a head replaces, if it has as many",
    )
    prior_windows: int = Field(
        default=16,
        ge=0,
        le=10_000,
        description="windows that the training persons' mean of a class counts as",
    )
    memory_windows: int = Field(
        default=60,
        ge=0,
        le=MAX_WINDOWS,
        description="windows that a class's earlier calibrations count as at most; 0 forgets them",
    )
    min_windows: int = Field(
        default=10, ge=1, le=10_000, description="windows that every class needs before a head is made"
    )
    shrinkage: float = Field(
        default=0.05, gt=0, le=10, description="added to the covariance's diagonal, in mean variances of an embedding's word"
    )  # fmt: skip


@dataclass(frozen=True)
class StoredHead:
    """A record of the store: its sequence number, and what its head is made of."""

    sequence: int
    tally: Tally


def pack_record(config: HeadConfig, tally: Tally) -> bytes:
    """Return the bytes of a tally as the device stores them: sums, counts, zeros up to a multiple of 8."""
    data = tally.sums.astype("<i4").tobytes() + tally.counts.astype("<u2").tobytes()
    return data + bytes(-len(data) % 8)


def unpack_record(config: HeadConfig, record: bytes) -> Tally:
    """Read what :func:`pack_record` wrote.

    Raises
    ------
    ValueError
        If it is not as long.
    """
    n_sums, n_classes = config.prior.size, config.n_classes
    size = 4 * n_sums + 2 * n_classes
    if len(record) != size + -size % 8:
        raise ValueError(f"a record of {len(record)} bytes, expected {size + -size % 8}")
    sums = np.frombuffer(record, "<i4", n_sums).astype(np.int64).reshape(config.prior.shape)
    return Tally(np.frombuffer(record, "<u2", n_classes, 4 * n_sums).astype(np.int64), sums)


class CalibrationTwin:
    """What a patch with ``[calibration]`` knows of a person, beside its windows.

    Attributes
    ----------
    config
        The head's integers.
    tally
        What the next head will be made of: earlier calibrations as far as memory goes, and what was collected.
    fresh
        Of each class, windows since the last commit, int64 (n_classes,).
    left_out
        Windows of spans that were not summed.
    label
        Class that is being collected, or :data:`NO_LABEL`.
    """

    def __init__(self, config: HeadConfig, stored: Tally | None = None) -> None:
        """Begin with an empty store, or with one head in it."""
        self.config = config
        self._records = [StoredHead(1, stored)] if stored is not None else []
        self._load()

    @property
    def sequence(self) -> int:
        """Sequence number of the head in use; 0: there is none, the network decides."""
        return self._records[-1].sequence if self._records else 0

    @property
    def head(self) -> Head | None:
        """The head in use."""
        return self._head

    def _load(self) -> None:
        self.label, self.left_out, self._from = NO_LABEL, 0, 0
        self.fresh = np.zeros(self.config.n_classes, np.int64)
        self._head = None
        self.tally = Tally.empty(self.config)
        if self._records:
            stored = self._records[-1].tally
            self._head = fit_head(self.config, stored)
            self.tally = stored.fade(self.config)

    def reset(self) -> None:
        """START: a span that was being collected is over; what it gave stays."""
        self.label = NO_LABEL

    def collect(self, label: int, sample: int) -> Refusal:
        """Sum the windows that begin at a sample or later as of a class."""
        if self.label != NO_LABEL:
            return Refusal.BUSY
        if not 0 <= label < self.config.n_classes:
            return Refusal.BAD_LABEL
        self.label, self._from = label, sample
        return Refusal.NONE

    def end(self) -> Refusal:
        """Sum no more windows."""
        self.label = NO_LABEL
        return Refusal.NONE

    def commit(self) -> Refusal:
        """Make a head of what was collected, and use it from the next window on."""
        if self.label != NO_LABEL:
            return Refusal.BUSY
        if (self.tally.counts < self.config.min_windows).any() or not self.fresh.any():
            return Refusal.TOO_FEW
        records = [*self._records, StoredHead(self.sequence + 1, self.tally)]
        self._records = records[-STORE_SLOTS:]
        self._load()
        return Refusal.NONE

    def undo(self) -> Refusal:
        """Go back to the head before, or to none."""
        if self.label != NO_LABEL:
            return Refusal.BUSY
        if not self._records:
            return Refusal.NOTHING_TO_UNDO
        del self._records[-1]
        self._load()
        return Refusal.NONE

    def factory(self) -> Refusal:
        """Forget every head."""
        if self.label != NO_LABEL:
            return Refusal.BUSY
        self._records = []
        self._load()
        return Refusal.NONE

    def discard(self) -> Refusal:
        """Forget what was collected since the last commit."""
        if self.label != NO_LABEL:
            return Refusal.BUSY
        self._load()
        return Refusal.NONE

    def take(self, embedding: NDArray[np.int8], first_sample: int, is_gated: bool) -> NDArray[np.int8] | None:
        """Take the embedding of a window that began at a sample.

        Returns
        -------
        NDArray[np.int8] or None
            Softmax words in place of the network's, (n_classes,); None where there is no head.
        """
        config = self.config
        if self.label != NO_LABEL and first_sample >= self._from:
            if is_gated or self.tally.counts[self.label] >= MAX_WINDOWS:
                self.left_out += 1
            else:
                self.tally = self.tally.add(config, self.label, embedding)
                self.fresh[self.label] += 1
        if self._head is None:
            return None
        return to_softmax(config, self._head, score(config, self._head, embedding))
