"""Loaders of the public sets: small files in each set's layout come back with their person, session, trial, label and unit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import io

from data_set_case import read_all
from myo_pipeline.errors import DataError
from myo_training.data_sets.capgmyo import LSB_UV
from myo_training.datasets import open_known
from myo_training.recordings import DataSet


def refuse(data: DataSet, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        list(data.recordings())
    assert "\n" not in str(caught.value)


MOVEMENTS = np.repeat([0, 1, 0, 1, 0, 3, 0], [4, 6, 4, 6, 4, 6, 5])
REPETITIONS = np.repeat([0, 1, 0, 2, 0, 1, 0], [4, 6, 4, 6, 4, 6, 5])
CUTS = [0, 12, 22, 35]


def write_ninapro(
    path: Path, n_channels: int, first: int = 1, scale: float = 1e-5, **extra: NDArray[Any]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    n = len(MOVEMENTS)
    emg = scale * (np.arange(n)[:, None] + 100 * np.arange(1, n_channels + 1))
    moved = np.where(MOVEMENTS > 0, MOVEMENTS + first - 1, 0)
    content = {"emg": emg, "stimulus": 0 * moved[:, None], "restimulus": moved[:, None],
               "rerepetition": REPETITIONS[:, None], "repetition": 0 * REPETITIONS[:, None], "subject": [[9]]}  # fmt: skip
    io.savemat(path, content | extra)


@pytest.mark.parametrize("first", [1, 18])  # numbered anew in each exercise, and through all
def test_ninapro_db2_cuts_between_movements_and_numbers_through_exercises(tmp_path: Path, first: int) -> None:
    write_ninapro(tmp_path / "DB2_s3" / "S3_E1_A1.mat", 12)
    write_ninapro(tmp_path / "DB2_s12" / "S12_E2_A1.mat", 12, first)
    data = open_known("ninapro_db2", tmp_path)
    assert data.sessions() == [("S03", "1"), ("S12", "1")]
    assert data.info.outputs[:3] + data.info.outputs[17:19] == ("rest", "M01", "M02", "M17", "M18")
    assert len(data.info.outputs) == 1 + 17 + 23
    recordings = read_all(data)
    trials = [("000", "01", "01"), ("001", "01", "02"), ("002", "03", "01")]
    assert [r.key for r in recordings[:3]] == [("S03", "1", f"E1-{k}-M{m}-R{r}") for k, m, r in trials]
    assert recordings[3].key == ("S12", "1", "E2-000-M18-R01")
    for exercise, offset in ((0, 0), (1, 17)):
        three = recordings[3 * exercise : 3 * exercise + 3]
        whole = np.concatenate([r.emg for r in three])
        np.testing.assert_array_equal(whole[:, 2], 100 * (np.arange(35) + 300))  # 1e-5 V, 0.1 uV a count
        assert [len(r.emg) for r in three] == np.diff(CUTS).tolist()
        labels = np.concatenate([r.labels for r in three])
        np.testing.assert_array_equal(labels, np.where(MOVEMENTS > 0, MOVEMENTS + offset, 0))


def test_ninapro_of_one_exercise_has_its_classes_only(tmp_path: Path) -> None:
    write_ninapro(tmp_path / "S2_E3_A1.mat", 12, 41)
    data = open_known("ninapro_db3", tmp_path)
    assert data.info.outputs == ("rest", *(f"M{k}" for k in range(41, 50)))
    assert sorted({int(v) for r in read_all(data) for v in r.labels}) == [0, 1, 3]


@pytest.mark.parametrize(
    ("name", "file", "n_channels", "scale", "lsb_uv", "n_classes"),
    [
        ("ninapro_db1", "S4_A1_E2.mat", 10, 1e-3, 1.0, 18),
        ("ninapro_db4", "S4_E3_A1.mat", 12, 1e-5, 1.0, 24),
        ("ninapro_db5", "S4_E1_A1.mat", 16, 1.0, 1.0, 13),
        ("ninapro_db7", "S4_E2_A1.mat", 12, 1e-5, 0.1, 24),
    ],
)
def test_ninapro_by_exercise(
    tmp_path: Path, name: str, file: str, n_channels: int, scale: float, lsb_uv: float, n_classes: int
) -> None:
    write_ninapro(tmp_path / "s4" / file, n_channels, scale=scale)
    data = open_known(name, tmp_path)
    recordings = read_all(data)
    assert {r.key[:2] for r in recordings} == {("S04", "1")}
    assert (data.info.lsb_uv, len(data.info.outputs)) == (lsb_uv, n_classes)
    counts_per_unit = {"ninapro_db1": 1e4, "ninapro_db5": 1.0}.get(name, 1e7)
    assert recordings[0].emg[0, 0] == round(100 * scale * counts_per_unit)


def test_ninapro_db6_has_days_as_sessions_and_drops_the_empty_columns(tmp_path: Path) -> None:
    n = len(MOVEMENTS)
    emg = np.ones((n, 16)) * 1e-4 * np.arange(1, 17)
    emg[:, 8:10] = 0
    moved = np.where(MOVEMENTS == 3, 11, MOVEMENTS)[:, None]
    for name in ("S1_D1_T1", "S1_D1_T2", "S1_D3_T1"):
        write_ninapro(tmp_path / f"{name}.mat", 16, emg=emg, restimulus=moved)
    data = open_known("ninapro_db6", tmp_path)
    assert data.sessions() == [("S01", "D1T1"), ("S01", "D1T2"), ("S01", "D3T1")]
    assert data.info.outputs == ("rest", "M01", "M03", "M04", "M06", "M09", "M10", "M11")
    recordings = read_all(data)
    np.testing.assert_array_equal(recordings[0].emg[0], 1000 * np.array([*range(1, 9), *range(11, 17)]))
    assert recordings[2].trial == "E1-002-M11-R01"
    assert set(recordings[2].labels) == {0, 7}
    emg[3, 9] = 1e-3
    write_ninapro(tmp_path / "S1_D1_T1.mat", 16, emg=emg, restimulus=moved)
    refuse(open_known("ninapro_db6", tmp_path), "emg column 10 holds a signal")


def test_ninapro_db8_gives_the_glove_or_the_movements(tmp_path: Path) -> None:
    glove = np.arange(len(MOVEMENTS) * 18, dtype=float).reshape(-1, 18)
    for part in (1, 3):
        write_ninapro(tmp_path / f"S11_E1_A{part}.mat", 16, glove=glove)
    data = open_known("ninapro_db8", tmp_path)
    assert data.info.kind == "values"
    recordings = read_all(data)
    assert [r.trial[:6] for r in recordings] == ["A1-000", "A1-001", "A1-002", "A3-000", "A3-001", "A3-002"]
    np.testing.assert_array_equal(np.concatenate([r.labels for r in recordings[:3]]), glove)
    classes = open_known("ninapro_db8", tmp_path, "classes")
    assert len(classes.info.outputs) == 10
    np.testing.assert_array_equal(np.concatenate([r.labels for r in read_all(classes)[3:]]), MOVEMENTS)


def test_damaged_ninapro_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "S1_E1_A1.mat"
    write_ninapro(path, 12, restimulus=np.full((35, 1), 44))
    refuse(open_known("ninapro_db2", tmp_path), "restimulus 44, expected 0 or 1 .. 17")
    write_ninapro(path, 11)
    refuse(open_known("ninapro_db2", tmp_path), r"signal of shape \(12, 11\)")
    write_ninapro(path, 12, scale=1e-12)
    refuse(open_known("ninapro_db2", tmp_path), "the unit is another than expected")
    write_ninapro(path, 12, scale=1.0)
    refuse(open_known("ninapro_db2", tmp_path), "beyond 24 bits")
    write_ninapro(path, 12, emg=np.array(["text"]))
    refuse(open_known("ninapro_db2", tmp_path), "variable 'emg' is no matrix of numbers")
    path.write_bytes(path.read_bytes()[:300])
    refuse(open_known("ninapro_db2", tmp_path), "S1_E1_A1.mat: ")
    io.savemat(path, {"emg": np.ones((3, 12))})
    refuse(open_known("ninapro_db2", tmp_path), "no variable 'restimulus'")


def test_mat_files_of_version_73_read_as_others(tmp_path: Path) -> None:
    """They are HDF5 behind a header of 512 bytes, with matrices stored by column."""
    path = tmp_path / "S1_E1_A1.mat"
    write_ninapro(path, 12)
    older = read_all(open_known("ninapro_db2", tmp_path))
    content = io.loadmat(path)
    path.unlink()
    with h5py.File(path, "w", userblock_size=512) as file:
        for name in ("emg", "restimulus", "rerepetition"):
            file[name] = content[name].T
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    newer = read_all(open_known("ninapro_db2", tmp_path))
    assert [r.key for r in newer] == [r.key for r in older]
    assert all(np.array_equal(a.emg, b.emg) for a, b in zip(newer, older, strict=True))


def test_capgmyo_sessions_gestures_and_unit(tmp_path: Path) -> None:
    signal = np.arange(20 * 128).reshape(20, 128) * LSB_UV / 2500
    for subject, gesture, trial in ((1, 8, 10), (2, 1, 1), (3, 2, 1), (3, 100, 1)):
        folder = tmp_path / f"dbb-preprocessed-{subject:03d}"
        folder.mkdir(exist_ok=True)
        io.savemat(folder / f"{subject:03d}-{gesture:03d}-{trial:03d}.mat",
                   {"data": signal, "gesture": gesture, "subject": subject, "trial": trial})  # fmt: skip
    two = read_all(open_known("capgmyo_dbb", tmp_path))
    assert [(r.key, int(r.labels[0])) for r in two] == [
        (("S01", "1", "G08-10"), 7), (("S01", "2", "G01-01"), 0), (("S02", "1", "G02-01"), 1),
    ]  # fmt: skip
    np.testing.assert_array_equal(two[0].emg, np.arange(20 * 128).reshape(20, 128))
    one = open_known("capgmyo_dba", tmp_path)
    assert one.sessions() == [("S01", "1"), ("S02", "1"), ("S03", "1")]
    assert one.info.channels[16] == "array2-1"


def write_epn(path: Path, **parts: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"generalInfo": {"samplingFrequencyInHertz": 200}, **parts}))


def sample(gesture: str | None, truth: list[int] | None = None) -> dict[str, Any]:
    out: dict[str, Any] = {"emg": {f"ch{c}": [c * 10 + k for k in range(6)] for c in range(1, 9)}}
    if gesture:
        out["gestureName"] = gesture
    if truth:
        out["groundTruth"] = truth
    return out


def test_epn_labels_by_ground_truth_and_skips_what_has_no_label(tmp_path: Path) -> None:
    home = tmp_path / "EMG-EPN612 Dataset"
    write_epn(home / "trainingJSON" / "user7" / "user7.json",
              trainingSamples={"idx_1": sample("noGesture"), "idx_12": sample("waveOut", [0, 0, 1, 1, 0, 0])},
              testingSamples={"idx_2": sample("fist", [1] * 6), "idx_3": sample("pinch")})  # fmt: skip
    write_epn(home / "testingJSON" / "user7" / "user7.json",
              trainingSamples={"idx_1": sample("open", [0, 1, 0, 0, 0, 0])}, testingSamples={"idx_1": sample(None)})  # fmt: skip
    data = open_known("emg_epn612", tmp_path)
    assert data.sessions() == [("testing-007", "1"), ("training-007", "1")]
    recordings = read_all(data)
    assert [(r.key, r.labels.tolist()) for r in recordings] == [
        (("testing-007", "1", "training-001"), [0, 4, 0, 0, 0, 0]),
        (("training-007", "1", "testing-002"), [1] * 6),
        (("training-007", "1", "training-001"), [0] * 6),
        (("training-007", "1", "training-012"), [0, 0, 3, 3, 0, 0]),
    ]  # fmt: skip
    np.testing.assert_array_equal(recordings[0].emg[:, 2], 30 + np.arange(6))
    path = home / "testingJSON" / "user7" / "user7.json"
    for broken, message in (
        ("{", "not readable as JSON"),
        (json.dumps({"trainingSamples": {"idx_1": sample("wink", [1])}}), "gesture 'wink'"),
        (json.dumps({"trainingSamples": {"idx_1": {"gestureName": "fist", "groundTruth": [1]}}}), "no eight channels"),
        (json.dumps({"trainingSamples": {"idx_1": sample("fist", [1] * 6) | {"emg": {f"ch{k}": [999] for k in range(1, 9)}}}}),
         "beyond the armband's 8 bits"),
    ):  # fmt: skip
        path.write_text(broken)
        refuse(open_known("emg_epn612", tmp_path), message)


def write_record(
    path: Path, signal: NDArray[np.float64], rate_hz: float, unit: str, gains: list[float]
) -> None:
    """Write a WFDB record of format 16 by hand, a gain a channel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    counts = np.rint(signal * gains).astype("<i2")
    lines = [f"{path.stem} {signal.shape[1]} {rate_hz:g} {len(signal)}"]
    lines += [f"{path.stem}.dat 16 {gain}(0)/{unit} 16 0 0 0 0 c{k}" for k, gain in enumerate(gains)]
    path.with_suffix(".hea").write_text("\n".join(lines) + "\n")
    counts.tofile(path.with_suffix(".dat"))


