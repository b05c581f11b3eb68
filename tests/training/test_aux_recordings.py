"""Auxiliary streams in recordings: read from CSV, checked against the spec, cut into windows as the twin sees them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from myo_export.aux_streams import quantize_aux
from myo_export.front_end import quantize_front_end
from myo_export.trained import read_evaluation
from myo_pipeline.aux_stream import AuxTwin
from myo_pipeline.errors import DataError
from myo_pipeline.recording import Recording as FileRecording
from myo_pipeline.recording import write_recording
from myo_pipeline.recording.recording import Annotation
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_training.augmentation import ChannelAugmentation
from myo_training.csv_folder import CsvFolder
from myo_training.datasets import resolve_dataset
from myo_training.evaluation import choose_segments, pack_segments
from myo_training.feature_input import measure_features
from myo_training.input_scale import make_augmentation, measure_scale
from myo_training.recordings import check_fits, check_recording, digest_recording
from myo_training.simulation import SimulatedSet, SimulationSize
from myo_training.windows import cut_recordings

SPEC = """
format = 1
name = "aux"
[sensor]
channels = 2
rate_hz = 200.0
lsb_uv = 0.5
adc_bits = 12
[[aux]]
name = "wrist"
kind = "accelerometer"
channels = 2
rate_hz = 52.0
lsb = 0.001
adc_bits = 14
[window]
window_ms = 200.0
hop_ms = 100.0
[output]
kind = "classes"
labels = ["rest", "fist"]
[training]
data = "recordings"
held_out_persons = 1
validation_persons = 0
"""
DESCRIPTION = """
rate_hz = 200.0
lsb_uv = 0.5
channels = ["a", "b"]
labels = ["rest", "fist"]
[[aux]]
name = "wrist"
kind = "accelerometer"
rate_hz = 52.0
lsb = 0.001
channels = ["x", "y"]
"""
N = 400


@pytest.fixture(scope="module")
def spec() -> PatchSpec:
    return parse_spec(SPEC)


def write_folder(folder: Path, aux: str | None = None, description: str = DESCRIPTION) -> Path:
    """One recording, with its stream beside it: by its rate, unless its lines are given."""
    rng = np.random.default_rng(1)
    rows = [f"{a},{b},{int(k >= N // 2)}" for k, (a, b) in enumerate(rng.integers(-900, 900, (N, 2)))]
    (folder / "anna_1_1.csv").write_text("\n".join(["a,b,label", *rows]))
    if aux is None:
        x = rng.integers(-4000, 4000, (104, 2))
        aux = "\n".join(["y,x", *(f"{b},{a}" for a, b in x)])
    (folder / "anna_1_1.wrist.csv").write_text(aux)
    (folder / "dataset.toml").write_text(description)
    return folder


def test_a_stream_stands_beside_its_recording(tmp_path: Path, spec: PatchSpec) -> None:
    data = CsvFolder(write_folder(tmp_path))
    check_fits(data.info, spec)
    assert [path.name for path in data.files()] == ["anna_1_1.csv", "anna_1_1.wrist.csv", "dataset.toml"]
    (recording,) = data.recordings()
    samples = recording.aux["wrist"]
    lines = (tmp_path / "anna_1_1.wrist.csv").read_text().splitlines()[1:]
    np.testing.assert_array_equal(
        samples.counts[:, ::-1], [[int(c) for c in line.split(",")] for line in lines]
    )
    np.testing.assert_array_equal(samples.stamps, np.ceil(np.arange(104) * 200 / 52 - 1e-9))
    check_recording(recording, spec)
    before = digest_recording(recording)
    samples.counts[3, 1] += 1
    assert digest_recording(recording) != before


def test_a_stream_stands_beside_a_recorders_file(tmp_path: Path, spec: PatchSpec) -> None:
    """BDF+ with its stream in CSV, as `myopatch record` leaves them, against the same recording in CSV alone."""
    (tmp_path / "csv").mkdir()
    (expected,) = CsvFolder(write_folder(tmp_path / "csv")).recordings()
    folder = tmp_path / "bdf"
    folder.mkdir()
    for name in ("anna_1_1.wrist.csv", "dataset.toml"):
        (folder / name).write_bytes((tmp_path / "csv" / name).read_bytes())
    written = FileRecording.from_array(
        "x",
        expected.emg,
        200.0,
        lsb_uv=0.5,
        channels=("a", "b"),
        annotations=(Annotation(1.0, None, "fist"),),
    )
    write_recording(folder / "anna_1_1.bdf", written)
    data = resolve_dataset(str(folder))
    check_fits(data.info, spec)
    assert [path.name for path in data.files()] == ["anna_1_1.bdf", "anna_1_1.wrist.csv"]
    (found,) = data.recordings()
    assert digest_recording(found) == digest_recording(expected)
    (folder / "anna_1_1.wrist.csv").unlink()
    with pytest.raises(DataError, match=r"anna_1_1\.wrist\.csv: auxiliary stream not readable"):
        list(data.recordings())


def test_frames_tell_when_samples_came(tmp_path: Path) -> None:
    write_folder(tmp_path, "x,frame,y\n1,0,2\n3,9,4\n5,9,6\n")
    (recording,) = CsvFolder(tmp_path).recordings()
    assert recording.aux["wrist"].stamps.tolist() == [0, 9, 9]
    assert recording.aux["wrist"].counts.tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize(
    ("aux", "said"),
    [
        ("x,z\n1,2\n", "line 1 is 'x, z', expected 'y'"),
        ("x,y\n1,2\n1,2.5\n", "line 3 is '1,2.5', expected whole numbers"),
        ("x,y\n1,2\n1\n", "line 3 is '1', expected whole numbers"),
        ("x,y\n1,nan\n", "line 2 is '1,nan', expected whole numbers"),
        ("x,y,frame\n1,2,5\n1,2,4\n", "line 3, frame 4 is lower than before"),
        ("x,y\n1,99999999\n", "counts above 24 bits"),
    ],
)
def test_a_damaged_stream_is_one_clear_line(tmp_path: Path, aux: str, said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        list(CsvFolder(write_folder(tmp_path, aux)).recordings())


def test_a_missing_stream_is_one_clear_line(tmp_path: Path, spec: PatchSpec) -> None:
    folder = write_folder(tmp_path)
    (folder / "anna_1_1.wrist.csv").unlink()
    with pytest.raises(DataError, match=re.escape("wrist.csv: auxiliary stream not readable")):
        list(CsvFolder(folder).recordings())
    for old, new, said in (
        ('name = "wrist"', 'name = "other"', "no auxiliary stream 'wrist' (it has other)"),
        ("rate_hz = 52.0", "rate_hz = 50.0", "aux wrist has rate_hz 50.0, the spec says 52.0"),
        ('["x", "y"]', '["x"]', "aux wrist has channels 1, the spec says 2"),
        ("accelerometer", "gyroscope", "aux wrist has kind gyroscope"),
    ):
        write_folder(folder, description=DESCRIPTION.replace(old, new))
        with pytest.raises(DataError, match=re.escape(said)):
            check_fits(CsvFolder(folder).info, spec)


def test_windows_are_what_the_twin_sees(tmp_path: Path, spec: PatchSpec) -> None:
    (recording,) = CsvFolder(write_folder(tmp_path)).recordings()
    windows = cut_recordings([recording], spec, spec.hop_samples).counts
    front_end = quantize_front_end(spec)
    (proved,) = quantize_aux(spec, front_end)
    twin = AuxTwin(proved.config)
    twin.feed(recording.aux["wrist"])
    words, marks = twin.resample(N)
    assert not marks.any()
    for k, window in enumerate(windows):
        part = words[k * spec.hop_samples : k * spec.hop_samples + spec.window_samples]
        exact = part * 2.0**-front_end.exponent
        assert np.abs(window[:, 2:] - exact).max() <= proved.error_bound + 2e-5  # float32 of up to 512 counts
        assert np.abs(window[:, :2]).max() > 100


@pytest.mark.parametrize("scaling", ["shared", "channel"])
def test_auxiliary_channels_have_scales_of_their_own_and_are_not_augmented(scaling: str) -> None:
    spec = parse_spec(f'{SPEC}scaling = "{scaling}"\n')
    rng = np.random.default_rng(3)
    counts = rng.normal(size=(50, 40, 4)) * [100, 300, 7, 1]
    scales = measure_scale(counts, spec)
    assert isinstance(scales, np.ndarray)
    assert (scales[0] == scales[1]) == (scaling == "shared")
    assert scales[2] / scales[3] == pytest.approx(7, rel=0.2)
    x = rng.uniform(-0.5, 0.5, (64, 1, 40, 4)).astype(np.float32)
    y = make_augmentation(spec, scales)(x, np.random.default_rng(1))
    np.testing.assert_array_equal(y[..., 2:], x[..., 2:])
    assert (np.abs(y[..., :2] - x[..., :2]).max(axis=(1, 2, 3)) > 0).all()
    alone = ChannelAugmentation(scales[:2])
    np.testing.assert_array_equal(y[..., :2], alone(x[..., :2], np.random.default_rng(1)))


def test_features_of_auxiliary_channels_have_statistics_of_their_own() -> None:
    text = SPEC.replace("[window]", '[[features]]\nkind = "mav"\n[window]').replace(
        "[output]", '[model]\nkind = "mlp"\n[output]'
    )
    spec = parse_spec(text)
    features = np.random.default_rng(4).normal(size=(80, 1, 4)) * [1, 3, 10, 20] + [5, 5, 50, 90]
    scale = measure_features(features, spec)
    assert scale.mean[0, 0] == scale.mean[0, 1] == pytest.approx(features[:, 0, :2].mean())
    np.testing.assert_allclose(scale.mean[0, 2:], features[:, 0, 2:].mean(axis=0))
    np.testing.assert_allclose(scale.deviation[0, 2:], features[:, 0, 2:].std(axis=0))
    still = parse_spec(text.replace('"mav"', '"complexity"'))
    features[7, 0, 3] = 1e9  # of a window in which float64 rounds all that moves
    with pytest.raises(
        DataError, match=r"feature complexity of channel 3: mean 1.25e\+07 .* leave the feature out"
    ):
        measure_features(features, still)


def test_segments_begin_with_a_sample_of_each_stream(tmp_path: Path, spec: PatchSpec) -> None:
    data = SimulatedSet(spec, 1, SimulationSize(2, 1, 2))
    assert data.info.aux[0].name == "wrist"
    segments = choose_segments(list(data.recordings()), spec)
    assert segments
    for segment in segments:
        assert segment.start % 50 == 0  # 13 samples in 50 frames
    path = tmp_path / "evaluation.npz"
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **pack_segments(segments, spec))
    for segment, piece in zip(segments, read_evaluation(path, spec), strict=True):
        (samples,) = piece.aux
        n = segment.stop - segment.start
        np.testing.assert_array_equal(samples.stamps, np.ceil(np.arange(len(samples)) * 50 / 13 - 1e-9))
        assert n - 4 <= samples.stamps[-1] < n
        first = segment.start * 13 // 50
        np.testing.assert_array_equal(
            samples.counts, segment.recording.aux["wrist"].counts[first : first + len(samples)]
        )
