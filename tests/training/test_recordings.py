"""Loaders: both forms of myo_readings give one recording, CSV faults are named by file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from myo_pipeline.errors import DataError
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_training import datasets
from myo_training.csv_folder import CsvFolder
from myo_training.datasets import resolve_dataset
from myo_training.myo_readings import (
    HANDS,
    PackedMyoReadings,
    TextMyoReadings,
    open_myo_readings,
    pack_person,
    parse_text,
    read_pins,
)
from myo_training.recordings import DataSet, Recording, check_fits, digest_listing, digest_recording
from myo_training.simulation import SimulatedSet, SimulationSize


def write_text_form(folder: Path, n_samples: int = 30) -> None:
    """Write a small set in the public form: a right hand with two sessions, a left hand with one."""
    for hand, session in (("R", "100-1"), ("R", "100-2"), ("L", "7-0")):
        parent = folder / next(name for name, h in HANDS.items() if h == hand) / session
        parent.mkdir(parents=True)
        for gesture in (0, 3):
            rng = np.random.default_rng([gesture, len(session), int(session[-1])])
            emg, label = rng.integers(-128, 128, (n_samples, 8)), np.arange(n_samples) // 10 % 2 * gesture
            lines = [",".join(map(str, [*row, int(c)])) for row, c in zip(emg.tolist(), label, strict=True)]
            # The public set ends some files with a line end and some without.
            (parent / f"{gesture}.txt").write_text("\n".join(lines) + ("\n" if gesture else ""))
        (parent / "8.txt").write_text("outside of the protocol")


def same(a: Recording, b: Recording) -> bool:
    equal = np.array_equal(a.emg, b.emg) and np.array_equal(a.labels, b.labels)
    return equal and a.key == b.key and a.rate_hz == b.rate_hz and digest_recording(a) == digest_recording(b)


def test_text_and_packed_form_give_the_same_recordings(tmp_path: Path) -> None:
    write_text_form(tmp_path / "text")
    text = open_myo_readings(tmp_path / "text")
    assert isinstance(text, TextMyoReadings)
    assert text.persons() == ["L7", "R100"]
    (tmp_path / "packed").mkdir()
    for person in text.persons():
        pack_person(list(text.recordings([person])), tmp_path / "packed" / f"{person}.npz")
    packed = open_myo_readings(tmp_path / "packed")
    assert isinstance(packed, PackedMyoReadings)
    assert packed.sessions() == text.sessions() == [("L7", "0"), ("R100", "1"), ("R100", "2")]
    pairs = list(zip(text.recordings(), packed.recordings(), strict=True))
    assert len(pairs) == 6
    assert all(same(a, b) for a, b in pairs)
    assert [r.key for r in packed.recordings({"L7"})] == [("L7", "0", "0"), ("L7", "0", "3")]
    assert len(text.files()) == 6


def test_digest_depends_on_content_and_not_on_order(tmp_path: Path) -> None:
    write_text_form(tmp_path)
    digests = [digest_recording(r) for r in TextMyoReadings(tmp_path).recordings()]
    assert digest_listing(digests) == digest_listing(reversed(digests))
    assert digest_listing(digests) != digest_listing(digests[1:])
    assert len(read_pins()) == 29


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty file"),
        ("\n\n", "empty file"),
        ("1,2,3,4,5,6,7,8,0\n1,2,3\n", "line 2 is '1,2,3'"),
        ("1,2,3,4,5,6,7,8,0\n1,2,3,4,5,6,7,x,0", "line 2"),
        ("1,2,3,4,5,6,7,nan,0", "line 1"),
        ("1,2,3,4,5,6,7,200,0", "line 1 .* counts of -128"),
        ("1,2,3,4,5,6,7,8,9", "line 1 .* label of 0"),
        ("1,2,3,4,5,6,7,8\n0,1,2,3,4,5,6,7,8,0", "line 1"),
        ("1,2,3,4,5,6,7,99999999999,0", "too large"),
    ],
)
def test_damaged_text_is_named(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        parse_text(text, "1.txt")
    assert str(caught.value).startswith("1.txt: ")
    assert "\n" not in str(caught.value)


@given(st.text(alphabet="0123456789,-\n x.", max_size=80))
@settings(max_examples=200)
def test_no_text_escapes_the_parser(text: str) -> None:
    try:
        emg, labels = parse_text(text, "f")
    except DataError:
        return
    assert emg.shape == (len(labels), 8)


def test_damaged_packed_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "R1.npz").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"R1.npz: not a whole packed recording"):
        PackedMyoReadings(tmp_path).sessions()
    write_text_form(tmp_path / "text")
    good = list(TextMyoReadings(tmp_path / "text").recordings(["L7"]))
    pack_person(good, tmp_path / "R1.npz")
    whole = (tmp_path / "R1.npz").read_bytes()
    (tmp_path / "R1.npz").write_bytes(whole[:-40])
    with pytest.raises(DataError, match=r"R1.npz: not a whole packed recording"):
        list(PackedMyoReadings(tmp_path).recordings())
    with pytest.raises(DataError, match="no <id>-<session>"):
        open_myo_readings(tmp_path / "text" / "_readings_right_hand" / "100-1")


DESCRIPTION = 'rate_hz = 200.0\nlsb_uv = 1.0\nchannels = ["a", "b"]\nlabels = ["rest", "fist"]\n'


def write_csv(
    folder: Path, body: str, description: str = DESCRIPTION, name: str = "ann_1_2.csv"
) -> CsvFolder:
    folder.mkdir(exist_ok=True)
    (folder / "dataset.toml").write_text(description)
    (folder / name).write_text(body)
    return CsvFolder(folder)


def test_csv_folder_reads_names_numbers_and_ignores_other_columns(tmp_path: Path) -> None:
    data = write_csv(tmp_path / "d", "time,b,a,label\n0,1,-2,rest\n1,3,4,1\n2,5,6, fist \n\n")
    (recording,) = data.recordings()
    assert recording.key == ("ann", "1", "2")
    np.testing.assert_array_equal(recording.emg, [[-2, 1], [4, 3], [6, 5]])
    np.testing.assert_array_equal(recording.labels, [0, 1, 1])
    assert data.info.name == "d"
    assert data.sessions() == [("ann", "1")]


def test_csv_in_microvolts_and_with_values_and_named_by_the_description(tmp_path: Path) -> None:
    description = (
        'rate_hz = 100.0\nlsb_uv = 0.5\nchannels = ["a"]\nvalues = ["x", "y"]\nunit = "uv"\n'
        '[files."m.csv"]\nperson = "bob"\n'
    )
    (recording,) = write_csv(
        tmp_path / "d", "a,x,y\n1.5,0.1,2\n-2.0,0.2,3\n", description, "m.csv"
    ).recordings()
    np.testing.assert_array_equal(recording.emg, [[3], [-4]])
    np.testing.assert_array_equal(recording.labels, [[0.1, 2], [0.2, 3]])
    assert recording.key == ("bob", "1", "1")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "empty file"),
        ("a,b,label\n", "a header and no samples"),
        ("a,label\n1,0\n", "line 1 has no column 'b'"),
        ("a,b\n1,0\n", "line 1 has no column 'label'"),
        ("a,b,label\n1,2,0\n1,2\n", "line 3 has 2 cells, expected 3"),
        ("a,b,label\n1,2,0\n1,NaN,0\n", "line 3, column 'b' is 'NaN', expected a finite number"),
        ("a,b,label\n1,oops,0\n", "line 2, column 'b' is 'oops', expected a number"),
        ("a,b,label\n1,,0\n", "line 2, column 'b' is '', expected a number"),
        ("a,b,label\n1,2.5,0\n", "line 2, column 'b' is 2.5, expected whole counts"),
        ("a,b,label\n1,2,0\n1,2,wave\n", "line 3, column 'label' is 'wave', expected one of rest, fist"),
        ("a,b,label\n1,99999999999,0\n", "counts above 24 bits"),
    ],
)
def test_csv_faults_name_file_line_and_column(tmp_path: Path, body: str, message: str) -> None:
    data = write_csv(tmp_path / "d", body)
    with pytest.raises(DataError, match=message) as caught:
        list(data.recordings())
    assert "ann_1_2.csv: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("description", "name", "message"),
    [
        ("rate_hz = 200.0\n", "a_1_1.csv", "lsb_uv: field required"),
        (DESCRIPTION + "rat_hz = 1\n", "a_1_1.csv", "rat_hz: extra inputs"),
        (DESCRIPTION + 'values = ["x"]\n', "a_1_1.csv", "labels .* or values"),
        (DESCRIPTION + "rate_hz = \n", "a_1_1.csv", "not readable as TOML"),
        (DESCRIPTION, "anna.csv", "name is not person_session_trial.csv"),
    ],
)
def test_description_faults_are_named(tmp_path: Path, description: str, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        write_csv(tmp_path / "d", "a,b,label\n1,2,0\n", description, name)


def test_data_must_fit_the_spec(spec: PatchSpec, csv_project: Path) -> None:
    info = SimulatedSet(spec).info
    check_fits(info, spec)
    text = (csv_project / "patch.toml").read_text()
    for old, new, message in [
        ("rate_hz = 200.0", "rate_hz = 250.0", "recorded at 200 Hz"),
        ("channels = 4", "channels = 5", "4 channels"),
        ("lsb_uv = 1.0", "lsb_uv = 0.5", "1 microvolts a count"),
        ('"rest", "fist", "open"', '"rest", "fist"', "3 outputs"),
        (
            'kind = "classes"\nlabels = ["rest", "fist", "open"]',
            'kind = "values"\nnames = ["x"]',
            "holds classes",
        ),
    ]:
        with pytest.raises(DataError, match=message):
            check_fits(info, parse_spec(text.replace(old, new)))


def test_known_sets_are_found_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: PatchSpec
) -> None:
    def persons(data: DataSet) -> list[str]:
        return data.persons()

    (tmp_path / "repo" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repo" / "here")
    monkeypatch.setattr(
        datasets, "__file__", str(tmp_path / "x" / "training" / "myo_training" / "datasets.py")
    )
    monkeypatch.delenv("MYOPATCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    nothing = resolve_dataset("myo_readings", None, spec)
    assert nothing.info.simulated
    assert "SIMULATED" in nothing.info.source
    assert "myopatch data get myo_readings" in nothing.info.source
    write_text_form(tmp_path / "cache" / "myopatch" / "data" / "myo_readings")
    assert persons(resolve_dataset("myo_readings", None, spec)) == ["L7", "R100"]
    shared = tmp_path / "repo" / "shared" / "data" / "myo_readings" / "_readings_right_hand" / "5-1"
    shared.mkdir(parents=True)
    (shared / "0.txt").write_text("1,2,3,4,5,6,7,8,0")
    assert persons(resolve_dataset("myo_readings", None, spec)) == ["R5"]
    named = tmp_path / "named" / "myo_readings" / "_readings_left_hand" / "6-1"
    named.mkdir(parents=True)
    (named / "0.txt").write_text("1,2,3,4,5,6,7,8,0")
    monkeypatch.setenv("MYOPATCH_DATA", str(tmp_path / "named"))
    assert persons(resolve_dataset("myo_readings", None, spec)) == ["L6"]
    assert persons(resolve_dataset("myo_readings", tmp_path / "repo" / "shared" / "data", spec)) == ["R5"]
    assert persons(resolve_dataset("myo_readings", tmp_path / "named" / "myo_readings", spec)) == ["L6"]
    with pytest.raises(DataError, match="no data set 'myo_readings' in it"):
        resolve_dataset("myo_readings", tmp_path, spec)
    with pytest.raises(DataError, match="neither known"):
        resolve_dataset("nothing_here", None, spec)


def test_simulation_repeats_and_differs_by_person(spec: PatchSpec) -> None:
    size = SimulationSize(n_persons=2, n_sessions=1, n_bouts=1)
    first, again = (list(SimulatedSet(spec, 5, size).recordings()) for _ in range(2))
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert {r.key for r in first} == {(p, "1", t) for p in ("S01", "S02") for t in ("0", "1", "2")}
    assert first[0].emg.shape[1] == spec.sensor.channels
    assert not np.array_equal(first[0].emg, first[3].emg)
    assert np.abs(first[1].emg).max() < spec.sensor.full_scale_counts
    fist = first[1]
    assert fist.emg[fist.labels == 1].std() > 2 * fist.emg[fist.labels == 0].std()
