"""The comparison itself: it must count, name and measure rightly, or it proves nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myo_host.comparison import StageResult
from myo_host.divergence import SAMPLES, WINDOWS, Layout, describe_patterns, find_divergence
from myo_host.metrics import Distance, count_ulps, merge_ulps, share_loss


def layout(columns: int) -> Layout:
    return Layout("run", SAMPLES, columns)


@given(st.integers(1, 30), st.integers(1, 5), st.data())
def test_every_changed_word_is_counted_and_the_first_is_named(
    rows: int, columns: int, data: st.DataObject
) -> None:
    twin = np.zeros((rows, columns), np.int32)
    device = twin.copy()
    changed = data.draw(st.sets(st.integers(0, twin.size - 1), max_size=10))
    device.ravel()[list(changed)] = -7
    result = StageResult("stage")
    result.compare(device, twin, layout(columns))
    assert (result.words, result.differing) == (twin.size, len(changed))
    if changed:
        first = min(changed)
        assert (
            result.first_difference
            == f"run sample {first // columns} channel {first % columns}: device -7, twin 0"
        )
    else:
        assert result.first_difference == ""


def test_missing_words_count_as_different() -> None:
    result = StageResult("stage")
    result.compare(np.zeros((2, 3), np.int8), np.zeros((4, 3), np.int8), layout(3))
    assert (result.differing, result.words) == (6, 12)
    assert result.first_difference == "run sample 2 channel 0: device none, twin 0"
    assert result.first.patterns == ("the device sent 2 samples, the twin has 4",)


def test_words_of_another_shape_are_all_different() -> None:
    result = StageResult("stage")
    result.compare(np.zeros((0, 0), np.int8), np.zeros((4, 3), np.int8), layout(3))
    assert result.differing == result.words == 12


def test_the_first_difference_of_all_segments_is_kept() -> None:
    result = StageResult("stage")
    for value in (0, 1, 2):
        result.compare(np.full((1, 1), value), np.zeros((1, 1), np.int64), layout(1))
    assert result.differing == 2
    assert "device 1" in result.first_difference


def test_snr_error_and_cosine_are_their_definitions_over_all_segments() -> None:
    rng = np.random.default_rng(0)
    reference = rng.normal(size=400)
    twin = reference + 0.01 * rng.normal(size=400)
    result = StageResult("stage")
    for part in np.split(np.arange(400), 4):
        result.measure(twin[part], reference[part], "units", 0.01)
    noise = twin - reference
    assert result.snr_db == pytest.approx(10 * np.log10((reference**2).sum() / (noise**2).sum()), rel=1e-12)
    assert result.max_error == pytest.approx(np.abs(noise).max(), rel=1e-12)
    cosine = twin @ reference / (np.linalg.norm(twin) * np.linalg.norm(reference))
    assert result.cosine == pytest.approx(cosine, rel=1e-12)


def test_equal_signals_are_exact() -> None:
    result = StageResult("stage")
    result.measure(np.ones(3), np.ones(3), "units", 1.0)
    assert result.snr_db == np.inf
    assert result.max_error == 0


def walk(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-100, 100, shape).astype(np.int32)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_are_their_definitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    r = rng.normal(rng.normal(), 1.0, 300)
    x = r + rng.normal(0, 0.1, 300)
    distance = Distance()
    for part in np.split(np.arange(300), 3):
        distance.add(x[part], r[part])
    e = x - r
    for name, value in {
        "rmse": np.sqrt((e**2).mean()),
        "mae": np.abs(e).mean(),
        "max_error": np.abs(e).max(),
        "l2_relative": np.linalg.norm(e) / np.linalg.norm(r),
        "snr_db": 20 * np.log10(np.linalg.norm(r) / np.linalg.norm(e)),
        "nse": 1 - (e**2).sum() / ((r - r.mean()) ** 2).sum(),
    }.items():
        assert getattr(distance, name) == pytest.approx(value, rel=1e-10), name


def test_metrics_without_a_meaning_are_nan_and_equal_signals_are_perfect() -> None:
    empty, constant, equal = Distance(), Distance(), Distance()
    constant.add(np.array([0.2, 0.1]), np.array([0.1, 0.1]))
    equal.add(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert all(np.isnan(getattr(empty, n)) for n in ("rmse", "mae", "l2_relative", "snr_db", "cosine", "nse"))
    assert np.isnan(constant.nse)
    assert (equal.nse, equal.rmse, equal.snr_db) == (1.0, 0.0, np.inf)


@given(st.lists(st.integers(-(2**32), 2**32), max_size=50))
def test_ulp_bins_hold_each_error_once(errors: list[int]) -> None:
    bins = merge_ulps(count_ulps(np.array(errors[:9], np.int64)), count_ulps(np.array(errors[9:], np.int64)))
    for name, n in bins.items():
        low, _, high = name.partition("-")
        assert n == sum(int(low) <= abs(e) <= int(high or low) for e in errors)
    assert sum(bins.values()) == len(errors)
    assert list(bins) == sorted(bins, key=lambda name: int(name.split("-")[0]))


@given(st.lists(st.floats(0, 10), max_size=9))
def test_shares_of_the_loss_sum_to_one(ratios: list[float]) -> None:
    shares = share_loss([float("nan"), *ratios])
    assert all(0 <= share <= 1 for share in shares)
    assert sum(shares) == pytest.approx(1.0 if max(ratios, default=0) > 0 else 0.0)
    assert share_loss([0.1, 0.05, 0.4]) == pytest.approx([0.25, 0.0, 0.75])


def test_neighbourhood_is_of_the_same_channel() -> None:
    twin = walk(0, 20, 3)
    device = twin.copy()
    device[7, 1] += 5
    found = find_divergence(device, twin, Layout("run", SAMPLES, 3))
    assert (found.sample, found.channel, found.window) == (7, 1, None)
    assert [n.at for n in found.neighbours] == [4, 5, 6, 7, 8, 9, 10]
    assert [n.twin for n in found.neighbours] == twin[4:11, 1].tolist()
    assert [n.device for n in found.neighbours] == device[4:11, 1].tolist()
    assert found.patterns == ("only channel 1 of 3", "1.67 % of the words, by 5 at most")


def test_a_window_names_its_sample_and_keeps_to_it() -> None:
    twin = walk(1, 4, 10 * 3)
    device = twin.copy()
    device[2, 5] -= 1  # sample 1, channel 2
    found = find_divergence(device, twin, Layout("run", WINDOWS, 3))
    assert found.place == "run window 2 sample 1 channel 2"
    assert [n.at for n in found.neighbours] == [0, 1, 2, 3, 4]
    outputs = find_divergence(device[:, :3] + 1, twin[:, :3], Layout("run", WINDOWS, 3, ("a", "b", "c")))
    assert outputs.place == "run window 0 a"
    assert [n.at for n in outputs.neighbours] == [0, 1, 2, 3]  # windows


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        (lambda x: x[..., [0, 2, 1]], "the device's channel 1 is the twin's channel 2"),
        (lambda x: np.roll(x, 1, axis=-2), "the device is 1 sample late"),
        (lambda x: np.roll(x, -3, axis=-2), "the device is 3 samples early"),
        (lambda x: -x, "the device has the opposite sign"),
        (lambda x: x + np.array([0, 0, 1]), "only channel 2 of 3"),
    ],
    ids=["swapped", "late", "early", "negated", "one channel"],
)
@pytest.mark.parametrize("rows", [SAMPLES, WINDOWS])
def test_patterns_are_told(change, fact: str, rows: str) -> None:
    twin = walk(2, 4, 40, 3)
    device = change(twin)
    shape = (-1, 3) if rows == SAMPLES else (4, -1)
    if rows == SAMPLES:
        twin, device = twin[0], device[0]
    found = describe_patterns(device.reshape(shape), twin.reshape(shape), Layout("run", rows, 3))
    assert fact in {f.split(" in ")[0] for f in found}
    assert all("late" not in f and "early" not in f for f in found) or "sample" in fact


def test_silence_is_no_pattern() -> None:
    """Of constant words anything would be true: nothing is said of them but how many differ."""
    zeros, ones = np.zeros((9, 2), np.int32), np.ones((9, 2), np.int32)
    assert describe_patterns(ones, zeros, layout(2)) == ["100 % of the words, by 1 at most"]
