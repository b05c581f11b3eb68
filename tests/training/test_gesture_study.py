"""The gesture study in small, on a simulated armband: no split leaks, test labels only score, and a run resumes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gesture_limits as limits
import gesture_myo as myo
import gesture_scores as scores
import gesture_sets as sets
import study_gestures as study
from myo_pipeline.errors import DataError
from myo_training.bouts import measure_lag
from myo_training.dense_net import DenseNet, FitSettings, fit_classes, to_keras

PERSONS, SESSIONS, RATE, SECONDS = 4, 3, 200, 32
PLAIN = FitSettings(epochs=4, batch_size=128, dropout=0.0)
SETTINGS = myo.Settings(
    hidden=(24,), source=PLAIN, scout=PLAIN, turn_rounds=1, calibration=PLAIN, tuning=PLAIN
)


def simulate(*, lag_s: float = 0.4, seed: int = 1) -> Iterator[sets.Signal]:
    """Eight movements, each of a muscle pattern around the arm, that follow their cues by ``lag_s``."""
    rng = np.random.default_rng(seed)
    patterns = 3 + 30 * np.roll(np.eye(8), 1, axis=0) + 20 * (rng.random((8, 8)) > 0.7)
    patterns[0] = 3
    cue = (np.arange(SECONDS * RATE) // (5 * RATE)) % 2
    for person in range(PERSONS):
        own = patterns * np.exp(0.1 * rng.standard_normal((8, 8)))
        for session in range(SESSIONS):
            for movement in range(8):
                moves = np.roll(cue, round(lag_s * RATE))[:, None] * bool(movement)
                size = np.where(moves, np.roll(own[movement], int(session == 2)), own[0])
                emg = np.clip(np.rint(size * rng.standard_normal((len(cue), 8))), -128, 127)
                yield emg, cue * movement, f"P{person}", str(session), str(movement), movement > 0


@pytest.fixture(scope="module")
def table() -> sets.Table:
    return sets.tabulate(sets.SPECS["myo_readings"](), simulate(), stays_s=(3.5, 7.5))


@pytest.fixture(scope="module")
def data(table: sets.Table) -> myo.Myo:
    return myo.Myo(table)


@pytest.fixture(scope="module")
def net(data: myo.Myo) -> DenseNet:
    return myo.train_fold(data, ["P0"], SETTINGS)


def test_bouts_and_lag_are_found_in_the_signal(data: myo.Myo) -> None:
    rows = data.table.rows_of((data.table.persons == "P1") & (data.table.trials == "3"))
    works, cued = data.table.works[rows], data.labels[rows] > 0
    assert 3 <= measure_lag(works, cued, 20) <= 6  # 400 ms, and half a window of 250 ms
    assert np.mean(works == cued) > 0.85
    assert data.trimmed[rows].mean() > 0.5


def test_bouts_do_not_know_labels(table: sets.Table) -> None:
    wrong = ((emg, (labels + 3) % 8, *rest) for emg, labels, *rest in islice(simulate(), 8))
    other = sets.tabulate(sets.SPECS["myo_readings"](), wrong, stays_s=(3.5, 7.5))
    np.testing.assert_array_equal(other.works, table.works[: len(other.works)])
    np.testing.assert_array_equal(other.steady, table.steady[: len(other.works)])


def test_training_does_not_see_the_tested(table: sets.Table, net: DenseNet) -> None:
    poisoned = myo.Myo(table)
    for key in poisoned.sessions_of("P0"):
        poisoned.z[poisoned.rows[key]] = np.nan
        poisoned.labels[poisoned.rows[key]] = -1
    again = myo.train_fold(poisoned, ["P0"], SETTINGS)
    for found, expected in zip(again.weights, net.weights, strict=True):
        np.testing.assert_array_equal(found, expected)


@dataclass
class Scored:
    """What rows score: the probabilities, by way and session."""

    found: list[tuple[str, tuple[str, str], np.ndarray]]


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Scored:
    held = Scored([])

    def score(data: myo.Myo, figures: Any, way: str, key: Any, rows: Any, p: np.ndarray) -> None:
        held.found.append((way, key, np.asarray(p)))
        figures.add(
            way, key[0], p, data.labels[rows], data.table.trial[rows], data.counted[rows], data.trimmed[rows]
        )

    monkeypatch.setattr(myo, "_score", score)
    monkeypatch.setattr(myo, "list_folds", lambda data: [["P0"]])
    return held


@pytest.mark.parametrize("run", [myo.run_unseen, myo.run_calibrated, myo.run_sessions])
def test_test_labels_only_score(data: myo.Myo, net: DenseNet, scored: Scored, run: Any) -> None:
    """Whatever the test windows' labels are, the decisions are the same; and they are good ones."""
    result = run(data, [net], SETTINGS)
    final = {
        myo.run_unseen: "warm-up of each once",
        myo.run_calibrated: "same session: calibrated",
        myo.run_sessions: "with a warm-up",
    }[run]
    right, twin = (result["ways"][way]["P0"][1] for way in (final, f"{final}, int8"))
    assert right > 0.6
    assert abs(twin - right) < 0.03
    before, scored.found = scored.found, []
    changed = myo.Myo(data.table)
    for key in changed.sessions_of("P0"):
        rows = changed.rows[key]
        tested = (
            rows
            if run is myo.run_unseen or key[1] == "2"
            else rows[changed.counted[rows] & (run is myo.run_calibrated)]
        )
        changed.labels[tested] = (changed.labels[tested] + 1) % 8
    run(changed, [net], SETTINGS)
    for (way, key, expected), (_, _, found) in zip(before, scored.found, strict=True):
        np.testing.assert_array_equal(found, expected, err_msg=f"{way} {key}")


