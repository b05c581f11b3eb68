"""Recordings in every format: counts bit for bit, two other readers of EDF, damage in one line."""

from __future__ import annotations

from pathlib import Path

import edfio
import h5py
import numpy as np
import pyedflib
import pytest

from myo_pipeline.errors import DataError
from myo_pipeline.recording import FORMATS, Annotation, Recording, read_recording, write_recording
from myo_pipeline.recording.edf import EdfWriter, plan_record
from myo_pipeline.recording.files import quantize

NOTES = (Annotation(0.0, None, "start"), Annotation(1.25, 0.5, "fist, held"))
META = {"bundle_hash": "ab" * 32, "ended": "a line # with blanks " * 20, "status": {"samples_lost": 3}}


def record(bits: int, lsb_uv: float, rate_hz: float, n: int = 1111) -> tuple[Recording, np.ndarray]:
    """Counts that reach both ends of a converter's range."""
    half = 1 << (bits - 1)
    counts = np.random.default_rng(bits).integers(-half, half, (n, 3)).astype(np.int32)
    counts[:2, 0] = -half, half - 1
    values = {"lsb_uv": lsb_uv, "channels": ("flexor", "extensor", "a name of more than 16 letters")}
    return Recording.from_array("test", counts, rate_hz, annotations=NOTES, meta=META, **values), counts


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    ("bits", "lsb_uv", "rate_hz"), [(12, 1.0, 200.0), (16, 0.195, 2000.0), (24, 0.02, 1925.926)]
)
def test_counts_and_scale_come_back_as_they_were(
    tmp_path: Path, suffix: str, bits: int, lsb_uv: float, rate_hz: float
) -> None:
    recording, counts = record(bits, lsb_uv, rate_hz)
    path = tmp_path / f"r{suffix}"
    if suffix == ".edf" and bits == 24:
        with pytest.raises(DataError, match=r"a 16-bit file holds -32768 \.\. 32767"):
            write_recording(path, recording)
        assert not path.exists()
        return
    write_recording(path, recording)
    back = read_recording(path)
    assert back.is_counts
    assert back.n_samples == len(counts)
    np.testing.assert_array_equal(back.read(), counts)
    np.testing.assert_array_equal(back.read(100, 777), counts[100:777])
    np.testing.assert_array_equal(back.lsb_uv, recording.lsb_uv)
    np.testing.assert_array_equal(back.microvolts(5, 9), counts[5:9] * lsb_uv)
    assert (back.rate_hz, back.meta) == (rate_hz, META)
    texts = [note.text for note in back.annotations]
    assert texts == ["start", "fist, held"]
    assert [n.onset_s for n in back.annotations] == pytest.approx([0, 1.25], abs=0.5 / rate_hz)
    if suffix != ".hea":
        assert back.annotations == NOTES
        assert back.channels == recording.channels


@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
def test_other_readers_see_the_same(tmp_path: Path, suffix: str) -> None:
    recording, counts = record(16, 0.195, 2000.0)
    path = tmp_path / f"r{suffix}"
    write_recording(path, recording)
    theirs = (edfio.read_edf if suffix == ".edf" else edfio.read_bdf)(path)
    np.testing.assert_array_equal(theirs.signals[2].digital[: len(counts)], counts[:, 2])
    np.testing.assert_allclose(theirs.signals[0].data[: len(counts)], counts[:, 0] * 0.195, atol=1e-9)
    assert ("fist, held", 1.25, 0.5) in [(a.text, a.onset, a.duration) for a in theirs.annotations]
    with pyedflib.EdfReader(str(path)) as strict:  # EDFlib refuses a file that breaks a rule of the format
        assert strict.getSampleFrequency(0) == 2000
        np.testing.assert_array_equal(strict.readSignal(1, digital=True)[: len(counts)], counts[:, 1])


