"""Folders of EDF, BDF, WFDB, MATLAB and HDF5 files, and of BIDS: labels from annotations, events and variables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy import io

from data_set_case import read_all
from myo_pipeline.errors import DataError
from myo_pipeline.recording import Annotation, Recording, write_recording
from myo_training.datasets import open_folder, resolve_dataset
from myo_training.recordings import DataSet

RATE_HZ, N, LSB_UV = 100.0, 300, 0.5
COUNTS = (np.arange(3 * N).reshape(N, 3) % 1000 - 500).astype(np.int32)
ANNOTATIONS = (
    Annotation(0.5, None, "fist"), Annotation(0.7, None, "a remark"), Annotation(1.0, 0.5, "open"),
    Annotation(2.0, None, " fist "),
)  # fmt: skip
LABELS = np.zeros(N, int)
LABELS[50:100], LABELS[100:150], LABELS[200:] = 1, 2, 1
TOML = 'rate_hz = 100.0\nlsb_uv = {lsb}\nchannels = ["b", "c"]\n{rest}\n'
CLASSES = 'labels = ["rest", "fist", "open"]'


def write(path: Path, lsb_uv: float = LSB_UV, **changes: Any) -> None:
    values = {"channels": ("a", "b", "c"), "lsb_uv": lsb_uv, "annotations": ANNOTATIONS} | changes
    path.parent.mkdir(parents=True, exist_ok=True)
    write_recording(path, Recording.from_array("made", values.pop("counts", COUNTS), RATE_HZ, **values))


def describe(folder: Path, rest: str = CLASSES, lsb: float = LSB_UV) -> DataSet:
    (folder / "dataset.toml").write_text(TOML.format(lsb=lsb, rest=rest))
    data = open_folder(folder)
    assert data is not None
    return data


def refuse(data: DataSet, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        list(data.recordings())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["edf", "bdf", "mat", "h5"])
def test_annotations_become_classes(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"ann_2_7.{suffix}")
    data = describe(tmp_path)
    assert data.sessions() == [("ann", "2")]
    (recording,) = read_all(data)
    assert recording.key == ("ann", "2", "7")
    np.testing.assert_array_equal(recording.emg, COUNTS[:, 1:])
    np.testing.assert_array_equal(recording.labels, LABELS)
    assert resolve_dataset(tmp_path.name, base=tmp_path.parent).info == data.info


def test_wfdb_annotations_last_until_the_next(tmp_path: Path) -> None:
    write(tmp_path / "ann_2_7.hea")
    labels = LABELS.copy()
    labels[150:200] = 2  # WFDB knows no durations
    (recording,) = read_all(describe(tmp_path))
    np.testing.assert_array_equal(recording.labels, labels)
    np.testing.assert_array_equal(recording.emg, COUNTS[:, 1:])


def test_another_worth_of_a_count_is_converted(tmp_path: Path) -> None:
    write(tmp_path / "ann_1_1.edf", lsb_uv=0.5)
    (recording,) = read_all(describe(tmp_path, lsb=0.25))
    np.testing.assert_array_equal(recording.emg, 2 * COUNTS[:, 1:])
    write(tmp_path / "bob_1_1.edf", lsb_uv=np.nan)  # does not say: its counts are taken
    recordings = read_all(describe(tmp_path, lsb=0.25))
    np.testing.assert_array_equal(recordings[1].emg, COUNTS[:, 1:])


@pytest.mark.parametrize("kind", ["mat", "h5"])
def test_variables_hold_labels_or_values(tmp_path: Path, kind: str) -> None:
    content = {
        "emg": COUNTS[:, 1:].astype(np.int16),
        "fs": RATE_HZ,
        "label": LABELS,
        "force": LABELS * 1.5,
        "angle": -LABELS,
    }
    path = tmp_path / f"ann_1_1.{kind}"
    if kind == "mat":
        io.savemat(path, content)
    else:
        with h5py.File(path, "w") as file:
            for name, value in content.items():
                file[name] = value
    numbered = 'rate_hz = 100.0\nlsb_uv = 0.5\nchannels = ["0", "1"]\n'
    (tmp_path / "dataset.toml").write_text(numbered + CLASSES)
    data = open_folder(tmp_path)
    assert data is not None
    np.testing.assert_array_equal(read_all(data)[0].labels, LABELS)
    (tmp_path / "dataset.toml").write_text(numbered + 'values = ["force", "angle"]')
    data = open_folder(tmp_path)
    assert data is not None
    np.testing.assert_array_equal(read_all(data)[0].labels, np.stack([LABELS * 1.5, -LABELS], axis=1))
    (tmp_path / "dataset.toml").write_text(numbered + 'values = ["torque"]')
    data = open_folder(tmp_path)
    assert data is not None
    refuse(data, "no variable 'torque'")


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    write(tmp_path / "ann_1_1.edf", annotations=())
    refuse(describe(tmp_path), "ann_1_1.edf: no annotation is one of rest, fist, open")
    refuse(describe(tmp_path, 'values = ["force"]'), "ann_1_1.edf: holds no values")
    (tmp_path / "dataset.toml").write_text(TOML.format(lsb=1, rest=CLASSES).replace("100.0", "120.0"))
    data = open_folder(tmp_path)
    assert data is not None
    refuse(data, "recorded at 100 Hz, dataset.toml says rate_hz = 120")
    write(tmp_path / "monday.edf")
    with pytest.raises(DataError, match=r"monday.edf: name is not person_session_trial.edf"):
        describe(tmp_path)
    assert describe(tmp_path, CLASSES + '\n[files."monday.edf"]\nperson = "bob"').persons() == ["ann", "bob"]
    assert open_folder(tmp_path / "nothing") is None


def write_bids(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "dataset_description.json").write_text(
        json.dumps({"Name": "small", "License": "CC0", "Authors": ["Ann", "Bob"], "BIDSVersion": "1.11.0"})
    )
    (folder / "participants.tsv").write_text("participant_id\nsub-02\nsub-10\n")
    files = (
        ("sub-02/ses-a/emg/sub-02_ses-a_task-grip_run-1", "edf"),
        ("sub-02/ses-b/emg/sub-02_ses-b_task-grip_run-1", "edf"),
        ("sub-10/emg/sub-10_task-grip", "bdf"),
    )
    for stem, suffix in files:
        write(folder / f"{stem}_emg.{suffix}", lsb_uv=0.5 if suffix == "edf" else 0.25)
        (folder / f"{stem}_channels.tsv").write_text(
            "name\ttype\tunits\na\tMISC\tV\nb\tEMG\tuV\nc\tEMG\tuV\n"
        )
        (folder / f"{stem}_events.tsv").write_text(
            "onset\tduration\ttrial_type\n0.5\t0.5\tfist\n1.0\t0.5\topen\n1.2\tn/a\tn/a\n2.0\t1.0\tfist\n"
        )


def test_bids_persons_sessions_channels_and_events(tmp_path: Path) -> None:
    write_bids(tmp_path / "set")
    data = open_folder(tmp_path / "set")
    assert data is not None
    assert data.sessions() == [("02", "a"), ("02", "b"), ("10", "1")]
    info = data.info
    assert (info.name, info.licence, info.citation) == ("small", "CC0", "Ann, Bob")
    assert (info.outputs, info.channels, info.lsb_uv) == (("none", "fist", "open"), ("b", "c"), 0.5)
    recordings = read_all(data)
    assert [r.trial for r in recordings] == ["task-grip_run-1", "task-grip_run-1", "task-grip"]
    for recording in recordings:
        np.testing.assert_array_equal(recording.labels, LABELS)
    np.testing.assert_array_equal(recordings[0].emg, COUNTS[:, 1:])
    np.testing.assert_array_equal(recordings[2].emg, np.rint(COUNTS[:, 1:] / 2))


def test_damaged_bids_is_named(tmp_path: Path) -> None:
    write_bids(tmp_path)
    stem = tmp_path / "sub-02/ses-b/emg/sub-02_ses-b_task-grip_run-1"
    channels, events = Path(f"{stem}_channels.tsv"), Path(f"{stem}_events.tsv")
    good = channels.read_text(), events.read_text()

    def refuse_either(message: str) -> None:
        with pytest.raises(DataError, match=message) as caught:
            list(open_folder(tmp_path).recordings())  # type: ignore[union-attr]
        assert "\n" not in str(caught.value)

    channels.write_text(good[0].replace("b\tEMG", "b\tECG"))
    refuse_either("channels c, expected b, c as in the first file")
    channels.write_text(good[0].replace("EMG", "ECG"))
    refuse_either("no channel of type EMG")
    channels.write_text("name\nb\n")
    refuse_either("line 2 has no 'type'")
    channels.write_text(good[0])
    events.write_text(good[1].replace("1.0\t0.5", "soon\t0.5"))
    refuse_either("'soon' is no time in seconds")
    events.unlink()
    refuse_either("events.tsv: missing")
    (tmp_path / "dataset_description.json").write_text("{")
    events.write_text(good[1])
    refuse_either("not readable as JSON")