def test_hyser_gestures_come_from_the_label_file(tmp_path: Path) -> None:
    home = tmp_path / "pr_dataset" / "subject05_session2"
    signal = np.tile([0.25, -0.5], (16, 128))  # millivolts, whatever the header says
    gains = [1000.0 + k for k in range(256)]
    for name in ("dynamic_raw_sample2", "maintenance_raw_sample1", "dynamic_preprocess_sample1"):
        write_record(home / name, signal, 2048, "V", gains)
    (home / "label_dynamic.txt").write_text("3,34,1")
    (home / "label_maintenance.txt").write_text("7")
    data = open_known("hyser_pr", tmp_path)
    recordings = read_all(data)
    assert [(r.key, int(r.labels[0])) for r in recordings] == [
        (("S05", "2", "dynamic-002"), 33), (("S05", "2", "maintenance-001"), 6),
    ]  # fmt: skip
    assert (
        np.abs(recordings[0].emg[:, :2] * 0.1 - [250, -500]).max() < 1
    )  # microvolts, half a count of the gain
    (home / "label_dynamic.txt").write_text("3")
    refuse(open_known("hyser_pr", tmp_path), r"label_dynamic.txt: no gesture of 1 .. 34 for sample 2")
    (home / "label_dynamic.txt").unlink()
    refuse(open_known("hyser_pr", tmp_path), r"label_dynamic.txt: not readable as gesture numbers")


