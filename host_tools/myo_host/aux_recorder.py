"""What a patch tells of its auxiliary streams, into a file each: the counts, and the patch's own stamps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host import messages as m
from myo_host.link import Hello
from myo_pipeline.aux_sensor import AuxSensor
from myo_pipeline.errors import DataError, LinkError
from myo_pipeline.recording.aux_file import AuxWriter, name_aux_file


@dataclass
class _Stream:
    name: str
    path: Path
    n_channels: int  # 0: not known before the first sample
    writer: AuxWriter | None = None
    due: int = 0  # number of the next sample
    stamp: int = 0  # of the last one
    missing: int = 0


class AuxRecorder:
    """Files of all streams of a board, beside the EMG's: ``monday.wrist.csv`` beside ``monday.bdf``.

    Parameters
    ----------
    beside
        The EMG's file.
    hello
        What the board said; it tells how many streams there are.
    sensors
        The spec's, in its order; none where the board's bundle is not at hand: streams are then ``aux0`` and on.
    durable
        As of :class:`~myo_pipeline.recording.aux_file.AuxWriter`.

    Raises
    ------
    DataError
        If a file exists already.
    """

    def __init__(
        self, beside: Path, hello: Hello, sensors: Sequence[AuxSensor] = (), durable: bool = True
    ) -> None:
        known = [(s.name, s.channels) for s in sensors] or [(f"aux{k}", 0) for k in range(hello.n_aux)]
        self._streams = [_Stream(name, name_aux_file(beside, name), n_channels) for name, n_channels in known]
        self._durable = durable
        for stream in self._streams:
            if stream.path.exists():
                raise DataError(f"{stream.path}: exists already; remove it or give another name")

    @property
    def n_streams(self) -> int:
        """How many streams the board has."""
        return len(self._streams)

    def take(self, port: str, values: dict[str, int], sample: NDArray[np.integer]) -> str:
        """Take a TENSOR message of stage AUX; give in words what the line lost before it, or nothing.

        Raises
        ------
        LinkError
            If it is of no stream of the board's, or not as wide as those before it.
        """
        number = values["layer"]
        if number >= len(self._streams) or values["offset"] or len(sample) < 2:
            raise LinkError(
                f"{port}: sample of auxiliary stream {number}, {len(sample)} words, the board has {len(self._streams)} streams: "
                "build the firmware and the host tools from the same version"
            )
        stream = self._streams[number]
        stream.n_channels = stream.n_channels or len(sample) - 1
        if len(sample) - 1 != stream.n_channels:
            raise LinkError(
                f"{port}: {len(sample) - 1} channels of auxiliary stream {stream.name!r}, expected {stream.n_channels}: "
                "give the bundle that the board runs"
            )
        at = m.unwrap_count(values["index"], stream.due)
        if at < stream.due:
            return ""
        missing, stream.due = at - stream.due, at + 1
        stream.missing += missing
        stream.stamp = max(stream.stamp, m.unwrap_count(int(sample[0]) & 0xFFFFFFFF, stream.stamp))
        self._open(stream).append(sample[None, 1:], np.array([stream.stamp], np.int64))
        return f"lost {missing} samples of {stream.name} on the line: held in a replay" if missing else ""

    def describe(self) -> dict[str, Any]:
        """Return what the recording keeps of the streams: each file's name, its samples, and what the line lost."""
        return {
            stream.name: {
                "file": stream.path.name, "n_samples": stream.writer.n_samples if stream.writer else 0,
                "samples_missing": stream.missing,
            }
            for stream in self._streams
        }  # fmt: skip

    def close(self) -> None:
        """Write what is left; a stream that never gave a sample has an empty file, where its channels are known."""
        for stream in self._streams:
            if stream.n_channels:
                self._open(stream).close()

    def _open(self, stream: _Stream) -> AuxWriter:
        if stream.writer is None:
            stream.writer = AuxWriter(stream.path, stream.n_channels, self._durable)
        return stream.writer
