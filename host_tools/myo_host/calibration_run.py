"""Calibrate a patch: by a recording, with what it gains; or guided, from its own electrodes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host import messages as m
from myo_host.calibration import (
    SETTLE_S,
    Bout,
    Calibrator,
    Standing,
    find_bouts,
    name_missing,
    plan_requests,
    read_answer,
    trim_bout,
)
from myo_host.link import PatchLink
from myo_host.messages import CalibrationAction as Action
from myo_host.streaming import stream_segment
from myo_pipeline.bundle import Bundle
from myo_pipeline.errors import LinkError
from myo_pipeline.twin import Twin, WindowResult
from myo_pipeline.twin_config import TwinConfig

TELL_S = 0.5  # between two lines of progress while a class is held
STOP_TIMEOUT_S = 10.0  # from STOP to STATUS, whatever is still under way

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Signal:
    """A recording as the patch takes it.

    Attributes
    ----------
    name
        For messages.
    counts
        int32 (n_samples, n_channels).
    labels
        Class of each sample, int64 (n_samples,); -1: none.
    """

    name: str
    counts: NDArray[np.int32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Gain:
    """What a calibration by a recording made.

    Attributes
    ----------
    standing
        After the commit.
    windows
        Of each class, that the head was made of.
    before, after
        Macro accuracy of single windows and of voted decisions, on the bouts that were not collected: of the network, and of
        the head.
    n_tested
        Windows of these.
    words, differing
        Of the head and the decisions, compared with the twin, and how many differ.
    """

    standing: Standing
    windows: list[int]
    before: dict[str, float]
    after: dict[str, float]
    n_tested: int
    words: int
    differing: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        out = asdict(self)
        out["standing"] = {
            k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(self.standing).items()
        }
        return out


def choose_bouts(
    signals: Sequence[Signal], names: Sequence[str], n_bouts: int, rate_hz: float
) -> list[list[Bout]]:
    """Choose each class's first bouts, in the order of the signals; a list a signal, untrimmed.

    Raises
    ------
    DataError
        If a class has none.
    """
    left = np.full(len(names), n_bouts)
    chosen: list[list[Bout]] = []
    for signal in signals:
        chosen.append([])
        for bout in find_bouts(signal.labels):
            trimmed = trim_bout(bout, rate_hz)
            if bout.label >= 0 and left[bout.label] and trimmed.stop > trimmed.start:
                left[bout.label] -= 1
                chosen[-1].append(bout)
    name_missing([bout for bouts in chosen for bout in bouts], names, n_bouts)
    return chosen


def _macro(decided: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
    classes = np.unique(targets)
    return (
        float(np.mean([(decided[targets == c] == c).mean() for c in classes]))
        if len(classes)
        else float("nan")
    )


class _Account:
    """What a patch decided, of windows that can be judged."""

    def __init__(self, rate_hz: float) -> None:
        self._settle = round(SETTLE_S * rate_hz)
        self.rows: list[tuple[int, int, int]] = []  # truth, window, vote

    def add(
        self,
        signal: Signal,
        collected: Sequence[Bout],
        ends: Sequence[int],
        raw: Sequence[int],
        voted: Sequence[int],
    ) -> None:
        begins = np.zeros(len(signal.labels), np.int64)
        taken = np.zeros(len(signal.labels), bool)
        for bout in find_bouts(signal.labels):
            begins[bout.start : bout.stop] = bout.start
            taken[bout.start : bout.stop] = bout in collected
        for end, window, vote in zip(ends, raw, voted, strict=True):
            last = end - 1
            if signal.labels[last] >= 0 and not taken[last] and last - begins[last] >= self._settle:
                self.rows.append((int(signal.labels[last]), window, vote))

    def judge(self) -> dict[str, float]:
        """Return macro accuracies."""
        truth, window, vote = (np.array(column, np.int64) for column in zip(*self.rows, strict=True))
        return {"window": _macro(window, truth), "voted": _macro(vote, truth)}


def calibrate_by_recording(
    link: PatchLink, bundle: Bundle, signals: Sequence[Signal], n_bouts: int, progress: Progress
) -> Gain:
    """Collect each class's first bouts, commit, and measure the rest before and after, word by word with the twin.

    Parameters
    ----------
    link
        A link that has said hello.
    bundle
        What the board runs.
    signals
        Of one person and donning.
    n_bouts
        Bouts a class.
    progress
        Called with what is being done and the share of the whole that is done.

    Raises
    ------
    LinkError
        If the patch refuses, or the line fails.
    DataError
        If a class has no bout.
    """
    calibrator = Calibrator(link, bundle)
    names, rate_hz = bundle.spec.output_names, bundle.spec.sensor.rate_hz
    twin = Twin(TwinConfig.load(bundle.path / "twin.npz"), (bundle.path / "model.tflite").read_bytes())
    calibration = twin.calibration
    if calibration is None:
        raise LinkError(f"{bundle.path}: its twin cannot be calibrated; export the bundle again")
    chosen = choose_bouts(signals, names, n_bouts, rate_hz)
    calibrator.ask(Action.FACTORY)
    before, after = _Account(rate_hz), _Account(rate_hz)
    words = differing = 0
    for number, (signal, bouts) in enumerate(zip(signals, chosen, strict=True)):
        progress(f"collecting from {signal.name}", number / len(signals) / 3)
        requests = plan_requests(trim_bout(bout, rate_hz) for bout in bouts)
        capture = stream_segment(link, signal.counts, 1 << m.Stage.OUTPUT, requests=requests)
        for answer in capture.answers:
            read_answer(link.port, answer, names, calibrator.config.min_windows)
        twin.reset()
        windows: list[WindowResult] = []
        sent = 0
        for request in requests:
            windows += twin.push(signal.counts[sent : request.sample])[1]
            sent = request.sample
            if request.action is Action.COLLECT:
                calibration.collect(request.label, sent)
            else:
                calibration.end()
        windows += twin.push(signal.counts[sent:])[1]
        found = _compare(capture.decisions, windows)
        words, differing = words + found[0], differing + found[1]
        ends = [d["end_sample"] for d in capture.decisions]
        before.add(
            signal,
            bouts,
            ends,
            capture.outputs.argmax(axis=1).tolist(),
            [d["decided"] for d in capture.decisions],
        )
    progress("making the head", 1 / 3)
    collected = calibrator.ask(Action.STATUS).known.tolist()
    standing = calibrator.ask(Action.COMMIT)
    calibration.commit()
    for number, (signal, bouts) in enumerate(zip(signals, chosen, strict=True)):
        progress(f"deciding {signal.name}", (1 + 2 * number / len(signals)) / 3)
        capture = stream_segment(link, signal.counts, 1 << m.Stage.SCORES)
        twin.reset()
        windows = twin.push(signal.counts)[1]
        expected = np.stack([w.scores for w in windows if w.scores is not None])
        if capture.scores.shape != expected.shape:
            differing += expected.size
        else:
            differing += int(np.count_nonzero(capture.scores != expected))
        found = _compare(capture.decisions, windows)
        words, differing = words + found[0] + expected.size, differing + found[1]
        ends = [d["end_sample"] for d in capture.decisions]
        after.add(
            signal,
            bouts,
            ends,
            capture.scores.argmax(axis=1).tolist(),
            [d["decided"] for d in capture.decisions],
        )
    return Gain(standing, collected, before.judge(), after.judge(), len(after.rows), words, differing)


def _compare(decisions: Sequence[dict[str, int]], windows: Sequence[WindowResult]) -> tuple[int, int]:
    """Return the words of decisions, and how many differ from the twin's."""
    found = [(d["decided"], d["raw"], d["confidence"], d["n_votes"]) for d in decisions]
    twins = [(w.decision.decided, w.decision.raw, w.decision.confidence, w.decision.n_votes) for w in windows]
    n = 4 * max(len(found), len(twins))
    return n, n - sum(a == b for x, y in zip(found, twins, strict=False) for a, b in zip(x, y, strict=True))


