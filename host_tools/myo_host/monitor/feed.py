"""The monitor's end of the line: a thread that keeps a patch running and hands on all that it says."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host import messages as m
from myo_host.link import REPLY_TIMEOUT_S, Hello, PatchLink
from myo_host.monitor.session import Session
from myo_pipeline.errors import LinkError, MyoError

FLUSH_EVERY_S = 0.025  # packets to the page
STATUS_EVERY_S = 1.0
SEND_EVERY_S = 0.008  # samples to the board, at most so often
RETRY_EVERY_S = 1.0  # a port that has gone is looked for
STOP_TIMEOUT_S = 2.0  # for the board's last STATUS
_WRAP = 1 << 32


@dataclass(frozen=True)
class Replay:
    """A recording that is streamed into the board.

    Attributes
    ----------
    name
        For people.
    counts
        int32 (n_samples, n_channels).
    loop
        Begin again at its end.
    real_time
        Send no sample before its time; as fast as the line takes them without.
    """

    name: str
    counts: NDArray[np.int32]
    loop: bool = False
    real_time: bool = True


class Feed(threading.Thread):
    """Runs a patch: from its own converter, or from a recording.

    Attributes
    ----------
    error
        Why it ended, if not because it was told to.
    """

    def __init__(
        self, port: str, session: Session, *, bundle_hash: str | None, replay: Replay | None,
        with_filtered: bool, reconnect: bool,
    ) -> None:  # fmt: skip
        """Prepare the feed of a port.

        Parameters
        ----------
        port, bundle_hash
            Serial port; what the board there must run, or None for anything.
        session
            Who is told.
        replay
            What is sent; None: the board's own converter.
        with_filtered
            Have the signal behind the front end sent back.
        reconnect
            Look for the port again when it has gone, as a cable comes and goes.
        """
        super().__init__(name=f"feed of {port}", daemon=True)
        self._port, self._session, self._hash, self._replay = port, session, bundle_hash, replay
        self._reconnect = reconnect
        self._mask = 1 << m.Stage.OUTPUT
        self._mask |= (1 << m.Stage.FILTERED) if with_filtered else 0
        self._mask |= 0 if replay else 1 << m.Stage.RAW
        self._with_filtered = with_filtered
        self._stopping = threading.Event()
        self.ended = threading.Event()
        self.error: MyoError | None = None

    def stop(self) -> None:
        """End the run: the board is stopped, the port and the file are closed when this returns."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        """Run until stopped."""
        over = "the recording is over"
        try:
            self._run_and_reconnect()
        except MyoError as error:
            self.error = error
        except Exception as error:
            self.error = LinkError(
                f"{self._port}: the monitor broke ({type(error).__name__}: {error}): report this bug"
            )
        finally:
            if self.error:
                self._session.end(str(self.error))
                self._session.set_state("lost", str(self.error))
            elif self._stopping.is_set():
                self._session.end("stopped")
            else:
                self._session.tell("ended", over)
                self._session.end(over)
                self._session.set_state("ended", over)
            self.ended.set()

    def _run_and_reconnect(self) -> None:
        was_up = False
        while not self._stopping.is_set():
            try:
                with PatchLink(self._port) as link:
                    hello = link.say_hello(self._hash)
                    if self._replay is not None and hello.n_channels != self._replay.counts.shape[1]:
                        raise LinkError(
                            f"{self._port}: the board takes {hello.n_channels} channels, the recording has "
                            f"{self._replay.counts.shape[1]}; choose with --channels"
                        )
                    was_up = True
                    self._run_board(link, hello)
                return
            except LinkError as error:
                if not (self._reconnect and was_up):
                    raise
                self._session.set_state("lost", str(error))
                self._session.tell("lost", str(error))
                self._session.end(str(error))
                while not self._stopping.wait(RETRY_EVERY_S) and not self._answers():
                    pass

    def _answers(self) -> bool:
        try:
            with PatchLink(self._port) as link:
                link.say_hello(self._hash)
        except LinkError:
            return False
        return True

    def _run_board(self, link: PatchLink, hello: Hello) -> None:
        replay = self._replay
        name = replay.name if replay else ""
        rate_hz = self._session.begin(link, hello, replayed=name, with_filtered=self._with_filtered)
        link.send(m.START, source=m.Source.HOST if replay else m.Source.ADC, trace_mask=self._mask)
        sender = _Sender(link, hello, replay, self._session, rate_hz) if replay else None
        heard = asked = flushed = time.monotonic()
        while not self._stopping.is_set() and not (sender and sender.done):
            wait_s = sender.send_due() if sender else FLUSH_EVERY_S
            if (got := link.poll(min(wait_s, FLUSH_EVERY_S))) is not None:
                heard = time.monotonic()
                self._take(link, sender, *got)
                while (got := link.poll(0.0)) is not None:
                    self._take(link, sender, *got)
                    if time.monotonic() - heard > FLUSH_EVERY_S:
                        break
            now = time.monotonic()
            if now - flushed >= FLUSH_EVERY_S:
                flushed = now
                self._session.flush()
            if now - asked >= STATUS_EVERY_S:
                asked = now
                link.send(m.STATUS_REQUEST)
            if now - heard > REPLY_TIMEOUT_S:
                raise LinkError(
                    f"{self._port}: no answer for {REPLY_TIMEOUT_S:.1f} s: check the cable, then reset the board"
                )
        self._stop_board(link, sender)

    def _take(
        self, link: PatchLink, sender: _Sender | None, message: m.Message, values: dict[str, Any], tail: bytes
    ) -> None:
        if message is m.HELLO:
            raise LinkError(f"{link.port}: the board reset in the middle of a run: check its supply")
        if message is m.FAULT and values["code"] == m.Fault.BAD_SOURCE:
            raise LinkError(
                f"{link.port}: no converter there, or none for this rate, bits and channels; give a recording with --replay"
            )
        if message is m.CREDIT:
            if sender:
                sender.take_credit(values["consumed_frames"])
            return
        self._session.take(message, values, tail)

    def _stop_board(self, link: PatchLink, sender: _Sender | None) -> None:
        """Leave the board idle, with its last counters told."""
        link.send(m.STOP)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while (left := deadline - time.monotonic()) > 0:
            if (got := link.poll(left)) is not None:
                self._take(link, sender, *got)
                if got[0] is m.STATUS and not got[1]["running"]:
                    return


class _Sender:
    """Sends a recording under the board's credit, at its own pace; messages end where windows end."""

    def __init__(
        self, link: PatchLink, hello: Hello, replay: Replay, session: Session, rate_hz: float
    ) -> None:
        self._link, self._replay, self._session = link, replay, session
        self._dtype = np.dtype("<i2" if hello.sample_bytes == 2 else "<i4")
        room = (hello.max_payload - m.SAMPLES.struct.size) // (hello.n_channels * hello.sample_bytes)
        self._chunk = max(1, min(room, hello.credit_frames // 2 or 1))
        self._credit = hello.credit_frames
        self._hop = hello.hop_samples * hello.decimation
        self._window_end = hello.window_samples * hello.decimation
        self._rate_hz = rate_hz
        self._began = time.monotonic()
        self._sent = self._consumed = 0
        self.done = False

    def take_credit(self, consumed: int) -> None:
        self._consumed += (consumed - self._consumed) % _WRAP

    def send_due(self) -> float:
        """Send what is due and allowed; return the seconds until more is due."""
        n_samples = len(self._replay.counts)
        while True:
            elapsed = time.monotonic() - self._began
            due = int(elapsed * self._rate_hz) if self._replay.real_time else self._sent + self._chunk
            at = self._sent % n_samples
            n = min(
                self._chunk, due - self._sent, self._window_end - self._sent,
                self._credit - (self._sent - self._consumed), n_samples - at,
            )  # fmt: skip
            if n <= 0:
                return SEND_EVERY_S
            if n < self._chunk and n == due - self._sent and n < self._rate_hz * SEND_EVERY_S:
                return SEND_EVERY_S  # a few at a time: each message costs the line its frame
            counts = self._replay.counts[at : at + n]
            self._link.send(
                m.SAMPLES, counts.astype(self._dtype).tobytes(), first_sample=self._sent % _WRAP, n_frames=n
            )
            self._session.sent(counts)
            self._sent += n
            if self._sent == self._window_end:
                self._window_end += self._hop
            if at + n == n_samples:
                if not self._replay.loop:
                    self.done = True
                    return 0.0
                self._session.tell("replay", "the recording begins again")
