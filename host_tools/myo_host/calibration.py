"""Calibration over the link: ask the patch, plan bouts of a recording, guide a person through them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host import messages as m
from myo_host.link import PatchLink
from myo_host.streaming import Request
from myo_pipeline.bundle import Bundle
from myo_pipeline.calibration import unpack_record
from myo_pipeline.calibration_head import HeadConfig, Tally
from myo_pipeline.errors import DataError, LinkError
from myo_pipeline.twin_config import TwinConfig

SETTLE_S = 1.0  # after a cue: a movement follows it late, by 180 ms in the median and seconds at worst
HOLD_S = 5.0  # of a bout that count at most: rest is often recorded for longer than any movement
TAIL_S = 0.25  # before a bout's end, where a person may already let go

_REFUSALS = {
    m.CalibrationError.BAD_ACTION: "the firmware does not know the action: build it from this version",
    m.CalibrationError.BAD_LABEL: "the firmware has fewer classes: flash it with this bundle",
    m.CalibrationError.BUSY: "a class is still being collected: end it first",
    m.CalibrationError.NOTHING_TO_UNDO: "no head is stored: there is nothing to undo",
    m.CalibrationError.STORE_FAILED: "the memory for heads cannot be written: the head in use is what it was; try again",
}


@dataclass(frozen=True)
class Standing:
    """How calibration stands on a patch.

    Attributes
    ----------
    sequence
        Number of the head in use; 0: none, the network decides.
    foreign
        Whether the patch refused another bundle's head.
    outlives_power
        Whether heads outlive power; else a reset, and no more.
    left_out
        Windows that were not summed: signal quality gated them, or their class was full.
    known, fresh
        Windows of each class that the next head will be made of, and those since the last commit.
    work_ticks
        What the last action took.
    """

    sequence: int
    foreign: bool
    outlives_power: bool
    left_out: int
    known: NDArray[np.int64]
    fresh: NDArray[np.int64]
    work_ticks: int


def read_head_config(bundle: Bundle) -> HeadConfig:
    """Return a bundle's head.

    Raises
    ------
    LinkError
        If its patch cannot be calibrated.
    """
    config = TwinConfig.load(bundle.path / "twin.npz").calibration
    if config is None:
        raise LinkError(
            f"{bundle.path}: its patch cannot be calibrated; add [calibration] to patch.toml, then train, export and build it"
        )
    return config


def read_answer(port: str, values: dict[str, Any], names: Sequence[str], min_windows: int) -> Standing:
    """Return what a CALIBRATION says.

    Raises
    ------
    LinkError
        If the patch refused.
    """
    windows = values["windows"]
    standing = Standing(
        values["sequence"], bool(values["foreign"]), bool(values["outlives_power"]), values["left_out"], windows[:, 0],
        windows[:, 1], values["work_ticks"],
    )  # fmt: skip
    error = values["error"]
    if error == m.CalibrationError.NONE:
        return standing
    if error == m.CalibrationError.TOO_FEW:
        few = [f"{name} {n}" for name, n in zip(names, standing.known, strict=True) if n < min_windows]
        found = f"windows: {', '.join(few)}" if few else "nothing was collected"
        raise LinkError(
            f"{port}: no head was made, {found}; expected {min_windows} of every class: hold these for longer"
            + (f" ({standing.left_out} windows were left out for their quality)" if standing.left_out else "")
        )
    known = m.CalibrationError(error) if error in list(m.CalibrationError) else None
    raise LinkError(
        f"{port}: {_REFUSALS.get(known, f'calibration error {error}') if known else f'calibration error {error}'}"
    )


class Calibrator:
    """Asks a patch that runs no segment."""

    def __init__(self, link: PatchLink, bundle: Bundle) -> None:
        """Take an open link whose hello has been said.

        Raises
        ------
        LinkError
            If the bundle's patch cannot be calibrated.
        """
        self.link, self.names = link, bundle.spec.output_names
        self.config = read_head_config(bundle)
        self._head = bytearray()

    def ask(self, action: m.CalibrationAction, label: int = 0) -> Standing:
        """Ask for an action, and return how things stand after it.

        Raises
        ------
        LinkError
            If the patch refuses, faults, or falls silent.
        """
        self.link.send(m.CALIBRATE, action=action, label=label)
        self._head.clear()
        while True:
            message, values, tail = self.link.receive()
            if message is m.HEAD:
                self._head += tail
            elif message is m.FAULT:
                raise LinkError(
                    f"{self.link.port}: the board reports fault {values['code']} ({values['argument0']}, {values['argument1']}) "
                    "where calibration was asked for: build the firmware from this bundle"
                )
            elif message is m.CALIBRATION:
                values = values | {"windows": np.frombuffer(tail, "<u2").astype(np.int64).reshape(-1, 2)}
                return read_answer(self.link.port, values, self.names, self.config.min_windows)

    def read_head(self) -> Tally | None:
        """Return what the head in use is made of; None where the network decides.

        Raises
        ------
        LinkError
            If the record is not whole.
        """
        standing = self.ask(m.CalibrationAction.READ)
        if not standing.sequence:
            return None
        try:
            return unpack_record(self.config, bytes(self._head))
        except ValueError as error:
            raise LinkError(f"{self.link.port}: {error}: read the head again") from None


def read_stored_head(link: PatchLink, bundle: Bundle) -> Tally | None:
    """Return what the head in use is made of; None where the network decides, or the patch cannot be calibrated.

    Raises
    ------
    LinkError
        If the board does not answer.
    """
    if bundle.spec.calibration is None:
        return None
    return Calibrator(link, bundle).read_head()


@dataclass(frozen=True)
class Bout:
    """One class held for a while in a signal: samples ``start`` to ``stop``."""

    label: int
    start: int
    stop: int


def find_bouts(labels: NDArray[np.integer]) -> list[Bout]:
    """Return the stretches of one label, int (n_samples,), in order."""
    edges = np.flatnonzero(np.diff(labels) != 0) + 1
    bounds = [0, *edges.tolist(), len(labels)]
    return [Bout(int(labels[a]), a, b) for a, b in itertools.pairwise(bounds)]


def trim_bout(bout: Bout, rate_hz: float) -> Bout:
    """Leave out a bout's begin, where the movement follows its cue, and its end; of what is left, keep :data:`HOLD_S`."""
    start = bout.start + round(SETTLE_S * rate_hz)
    stop = min(bout.stop - round(TAIL_S * rate_hz), start + round(HOLD_S * rate_hz))
    return Bout(bout.label, start, max(start, stop))


def plan_requests(bouts: Iterable[Bout]) -> list[Request]:
    """Return the requests that collect bouts of one run."""
    requests = []
    for bout in bouts:
        requests.append(Request(bout.start, m.CalibrationAction.COLLECT, bout.label))
        requests.append(Request(bout.stop, m.CalibrationAction.END))
    return requests


def name_missing(bouts: Iterable[Bout], names: Sequence[str], wanted: int) -> None:
    """Refuse a plan that lacks a class.

    Raises
    ------
    DataError
        Naming the classes.
    """
    counts = np.bincount([bout.label for bout in bouts], minlength=len(names))
    missing = [name for name, n in zip(names, counts, strict=True) if n == 0]
    if missing:
        raise DataError(
            f"the recording holds no bout of {', '.join(missing)}, expected {wanted} of every class: record them, or give the "
            "whole session"
        )
