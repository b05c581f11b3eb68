"""Files of auxiliary streams: what a recorder writes is read back, and what a power cut leaves of it as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from myo_pipeline.aux_stream import AuxSamples
from myo_pipeline.errors import DataError
from myo_pipeline.recording.aux_file import AuxWriter, name_aux_file, read_aux

N = 40


def make_samples() -> AuxSamples:
    rng = np.random.default_rng(3)
    stamps = np.sort(rng.integers(90, 2100, N))
    return AuxSamples(rng.integers(-(1 << 23), 1 << 23, (N, 3)).astype(np.int32), stamps)


def write(path: Path, samples: AuxSamples) -> None:
    writer = AuxWriter(path, 3, durable=False)
    for first in range(0, N, 7):
        writer.append(samples.counts[first : first + 7], samples.stamps[first : first + 7])
    writer.close()
    assert writer.n_samples == N


def test_samples_and_stamps_come_back(tmp_path: Path) -> None:
    samples, path = make_samples(), name_aux_file(tmp_path / "monday.bdf", "wrist")
    assert path.name == "monday.wrist.csv"
    write(path, samples)
    back = read_aux(path, ["ch1", "ch2", "ch3"], 52.0, 200.0)
    np.testing.assert_array_equal(back.counts, samples.counts)
    np.testing.assert_array_equal(back.stamps, samples.stamps)
    with pytest.raises(FileExistsError):
        AuxWriter(path, 3)


def test_a_file_that_was_cut_off_anywhere_is_read_up_to_its_last_whole_line(tmp_path: Path) -> None:
    """Of a sample of which the last digit alone was lost nothing is taken either."""
    samples, path = make_samples(), tmp_path / "a.wrist.csv"
    write(path, samples)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    last_two = len(whole) - len(lines[-1]) - len(lines[-2])
    for cut in range(last_two, len(whole)):
        path.write_bytes(whole[:cut])
        back = read_aux(path, 3, 52.0, 200.0)
        n = N - 2 + (cut >= last_two + len(lines[-2]) - 1) + (cut >= len(whole) - 1)
        np.testing.assert_array_equal(back.counts, samples.counts[:n])
        np.testing.assert_array_equal(back.stamps, samples.stamps[:n])


def test_a_fault_that_no_cut_explains_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.wrist.csv"
    for text, said in (
        ("ch1,frame\n1,5\n2,\n3,7\n", "line 3 is '2,'"),
        ("ch1,frame\n1,50\n2,6\n", "frame 6 is lower"),
        ("ch1,frame\n1,5\n2,\n", "line 3 is '2,'"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=said):
            read_aux(path, 1, 52.0, 200.0)


def test_a_file_without_frames_needs_no_last_line_end(tmp_path: Path) -> None:
    path = tmp_path / "a.wrist.csv"
    path.write_text("x,y\n1,2\n3,4")
    assert read_aux(path, 2, 50.0, 200.0).counts.tolist() == [[1, 2], [3, 4]]
    path.write_text("frame,x\n5,2\n9,4")
    assert read_aux(path, 1, 50.0, 200.0).stamps.tolist() == [5, 9]
