"""Soak: stream for hours over a line with faults, through resets and host restarts, and account for every sample by number.

Samples go up under go-back-N: the board refuses what is out of turn and says what it expects (SAMPLE_GAP), and STATUS tells
it where nothing else comes, so no sample is missing on the board while it runs. Each sample that the board took comes back
as a RAW word. Of each sample that was sent the account says: received, or lost and why. Three witnesses must agree: the
account, the board's STATUS, and the books of the faulty line. What is received must be what was sent, and each decision
must be the twin's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host import messages as m
from myo_host.calibration import read_stored_head
from myo_host.line_faults import FaultyLine
from myo_host.link import Hello, PatchLink
from myo_pipeline.bundle import Bundle
from myo_pipeline.calibration import CalibrationTwin
from myo_pipeline.calibration_head import Tally
from myo_pipeline.errors import LinkError
from myo_pipeline.twin import Twin
from myo_pipeline.twin_config import VALUES, TwinConfig
from myo_pipeline.vectors import load_vectors
from myo_pipeline.word_network import read_model

STALL_S = 0.25  # of silence, then the board is asked where it is
PATIENCE = 40  # questions without an answer, then the line is dead
SESSION_S = 60.0  # patch time of one run that nothing interrupts
PREVIEW_LINES = 20  # of what went wrong, in the result


class Fate(StrEnum):
    """What became of a sample that was sent."""

    RECEIVED = "received"
    LINE = "lost on the line back"
    RESET = "under way at a board reset"
    RESTART = "under way at a host restart"


@dataclass
class Expected:
    """A signal and what the twin makes of it.

    Attributes
    ----------
    counts
        int32 (n_samples, n_channels).
    decisions
        int32 (n_windows, 4): decided, raw, confidence, n_votes.
    sums
        int32 (n_windows, n_outputs) where the output kind is values, else (n_windows, 0).
    """

    counts: NDArray[np.int32]
    decisions: NDArray[np.int32]
    sums: NDArray[np.int32]


def read_board_head(port: str, bundle: Bundle) -> Tally | None:
    """Read the head that a board decides with, before its line has faults; None where the network decides.

    Raises
    ------
    LinkError, MismatchError
        If the board does not answer, or runs another bundle.
    """
    if bundle.spec.calibration is None:
        return None
    link = PatchLink(port)
    try:
        link.say_hello(bundle.bundle_hash)
        return read_stored_head(link, bundle)
    finally:
        link.close()


def expect_signals(
    bundle: Bundle, seconds: float, n_signals: int = 3, stored: Tally | None = None
) -> list[Expected]:
    """Return signals of so many seconds, made of the bundle's recordings, with what the twin decides.

    Parameters
    ----------
    bundle
        An exported bundle.
    seconds
        Length of each; a recording that is shorter comes again.
    n_signals
        How many, at most one a recording.
    stored
        Of :func:`read_board_head`: what the head in use is made of.
    """
    config = TwinConfig.load(bundle.path / "twin.npz")
    model = read_model(bundle.path)
    n = max(round(seconds * bundle.spec.sensor.rate_hz), config.count_frames(1))
    signals = []
    for segment in load_vectors(bundle.path)[:n_signals]:
        counts = np.resize(segment.counts, (n, segment.counts.shape[1])).astype(np.int32)
        twin = Twin(config, model)
        if config.calibration is not None:
            twin.calibration = CalibrationTwin(config.calibration, stored)
        decided = [window.decision for window in twin.push(counts)[1]]
        rows = [[d.decided, d.raw, d.confidence, d.n_votes] for d in decided]
        sums = [d.sums if config.output_kind == VALUES else np.zeros(0, np.int32) for d in decided]
        signals.append(Expected(counts, np.array(rows, np.int32), np.array(sums, np.int32)))
    return signals


@dataclass
class Session:
    """One run from START, and the account of its samples."""

    number: int
    signal: Expected
    n_channels: int
    sent: int = 0  # samples given to the line at least once
    processed: int = 0  # by the board, as its STATUS says
    ended: str = "stopped"
    decided: int = 0
    decisions_lost: int = 0
    wrong: list[str] = field(default_factory=list)
    ranges: list[tuple[int, int, Fate]] = field(
        default_factory=list
    )  # first sample, samples, what became of them
    _due_word: int = 0
    _due_window: int = 0
    _words_lost: list[tuple[int, int]] = field(default_factory=list)

    def take_raw(self, values: dict[str, int], tail: bytes) -> None:
        """Take a RAW piece: what is between it and the last one is lost."""
        words = np.frombuffer(tail, "<i4")
        at = values["index"] * self.n_channels + values["offset"]
        end = at + len(words)
        due = self.signal.counts.reshape(-1)[at:end]
        if end > self.sent * self.n_channels or not np.array_equal(words, due):
            self._complain(f"samples at word {at} are not what was sent")
            return
        if at < self._due_word:  # late: it was lost, and now it is not
            self._find(at, end)
            return
        if at > self._due_word:
            self._words_lost.append((self._due_word, at))
        self._due_word = end

    def _find(self, at: int, end: int) -> None:
        for k, (first, last) in enumerate(self._words_lost):
            if first <= at and end <= last:
                self._words_lost[k : k + 1] = [(a, b) for a, b in ((first, at), (end, last)) if a < b]
                return
        self._complain(f"samples at word {at} came twice")

    def take_decision(self, values: dict[str, int]) -> None:
        """Take a decision and compare it with the twin's."""
        window = values["window"]
        row = [values[key] for key in ("decided", "raw", "confidence", "n_votes")]
        if window >= len(self.signal.decisions) or self.signal.decisions[window].tolist() != row:
            self._complain(f"decision {window} is {row}, which is not the twin's")
            return
        self.decided += 1
        if window >= self._due_window:
            self.decisions_lost += window - self._due_window
            self._due_window = window + 1
        else:
            self.decisions_lost -= 1  # late

    def take_sums(self, values: dict[str, int], tail: bytes) -> None:
        """Take the values behind a decision and compare them with the twin's."""
        window, at = values["index"], values["offset"]
        words = np.frombuffer(tail, "<i4")
        if window >= len(self.signal.sums) or not np.array_equal(
            words, self.signal.sums[window, at : at + len(words)]
        ):
            self._complain(f"values of window {window} are not the twin's")

    def _complain(self, text: str) -> None:
        self.wrong.append(f"run {self.number}: {text}")

    def close(self, fate: Fate, n_windows: int) -> None:
        """Give every sample sent its fate: what has not come back by now is lost on the line, or was under way."""
        end = self.sent * self.n_channels
        losses = [(a, b, Fate.LINE) for a, b in self._words_lost]
        if self._due_word < end:
            losses.append((self._due_word, end, fate))
        if fate is Fate.LINE:
            self.decisions_lost += max(0, n_windows - self._due_window)
        at = 0
        for first_word, end_word, why in losses:
            first, last = max(at, first_word // self.n_channels), -(-end_word // self.n_channels)
            if first > at:
                self.ranges.append((at, first - at, Fate.RECEIVED))
            if last > first:
                self.ranges.append((first, last - first, why))
            at = max(at, last)
        if at < self.sent:
            self.ranges.append((at, self.sent - at, Fate.RECEIVED))

    def count(self, fate: Fate) -> int:
        """Return the samples of one fate."""
        return sum(n for _, n, why in self.ranges if why is fate)


def check_account(session: Session, harmed: list[tuple[int, int, int]]) -> list[str]:
    """Return what is wrong with a run's account: gaps, overlaps, or a witness who says otherwise.

    Parameters
    ----------
    session
        A closed run.
    harmed
        The faulty line's books: index, offset and words of the RAW pieces that it did not let through whole.
    """
    found = list(session.wrong)

    def complain(text: str) -> None:
        found.append(f"run {session.number}: {text}")

    at = 0
    for first, n, _ in session.ranges:
        if first != at:
            complain(
                f"samples {min(at, first)}..{max(at, first) - 1} are accounted for {'never' if first > at else 'twice'}"
            )
        at = first + n
    if at != session.sent:
        complain(f"{session.sent} samples were sent, the account ends at {at}")
    if session.ended != "stopped":
        return found
    if session.processed != session.sent:
        complain(f"{session.sent} samples were sent, the board says that it processed {session.processed}")
    lost = np.zeros(session.sent, bool)
    for index, offset, n_words in harmed:
        word = index * session.n_channels + offset
        lost[word // session.n_channels : -(-(word + n_words) // session.n_channels)] = True
    reported = np.zeros(session.sent, bool)
    for first, n, why in session.ranges:
        reported[first : first + n] = why is not Fate.RECEIVED
    if differing := np.flatnonzero(lost != reported).tolist():
        one = differing[0]
        complain(
            f"{len(differing)} samples, first {one}: the account says {'lost' if reported[one] else 'received'}, "
            f"the line's books say {'harmed' if lost[one] else 'passed'}"
        )
    return found


@dataclass
class Interruption:
    """What cuts a run short, after so many samples; nothing where ``after`` is None."""

    kind: Fate = Fate.LINE
    after: int | None = None


class _Run:
    """One session on the line: go-back-N up, the account down."""

    def __init__(self, link: PatchLink, hello: Hello, session: Session, interruption: Interruption) -> None:
        self._link, self._hello, self._session = link, hello, session
        self._interruption = interruption
        self._next = self._consumed = 0
        self._gone_back_to = -1
        self._status: dict[str, int] | None = None
        self._began = False
        self._n_status = 0
        self.go_backs = self.stalls = 0
        self.refused: dict[str, int] = {}
        frame_bytes = hello.n_channels * hello.sample_bytes
        room = (hello.max_payload - m.SAMPLES.struct.size) // frame_bytes
        self._chunk = max(1, min(room, hello.credit_frames // 4 or 1))
        self._data = session.signal.counts.astype("<i2" if hello.sample_bytes == 2 else "<i4")

    def stream(self) -> None:
        """Begin, send all under credit, and stop; or be interrupted."""
        self._until(
            lambda: self._began,
            lambda: self._link.send(m.START, source=m.Source.HOST, trace_mask=1 << m.Stage.RAW),
        )
        n = len(self._data)
        while self._session.ended == "stopped":
            if self._interruption.after is not None and self._session.sent >= self._interruption.after:
                self._interrupt()
                return
            if self._next < n and self._next + self._size() - self._consumed <= self._hello.credit_frames:
                self._send()
                self._drain()
            elif self._consumed >= n:
                break
            elif not self._take(STALL_S):
                self._ask_where()
        if self._session.ended == "stopped":
            self._stop()

    def _size(self) -> int:
        return min(self._chunk, len(self._data) - self._next)

    def _send(self) -> None:
        n = self._size()
        data = self._data[self._next : self._next + n].tobytes()
        self._link.send(m.SAMPLES, data, first_sample=self._next, n_frames=n)
        self._next += n
        self._session.sent = max(self._session.sent, self._next)

    def _interrupt(self) -> None:
        if self._interruption.kind is Fate.RESTART:
            self._session.ended = "restart"
            return
        self._until(
            lambda: self._session.ended == "reset",
            self._reset,
        )

    def _reset(self) -> None:
        self._link.send(m.RESET, kind=m.ResetKind.REBOOT)
        self._link.send(m.STATUS_REQUEST)  # says that nothing runs where the board's hello is lost

    def _ask_where(self) -> None:
        """Nothing came: ask the board which sample it expects, and go on there."""
        self.stalls += 1
        before = self._n_status
        self._until(lambda: self._n_status > before, lambda: self._link.send(m.STATUS_REQUEST))
        if self._status is not None and self._session.ended == "stopped":
            self._next = self._status["samples_received"]
            self._consumed = max(self._consumed, self._status["samples_processed"])
            self._gone_back_to = -1

    def _stop(self) -> None:
        """Stop twice: what comes late comes before the second answer."""
        for _ in range(2):
            before = self._n_status
            self._until(
                lambda before=before: self._n_status > before and not self._running(),  # type: ignore[misc]
                lambda: self._link.send(m.STOP),
            )
        if self._status is not None:
            self._session.processed = self._status["samples_processed"]

    def _running(self) -> bool:
        return bool(self._status and self._status["running"])

    def _until(self, done: Callable[[], bool], ask: Callable[[], object]) -> None:
        """Ask, and ask again where the line swallowed question or answer."""
        for _ in range(PATIENCE):
            if done() or self._session.ended != "stopped":
                return
            ask()
            deadline = time.monotonic() + STALL_S
            while not done() and (left := deadline - time.monotonic()) > 0 and self._take(left):
                pass
        if not done() and self._session.ended == "stopped":
            raise LinkError(
                f"{self._link.port}: no answer to {PATIENCE} questions: reset the board and soak again with fewer faults"
            )

    def _drain(self) -> None:
        while self._take(0.0):
            pass

    def _take(self, timeout_s: float) -> bool:
        received = self._link.poll(timeout_s)
        if received is None:
            return False
        message, values, tail = received
        if message is m.HELLO:
            if values["reason"] == m.HelloReason.BOOT:
                self._session.ended = "reset"
        elif message is m.CREDIT and not values["consumed_frames"]:
            self._began = True
        elif not self._began:
            pass  # of the run before
        elif message is m.CREDIT:
            self._consumed = max(self._consumed, values["consumed_frames"])
        elif message is m.TENSOR and values["stage"] == m.Stage.RAW:
            self._session.take_raw(values, tail)
        elif message is m.TENSOR and values["stage"] == m.Stage.DECISION:
            self._session.take_sums(values, tail)
        elif message is m.DECISION:
            self._session.take_decision(values)
        elif message is m.FAULT:
            self._take_fault(values)
        elif message is m.STATUS:
            self._status = values
            self._n_status += 1
            if not values["running"] and self._consumed < len(self._data):
                self._session.ended = "reset"  # its hello was lost
        return True

    def _take_fault(self, values: dict[str, int]) -> None:
        code = values["code"]
        name = m.Fault(code).name if code in list(m.Fault) else f"code {code}"
        self.refused[name] = self.refused.get(name, 0) + 1
        expected, got = values["argument0"], values["argument1"]
        if code == m.Fault.NOT_STARTED and self._consumed < len(self._data):
            self._session.ended = "reset"
        elif code == m.Fault.SAMPLE_GAP and expected < got and expected != self._gone_back_to:
            self._next = self._gone_back_to = expected
            self.go_backs += 1


def plan_interruptions(n: int, every: int, rng: np.random.Generator) -> Iterator[Interruption]:
    """Yield for each run how it ends: every few runs by a reset or by a host restart, somewhere in its ``n`` samples."""
    number = 0
    while True:
        number += 1
        if number % every:
            yield Interruption()
        else:
            kind = Fate.RESET if number // every % 2 else Fate.RESTART
            yield Interruption(kind, int(rng.integers(n // 10, n)))


def soak(
    line: FaultyLine,
    signals: list[Expected],
    patch_seconds: float,
    *,
    bundle_hash: str | None = None,
    interrupt_every: int = 4,
    seed: int = 0,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """Stream so much patch time over a faulty line and return the account; ``passed`` says whether it is whole.

    Parameters
    ----------
    line
        The line, entered.
    signals
        What is streamed, in turn: a run each.
    patch_seconds
        Patch time to stream, over all runs.
    bundle_hash
        Of the bundle that the board must run.
    interrupt_every
        Each so many-th run is cut short, by a board reset and by a host restart in turn.
    seed
        Of where runs are cut.
    progress
        Called after each run with words and the share done.

    Raises
    ------
    LinkError, MismatchError
        If the board is another, or falls silent for good.
    """
    began = time.monotonic()
    sessions: list[Session] = []
    problems: list[str] = []
    refused: dict[str, int] = {}
    host: dict[str, int] = {"frames_bad": 0, "frames_lost": 0, "frames_repeated": 0, "frames_out_of_turn": 0}
    go_backs = stalls = n_sent = 0
    plan = plan_interruptions(
        min(len(s.counts) for s in signals), interrupt_every, np.random.default_rng(seed)
    )
    link, hello = _open(line, bundle_hash)
    try:
        while n_sent < patch_seconds * hello.rate_hz:
            session = Session(len(sessions), signals[len(sessions) % len(signals)], hello.n_channels)
            run = _Run(link, hello, session, next(plan))
            try:
                run.stream()
            finally:
                _count_host(link, host)
            fate = {"stopped": Fate.LINE, "reset": Fate.RESET, "restart": Fate.RESTART}[session.ended]
            session.close(fate, len(session.signal.decisions))
            problems += check_account(session, line.list_harmed_pieces())
            sessions.append(session)
            n_sent += session.sent
            go_backs, stalls = go_backs + run.go_backs, stalls + run.stalls
            refused = {k: refused.get(k, 0) + run.refused.get(k, 0) for k in refused | run.refused}
            if progress:
                progress(
                    f"{n_sent / hello.rate_hz:.0f} s, {len(sessions)} runs, {len(problems)} problems",
                    min(1.0, n_sent / hello.rate_hz / patch_seconds),
                )
            if session.ended != "stopped":
                link.close()
                link, hello = _open(line, bundle_hash)
    finally:
        link.close()
    seconds = time.monotonic() - began
    return _summarize(sessions, problems, hello, seconds) | {
        "faults_put_in": dict(sorted(line.faults.items())),
        "frames_on_the_line": dict(line.frames),
        "host_counted": host,
        "board_refused": refused,
        "went_back": go_backs,
        "stalls": stalls,
    }


def _open(line: FaultyLine, bundle_hash: str | None) -> tuple[PatchLink, Hello]:
    """Open the port as a host that has just started does; a hello may be harmed more than once."""
    for attempt in range(PATIENCE):
        link = PatchLink(line.port)
        try:
            return link, link.say_hello(bundle_hash)
        except LinkError:
            link.close()
            if attempt + 1 == PATIENCE:
                raise
        except BaseException:
            link.close()
            raise
    raise AssertionError  # not reached


def _count_host(link: PatchLink, host: dict[str, int]) -> None:
    decoder = link.decoder
    for key in host:
        name = key.removeprefix("frames_")
        name = "frames_bad" if name == "bad" else name
        host[key] += getattr(decoder, name)
        setattr(decoder, name, 0)


def _summarize(sessions: list[Session], problems: list[str], hello: Hello, seconds: float) -> dict[str, Any]:
    sent = sum(s.sent for s in sessions)
    fates = {str(fate): sum(s.count(fate) for s in sessions) for fate in Fate}
    due = sum(len(s.signal.decisions) for s in sessions if s.ended == "stopped")
    return {
        "passed": not problems,
        "board": hello.board,
        "bundle_hash": hello.bundle_hash,
        "rate_hz": hello.rate_hz,
        "n_channels": hello.n_channels,
        "patch_seconds": sent / hello.rate_hz,
        "wall_seconds": round(seconds, 1),
        "times_real_time": round(sent / hello.rate_hz / seconds, 2),
        "runs": {kind: sum(s.ended == kind for s in sessions) for kind in ("stopped", "reset", "restart")},
        "samples": {"sent": sent, **fates, "unaccounted": sent - sum(fates.values())},
        "decisions": {
            "equal to the twin's": sum(s.decided for s in sessions),
            "due in runs to the end": due,
            "of those lost on the line back": sum(s.decisions_lost for s in sessions if s.ended == "stopped"),
        },
        "problems": problems[:PREVIEW_LINES],
        "lost_by_number": [
            {"run": s.number, "first_sample": first, "samples": n, "why": str(why)}
            for s in sessions
            for first, n, why in s.ranges
            if why is not Fate.RECEIVED
        ],
    }