@pytest.mark.parametrize(
    ("name", "stem", "trial"),
    [("hyser_1dof", "1dof_{}_finger4_sample3", "finger4-003"),
     ("hyser_ndof", "ndof_{}_combination11_sample1", "combination11-001"),
     ("hyser_random", "random_{}_sample5", "raw-005")],
)  # fmt: skip
def test_hyser_forces_are_interpolated_to_the_signal(
    tmp_path: Path, name: str, stem: str, trial: str
) -> None:
    home = tmp_path / "subject01_session1"
    write_record(home / stem.format("raw"), np.tile([0.25, -0.5], (2048, 128)), 2048, "mV", [1000.0] * 256)
    force = np.arange(101)[:, None] * np.arange(1, 6) / 10
    write_record(home / stem.format("force"), force, 100, "N", [100.0] * 5)
    data = open_known(name, tmp_path)
    (recording,) = read_all(data)
    assert recording.key == ("S01", "1", trial)
    assert data.info.outputs[1] == "force_index"
    expected = np.arange(2048)[:, None] / 2048 * 10 * np.arange(1, 6)
    np.testing.assert_allclose(recording.labels, expected, atol=1e-9)
    (home / f"{stem.format('force')}.dat").unlink()
    refuse(open_known(name, tmp_path), "not readable as a WFDB record")


