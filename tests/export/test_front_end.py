"""The Q31 front end: nothing overflows for any input, and the twin stays within the derived bound of float."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from front_end_case import chains, quantize_chain
from myo_export.cascade import _arrange, _fit, dequantize_coefficients, quantize_coefficients
from myo_export.fixed_point import quantize_multiplier
from myo_export.front_end import FrontEnd, quantize_front_end
from myo_export.front_end_analysis import make_filter_twin
from myo_export.section_forms import choose_section_forms
from myo_pipeline.chain import design_chain, round_step
from myo_pipeline.errors import ExportError, SpecError
from myo_pipeline.reference import filter_counts
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_pipeline.stages import HighPass, LowPass
from myo_pipeline.steps import Kind
from myo_pipeline.twin import FrontEndTwin

STAGES = {
    "highpass": '[[stage]]\nkind = "highpass"\ncutoff_hz = 20.0\norder = 4\n',
    "lowpass": '[[stage]]\nkind = "lowpass"\ncutoff_hz = 60.0\norder = 5\n',
    "bandpass": '[[stage]]\nkind = "bandpass"\nlow_hz = 20.0\nhigh_hz = 90.0\norder = 4\n',
    "bessel": '[[stage]]\nkind = "lowpass"\ndesign = "bessel"\ncutoff_hz = 60.0\n',
    "chebyshev1": '[[stage]]\nkind = "highpass"\ndesign = "chebyshev1"\nripple_db = 1.0\ncutoff_hz = 20.0\n',
    "chebyshev2": '[[stage]]\nkind = "lowpass"\ndesign = "chebyshev2"\ncutoff_hz = 70.0\norder = 6\n',
    "elliptic": '[[stage]]\nkind = "bandpass"\ndesign = "elliptic"\nlow_hz = 20.0\nhigh_hz = 90.0\norder = 3\n',
    "bandstop": '[[stage]]\nkind = "bandstop"\nlow_hz = 45.0\nhigh_hz = 55.0\norder = 2\n',
    "comb": '[[stage]]\nkind = "comb"\nfrequency_hz = 50.0\nq = 20.0\n',
    "dc": '[[stage]]\nkind = "dc"\ncutoff_hz = 1.0\n',
    "notch": '[[stage]]\nkind = "notch"\nfrequency_hz = 50.0\nharmonics = 3\nq = 30.0\n',
}
CASES = [
    (names, rate_hz, bits)
    for names in (
        ("highpass",),
        ("lowpass",),
        ("bandpass",),
        ("notch",),
        ("bandpass", "notch"),
        ("highpass", "notch"),
        ("bessel",),
        ("chebyshev1",),
        ("chebyshev2",),
        ("elliptic", "dc"),
        ("bandstop",),
        ("dc", "comb"),
        (),
    )
    for rate_hz, bits in ((200.0, 8), (1000.0, 12), (4000.0, 16), (2000.0, 24))
    if not ("comb" in names and rate_hz > 1000)  # 20 teeth and more
]


def make_spec(names: tuple[str, ...], rate_hz: float, bits: int, channels: int = 1) -> PatchSpec:
    return parse_spec(
        f'format = 1\nname = "test"\n[sensor]\nchannels = {channels}\nrate_hz = {rate_hz}\nlsb_uv = 1.0\nadc_bits = {bits}\n'
        + "".join(STAGES[name] for name in names)
        + '[window]\nwindow_ms = 100.0\nhop_ms = 50.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n'
        '[training]\ndata = "none"\n'
    )


@functools.cache
def _quantize_text(text: str) -> FrontEnd:
    return quantize_front_end(PatchSpec.model_validate_json(text))


def quantize(spec: PatchSpec) -> FrontEnd:
    return _quantize_text(spec.model_dump_json())


def make_twin(spec: PatchSpec) -> FrontEndTwin:
    return make_filter_twin(spec, quantize(spec))


def worst_input(spec: PatchSpec, n: int) -> np.ndarray:
    """Return the full-scale input that drives the last node to its L1 norm: the sign of the reversed impulse response."""
    impulse = np.zeros(n)
    impulse[0] = 1
    response = signal.sosfilt(design_chain(spec)[0].values, impulse) if spec.stage else impulse
    full_scale = spec.sensor.full_scale_counts
    return np.where(response[::-1] >= 0, full_scale - 1, -full_scale).astype(np.int64)[:, None]


@pytest.mark.parametrize(("names", "rate_hz", "bits"), CASES)
def test_worst_input_stays_inside_and_within_the_bound(
    names: tuple[str, ...], rate_hz: float, bits: int
) -> None:
    """Law 2. The bound is coefficient_gain * peak + rounding_lsb * 2^-exponent, derived in docs/laws.md."""
    spec = make_spec(names, rate_hz, bits)
    front_end = quantize(spec)
    counts = worst_input(spec, 6000)
    filtered = make_twin(spec).filter(counts)
    # A wrapped word would be off by 2^32, thousands of times the bound.
    error = np.abs(filtered * 2.0**-front_end.exponent - filter_counts(spec, counts))
    assert error.max() <= front_end.error_bound_counts(spec.sensor.full_scale_counts)
    if len(front_end.steps) == 1:  # a product of norms is no norm
        reached = np.abs(filtered.astype(np.float64)).max() / 2**31
        assert reached <= front_end.steps[0].peak
        assert reached >= 0.8 * front_end.steps[0].peak, (
            "the proof is far from tight, or the input is not the worst"
        )


@pytest.mark.parametrize(("names", "rate_hz", "bits"), CASES)
def test_scaling_wastes_no_bit(names: tuple[str, ...], rate_hz: float, bits: int) -> None:
    front_end = quantize(make_spec(names, rate_hz, bits))
    cascade = front_end.cascades[0] if names else None
    if cascade and front_end.input_shift < 31 - bits:
        assert 2 * max(cascade.node_peak.max(), cascade.accumulator_peak.max()) >= 0.999


@pytest.mark.parametrize("rate_hz", [1000.0, 2000.0, 4000.0])
def test_standard_front_end_reaches_100_db(rate_hz: float) -> None:
    text = STAGES["bandpass"].replace("90.0", "450.0") + STAGES["notch"].replace(
        "harmonics = 3", "harmonics = 1"
    )
    spec = parse_spec(
        f'format = 1\nname = "test"\n[sensor]\nchannels = 1\nrate_hz = {rate_hz}\nlsb_uv = 1.0\nadc_bits = 16\n{text}'
        '[window]\nwindow_ms = 100.0\nhop_ms = 50.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n[training]\ndata = "x"\n'
    )
    rng = np.random.default_rng(1)
    counts = np.clip(np.round(rng.laplace(scale=3000, size=(20_000, 1))), -32768, 32767).astype(np.int64)
    reference = filter_counts(spec, counts)
    error = make_twin(spec).filter(counts) * 2.0 ** -quantize(spec).exponent - reference
    assert 10 * np.log10((reference**2).sum() / (error**2).sum()) >= 100


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_block_size_changes_no_word(data: st.DataObject) -> None:
    spec = make_spec(("bandpass", "notch"), 1000.0, 12, channels=2)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    counts = rng.integers(-2048, 2048, size=(200, 2))
    cuts = sorted(data.draw(st.sets(st.integers(1, 199), max_size=12)))
    whole = make_twin(spec).filter(counts)
    twin = make_twin(spec)
    parts = [twin.filter(counts[a:b]) for a, b in itertools.pairwise([0, *cuts, 200])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_reset_is_exact() -> None:
    spec = make_spec(("bandpass", "notch"), 1000.0, 12)
    counts = np.random.default_rng(2).integers(-2048, 2048, size=(500, 1))
    twin = make_twin(spec)
    first = twin.filter(counts)
    twin.reset()
    np.testing.assert_array_equal(twin.filter(counts), first)


def test_counts_beyond_the_converter_are_limited() -> None:
    spec = make_spec(("bandpass",), 1000.0, 12)
    big = np.array([[40_000], [-40_000]])
    np.testing.assert_array_equal(
        make_twin(spec).filter(big), make_twin(spec).filter(np.array([[2047], [-2048]]))
    )


def test_coefficients_round_trip_within_half_a_step() -> None:
    sections = signal.butter(6, [20, 450], "bandpass", fs=2000, output="sos")
    coefficients, post_shift = quantize_coefficients(sections)
    error = np.abs(dequantize_coefficients(coefficients, post_shift) - sections)
    assert error.max() <= 0.5 * 2.0 ** (post_shift - 31) * (1 + 1e-9)


def test_every_arrangement_is_the_same_filter() -> None:
    sections = np.concatenate(
        [
            signal.butter(3, [20, 450], "bandpass", fs=4000, output="sos"),
            signal.tf2sos(*signal.iirnotch(50, 30, fs=4000)),
        ]
    )
    _, expected = signal.freqz_sos(sections, worN=512)
    arrangements = _arrange(sections)
    assert len(arrangements) >= 4
    for arrangement in arrangements:
        _, found = signal.freqz_sos(arrangement, worN=512)
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_predicted_noise_is_the_noise() -> None:
    """The prediction that picks the arrangement is within 3 dB of what long full-range noise shows."""
    spec = make_spec(("highpass", "notch"), 1000.0, 16)
    fit = min(
        (_fit(order, 32768.0) for order in _arrange(design_chain(spec)[0].values)), key=lambda f: f.noise
    )
    counts = np.random.default_rng(5).integers(-32768, 32768, (60_000, 1))
    error = make_twin(spec).filter(counts) * 2.0**-fit.exponent - filter_counts(spec, counts)
    assert 0.7 < np.sqrt((error[5000:] ** 2).mean()) / fit.noise < 1.4


def test_unstable_after_rounding_is_refused() -> None:
    section = np.array([[1.0, 0, 0, 1.0, -2 * (1 - 1e-12), (1 - 1e-12) ** 2]])
    with pytest.raises(ExportError, match=r"pole radius .* after rounding to Q31, expected below 1"):
        quantize_coefficients(section)


def test_filter_that_rings_for_ever_is_refused() -> None:
    spec = make_spec(("highpass",), 4000.0, 16)
    slow = spec.model_copy(update={"stage": [spec.stage[0].model_copy(update={"cutoff_hz": 0.0005})]})
    with pytest.raises(ExportError, match="raise the cutoff"):
        quantize_front_end(slow)


@given(st.floats(1e-8, 1e3))
def test_multiplier_is_exact_to_31_bits(real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert abs(multiplier * 2.0**-shift - real) <= real * 2.0**-31


@pytest.mark.parametrize("real", [0.0, -1.0, float("nan"), 1e-12, 1e12])
def test_multiplier_out_of_range_is_refused(real: float) -> None:
    with pytest.raises(ExportError, match="network input scale"):
        quantize_multiplier(real)


def test_more_sections_than_the_device_runs_are_refused() -> None:
    with pytest.raises(ExportError, match="39 second-order sections, at most 32"):
        quantize_front_end(make_spec(("comb",), 4000.0, 12))


def measure_error(stages: tuple[str, ...], counts: np.ndarray, bits: int = 12) -> tuple[float, float]:
    """Return the largest |twin - float| and its bound."""
    spec, front_end = quantize_chain(stages, bits)
    words = make_filter_twin(spec, front_end).filter(counts)
    error = np.abs(words * 2.0**-front_end.exponent - filter_counts(spec, counts)).max(initial=0.0)
    return float(error), front_end.error_bound_counts(float(spec.sensor.full_scale_counts))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(chains(), st.sampled_from([8, 12, 24]), st.integers(0, 999))
def test_any_chain_stays_within_its_bound(stages: tuple[str, ...], bits: int, seed: int) -> None:
    """Law 2, for full-scale noise, square waves of many lengths, and small noise, whose errors are the largest relatively."""
    rng, full_scale = np.random.default_rng(seed), 1 << (bits - 1)
    square = np.where(np.repeat(rng.integers(0, 2, (60, 3)), 7, axis=0) == 1, full_scale - 1, -full_scale)
    loud = rng.choice([-full_scale, full_scale - 1], (300, 3))
    quiet = rng.integers(-3, 4, (300, 3))
    # A bound of nothing: all is exact. Float64 itself is off by about 1e-16 of the largest sum on the way.
    error, bound = measure_error(stages, np.concatenate([square, loud, quiet]), bits)
    assert error <= bound * (1 + 1e-9) + 1e-12 * full_scale**2
    proved = quantize_chain(stages, bits)[1].steps
    assert all(step.peak < 1 and step.accumulator_peak < 1 for step in proved)


WORST = {
    'kind = "tkeo"\n': [1, -1, -1],
    'kind = "fir"\ntaps = [0.7, -900.0, 0.001, 4.0]\n': [1, 1, -1, 1],
    'kind = "moving_average"\nn = 37\n': [1] * 37,
}


@pytest.mark.parametrize(("stage", "signs"), WORST.items(), ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("bits", [8, 16, 24])
def test_worst_input_of_other_stages_reaches_the_proof(stage: str, signs: list[int], bits: int) -> None:
    """The input that drives the step hardest reaches 98 % of the proved peak, and nothing wraps."""
    full_scale = 1 << (bits - 1)
    counts = np.repeat(np.where(np.array(signs) > 0, full_scale - 1, -full_scale)[:, None], 3, axis=1)
    spec, front_end = quantize_chain((stage,), bits)
    words = make_filter_twin(spec, front_end).filter(counts)
    assert (
        0.98 * front_end.steps[0].peak <= np.abs(words.astype(float)).max() / 2**31 <= front_end.steps[0].peak
    )
    error, bound = measure_error((stage,), counts, bits)
    assert error <= bound * (1 + 1e-9) + 1e-12 * full_scale**2


def test_exact_stages_are_exact() -> None:
    stages = ('kind = "spatial"\nmode = "remap"\nchannels = [2, 0, 1]\n', 'kind = "rectify"\n',
              'kind = "spatial"\nmode = "single_differential"\n',
              'kind = "decimate"\nfactor = 3\nattenuation_db = 0\n')  # fmt: skip
    counts = np.random.default_rng(4).integers(-2048, 2048, (100, 3))
    spec, front_end = quantize_chain(stages)
    words = make_filter_twin(spec, front_end).filter(counts)
    folded = np.abs(counts[:, [2, 0, 1]])
    np.testing.assert_array_equal(words * 2.0**-front_end.exponent, (folded[:, 1:] - folded[:, :-1])[2::3])
    np.testing.assert_array_equal(filter_counts(spec, counts), (folded[:, 1:] - folded[:, :-1])[2::3])


def test_standard_envelope_at_a_tenth_of_the_rate() -> None:
    """Band-pass, envelope, decimation: 80 dB against float64, and the envelope of a sine is 2 / pi of its amplitude."""
    stages = ('kind = "bandpass"\nlow_hz = 20.0\nhigh_hz = 400.0\norder = 2\n', 'kind = "envelope"\ncutoff_hz = 6.0\n',
              'kind = "decimate"\nfactor = 8\n')  # fmt: skip
    time = np.arange(8000)[:, None] / 1000
    counts = np.round(1500 * np.sin(2 * np.pi * 80 * time) * np.ones(3)).astype(int)
    spec, front_end = quantize_chain(stages)
    words = make_filter_twin(spec, front_end).filter(counts) * 2.0**-front_end.exponent
    reference = filter_counts(spec, counts)
    assert words.shape == (1000, 3)
    assert 10 * np.log10((reference**2).sum() / ((words - reference) ** 2).sum()) > 80
    np.testing.assert_allclose(words[500:], 1500 * 2 / np.pi, rtol=0.02)


def test_decimation_without_a_low_pass_is_refused_with_its_attenuation() -> None:
    stages = ('kind = "lowpass"\ncutoff_hz = 200.0\norder = 2\n', 'kind = "decimate"\nfactor = 2\n')
    with pytest.raises(
        SpecError, match=r"stage\[1\].factor: .* by 6.6 dB .* 250 Hz, upwards, expected 20 dB: put a low-pass"
    ):
        quantize_chain(stages)
    quantize_chain(
        (stages[0].replace("order = 2", "order = 10"), stages[1].replace("2\n", "2\nattenuation_db = 15\n"))
    )


def test_a_row_that_vanishes_in_16_bits_is_refused() -> None:
    stage = 'kind = "spatial"\nmode = "matrix"\nweights = [[1.0, 0.0, 0.0], [0.00001, 0.0, 0.0]]\n'
    with pytest.raises(ExportError, match="row 1 vanishes in 16 bits beside a weight of 1"):
        quantize_chain((stage,))


def test_error_that_enters_an_energy_reaches_its_bound() -> None:
    """Weights that 16 bits do not hold are off by E; two products of two samples make 4 P E of it."""
    stages = (
        'kind = "spatial"\nmode = "matrix"\nweights = [[0.1, 0.0, 0.0], [0.0, 0.1, 0.0]]\n',
        'kind = "tkeo"\n',
    )
    counts = np.repeat(np.array([-2048, 2047, 2047])[:, None], 3, axis=1)
    error, bound = measure_error(stages, counts)
    assert 0.95 * bound <= error <= bound


def test_a_fir_before_a_decimation_computes_what_stays_and_gives_the_same_words() -> None:
    fir = 'kind = "fir"\nn_taps = 41\nedges_hz = [80.0]\n'
    stages = (fir, 'kind = "decimate"\nfactor = 4\n')
    counts = np.random.default_rng(6).integers(-2048, 2048, (333, 3))
    (spec, both), (whole_spec, whole) = quantize_chain(stages), quantize_chain((fir,))
    assert [(step.kind, step.decimation) for step in both.device_steps] == [(Kind.FIR, 4)]
    every = make_filter_twin(whole_spec, whole).filter(counts)
    np.testing.assert_array_equal(make_filter_twin(spec, both).filter(counts), every[3::4])


SLOW = [
    ("highpass", 0.5, 4000.0, 26),
    ("highpass", 2.0, 4000.0, 50),
    ("lowpass", 2.0, 2000.0, 74),
    ("highpass", 150.0, 4000.0, None),
]


@pytest.mark.parametrize(("kind", "cutoff_hz", "rate_hz", "narrow_db"), SLOW)
def test_slow_poles_get_64_bits_of_state_and_reach_the_goal(
    kind: str, cutoff_hz: float, rate_hz: float, narrow_db: float | None
) -> None:
    """Where Q31 is predicted to miss 100 dB the wide form is taken, and both predictions are what is found, within 3 dB."""
    spec = make_spec(("highpass",), rate_hz, 16)
    stage = {"highpass": HighPass, "lowpass": LowPass}[kind](kind=kind, cutoff_hz=cutoff_hz, order=2)
    spec = spec.model_copy(update={"stage": [stage]})
    front_end = quantize_front_end(spec)
    assert [step.kind for step in front_end.device_steps] == [
        Kind.SOS if narrow_db is None else Kind.SOS_WIDE
    ]
    forms = choose_section_forms(design_chain(spec)[0].values, 32768.0, "x")
    counts = np.random.default_rng(5).integers(-32768, 32768, (60_000, 1))
    rounded = signal.sosfilt(
        round_step(design_chain(spec)[0], front_end.device_steps[0]).values, counts, axis=0
    )
    error = make_filter_twin(spec, front_end).filter(counts) * 2.0**-front_end.exponent - rounded
    found = 20 * np.log10(32768 / 16 / np.sqrt((error[20_000:] ** 2).mean()))
    assert found == pytest.approx(forms.snr_db, abs=3)
    assert forms.snr_db >= 100
    if narrow_db is not None:
        assert forms.narrow_snr_db == pytest.approx(narrow_db, abs=2)
