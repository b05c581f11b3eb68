"""Recording from a board that misbehaves; a recorder that is killed; what replay refuses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fake_board import STATUS, FakeBoard
from myo_host import messages as m
from myo_host.aux_recorder import AuxRecorder
from myo_host.framing import Frame, FrameDecoder
from myo_host.link import PatchLink
from myo_host.recorder import record_patch
from myo_host.replay import fit_recording
from myo_pipeline.errors import DataError, LinkError
from myo_pipeline.recording import Recording, read_recording
from myo_pipeline.recording.aux_file import read_aux
from myo_pipeline.recording.edf import EdfWriter
from myo_pipeline.spec import Sensor

RATE_HZ = 1000.0
BLOCK = 20  # frames a message


def make_count(frame: np.ndarray, channel: int) -> np.ndarray:
    return (frame * 7 + channel) % 4001 - 2000


class ConverterBoard(FakeBoard):
    """Sends samples by itself from START to STOP, as a converter would."""

    def __init__(
        self,
        lose: tuple[int, ...] = (),
        reset_at: int | None = None,
        pace_s: float = 0.0,
        n_aux: int = 0,
    ) -> None:
        super().__init__(rate_mhz=int(RATE_HZ * 1000), n_aux=n_aux)
        self._lose, self._reset_at, self._pace_s = lose, reset_at, pace_s
        self._running = threading.Event()
        self._sender = threading.Thread(target=self._convert, daemon=True)
        self.n_sent = 0

    def _take(self, frame: Frame, decoder: FrameDecoder) -> None:
        message = m.BY_TYPE[frame.type]
        if message is m.START:
            self.credit(0)
            self._running.set()
            self._sender.start()
        elif message is m.STOP:
            self._running.clear()
            self._sender.join()
            self.send(m.STATUS, **(STATUS | {"samples_received": self.n_sent, "samples_lost": 5}))
        elif message is not m.STATUS_REQUEST:
            super()._take(frame, decoder)

    def _convert(self) -> None:
        for block in range(100_000):
            if not self._running.is_set() or self._stop.is_set():
                return
            if block == self._reset_at:
                self.send(m.HELLO, **(self.hello | {"reason": m.HelloReason.BOOT}))
                return
            frames = np.arange(block * BLOCK, (block + 1) * BLOCK)
            words = np.stack([make_count(frames, k) for k in range(2)], axis=1).astype("<i4")
            if block not in self._lose:
                self.send(
                    m.TENSOR,
                    words.tobytes(),
                    stage=m.Stage.RAW,
                    dtype=m.Dtype.INT32,
                    layer=0,
                    index=int(frames[0]),
                    offset=0,
                )
                for stream in range(
                    int(str(self.hello["n_aux"]))
                ):  # a sample a block, of stream + 1 channels
                    self.send(
                        m.TENSOR,
                        np.array([frames[-1], *range(block, block - stream - 1, -1)], "<i4").tobytes(),
                        stage=m.Stage.AUX,
                        dtype=m.Dtype.INT32,
                        layer=stream,
                        index=block,
                        offset=0,
                    )
            self.n_sent += BLOCK
            time.sleep(self._pace_s or 0.0005)


def record(board: ConverterBoard, path: Path, n_samples: int) -> None:
    with PatchLink(board.port) as link:
        streams = AuxRecorder(path, link.say_hello(), durable=False)
        writer = EdfWriter(
            path, ("a", "b"), RATE_HZ, np.array([0.5, 0.5]), full_scale_counts=2048, durable=False
        )
        record_patch(link, writer, lambda n: n >= n_samples, streams=streams)


def expect_counts(samples: np.ndarray, first: int = 0) -> None:
    frames = np.arange(first, first + len(samples))
    np.testing.assert_array_equal(samples, np.stack([make_count(frames, k) for k in range(2)], axis=1))


def test_what_the_line_loses_is_counted_where_it_was(tmp_path: Path) -> None:
    with ConverterBoard(lose=(3, 4, 30)) as board:
        record(board, tmp_path / "r.bdf", 1000)
    back = read_recording(tmp_path / "r.bdf")
    samples = back.read()
    assert len(samples) >= 1000
    assert back.meta["samples_missing"] == 60
    assert not samples[60:100].any()
    assert not samples[600:620].any()
    expect_counts(samples[:60])
    expect_counts(samples[100:600], 100)
    expect_counts(samples[620:], 620)
    assert [(n.onset_s, n.duration_s) for n in back.annotations] == [(0.06, 0.04), (0.6, 0.02)]
    assert back.meta["status"]["samples_lost"] == 5
    assert back.meta["ended"] == "stopped"


def test_auxiliary_streams_stand_beside_it_without_what_the_line_lost(tmp_path: Path) -> None:
    """A board whose bundle is not at hand: streams by number, each as wide as its samples are."""
    with ConverterBoard(lose=(3, 4, 30), n_aux=2) as board:
        record(board, tmp_path / "r.bdf", 1000)
    meta = read_recording(tmp_path / "r.bdf")
    kept = np.setdiff1d(np.arange(meta.n_samples // BLOCK), [3, 4, 30])
    for k in range(2):
        back = read_aux(tmp_path / f"r.aux{k}.csv", k + 1, RATE_HZ / BLOCK, RATE_HZ)
        assert len(back) >= len(kept) - 1
        kept_here = kept[: len(back)]
        np.testing.assert_array_equal(back.stamps, (kept_here + 1) * BLOCK - 1)
        np.testing.assert_array_equal(back.counts, kept_here[:, None] - np.arange(k + 1))
        told = {"file": f"r.aux{k}.csv", "n_samples": len(back), "samples_missing": 3}
        assert meta.meta["aux"][f"aux{k}"] == told
    lost = [note.text for note in meta.annotations if "aux1" in note.text]
    assert lost == [f"lost {n} samples of aux1 on the line: held in a replay" for n in (2, 1)]


def test_a_file_of_a_stream_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "r.aux0.csv").write_text("mine\n")
    with ConverterBoard(n_aux=1) as board, pytest.raises(DataError, match=r"r\.aux0\.csv: exists already"):
        record(board, tmp_path / "r.bdf", 100)
    assert (tmp_path / "r.aux0.csv").read_text() == "mine\n"


def test_a_reset_ends_the_recording_and_keeps_it(tmp_path: Path) -> None:
    with (
        ConverterBoard(reset_at=60) as board,
        pytest.raises(LinkError, match=r"reset in the middle .* 1200 samples"),
    ):
        record(board, tmp_path / "r.bdf", 10_000)
    back = read_recording(tmp_path / "r.bdf")
    assert back.n_samples == 1200
    assert "reset" in back.meta["ended"]
    expect_counts(back.read())


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[tuple[ConverterBoard, subprocess.Popen[str], Path]]:
    """`myopatch record` in its own process, two seconds of samples on the line."""
    path = tmp_path / "r.bdf"
    with ConverterBoard(pace_s=BLOCK / RATE_HZ) as board:
        command = [
            sys.executable,
            "-c",
            "from myo_host.cli import main; main()",
            "record",
            "--port",
            board.port,
        ]
        process = subprocess.Popen(
            [*command, "--out", str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            deadline = time.monotonic() + 30
            while board.n_sent < 2 * RATE_HZ and time.monotonic() < deadline:
                time.sleep(0.01)
            yield board, process, path
        finally:
            process.kill()
            process.communicate()


def test_a_killed_recorder_leaves_all_but_the_last_second(
    recorder: tuple[ConverterBoard, subprocess.Popen[str], Path],
) -> None:
    board, process, path = recorder
    os.kill(process.pid, signal.SIGKILL)
    sent = board.n_sent
    process.wait()
    back = read_recording(path)
    assert sent >= 2 * RATE_HZ
    assert sent - back.n_samples <= RATE_HZ
    expect_counts(back.read())
    assert back.meta["board"] == "fake"
    assert back.meta["bundle_hash"] == bytes(range(32)).hex()


def test_ctrl_c_leaves_a_whole_file_and_a_free_port(
    recorder: tuple[ConverterBoard, subprocess.Popen[str], Path],
) -> None:
    board, process, path = recorder
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    back = read_recording(path)
    assert back.n_samples == board.n_sent
    assert f"{board.n_sent} samples" in out
    expect_counts(back.read())
    assert back.meta["ended"] == "stopped"
    assert np.isnan(back.lsb_uv).all()
    with PatchLink(board.port) as link:
        assert link.say_hello().board == "fake"


SENSOR = Sensor(channels=2, rate_hz=RATE_HZ, lsb_uv=0.5, adc_bits=12)


def make_recording(**values: object) -> Recording:
    counts = np.random.default_rng(1).integers(-2000, 2000, (3000, 2)).astype(np.int32)
    return Recording.from_array("test", counts, **({"rate_hz": RATE_HZ, "lsb_uv": 0.5} | values))


def test_a_recording_that_fits_goes_out_as_it_is() -> None:
    recording = make_recording(lsb_uv=0.50001, rate_hz=1001.0)
    fitted = fit_recording(recording, SENSOR, resample=True, rescale=True)
    np.testing.assert_array_equal(fitted.counts, recording.read())
    assert not fitted.notes


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"rate_hz": 2000.0}, "2000 Hz, the bundle takes 1000 Hz; say --resample"),
        ({"lsb_uv": 0.1}, "say --rescale"),
        ({"zero_counts": 2048.0}, "zero at 2048"),
        ({"lsb_uv": np.nan}, "give --lsb-uv"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, float], said: str) -> None:
    with pytest.raises(DataError, match=said):
        fit_recording(make_recording(**values), SENSOR)


def test_channels_are_chosen_by_name_or_number() -> None:
    recording = make_recording()
    swapped = fit_recording(recording.select(["1", "ch1"]), SENSOR).counts
    np.testing.assert_array_equal(swapped, recording.read()[:, ::-1])
    with pytest.raises(DataError, match=r"1 channels .* the bundle takes 2"):
        fit_recording(recording.select(["0"]), SENSOR)
    with pytest.raises(DataError, match="no channel 'x'"):
        recording.select(["x"])


def test_asked_for_it_is_resampled_rescaled_and_limited() -> None:
    fitted = fit_recording(make_recording(rate_hz=2000.0), SENSOR, resample=True)
    assert len(fitted.counts) == 1500
    assert "resampled 1:2" in fitted.notes[0]
    rescaled = fit_recording(make_recording(lsb_uv=1.0), SENSOR, rescale=True)
    np.testing.assert_array_equal(rescaled.counts, np.clip(make_recording().read() * 2, -2048, 2047))
    assert "beyond 12 bits" in rescaled.notes[1]