def test_a_leak_is_refused(table: sets.Table) -> None:
    rows = table.rows_in("P0", "0")
    with pytest.raises(DataError, match=r"P0 session 0 trial 0 is tested from 0\.25 s and trained on up to"):
        scores.check_disjoint(table, rows[10:], rows[:10])
    first = rows[table.trial[rows] == table.trial[rows[0]]]
    early, late = first[table.seconds[first] <= 12.0], first[table.seconds[first] > 12.0]
    with pytest.raises(DataError, match="expected no shared sample"):
        scores.check_disjoint(table, early, late, 0.25)
    scores.check_disjoint(table, early, late[2:], 0.25)
    scores.check_disjoint(table, rows, table.rows_in("P1", "0"))


def test_vote_is_the_mean_of_five_within_a_recording() -> None:
    p = np.eye(3)[[0, 0, 0, 1, 1, 1, 2]]
    found = scores.vote(p, np.array([0, 0, 0, 0, 0, 1, 1]))
    np.testing.assert_allclose(found[4], [0.6, 0.4, 0])
    np.testing.assert_allclose(found[5:], [[0, 1, 0], [0, 0.5, 0.5]])


def test_context_is_of_the_same_recording() -> None:
    found = sets.place_context(np.array([0, 0, 0, 1, 1]), 3)
    np.testing.assert_array_equal(found, [[0, 0, 0], [0, 0, 1], [0, 1, 2], [3, 3, 3], [3, 3, 4]])


def test_a_network_of_several_windows_learns_from_the_oldest() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 3, 2, 4)).astype(np.float32)
    labels = (x[:, 0, 1, 2] > 0).astype(np.int64)
    net = DenseNet.draw([8, 6, 8, 2], rng, n_windows=3, n_shared=1)
    assert [w.shape for w in net.weights] == [(8, 6), (18, 8), (8, 2)]
    fit_classes(net, x, labels, FitSettings(epochs=60, batch_size=50, learning_rate=1e-2, dropout=0.0), rng)
    assert (net.predict(x).argmax(axis=1) == labels).mean() > 0.95
    keras = to_keras(net, (3, 2, 4), classes=True)
    np.testing.assert_allclose(np.asarray(keras(x[:20])), net.predict(x[:20]), atol=1e-5)


def test_a_block_is_not_its_own_teacher(data: myo.Myo) -> None:
    """Neither a tested block's labels nor those of windows that share samples with its votes change what is decided."""
    rows = data.rows["P0", "0"]
    seconds, labels = data.table.seconds[rows], data.labels[rows]
    block = (seconds / 10.0 - 1e-6).astype(np.int64)

    def predict(labels: np.ndarray) -> np.ndarray:
        everything = np.ones(len(rows), bool)
        return limits.predict_blocks(data.table, rows, labels, block, everything, myo.N_CLASSES, 0.1)

    near = np.abs(seconds - np.clip(seconds, 10.0, 20.0)) < 0.6
    other = np.where((block == 1) | near, (labels + 1) % myo.N_CLASSES, labels)
    expected, found = predict(labels), predict(other)
    np.testing.assert_array_equal(found[block == 1], expected[block == 1])
    assert (expected.argmax(axis=1) == labels).mean() > 0.6
    assert not np.array_equal(found[block == 0], expected[block == 0])


def make_rows(log: list[str], broken: str = "") -> dict[str, study.Row]:
    def run(name: str) -> Any:
        def make(table: Any, settings: Any) -> dict[str, Any]:
            if name == broken:
                raise KeyboardInterrupt
            log.append(name)
            return {
                "ways": {
                    "floor": {"a": [0.5, 0.6], "b": [0.4, 0.5]},
                    "network": {"a": [0.7, 0.8], "b": [0.5, 0.6]},
                }
            }

        return make

    row = study.Row("myo_readings", "benchmarks/gesture_myo.py", SETTINGS, "floor", lambda t, s: {})
    return {name: replace(row, run=run(name)) for name in ("first", "second")}


def test_a_run_resumes_where_it_stopped(tmp_path: Path, table: sets.Table) -> None:
    path, log = tmp_path / "gestures.json", list[str]()
    with pytest.raises(KeyboardInterrupt):
        study.run_rows(make_rows(log, "second"), path, lambda name: table)
    assert study.run_rows(make_rows(log), path, lambda name: table) == ["second"]
    assert study.run_rows(make_rows(log), path, lambda name: table) == []
    changed = {
        name: replace(row, settings=replace(SETTINGS, stride=3)) for name, row in make_rows(log).items()
    }
    assert study.run_rows(changed, path, lambda name: table) == ["first", "second"]
    assert log == ["first", "second", "first", "second"]
    gain = json.loads(path.read_text())["rows"]["first"]["summary"]["network"]["trimmed"]
    assert gain["mean"] == pytest.approx(0.7)
    assert gain["gain_on_floor"] == pytest.approx(0.15)


def test_a_key_follows_code_and_not_its_layout() -> None:
    text = '"""Say."""\ndef f(x):\n    """Do."""\n    return x + 1  # why\n'
    assert study.digest_code(text) == study.digest_code("def f( x ):\n    return (x + 1)")
    assert study.digest_code(text) != study.digest_code(text.replace("+ 1", "+ 2"))