@pytest.mark.parametrize("rate_hz", [1.0, 62.5, 200.0, 250.0, 1000.0, 1024.0, 1259.26, 2148.1481, 30000.0])
def test_a_record_is_short_and_its_rate_right(rate_hz: float) -> None:
    n, text = plan_record(rate_hz)
    assert len(text) <= 8
    assert n >= 1
    assert n / float(text) == pytest.approx(rate_hz, rel=2e-6)
    assert n == 1 or float(text) <= 0.51


def test_an_edf_file_is_whole_after_every_record(tmp_path: Path) -> None:
    """Cut off anywhere, whatever bytes hang behind the last record that the header counts."""
    path = tmp_path / "r.bdf"
    counts = np.random.default_rng(1).integers(-(2**23), 2**23, (1000, 2)).astype(np.int32)
    with EdfWriter(path, ("a", "b"), 200.0, np.array([0.5, 0.5]), durable=False) as writer:
        for at in range(0, 1000, 70):
            writer.append(counts[at : at + 70])
            writer.annotate(at / 200, f"block {at}")
            data = path.read_bytes()
            for tail in (b"", b"\xff" * 7777):
                (tmp_path / "cut.bdf").write_bytes(data + tail)
                if writer.n_records:
                    back = read_recording(tmp_path / "cut.bdf")
                    assert min(at + 70, 1000) - back.n_samples < 100  # a record has half a second
                    np.testing.assert_array_equal(back.read(), counts[: back.n_samples])
    assert read_recording(path).n_samples == 1000


def test_more_annotations_than_a_record_has_room_for(tmp_path: Path) -> None:
    path = tmp_path / "r.edf"
    with EdfWriter(path, ("a",), 100.0, np.array([1.0]), durable=False) as writer:
        for k in range(500):
            writer.annotate(k / 100, f"event number {k}")
        writer.append(np.arange(101)[:, None])
    back = read_recording(path)
    assert [note.text for note in back.annotations] == [f"event number {k}" for k in range(500)]
    np.testing.assert_array_equal(back.read()[:, 0], np.arange(101))


def test_an_annotation_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    note = Annotation(0.0, None, "ä" * 951)
    recording = Recording.from_array("test", np.zeros((10, 1), np.int32), 100.0, annotations=(note,))
    with pytest.raises(DataError, match="1902 bytes, expected at most 1900"):
        write_recording(tmp_path / "r.bdf", recording)
    assert not (tmp_path / "r.bdf").exists()


@pytest.mark.parametrize("suffix", [".csv", ".mat", ".h5"])
def test_microvolts_stay_the_same_numbers(tmp_path: Path, suffix: str) -> None:
    signal = np.random.default_rng(2).normal(0, 100, (50, 2))
    recording = Recording.from_array("test", signal, 1000.0, is_counts=False)
    path = tmp_path / f"r{suffix}"
    write_recording(path, recording)
    back = read_recording(path)
    assert not back.is_counts
    np.testing.assert_array_equal(back.read(), signal)
    with pytest.raises(DataError, match="not without rounding"):
        write_recording(tmp_path / "r.bdf", back)
    write_recording(tmp_path / "r.bdf", quantize(back, 0.5))
    np.testing.assert_array_equal(read_recording(tmp_path / "r.bdf").read(), np.rint(signal / 0.5))


