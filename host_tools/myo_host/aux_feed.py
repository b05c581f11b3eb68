"""Auxiliary samples to a board, each before the frames of the EMG sensor that it precedes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from myo_host import messages as m
from myo_host.link import Hello, PatchLink
from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.errors import LinkError

NO_STREAM = AuxSamples(np.zeros((0, 0), np.int32), np.zeros(0, np.int64))


class AuxFeed:
    """Streams beside a segment's counts; a board whose streams are left out holds zeros and marks every window."""

    def __init__(self, link: PatchLink, hello: Hello, streams: Sequence[AuxSamples]) -> None:
        """Take the streams of a run.

        Raises
        ------
        LinkError
            If there are others than the board takes.
        """
        if streams and len(streams) != hello.n_aux:
            raise LinkError(f"{link.port}: {len(streams)} auxiliary streams, the board takes {hello.n_aux}")
        self._link, self._streams = link, list(streams)
        self._sent = [0] * len(self._streams)
        self._widths = [4 if hello.aux_wide >> k & 1 else 2 for k in range(len(self._streams))]
        self._room = hello.max_payload - m.AUX_SAMPLES.struct.size

    def send_before(self, n_frames: int) -> None:
        """Send what came before the last of so many frames since the start."""
        for number, stream in enumerate(self._streams):
            end = int(np.searchsorted(stream.stamps, n_frames, "left"))
            record = np.dtype(
                [("stamp", "<u4"), ("counts", f"<i{self._widths[number]}", (stream.counts.shape[1],))]
            )
            most = self._room // record.itemsize
            while self._sent[number] < end:
                first = self._sent[number]
                last = min(end, first + most)
                rows = np.zeros(last - first, record)
                rows["stamp"], rows["counts"] = stream.stamps[first:last], stream.counts[first:last]
                self._link.send(
                    m.AUX_SAMPLES, rows.tobytes(), stream=number, first_sample=first, n_samples=last - first
                )
                self._sent[number] = last
