"""Motion removal: refusals, the bound of law 2, what marks do, and how much of an artefact goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from aux_case import FAULTS, STAGES, make_samples
from aux_case import make_spec as make_streams
from motion_case import BAND, make_spec, prove
from myo_export.aux_streams import quantize_aux
from myo_export.front_end import quantize_front_end
from myo_export.front_end_analysis import make_filter_twin
from myo_export.motion import quantize_motion
from myo_pipeline.aux_reference import time_aux
from myo_pipeline.aux_stream import AuxSamples, AuxTwin
from myo_pipeline.errors import SpecError
from myo_pipeline.motion_reference import mark_frames
from myo_pipeline.motion_twin import MotionConfig, MotionTwin
from myo_pipeline.reference import filter_streams
from myo_pipeline.spec import PatchSpec, parse_spec

RATE_HZ = 1000.0


def run_twin(
    spec: PatchSpec, counts: np.ndarray, samples: AuxSamples
) -> tuple[np.ndarray, np.ndarray, MotionTwin]:
    """Return the twin's counts behind the removal, the marks, and the twin, with its weights."""
    front_end = quantize_front_end(spec)
    aux = quantize_aux(spec, front_end)
    motion = quantize_motion(spec, front_end, aux)
    assert motion is not None
    stream = AuxTwin(aux[0].config)
    stream.feed(samples)
    emg = make_filter_twin(spec, front_end).filter(counts)
    words, marks = stream.resample(len(emg))
    twin = MotionTwin(motion.config, keeps_weights=True)
    given = twin.run(np.concatenate([emg, words], axis=1), marks)
    return given * 2.0**-front_end.exponent, marks, twin


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('reference = "wrist"', 'reference = "knee"', "motion.reference: 'knee' is no [[aux]] stream, there is wrist: add it"),
        ("[motion]", "[motoin]", "motoin: unknown key; did you mean 'motion'"),
        ("[motion]", "[motion]\ntabs = 3", "motion.tabs: unknown key; did you mean 'taps'"),
        ("[motion]", "[motion]\ntaps = 17", "motion.taps: 17 does not fit"),
        ("[motion]", "[motion]\ncutoff_hz = 70.0", "at 200 Hz knows nothing above 100 Hz, expected 105 Hz or more"),
        ("[[aux]]", '[[stage]]\nkind = "envelope"\ncutoff_hz = 6.0\n[[aux]]', "motion: stage[1] 'envelope' leaves no signal"),
        (BAND, "", "motion.cutoff_hz: missing, and no stage is a high-pass or band-pass: add either"),
        ("rate_hz = 200.0", "rate_hz = 50.0", "at 50 Hz knows nothing above 25 Hz"),
    ],
)  # fmt: skip
def test_fault_is_one_clear_line(old: str, new: str, expected: str) -> None:
    text = (
        f'format = 1\nname = "test"\n[sensor]\nchannels = 2\nrate_hz = 1000.0\nlsb_uv = 1.0\nadc_bits = 16\n{BAND}'
        '[[aux]]\nname = "wrist"\nkind = "accelerometer"\nchannels = 3\nrate_hz = 200.0\nlsb = 0.0005\nadc_bits = 16\n'
        '[motion]\nreference = "wrist"\n[window]\nwindow_ms = 200.0\nhop_ms = 50.0\n'
        '[output]\nkind = "classes"\nlabels = ["a", "b"]\n[training]\ndata = "none"\n'
    )
    assert parse_spec(text).motion is not None
    assert old in text
    with pytest.raises(SpecError) as caught:
        parse_spec(text.replace(old, new, 1))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_stream_it_says_so() -> None:
    with pytest.raises(
        SpecError, match=r"'wrist' is no \[\[aux\]\] stream, there is none: add it, or remove \[motion\]"
    ):
        parse_spec(
            'format = 1\nname = "t"\n[sensor]\nchannels = 1\nrate_hz = 1000.0\nlsb_uv = 1.0\nadc_bits = 12\n[motion]\n'
            'reference = "wrist"\n[window]\nwindow_ms = 200.0\nhop_ms = 50.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n'
            '[training]\ndata = "none"\n'
        )


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("own_hz", "bits", "loud"), [(200.0, 16, 0.05), (104.0, 12, 1.0), (333.333, 24, 0.3)]
)
def test_twin_is_within_the_bound_given_its_weights(
    own_hz: float, bits: int, loud: float, fault: str
) -> None:
    """Noise of full scale in both sensors, whatever the stream's clock does."""
    spec, proved = prove(own_hz=own_hz, bits=bits)
    front_end = quantize_front_end(spec)
    n, full = 1200, spec.sensor.full_scale_counts
    samples = make_samples(quantize_aux(spec, front_end)[0].config, n, 3, fault)
    counts = np.round(np.random.default_rng(5).uniform(-1, 1, (n, 2)) * loud * full).astype(np.int64)
    given, _, twin = run_twin(spec, counts, samples)
    exact = filter_streams(spec, counts, [samples], twin.take_weights(proved.front_end.exponent))
    bound = proved.bound_error(front_end.error_bound_counts(float(full)), np.stack(twin.weights))
    error = np.abs(given - exact)[:, :2].max()
    assert error <= bound
    assert error > bound / 300  # the bound is no matter of course
    if fault in ("", "jitter"):  # others mark so much that little is learnt
        assert np.abs(twin.weights[-1]).max() > 0


