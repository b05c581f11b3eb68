"""A running patch as a test sees it: stream a recording, look at what comes back, compare it with the twin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host import messages as m
from myo_host.boards import find_board, start_board
from myo_host.calibration import read_stored_head
from myo_host.comparison import Comparison
from myo_host.link import Hello, PatchLink
from myo_host.streaming import Capture, stream_segment
from myo_host.validate import TRACE_ALL, TRACE_OUTPUT
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.bundle import Bundle
from myo_pipeline.errors import DataError, LinkError
from myo_pipeline.twin_config import TwinConfig
from myo_pipeline.vectors import GoldenSegment, load_vectors

# Of STATUS, what must be zero at the end of a test.
LOSSES = ("samples_lost", "rx_bytes_lost", "rx_frames_bad", "rx_sequence_gaps", "tx_frames_dropped", "faults")


class Patch:
    """A board that runs a bundle, its hello said and checked.

    Attributes
    ----------
    link
        The open line, for tests that speak the protocol themselves.
    bundle
        The bundle that the board runs.
    """

    def __init__(self, link: PatchLink, bundle: Bundle) -> None:
        """Say hello on an open link.

        Raises
        ------
        LinkError, MismatchError
            If the board does not answer, or runs another bundle.
        """
        self.link, self.bundle = link, bundle
        self.hello: Hello = link.say_hello(bundle.bundle_hash)

    @property
    def board(self) -> str:
        """The board's name, as it says."""
        return self.hello.board

    @property
    def recordings(self) -> list[GoldenSegment]:
        """The bundle's recordings of persons whom training never saw, each with the twin's words."""
        return load_vectors(self.bundle.path)

    def stream(
        self,
        recording: GoldenSegment | NDArray[np.integer],
        stages: Iterable[m.Stage] = (m.Stage.OUTPUT,),
        aux: Sequence[AuxSamples] = (),
    ) -> Capture:
        """Stream samples through the patch from reset, and return what it sends back.

        Parameters
        ----------
        recording
            One of the bundle's recordings, or counts, shape (n_samples, n_channels).
        stages
            Stages whose words are to be sent back; decisions always are.
        aux
            Auxiliary streams beside counts; a recording of the bundle has its own.

        Raises
        ------
        LinkError
            If the board resets, faults, falls silent, or loses anything.
        """
        mask = sum(1 << stage for stage in set(stages))
        if isinstance(recording, GoldenSegment):
            return stream_segment(self.link, recording.counts, mask, aux=recording.aux)
        return stream_segment(self.link, np.asarray(recording), mask, aux=aux)

    def compare(self, recording: GoldenSegment) -> list[str]:
        """Stream one of the bundle's recordings, and compare every stage with the twin, word by word.

        Returns
        -------
        list of str
            One line a stage that differs, with the first difference; the first line is nearest to the fault. Empty if the
            patch is right.

        Raises
        ------
        LinkError
            If the board resets, faults, falls silent, or loses anything.
        DataError
            If it is not a recording of the bundle.
        """
        if not isinstance(recording, GoldenSegment):
            raise DataError(
                f"a {type(recording).__name__} has no twin's words: give one of patch.recordings, or compare what stream gives"
            )
        config = TwinConfig.load(self.bundle.path / "twin.npz")
        comparison = Comparison(self.bundle, config, read_stored_head(self.link, self.bundle))
        if recording.n_traced:
            n = config.count_frames(recording.n_traced)
            traced = stream_segment(self.link, recording.counts[:n], TRACE_ALL, aux=recording.aux)
            comparison.take(recording, traced, recording.n_traced, traced=True)
        whole = stream_segment(self.link, recording.counts, TRACE_OUTPUT, aux=recording.aux)
        comparison.take(recording, whole, recording.n_windows, traced=False)
        return [f"{stage.name}: {stage.first_difference}" for stage in comparison.stages if stage.differing]

    def read_status(self) -> dict[str, Any]:
        """Return the board's counters.

        Raises
        ------
        LinkError
            If the board does not answer, or reports a fault.
        """
        self.link.send(m.STATUS_REQUEST)
        while True:
            message, values, _ = self.link.receive()
            if message is m.STATUS:
                return values
            if message is m.FAULT:
                code, arguments = m.Fault(values["code"]).name, (values["argument0"], values["argument1"])
                raise LinkError(
                    f"{self.link.port}: the board reports {code} {arguments}: see the test's own messages"
                )

    def list_losses(self) -> dict[str, int]:
        """Return every fault and loss that the board or this end of the line counted, without those that are zero."""
        status = self.read_status()
        decoder = self.link.decoder
        counted = {key: int(status[key]) for key in LOSSES}
        counted |= {"host_frames_lost": decoder.lost, "host_frames_bad": decoder.frames_bad}
        return {key: value for key, value in counted.items() if value}


@contextmanager
def open_patch(bundle: Bundle, board: str | None = None, port: str | None = None) -> Iterator[Patch]:
    """Boot a virtual board, or open a port, and yield the patch on it.

    Parameters
    ----------
    bundle
        The bundle that it runs.
    board
        A virtual board, whose firmware is in the bundle; ignored where ``port`` is given.
    port
        Serial port of a board.

    Raises
    ------
    LinkError, MismatchError
        If it does not start, does not answer, or runs another bundle.
    """
    if port is None and board is None:
        raise LinkError("give a board (a virtual one) or a port")
    if port is not None:
        context: Any = nullcontext(port)
    else:
        context = start_board(find_board(str(board)), Path(bundle.path) / "firmware" / f"{board}.elf")
    with context as name, PatchLink(name) as link:
        yield Patch(link, bundle)