def guide(
    calibrator: Calibrator, n_bouts: int, hold_s: float, rest_s: float, tell: Callable[[str], None]
) -> Standing:
    """Lead a person through every class, from the board's own samples, and commit.

    Parameters
    ----------
    calibrator
        Of a board that runs nothing.
    n_bouts
        Times that each class is held.
    hold_s
        Seconds that count of each, beside :data:`~myo_host.calibration.SETTLE_S` at their begin.
    rest_s
        Seconds between two.
    tell
        Called with each line for the person.

    Raises
    ------
    LinkError
        If the board has no samples, refuses, or falls silent.
    """
    link, names = calibrator.link, calibrator.names
    calibrator.ask(Action.DISCARD)
    link.send(m.START, source=m.Source.ADC, trace_mask=0)
    try:
        for turn in range(n_bouts):
            for label, name in enumerate(names):
                tell(f"{turn * len(names) + label + 1} of {n_bouts * len(names)}: get ready for {name}")
                _wait(link, rest_s)
                tell(f"hold {name}")
                _wait(link, SETTLE_S)
                standing = _hold(calibrator, label, hold_s, tell)
                if standing.left_out:
                    tell(f"{standing.left_out} windows left out: check the electrodes (signal quality)")
    finally:
        link.send(m.STOP)
        _drain(link)
    return calibrator.ask(Action.COMMIT)


def _hold(calibrator: Calibrator, label: int, hold_s: float, tell: Callable[[str], None]) -> Standing:
    """Collect a class for so long, telling how far it is."""
    standing = calibrator.ask(Action.COLLECT, label)
    began = time.monotonic()
    while (left := began + hold_s - time.monotonic()) > 0:
        _wait(calibrator.link, min(left, TELL_S))
        standing = calibrator.ask(Action.STATUS)
        tell(
            f"  {calibrator.names[label]}: {standing.fresh[label]} windows, {max(0.0, left - TELL_S):.0f} s left"
        )
    return calibrator.ask(Action.END)


def _wait(link: PatchLink, seconds: float) -> None:
    """Let time pass, and look at what the board says meanwhile."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        found = link.poll(left)
        if found is not None and found[0] is m.FAULT:
            code = found[1]["code"]
            raise LinkError(
                f"{link.port}: the board reports fault {m.Fault(code).name if code in list(m.Fault) else code}: it needs "
                "a source of samples of its own; calibrate by a recording with --replay"
            )
        if found is not None and found[0] is m.HELLO:
            raise LinkError(
                f"{link.port}: the board reset in the middle: check its supply, then calibrate again"
            )


def _drain(link: PatchLink) -> None:
    """Take what is under way up to STATUS."""
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while (found := link.poll(max(0.0, deadline - time.monotonic()))) is not None:
        if found[0] is m.STATUS:
            return