def test_uci_gestures_in_whole_counts(tmp_path: Path) -> None:
    home = tmp_path / "EMG_data_for_gestures-master" / "07"
    home.mkdir(parents=True)
    head = "time\t" + "\t".join(f"channel{k}" for k in range(1, 9)) + "\tclass\n"
    rows = [[k + 1 + 4 * (k > 0), *[(c - 4) * 1e-5 * (k + 1) for c in range(8)], k % 8] for k in range(9)]
    text = head + "".join("\t".join(f"{v:g}" for v in row) + "\n" for row in rows)
    (home / "2_raw_data_13-13_22.03.16.txt").write_text(text + "99\t1e-05\t")
    data = open_known("uci_gestures", tmp_path)
    (recording,) = read_all(data)
    assert recording.key == ("07", "1", "2")
    np.testing.assert_array_equal(recording.emg, np.outer(np.arange(1, 10), np.arange(8) - 4))
    assert recording.labels.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0]
    assert data.info.outputs[2] == "fist"
    for broken, message in (
        (head, "no samples"),
        (text.replace("\t3\n", "\tx\n"), "not ten numbers a line"),
        (text.replace("\t3\n", "\t9\n"), r"labels 0 .. 9, expected 0 .. 7"),
        (
            head + "".join("\t".join(f"{v:g}" for v in [5 * row[0], *row[1:]]) + "\n" for row in rows),
            "a row each 5 ms",
        ),
    ):
        (home / "2_raw_data_13-13_22.03.16.txt").write_text(broken)
        refuse(open_known("uci_gestures", tmp_path), message)


