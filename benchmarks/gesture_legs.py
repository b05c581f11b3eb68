"""Rows of the gesture study on legs: activity of persons never seen (``uci_lower_limb``), and force (``elderly_emg_dyn``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gesture_scores import (
    FLOOR_COMPONENTS,
    VOTE,
    Figures,
    Twin,
    check_disjoint,
    choose_lda,
    split_persons,
    vote,
)
from gesture_sets import UCI, Table, place_context
from myo_training.adaptation import measure_scale
from myo_training.dense_net import DenseNet, FitSettings, fit_classes, fit_shape

Rows = NDArray[np.int64]

N_FOLDS: Final = 5
FOLD_SEED: Final = 1
MUSCLES: Final = ("VL", "BF", "TA")  # channels in this order, and the exercises that ask for each
QUIET_SHARE: Final = 0.25  # of a recording's range of activity, below which the leg is taken to pause


_ACTIVITY_FIT: Final = FitSettings(epochs=50, batch_size=256, dropout=0.5, smoothing=0.1, decay=1e-3)
_STUDENT_FIT: Final = FitSettings(epochs=40, batch_size=256, dropout=0.0, smoothing=0.0, decay=1e-3)


@dataclass(frozen=True)
class ActivitySettings:
    """Of the activity row; part of its key."""

    hidden: tuple[int, ...] = (48, 48)
    n_windows: int = 5  # whose features the network takes together, and votes over none: 650 ms as well
    n_shared: int = 1
    fit: FitSettings = _STUDENT_FIT
    teachers: int = 6
    teacher_hidden: tuple[int, ...] = (32, 32)
    teacher_fit: FitSettings = _ACTIVITY_FIT
    mixing: float = (
        0.4  # of two windows, of a beta distribution: what the teachers say of mixtures is learned
    )


_FORCE_FIT: Final = FitSettings(epochs=120, batch_size=32, learning_rate=1e-2, dropout=0.0, decay=0.0)


@dataclass(frozen=True)
class ForceSettings:
    """Of the force row; part of its key."""

    fit: FitSettings = _FORCE_FIT


def find_pauses(table: Table) -> NDArray[np.bool_]:
    """Windows of a recording with little activity, by its own range: the leg pauses between two repetitions."""
    activity = table.x[:, 0].mean(axis=1)
    pauses = np.zeros(len(activity), dtype=bool)
    for number in np.unique(table.trial):
        rows = np.flatnonzero(table.trial == number)
        low, high = np.percentile(activity[rows], [5, 95])
        pauses[rows] = activity[rows] < low + QUIET_SHARE * (high - low)
    return pauses


def _distil(
    x: NDArray[np.float32],
    labels: NDArray[np.int64],
    weights: NDArray[np.floating],
    settings: ActivitySettings,
) -> DenseNet:
    """Train a network to say what others say in the mean, of mixtures of windows (n, n_windows, n_components, n_channels)."""

    def draw(hidden: tuple[int, ...], seed: int) -> DenseNet:
        sizes = [x[0, 0].size, *hidden, len(UCI)]
        rng = np.random.default_rng(seed)
        return DenseNet.draw(sizes, rng, n_windows=settings.n_windows, n_shared=settings.n_shared)

    teachers = [
        fit_classes(
            draw(settings.teacher_hidden, seed),
            x,
            labels,
            settings.teacher_fit,
            np.random.default_rng(seed),
            weights=weights,
        )
        for seed in range(settings.teachers)
    ]

    def mix(
        inputs: NDArray[np.float32], targets: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        share = rng.beta(settings.mixing, settings.mixing, len(inputs)).astype(np.float32)[
            :, None, None, None
        ]
        mixed = inputs * share + inputs[rng.permutation(len(inputs))] * (1 - share)
        return mixed, np.mean([teacher.predict(mixed) for teacher in teachers], axis=0)

    net = draw(settings.hidden, settings.teachers)
    return fit_classes(
        net, x, labels, settings.fit, np.random.default_rng(settings.teachers), weights=weights, augment=mix
    )


def run_activity(table: Table, settings: ActivitySettings) -> dict[str, Any]:
    """Gait, sitting or standing of persons never seen, nothing learned from them."""
    figures = Figures(len(UCI))
    labels, person = table.labels.astype(np.int64), table.person
    trimmed = ~find_pauses(table)
    small = table.x[:, :FLOOR_COMPONENTS]
    context, n_voted = place_context(table.trial, settings.n_windows), VOTE + 1 - settings.n_windows
    for tested in split_persons(table.persons.tolist(), N_FOLDS, FOLD_SEED):
        chosen = np.isin(table.persons, tested)
        train, test = table.rows_of(~chosen), table.rows_of(chosen)
        check_disjoint(table, train, test)
        cell = np.unique(person[train].astype("U16") + labels[train].astype("U1"), return_inverse=True)[1]
        weights = 1 / np.bincount(cell)[cell]
        floor = choose_lda(small[train], labels[train], person[train], len(UCI))
        scale = measure_scale(table.x[train], by_channel=True)
        z = scale.apply(table.x).astype(np.float32)
        x = z[context[train]]
        net = _distil(x, labels[train], weights, settings)
        twin = Twin(net, x)
        for name in tested:
            rows = table.rows_of(table.persons == name)
            inputs = z[context[rows]]
            outputs = {
                "floor": (floor.predict(small[rows]), VOTE), "network": (net.predict(inputs), n_voted),
                "network, int8": (twin.predict(inputs), n_voted),
            }  # fmt: skip
            for way, (p, n) in outputs.items():
                counted = np.ones(len(rows), bool)
                figures.add(way, name, p, labels[rows], table.trial[rows], counted, trimmed[rows], n)
    return {"ways": figures.as_dict(), "confusion": figures.confusions["network, int8"].tolist()}


def run_force(table: Table, settings: ForceSettings) -> dict[str, Any]:
    """Force of persons never seen, from three muscles: mean r of three contractions, a linear network for each."""
    force = table.labels.astype(np.float64)
    ways: dict[str, dict[str, list[float]]] = {}
    for tested in split_persons(table.persons.tolist(), N_FOLDS, FOLD_SEED):
        for exercise, name in enumerate(MUSCLES):
            mine = table.trials == name
            known = [
                k
                for k in np.flatnonzero(mine & ~np.isin(table.persons, tested))
                if force[table.trial == k].std() > 0.05
            ]
            train = np.concatenate([np.flatnonzero(table.trial == k) for k in known])
            test = table.rows_of(mine & np.isin(table.persons, tested))
            check_disjoint(table, train, test)
            scale = measure_scale(table.x[train], by_channel=True)
            trials = []
            for k in known:
                rows = np.flatnonzero(table.trial == k)
                trials.append((scale.apply(table.x[rows]).astype(np.float32), force[rows]))
            weights = np.zeros(table.x.shape[1:], np.float32)
            weights[0, exercise] = 1.0  # begins as the floor does
            net = DenseNet([weights.reshape(-1, 1)], [np.zeros(1, np.float32)])
            fit_shape(net, trials, settings.fit, np.random.default_rng(0))
            twin = Twin(net, np.concatenate([x for x, _ in trials]), classes=False)
            for k in np.flatnonzero(mine & np.isin(table.persons, tested)):
                rows = np.flatnonzero(table.trial == k)
                z = scale.apply(table.x[rows]).astype(np.float32)
                rms = 2.0 ** table.x[rows, 0, exercise][:, None]  # of the exercise's own muscle
                found = {"floor": rms, "network": net.compute_logits(z), "network, int8": twin.predict(z)}
                for way, values in found.items():
                    smooth = vote(values, table.trial[rows])[:, 0]
                    r = 0.0 if smooth.std() == 0 else float(np.corrcoef(smooth, force[rows])[0, 1])
                    ways.setdefault(way, {}).setdefault(str(table.persons[k]), []).append(r)
    return {
        "ways": {way: {p: [round(float(np.mean(r)), 5)] for p, r in v.items()} for way, v in ways.items()}
    }
