"""What training measures for calibration: scatter around a person's own means, and how sure scores may be."""

from __future__ import annotations

import numpy as np
import pytest

from myo_pipeline.calibration import Calibration
from myo_pipeline.errors import DataError
from myo_pipeline.spec import find_templates, parse_spec
from myo_training import calibration
from myo_training.recordings import Recording

N_WORDS, N_CLASSES, N_GROUPS, N_EACH = 6, 3, 12, 40
SPREAD = np.array([4.0, 6.0, 8.0, 5.0, 7.0, 9.0])


def draw(rng: np.random.Generator, repeats: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return embeddings of groups whose class means differ far more than windows do; each window ``repeats`` times."""
    means = rng.normal(0, 12, (N_GROUPS, N_CLASSES, N_WORDS))
    rows, labels, groups = [], [], []
    for group in range(N_GROUPS):
        for label in range(N_CLASSES):
            own = means[group, label] + rng.normal(size=(N_EACH // repeats, N_WORDS)) * SPREAD
            rows.append(np.repeat(own, repeats, axis=0))
            labels += [label] * len(rows[-1])
            groups += [group] * len(rows[-1])
    words = np.clip(np.rint(np.concatenate(rows)), -128, 127).astype(np.int8)
    return words, np.array(labels), np.array(groups), means


def measure(
    monkeypatch: pytest.MonkeyPatch, words: np.ndarray, labels: np.ndarray, groups: np.ndarray
) -> calibration.HeadStatistics:
    monkeypatch.setattr(calibration, "find_embedding", lambda model, n_dense: (5, 0))
    monkeypatch.setattr(calibration, "read_tensors", lambda model, x, tensors: [words])
    table = Calibration(shrinkage=0.001)
    x = np.zeros((len(words), 1, 1, 1), np.float32)
    return calibration.measure_head(table, b"", x, labels, groups, (1.0, 0), N_CLASSES)


def test_covariance_is_within_a_person_and_class(monkeypatch: pytest.MonkeyPatch) -> None:
    words, labels, groups, means = draw(np.random.default_rng(1))
    found = measure(monkeypatch, words, labels, groups)
    # 1,404 degrees of freedom: a variance is known to about 4 % of a standard deviation, four of them here.
    variance = 1 / np.diag(found.precision * found.temperature)
    np.testing.assert_allclose(variance, SPREAD**2, rtol=0.16)
    np.testing.assert_allclose(
        found.prior, means.mean(axis=0), atol=4 * SPREAD.max() / np.sqrt(N_GROUPS * N_EACH)
    )
    assert (found.tensor, found.n_windows) == (5, len(words))


def test_windows_that_follow_each_other_raise_the_temperature(monkeypatch: pytest.MonkeyPatch) -> None:
    independent = measure(monkeypatch, *draw(np.random.default_rng(2))[:3])
    alike = measure(monkeypatch, *draw(np.random.default_rng(2), repeats=20)[:3])
    assert independent.temperature < 1.5
    assert alike.temperature > 1.2 * independent.temperature


def test_a_class_without_settled_windows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    words, labels, groups, _ = draw(np.random.default_rng(3))
    with pytest.raises(DataError, match="class 2 has no window"):
        measure(monkeypatch, words[labels < 2], labels[labels < 2], groups[labels < 2])


def test_only_settled_windows_are_chosen_and_as_many_of_each() -> None:
    spec = parse_spec(find_templates()["gestures"].read_text().replace("@NAME@", "x"))
    labels = np.repeat([0, 1, 0, 1], [1000, 1000, 400, 100])
    recordings = [
        Recording(
            np.zeros((2500, 8), np.int32), labels.astype(np.int64), 200.0, 1.0, person, "1", "t", "here"
        )
        for person in ("a", "b")
    ]
    origins = calibration.trace_windows(recordings, spec, 10)
    ends = np.arange(50, 2501, 10)
    assert len(origins.groups) == 2 * len(ends)
    np.testing.assert_array_equal(origins.settled[: len(ends)], [
        (200 < end <= 1000) or (1200 < end <= 2000) or (2200 < end <= 2400) for end in ends
    ])  # fmt: skip
    of_windows = np.tile(labels[ends - 1], 2)
    chosen = calibration.choose_windows(of_windows, origins)
    assert origins.settled[chosen].all()
    for group in (0, 1):
        counts = np.bincount(of_windows[chosen][origins.groups[chosen] == group])
        np.testing.assert_array_equal(counts, [calibration.WINDOWS_EACH] * 2)
