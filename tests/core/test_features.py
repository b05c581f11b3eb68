"""Features in C against the twin, which computes every window by itself: any window, hop, portions, words."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_line import Harness
from feature_case import all_features, ask_features, portions
from myo_pipeline import fixed_math as fm
from myo_pipeline.feature_config import FeatureConfig, Sum, compile_features
from myo_pipeline.feature_normalization import Normalization, normalize_words
from myo_pipeline.feature_twin import compute_words, cut_windows, shift_to_words
from myo_pipeline.features import AmplitudeFeature, CountFeature, ShapeFeature

WORD = st.integers(-(2**15), 2**15 - 1)


@pytest.fixture(scope="module")
def harness(core_program: Callable[[str], Path]) -> Iterator[Harness]:
    found = Harness(core_program("features_harness"))
    yield found
    found.close()


def signal(rng: np.random.Generator, n_frames: int, n_channels: int) -> np.ndarray:
    """Words of many sizes: silence, ties, noise, full scale and constant ends of the range."""
    kind = rng.choice(
        ["noise", "small", "full", "ends", "constant", "silent"], p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05]
    )
    shape = (n_frames, n_channels)
    match kind:
        case "noise":
            x = rng.normal(0, 10 ** rng.uniform(0, 4), shape)
        case "small":
            x = rng.integers(-2, 3, shape)
        case "full":
            x = rng.integers(-(2**15), 2**15, shape)
        case "ends":
            x = rng.choice([-(2**15), 2**15 - 1], shape)
        case "constant":
            x = np.full(shape, rng.integers(-(2**15), 2**15))
        case _:
            x = np.zeros(shape)
    return np.clip(np.round(x), -(2**15), 2**15 - 1).astype(np.int16)


def expect_equal(config: FeatureConfig, found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    differing = np.argwhere(found != expected)
    if len(differing):
        window, component, channel = differing[0]
        raise AssertionError(
            f"{len(differing)} words; first {config.names[component]} of window {window}, channel {channel}: "
            f"{found[window, component, channel]}, twin {expected[window, component, channel]}"
        )


@pytest.mark.parametrize("seed", range(60))
def test_any_window_hop_and_portions(harness: Harness, seed: int) -> None:
    rng = np.random.default_rng(seed)
    window = int(rng.integers(7, 90))
    hop = int(rng.choice([1, 2, window, max(1, window // 4), rng.integers(1, window + 1)]))
    config = compile_features(
        all_features(threshold=float(rng.choice([0, 1, 50])), lags=int(rng.integers(2, 7)), bins=int(rng.integers(2, 33)),
                     reach=float(10 ** rng.uniform(0, 4.5))),
        n_channels=int(rng.integers(1, 5)), window=window, hop=hop, word_shift=0,
    )  # fmt: skip
    x = signal(rng, window + int(rng.integers(0, 6 * hop + 40)), config.n_channels)
    status, found = ask_features(harness, config, x, portions(len(x), rng, int(rng.choice([1, 5, 64, 500]))))
    assert status == 0
    expect_equal(config, found, compute_words(config, cut_windows(x, window, hop)))


@pytest.mark.parametrize("n_frames", [4096, 65535])
def test_longest_windows_do_not_overflow(harness: Harness, n_frames: int) -> None:
    config = compile_features(
        all_features(reach=32768.0, with_descriptors=n_frames <= 32767),
        n_channels=1,
        window=n_frames,
        hop=n_frames,
        word_shift=0,
    )
    ends = np.full((n_frames, 1), -(2**15), np.int16)
    turns = ends.copy()
    turns[::2] = 2**15 - 1
    lopsided = ends.copy()
    lopsided[: n_frames // 3] = 2**15 - 1
    for x in (ends, turns, lopsided):
        status, found = ask_features(harness, config, x, [n_frames])
        assert status == 0
        expect_equal(config, found, compute_words(config, x[None]))


def test_reset_is_exact_and_a_pause_changes_nothing(harness: Harness) -> None:
    rng = np.random.default_rng(1)
    config = compile_features(all_features(), n_channels=2, window=40, hop=12, word_shift=0)
    x = signal(rng, 200, 2)
    status, found = ask_features(harness, config, np.concatenate([x[:77], x]), [50, 27, -1, 100, 0, 0, 100])
    assert status == 0
    fresh = compute_words(config, cut_windows(x, 40, 12))
    expect_equal(config, found, np.concatenate([compute_words(config, cut_windows(x[:77], 40, 12)), fresh]))


def test_an_accumulator_made_for_its_needs_gives_the_same(harness: Harness) -> None:
    rng = np.random.default_rng(2)
    features = [
        *(AmplitudeFeature(kind=kind) for kind in ("mav", "rms", "variance", "wl")),
        ShapeFeature(kind="log_detector"), CountFeature(kind="zc", threshold=5), CountFeature(kind="ssc", threshold=5),
    ]  # fmt: skip
    config = compile_features(features, n_channels=3, window=200, hop=50, word_shift=0)
    assert config.needs == Sum.ABS | Sum.X | Sum.SQUARE | Sum.LOG | Sum.WL | Sum.ZC | Sum.SSC
    for _ in range(10):
        x = signal(rng, 700, 3)
        status, found = ask_features(harness, config, x, portions(len(x), rng, 64), is_special=True)
        assert status == 0
        expect_equal(config, found, compute_words(config, cut_windows(x, 200, 50)))


@settings(max_examples=60)
@given(st.lists(st.tuples(WORD, WORD), min_size=8, max_size=40), st.integers(1, 8))
def test_arbitrary_words(harness: Harness, rows: list[tuple[int, int]], hop: int) -> None:
    x = np.array(rows, np.int16)
    config = compile_features(all_features(), n_channels=2, window=8, hop=hop, word_shift=0)
    status, found = ask_features(harness, config, x, [len(x)])
    assert status == 0
    expect_equal(config, found, compute_words(config, cut_windows(x, 8, hop)))


CONFIG = compile_features(all_features(), n_channels=2, window=20, hop=7, word_shift=0)
BAD = {
    "no channels": {"n_channels": 0},
    "hop beyond window": {"hop": 21},
    "blocks that do not fill the hop": {"block_lengths": (3, 3)},
    "an empty block": {"block_lengths": (0, *CONFIG.block_lengths)},
    "needs left out": {"needs": CONFIG.needs & ~Sum.CUBE},
    "too few lags": {"n_lags": 1},
    "too many lags": {"n_lags": 17},
    "a model without order": {"order": 0},
    "order beyond the lags": {"order": 5},
    "too many bins": {"n_bins": 33},
    "a bin beyond the last": {"bin_multiplier": CONFIG.bin_multiplier * 2},
    "a threshold below 0": {"thresholds": (0, -1, 0)},
    "no features": {"rows": ()},
    "an unknown transform": {"rows": (replace(CONFIG.rows[0], transform=3),)},  # type: ignore[arg-type]
    "an unknown kind": {"rows": (replace(CONFIG.rows[0], value=24),)},  # type: ignore[arg-type]
    "a shift out of range": {"rows": (replace(CONFIG.rows[0], shift=63),)},
}


@pytest.mark.parametrize("name", BAD)
def test_init_refuses(harness: Harness, name: str) -> None:
    assert ask_features(harness, replace(CONFIG, **BAD[name]), np.zeros((0, 2)), [])[0] == 2  # type: ignore[arg-type]


def test_init_refuses_too_little_memory(harness: Harness) -> None:
    assert ask_features(harness, CONFIG, np.zeros((0, 2)), [], missing_words=1)[0] == 3


def ask_math(harness: Harness, operation: str, *columns: np.ndarray) -> np.ndarray:
    rows = np.stack([np.asarray(c, np.int64) for c in columns], axis=1)
    return np.frombuffer(harness.ask(operation, rows.astype("<i8").tobytes()), "<i4").astype(np.int64)


def numbers(rng: np.random.Generator, n: int, bits: int) -> np.ndarray:
    """Integers of 1 .. bits bits, and those beside powers of two and their squares."""
    wide = rng.integers(0, 2**bits, n) >> rng.integers(0, bits, n)
    powers = 1 << np.arange(bits, dtype=np.int64)
    roots = rng.integers(1, 2 ** (bits // 2), n // 4) >> rng.integers(0, bits // 2, n // 4)
    beside = [powers, powers - 1, powers + 1, roots**2, roots**2 - 1, roots**2 + roots, roots**2 + roots + 1]
    return np.clip(np.concatenate([wide, *beside]), 0, 2**bits - 1)


def test_logarithm_is_the_twins_and_within_its_error(harness: Harness) -> None:
    v = np.concatenate([np.arange(1, 2**16), numbers(np.random.default_rng(3), 20000, 62)])
    v = v[v > 0]
    found = ask_math(harness, "l", v)
    np.testing.assert_array_equal(found, fm.log2_q16(v))
    error = np.abs(found - 65536 * np.log2(v.astype(np.longdouble)))
    assert error.max() <= fm.LOG2_ERROR + 1e-6
    assert error.max() > 0.8 * fm.LOG2_ERROR  # the bound is not slack


def test_power_of_two_is_the_twins_and_within_its_error(harness: Harness) -> None:
    y = np.concatenate(
        [np.random.default_rng(8).integers(-31 << 26, 1 << 26, 20000), (np.arange(-31, 1) << 26)]
    )
    found = ask_math(harness, "e", y)
    np.testing.assert_array_equal(found, fm.exp2_q30(y))
    error = np.abs(found - 2.0**30 * np.exp2(y / 2.0**26)) / np.where(y < 0, 1, 2)
    assert 0.2 * fm.EXP2_ERROR < error.max() <= fm.EXP2_ERROR


def test_square_root_is_nearest(harness: Harness) -> None:
    v = np.concatenate([np.arange(2**16), numbers(np.random.default_rng(4), 20000, 62)])
    found = ask_math(harness, "s", v) & 0xFFFFFFFF
    np.testing.assert_array_equal(found, fm.sqrt_nearest(v))
    exact = [
        (2 * r - 1) ** 2 <= 4 * n < (2 * r + 1) ** 2 or r == n == 0
        for n, r in zip(v.tolist(), found.tolist(), strict=True)
    ]
    assert all(exact)


def test_quotient_is_nearest(harness: Harness) -> None:
    rng = np.random.default_rng(5)
    a, b = numbers(rng, 20000, 61), numbers(rng, 20000, 61)
    b = rng.permutation(b)
    fraction = rng.integers(-70, 71, len(a))
    tie = rng.integers(1, 2**30, 1000)  # a / b = tie + 1/2, and one beside it
    a = np.concatenate([a, 2 * tie + 1, (2 * tie + 1) * 2**20 - 1, np.full(50, 2**31 - 1), [0, 5]])
    b = np.concatenate([b, np.full(1000, 2), np.full(1000, 2**21), np.full(50, 2), [7, 0]])
    fraction = np.concatenate([fraction, np.zeros(2000, int), np.arange(50) - 25, [30, 30]])
    np.testing.assert_array_equal(
        ask_math(harness, "d", a, b, fraction),
        [fm.divide_one(*row) for row in zip(a.tolist(), b.tolist(), fraction.tolist(), strict=True)],
    )


def test_shifts_round_to_nearest(harness: Harness) -> None:
    rng = np.random.default_rng(6)
    v = numbers(rng, 5000, 61) * rng.choice([-1, 1], len(numbers(np.random.default_rng(6), 5000, 61)))
    shift = rng.integers(0, 63, len(v))
    expected = [int(fm.shift_nearest(np.array(a), int(s))) for a, s in zip(v, shift, strict=True)]
    np.testing.assert_array_equal(ask_math(harness, "r", v, shift), expected)
    x, by = rng.integers(-(2**31), 2**31, 5000) >> rng.integers(0, 31, 5000), rng.integers(1, 32, 5000)
    expected = [int(shift_to_words(np.array(a), int(s))) for a, s in zip(x, by, strict=True)]
    np.testing.assert_array_equal(ask_math(harness, "x", x, by), expected)


def ask_normalization(harness: Harness, given: Normalization, words: np.ndarray) -> tuple[int, np.ndarray]:
    columns = [
        np.ravel(c).astype("<i4") for c in (given.mean, given.fraction, given.multiplier, given.shift, words)
    ]
    head = struct.pack("<3i", words.size, given.bits, given.zero_point)
    answer = harness.ask("n", head + b"".join(c.tobytes() for c in columns))
    outputs = np.frombuffer(answer[4:], "<i1" if given.bits == 8 else "<i2")
    return struct.unpack("<I", answer[:4])[0], outputs.astype(np.int64)


@pytest.mark.parametrize("bits", [8, 16])
def test_normalization_is_the_twins(harness: Harness, bits: int) -> None:
    rng = np.random.default_rng(bits)
    n = 4000
    ends = np.array([-(2**31), 2**31 - 1, 0, 1, -1])
    mean, words = (
        np.concatenate([ends, rng.integers(-(2**31), 2**31, n) >> rng.integers(0, 31, n)]) for _ in "ab"
    )
    multiplier = np.concatenate([np.full(5, 2**30), rng.integers(-(2**30), 2**30 + 1, n)])
    shift = np.concatenate([np.full(5, 62), rng.integers(1, 63, n)])
    fraction = np.concatenate([ends, rng.integers(-(2**31), 2**31, n)])
    given = Normalization(mean, multiplier, shift, 17 if bits == 8 else 0, bits, fraction)
    status, found = ask_normalization(harness, given, rng.permutation(words))
    assert status == 0
    status, found = ask_normalization(harness, given, words)
    np.testing.assert_array_equal(found, normalize_words(given, words))


@pytest.mark.parametrize(("multiplier", "shift"), [(2**30 + 1, 5), (-(2**30) - 1, 5), (1, 0), (1, 63)])
def test_normalization_refuses(harness: Harness, multiplier: int, shift: int) -> None:
    one = np.ones(1, np.int64)
    given = Normalization(0 * one, multiplier * one, shift * one, 0, 8, 0 * one)
    assert ask_normalization(harness, given, one)[0] == 2


def test_the_harness_head_is_the_tests() -> None:
    source = (Path(__file__).parent / "features_harness.c").read_text()
    body = source.split("typedef struct {")[1].split("} head_t")[0]
    assert (
        len([name for line in body.splitlines() if "int32_t" in line for name in line.split(",")])
        == struct.calcsize("<22i") // 4
    )