def test_emgdb_persons_are_the_classes(tmp_path: Path) -> None:
    for k, person in enumerate(("healthy", "neuropathy")):
        write_record(tmp_path / f"emg_{person}", np.arange(40)[:, None] * 1e-3 + k, 4000, "mV", [10000.0])
    recordings = read_all(open_known("emgdb", tmp_path))
    assert [(r.key, int(r.labels[0])) for r in recordings] == [
        (("healthy", "1", "1"), 0), (("neuropathy", "1", "1"), 2),
    ]  # fmt: skip
    np.testing.assert_array_equal(recordings[1].emg[:, 0], 10 * np.arange(40) + 10_000)
    (tmp_path / "emg_healthy.dat").write_bytes(b"")
    refuse(open_known("emgdb", tmp_path), "emg_healthy")


def test_plux_counts_of_any_resolution_share_one_unit(tmp_path: Path) -> None:
    for name, bits in (("fatigue", 12), ("bursts", 16)):
        with h5py.File(tmp_path / f"emg_{name}.h5", "w") as file:
            device = file.create_group("00:07:80")
            device.attrs.update({"sampling rate": 1000, "resolution": [bits]})
            device["raw/channel_2"] = (
                (2 ** (bits - 1) + np.arange(9) * 2 ** (bits - 12)).reshape(-1, 1).astype("<u2")
            )
    data = open_known("fatigue_plux", tmp_path)
    recordings = read_all(data)
    assert [r.key for r in recordings] == [("bursts", "1", "1"), ("fatigue", "1", "1")]
    for recording in recordings:
        np.testing.assert_array_equal(recording.emg[:, 0], 16 * np.arange(9))
    assert 2**16 * data.info.lsb_uv == pytest.approx(3000)
    (tmp_path / "emg_bursts.h5").write_bytes(b"none")
    refuse(open_known("fatigue_plux", tmp_path), "emg_bursts.h5: not a whole OpenSignals file")


def test_a_trial_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    for folder in ("s1", "copy"):
        write_ninapro(tmp_path / folder / "S1_E1_A1.mat", 12)
    refuse(open_known("ninapro_db2", tmp_path), "this session and trial are there twice")
