"""Save what the monitor shows into the recorder's format, without holding up the line while the disk is slow."""

from __future__ import annotations

import datetime as dt
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_host.link import Hello
from myo_host.recorder import describe_board
from myo_pipeline.errors import DataError
from myo_pipeline.recording.edf import EdfWriter
from myo_pipeline.spec import Sensor


def name_recording(folder: Path, now: dt.datetime) -> Path:
    """Return a name for a new recording in a folder.

    Raises
    ------
    DataError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder to save into; make it first, or give --save-to another one"
        )
    base = f"monitor-{now:%Y%m%d-%H%M%S}"
    names = (f"{base}{'' if k == 0 else f'-{k}'}.bdf" for k in range(1000))
    return next(folder / name for name in names if not (folder / name).exists())


class Saver:
    """One BDF+ file that is whole after each half second; a thread of its own writes it."""

    def __init__(self, path: Path, hello: Hello, sensor: Sensor | None, meta: dict[str, Any]) -> None:
        """Create the file.

        Raises
        ------
        DataError, OSError
            If it cannot be made.
        """
        self.path = path
        self.rate_hz = sensor.rate_hz if sensor else hello.rate_hz
        self.first_frame: int | None = None
        self.error = ""
        self.n_frames = 0
        self._writer = EdfWriter(
            path, tuple(f"EMG{k + 1}" for k in range(hello.n_channels)), self.rate_hz,
            np.full(hello.n_channels, sensor.lsb_uv if sensor else np.nan),
            full_scale_counts=sensor.full_scale_counts if sensor else 1 << (8 * min(3, hello.sample_bytes) - 1),
            start=dt.datetime.now(), meta=describe_board(hello) | meta,
        )  # fmt: skip
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name=f"writer of {path}", daemon=True)
        self._thread.start()

    def append(self, first_frame: int, counts: NDArray[np.integer]) -> None:
        """Append frames of counts (n, n_channels)."""
        if self.first_frame is None:
            self.first_frame = first_frame
        self.n_frames += len(counts)
        self._work.put(lambda: self._writer.append(counts))

    def annotate(self, frame: int, text: str, n_frames: int | None = None) -> None:
        """Note what happened at a frame of the sensor."""
        onset = max(0, frame - (self.first_frame if self.first_frame is not None else frame)) / self.rate_hz
        lasting = None if n_frames is None else n_frames / self.rate_hz
        self._work.put(lambda: self._writer.annotate(onset, text[:200], lasting))

    def note(self, values: dict[str, Any]) -> None:
        """Keep counters."""
        self._work.put(lambda: self._writer.note(values))

    def close(self, meta: dict[str, Any]) -> None:
        """Write what is left and close the file; ``error`` says if something could not be written."""
        self._work.put(None)
        self._thread.join()
        try:
            self._writer.close(meta)
        except (DataError, OSError) as error:
            self.error = self.error or str(error)

    def _write(self) -> None:
        while (work := self._work.get()) is not None:
            if self.error:
                continue  # what the file holds is whole; the rest has no place
            try:
                work()
            except (DataError, OSError) as error:
                self.error = str(error)