@pytest.mark.parametrize("stages", STAGES[:3])
@pytest.mark.parametrize("fault", FAULTS)
def test_float_marks_what_the_twin_marks(fault: str, stages: str) -> None:
    spec = make_streams([(100.0, None, stages)])
    config, n = quantize_aux(spec, quantize_front_end(spec))[0].config, 900
    samples = make_samples(config, n, 2, fault)
    twin = AuxTwin(config)
    twin.feed(samples)
    marks = twin.resample(n)[1]
    np.testing.assert_array_equal(mark_frames(time_aux(spec, spec.aux[0]), samples.stamps, n), marks)


def test_nothing_is_learnt_while_the_stream_is_marked() -> None:
    config = prove()[1].config
    rng = np.random.default_rng(1)
    words = (rng.standard_normal((2000, 5)) * 1e7).astype(np.int32)
    words[:, :2] += words[:, 2:3]
    twin = MotionTwin(config, keeps_weights=True)
    marks = np.zeros(2000, bool)
    marks[1002] = True
    twin.run(words, marks)
    first = 1002 // config.every  # the estimate behind the marked frame
    changes = [not np.array_equal(a, b) for a, b in zip(twin.weights, twin.weights[1:], strict=False)]
    still = [first - 1 + k for k in range(config.taps + 2)]
    assert not any(changes[k] for k in still)
    assert changes[still[0] - 1]
    assert changes[still[-1] + 1]


def plant(seconds: int, own_hz: float = 200.0) -> tuple[np.ndarray, np.ndarray, AuxSamples]:
    """Return EMG-like noise, an artefact as strong, (n, 2) each in counts, and the acceleration it came from."""
    rng, n, fast_hz = np.random.default_rng(4), seconds * 1000, 4000
    decay = np.arange(800) / fast_hz
    moved = np.zeros((n * 4 + 800, 3))
    for start in range(0, n * 4, fast_hz // 2):
        f = rng.uniform(20, 45)
        moved[start : start + 800] += np.outer(
            np.exp(-decay / 0.05) * np.sin(2 * np.pi * f * decay), rng.normal(size=3)
        )
    moved = moved[: n * 4]
    leads = signal.lfilter(*signal.butter(1, 40, fs=fast_hz), moved @ rng.normal(size=(3, 2)), axis=0)[::4]
    noise = signal.sosfilt(
        signal.butter(2, (20, 90), "bandpass", fs=RATE_HZ, output="sos"), rng.standard_normal((n, 2)), axis=0
    )
    own = moved[:: int(fast_hz / own_hz)]
    counts = np.round(own / np.abs(own).max() * 4000).astype(np.int32)
    stamps = -(-np.arange(len(counts)) * int(RATE_HZ) // int(own_hz))
    return noise / noise.std(axis=0) * 300, leads / leads.std(axis=0) * 300, AuxSamples(counts, stamps)


def test_an_artefact_goes_and_the_muscle_stays() -> None:
    """By float and integers, from the fifth second on: 6 dB or more of the artefact, and muscle 15 dB above what is lost."""
    spec, proved = prove()
    muscle, artefact, samples = plant(20)
    delay, tail = proved.config.delay, slice(5000, None)
    still = make_spec().model_copy(update={"motion": None})
    clean = filter_streams(still, np.round(muscle), [samples])[:, :2]
    alone = filter_streams(still, np.round(artefact), [samples])[:, :2]
    clean, alone = (np.concatenate([np.zeros((delay, 2)), x])[: len(x)] for x in (clean, alone))
    mixed = np.round(muscle + artefact).astype(np.int64)
    for given in (filter_streams(spec, mixed, [samples])[:, :2], run_twin(spec, mixed, samples)[0][:, :2]):
        gone = 10 * np.log10((alone[tail] ** 2).sum(axis=0) / ((given - clean)[tail] ** 2).sum(axis=0))
        assert gone.min() > 6
    kept = filter_streams(spec, np.round(muscle), [samples])[
        :, :2
    ]  # a sensor that moves, an electrode that does not
    lost = 10 * np.log10((clean[tail] ** 2).sum(axis=0) / ((kept - clean)[tail] ** 2).sum(axis=0))
    assert lost.min() > 15


def test_the_pieces_of_a_bundle_hold_it(tmp_path: Path) -> None:
    config = prove()[1].config
    np.savez(tmp_path / "m.npz", **config.to_arrays())
    with np.load(tmp_path / "m.npz") as archive:
        assert str(MotionConfig.from_arrays(dict(archive))) == str(config)