def test_other_peoples_tables(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("time,emg1,emg2,label\n0.0,1,-2,rest\n0.1,3,4,fist\n")
    back = read_recording(path, channels=["emg2", "1"], rate_hz=10.0, lsb_uv=0.5)
    np.testing.assert_array_equal(back.microvolts(), [[-1, 0.5], [2, 1.5]])
    assert back.channels == ("emg2", "emg1")


def save_matlab_73(path: Path, **arrays: np.ndarray) -> None:
    """Write what MATLAB's `save(..., '-v7.3')` does: HDF5 behind a block of 512 bytes, columns as rows."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = np.atleast_2d(array).T
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def test_matlab_73_and_other_peoples_hdf5(tmp_path: Path) -> None:
    counts = np.random.default_rng(3).integers(-2000, 2000, (70_000, 4)).astype(np.int16)
    save_matlab_73(tmp_path / "m.mat", emg=counts, force=counts[:, :2] * 0.5, Fs=np.array([[2048.0]]))
    back = read_recording(tmp_path / "m.mat", lsb_uv=0.5)
    assert (back.rate_hz, back.is_counts, back.n_samples) == (2048.0, True, 70_000)
    np.testing.assert_array_equal(back.read(69_000), counts[69_000:])

    with h5py.File(tmp_path / "o.hdf5", "w") as file:
        file["session/raw"] = counts * 0.25
        file["session"].attrs["sampling_rate"] = 1000.0
    back = read_recording(tmp_path / "o.hdf5", channels=["2"])
    assert (back.rate_hz, back.is_counts) == (1000.0, False)
    np.testing.assert_array_equal(back.microvolts(3, 66_000)[:, 0], counts[3:66_000, 2] * 0.25)

    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"] = file["b"] = counts
    with pytest.raises(DataError, match="matrices a, b; name the signal's `emg`"):
        read_recording(tmp_path / "two.h5", rate_hz=10.0)
    with h5py.File(tmp_path / "nan.h5", "w") as file:
        file["emg"] = np.where(np.arange(140_000).reshape(70_000, 2) == 135_001, np.nan, 0.5)
        file["emg"][5, 0] = 1.0
    with pytest.raises(DataError, match="sample 67500, channel 1 is nan"):
        read_recording(tmp_path / "nan.h5", rate_hz=10.0).read()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xyz", b"1", "its ending is not one of"),
        ("a.bdf", b"", "the header is cut off"),
        ("a.edf", b"0" * 500, "not readable as EDF"),
        ("a.mat", b"nonsense" * 40, "not readable as a MATLAB file"),
        ("a.h5", b"nonsense" * 40, "not readable as an HDF5 file"),
        ("a.hea", b"nonsense", "not readable as a WFDB header"),
        ("a.hea", b"a 1 100 10\na.dat 16 200 16 0 0 0 0 EMG\n", "a.dat: missing beside"),
        ("a.csv", b"", "no column names"),
        ("a.csv", b"x,y\n", "no samples"),
        ("a.csv", b"x,y\n1,2\n1\n", "line 3 has 1 cells, expected 2"),
        ("a.csv", b"x,y\n1,2\n1,abc\n", "line 3, column 'y' is 'abc'"),
        ("a.csv", b"x,y\n1,2\n1,nan\n", "sample 1, channel 1 is nan"),
        ("a.csv", b"x,y\n1,2\n", "give --rate-hz"),
    ],
)  # fmt: skip
def test_bad_files_are_refused_in_one_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as refused:
        read_recording(path, rate_hz=None if said == "give --rate-hz" else 100.0)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("suffix", FORMATS)
def test_files_that_are_cut_off(tmp_path: Path, suffix: str) -> None:
    """Read as far as it goes and say so, or refuse; never wrong numbers."""
    recording, counts = record(16, 1.0, 100.0, 400)
    path = tmp_path / f"r{suffix}"
    write_recording(path, recording)
    victim = path.with_suffix(".dat") if suffix == ".hea" else path
    whole = victim.read_bytes()
    for share in (0.0, 0.1, 0.5, 0.9, 0.99):
        victim.write_bytes(whole[: int(share * len(whole))])
        try:
            back = read_recording(path)
            samples = back.read()
        except DataError:
            pass
        else:
            np.testing.assert_array_equal(samples, counts[: len(samples)])
            assert back.notes
            assert "cut off" in back.notes[0]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    recording, _ = record(12, 1.0, 100.0)
    (tmp_path / "r.csv").write_text("precious")
    with pytest.raises(DataError, match="exists already"):
        write_recording(tmp_path / "r.csv", recording)
    assert (tmp_path / "r.csv").read_text() == "precious"
