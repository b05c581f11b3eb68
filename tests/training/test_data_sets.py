"""Loaders of the packed sets: small files of their layout come back as they were written, and faults are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_set_case import read_all
from myo_pipeline.errors import DataError
from myo_training.data_sets.file_set import cut_by_trial, to_counts
from myo_training.data_sets.suguru_longterm import SHAPE
from myo_training.datasets import CATALOGUE, open_known


def one_line(error: pytest.ExceptionInfo[DataError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


def test_suguru_gives_days_as_sessions_and_motions_as_labels(tmp_path: Path) -> None:
    emg = np.zeros(SHAPE, np.int16)
    day, motion, trial, channel = 11, 20, 2, 5
    emg[day, motion, trial, :, channel] = np.arange(SHAPE[3])
    np.savez_compressed(tmp_path / "sub3.npz", emg=emg, scale=6.25e-5)
    (tmp_path / "sub3.txt").write_text("not of the set")
    data = open_known("suguru_longterm", tmp_path)
    assert data.sessions()[:2] == [("sub3", "01"), ("sub3", "02")]
    recordings = read_all(data)
    assert len(recordings) == 30 * 22 * 4
    (found,) = [r for r in recordings if r.emg.any()]
    assert found.key == ("sub3", "12", "M21-3")
    assert set(found.labels) == {motion}
    assert data.info.outputs[motion] == "M21"
    np.testing.assert_array_equal(found.emg[:, channel], np.arange(SHAPE[3]))


def test_suguru_public_files_give_the_packed_counts(tmp_path: Path) -> None:
    """The numbers are the first of the public data/sub1/day1/D1M10T1.csv, and the packed counts of them."""
    home = tmp_path / "data" / "sub1" / "day12"
    home.mkdir(parents=True)
    (home / "D12M10T1.csv").write_text(
        "0.015211,-0.012022,0.01201,-0.066992,-0.021757,0.00047495,0.012498,0.021918\n"
        "0.016018,0.058133,0.13616,0.13695,0.01671,0.014616,-0.002714,-0.0069953\n"
    )
    (home / "D12M2T4.csv").write_text("0.5,0,0,0,0,0,0,0\n")
    data = open_known("suguru_longterm", tmp_path)
    recordings = read_all(data)
    assert [(r.key, int(r.labels[0])) for r in recordings] == [
        (("sub1", "12", "M02-4"), 1), (("sub1", "12", "M10-1"), 9),
    ]  # fmt: skip
    packed = [[243, -192, 192, -1072, -348, 8, 200, 351], [256, 930, 2179, 2191, 267, 234, -43, -112]]
    assert recordings[1].emg.tolist() == packed
    (home / "D12M2T4.csv").write_text("0.5,0,0\n1,2\n")
    with pytest.raises(DataError, match=r"D12M2T4.csv: not eight numbers a line") as caught:
        list(data.recordings())
    one_line(caught)


def write_uci(folder: Path) -> None:
    for name, offset in (("3Agait", 1), ("3Astanding", 3), ("12Nsitting", 2)):
        emg = np.arange(20, dtype=np.float32).reshape(5, 4) * 1e-4 + offset
        np.savez(folder / f"{name}.npz", emg=emg, angle=np.arange(5, dtype=np.float32) + offset)


def test_uci_gives_activities_or_angles(tmp_path: Path) -> None:
    write_uci(tmp_path)
    data = open_known("uci_lower_limb", tmp_path)
    recordings = read_all(data)
    assert [(r.key, int(r.labels[0])) for r in recordings] == [
        (("12N", "1", "sitting"), 1), (("3A", "1", "gait"), 0), (("3A", "1", "standing"), 2),
    ]  # fmt: skip
    np.testing.assert_array_equal(recordings[1].emg, np.arange(20).reshape(5, 4) + 10_000)
    angles = open_known("uci_lower_limb", tmp_path, "values")
    assert angles.info.outputs == ("knee_flexion_deg",)
    np.testing.assert_array_equal(read_all(angles, ["12N"])[0].labels[:, 0], np.arange(5) + 2.0)
    worn_over = np.array([4, -10, -60, -100, -20], np.float32)
    np.savez(tmp_path / "3Agait.npz", emg=np.ones((5, 4), np.float32), angle=worn_over)
    np.testing.assert_array_equal(read_all(angles, ["3A"])[0].labels[:, 0], -worn_over)


def write_elderly(path: Path, ta: str = "EMG_TA", short: int = 0) -> None:
    force = np.arange(24, dtype=np.float32).reshape(6, 4)
    arrays = {}
    for k, name in enumerate(("EMG_VL", "EMG_BF", ta, "EMG_LG")):
        arrays[name] = (100 * (k + 1) + np.arange(24).reshape(6, 4)).astype(np.int16)
        if short and k == 1:
            arrays[name], force[short:, k] = arrays[name][:short], np.nan
    np.savez(path, DNM=force, **arrays)


def test_elderly_pairs_a_contraction_with_its_own_column_of_force(tmp_path: Path) -> None:
    write_elderly(tmp_path / "ID6.npz", "EMB_TA", short=4)
    write_elderly(tmp_path / "ID10.npz")
    data = open_known("elderly_emg_dyn", tmp_path, "classes")  # has values only
    recordings = {r.key: r for r in read_all(data)}
    assert list(recordings) == [(p, "1", m) for p in ("ID10", "ID6") for m in ("BF", "TA", "VL")]
    for place, muscle in enumerate(("VL", "BF", "TA")):
        found = recordings["ID10", "1", muscle]
        table = np.arange(24).reshape(6, 4)
        np.testing.assert_array_equal(found.emg, 100 * (place + 1) + table[:, :3])
        np.testing.assert_array_equal(found.labels[:, 0], table[:, place])
    assert len(recordings["ID6", "1", "BF"].emg) == 4
    write_elderly(tmp_path / "ID7.npz", "EMB_TA")
    with pytest.raises(DataError, match=r"ID7.npz: no variable 'EMG_TA'") as caught:
        list(data.__class__.recordings(open_known("elderly_emg_dyn", tmp_path), ["ID7"]))
    one_line(caught)


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_an_empty_folder_is_named(name: str, tmp_path: Path) -> None:
    for kind in CATALOGUE[name].kinds:
        with pytest.raises(DataError, match=str(tmp_path)) as caught:
            open_known(name, tmp_path, kind)
        assert name in one_line(caught)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
def test_damaged_archives_are_named(damage: str, tmp_path: Path) -> None:
    write_uci(tmp_path)
    path = tmp_path / "3Agait.npz"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[150] ^= 0xFF
    path.write_bytes(
        {"cut": whole[:-30], "flip": bytes(flipped), "empty": b"", "text": b"no archive"}[damage]
    )
    data = open_known("uci_lower_limb", tmp_path)
    assert data.sessions() == [("12N", "1"), ("3A", "1")]
    with pytest.raises(DataError, match=r"3Agait.npz: not a whole .npz file") as caught:
        list(data.recordings())
    one_line(caught)


def test_wrong_content_is_named(tmp_path: Path) -> None:
    path = tmp_path / "3Agait.npz"
    for emg, angle, message in (
        (np.zeros((5, 3)), np.zeros(5), r"signal of shape \(5, 3\), expected \(n_samples, 4\)"),
        (np.zeros((5, 4)), np.zeros(4), r"labels of shape \(4, 1\), expected \(5, 1\)"),
        (np.zeros((5, 4)), np.array([1, 2, np.nan, 3, 4]), "value at sample 2 is not finite"),
        (np.full((5, 4), np.inf), np.zeros(5), "sample 0 is not a finite number"),
        (np.full((5, 4), 1e6), np.zeros(5), "beyond 24 bits"),
        (np.zeros((0, 4)), np.zeros(0), "no samples"),
    ):
        np.savez(path, emg=emg, angle=angle)
        with pytest.raises(DataError, match=message) as caught:
            list(open_known("uci_lower_limb", tmp_path, "values").recordings())
        assert "3Agait" in one_line(caught)


def test_counts_are_rounded_to_nearest() -> None:
    np.testing.assert_array_equal(to_counts(np.array([[0.0149, -0.0151]]), 1e3, 0.1, "f"), [[149, -151]])


def test_cuts_lie_between_movements_and_lose_nothing() -> None:
    labels = np.repeat([0, 3, 0, 3, 0, 5, 5, 0], [4, 2, 4, 3, 2, 2, 2, 5])
    repetition = np.repeat([0, 1, 0, 2, 0, 1, 2, 0], [4, 2, 4, 3, 2, 2, 2, 5])
    pieces = cut_by_trial(labels, repetition)
    assert pieces == [(3, 1, 0, 8), (3, 2, 8, 14), (5, 1, 14, 17), (5, 2, 17, 24)]
    for label, number, start, stop in pieces:
        assert set(labels[start:stop]) - {0} == {label}
        assert set(repetition[start:stop]) - {0} == {number}
    assert cut_by_trial(np.zeros(5, int), np.zeros(5, int)) == [(0, 0, 0, 5)]
