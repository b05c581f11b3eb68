"""Rows of the gesture study on ``suguru_longterm``: within a day, to later days, day 1 and a trial of a new day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gesture_scores import FLOOR_COMPONENTS, Figures, Twin, check_disjoint, choose_lda
from gesture_sets import Table
from myo_training.adaptation import (
    CALIBRATION,
    Fitted,
    WarmUp,
    WarmUpSettings,
    adapt,
    calibrate,
    measure_scale,
)
from myo_training.armband import STRAIGHT, Turn
from myo_training.dense_net import DenseNet, FitSettings, fit_classes

Rows = NDArray[np.int64]

N_CLASSES: Final = 22
N_TRIALS: Final = 4
EARLY_DAYS: Final = 15
BEGIN_S: Final = 0.65  # a trial's first full vote: five windows; before it muscles are still on their way


_SOURCE: Final = FitSettings(epochs=14, dropout=0.2)
_EARLY: Final = FitSettings(epochs=28, batch_size=256, learning_rate=1e-3, decay=0.0)
_DAY: Final = replace(CALIBRATION, epochs=60, batch_size=64, learning_rate=2e-3, dropout=0.1)
_FIRST_DAY: Final = replace(CALIBRATION, epochs=12, dropout=0.2)
_WARM_UP: Final = WarmUpSettings(search=False)


@dataclass(frozen=True)
class Settings:
    """What the rows are made with; part of each row's key."""

    hidden: tuple[int, ...] = (100, 96)
    source: FitSettings = _SOURCE
    early: FitSettings = _EARLY
    day: FitSettings = _DAY
    first_day: FitSettings = _FIRST_DAY
    warm_up: WarmUpSettings = _WARM_UP


class Suguru:
    """The set with each day's windows by trial, and the scale of each day's first trials."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.labels = table.labels.astype(np.int64)
        self.persons = sorted(set(table.persons.tolist()))
        self.days = sorted(set(table.sessions.tolist()))
        self.repeat = np.array([int(name.split("-")[1]) - 1 for name in table.trials])[table.trial]
        self.trimmed = table.seconds >= BEGIN_S - 1e-6
        self._rows = {(p, d): table.rows_in(p, d) for p in self.persons for d in self.days}

    def rows(self, person: str, days: list[str], repeats: range = range(N_TRIALS)) -> Rows:
        """Return the windows of some trials of some days."""
        own = np.concatenate([self._rows[person, day] for day in days])
        return own[np.isin(self.repeat[own], list(repeats))]

    def scale_days(self, person: str, days: list[str], repeats: range) -> NDArray[np.float32]:
        """Features of a person's days, each scaled by its own trials ``repeats``; other rows are left 0."""
        z = np.zeros_like(self.table.x)
        for day in days:
            scale = measure_scale(self.table.x[self.rows(person, [day], repeats)], by_channel=True)
            own = self._rows[person, day]
            z[own] = scale.apply(self.table.x[own])
        return z


def train_source(data: Suguru, tested: str, settings: Settings, *, by_day: bool) -> DenseNet:
    """Train on all days of the other persons, scaled by person or by each day's first trials."""
    z = np.zeros_like(data.table.x)
    others = [p for p in data.persons if p != tested]
    for person in others:
        if by_day:
            z += data.scale_days(person, data.days, range(1))
        else:
            rows = data.rows(person, data.days)
            z[rows] = measure_scale(data.table.x[rows], by_channel=True).apply(data.table.x[rows])
    train = np.concatenate([data.rows(person, data.days) for person in others])
    rng = np.random.default_rng(0)
    net = DenseNet.draw([z[0].size, *settings.hidden, N_CLASSES], rng)
    check_disjoint(data.table, train, data.rows(tested, data.days))
    return fit_classes(net, z[train], data.labels[train], settings.source, rng)


def _fine_tune(data: Suguru, net: DenseNet, x: NDArray[np.float32], rows: Rows, fit: FitSettings) -> DenseNet:
    return calibrate(
        net,
        x,
        data.labels[rows],
        data.table.reach,
        fit,
        np.random.default_rng(0),
        search=False,
        n_still=0,
        balance=0.0,
    )[0]


def _add(
    data: Suguru, figures: Figures, way: str, person: str, rows: Rows, fitted: Fitted, twin: Twin
) -> None:
    x = fitted.prepare(data.table.x[rows], data.table.reach)
    _score(data, figures, way, person, rows, fitted.net.predict(x))
    _score(data, figures, f"{way}, int8", person, rows, twin.predict(x))


def _score(data: Suguru, figures: Figures, way: str, person: str, rows: Rows, p: NDArray[Any]) -> None:
    figures.add(
        way,
        person,
        p,
        data.labels[rows],
        data.table.trial[rows],
        np.ones(len(rows), bool),
        data.trimmed[rows],
    )


def run_within_day(data: Suguru, nets: dict[str, DenseNet], settings: Settings) -> dict[str, Any]:
    """Three trials of a day to the fourth: each trial is tested once, in turn over the days."""
    figures = Figures(N_CLASSES)
    small = data.table.x[:, :FLOOR_COMPONENTS]
    for person, net in nets.items():
        for number, day in enumerate(data.days):
            tested = number % N_TRIALS
            train = data.rows(person, [day])
            train = train[data.repeat[train] != tested]
            test = data.rows(person, [day], range(tested, tested + 1))
            check_disjoint(data.table, train, test)
            floor = choose_lda(small[train], data.labels[train], data.repeat[train], N_CLASSES)
            _score(data, figures, "floor", person, test, floor.predict(small[test]))
            scale = measure_scale(data.table.x[train], by_channel=True)
            x = scale.apply(data.table.x[train]).astype(np.float32)
            fresh = DenseNet.draw([x[0].size, *settings.hidden, N_CLASSES], np.random.default_rng(1))
            for way, start in (("trained on the day alone", fresh), ("pre-trained, fine-tuned", net)):
                own = _fine_tune(data, start, x, train, settings.day)
                if start is net:
                    _add(data, figures, way, person, test, Fitted(own, scale), Twin(own, x))
                else:
                    fitted = Fitted(own, scale)
                    p = own.predict(fitted.prepare(data.table.x[test], data.table.reach))
                    _score(data, figures, way, person, test, p)
    return {
        "ways": figures.as_dict(),
        "confusion": figures.confusions["pre-trained, fine-tuned, int8"].tolist(),
    }


def run_early_to_late(
    data: Suguru, nets: dict[str, DenseNet], nets_by_day: dict[str, DenseNet], settings: Settings
) -> dict[str, Any]:
    """Days 1-15 to days 16-30 of the same person, without and with a warm-up on each day."""
    figures = Figures(N_CLASSES)
    small, (early, late) = (
        data.table.x[:, :FLOOR_COMPONENTS],
        (data.days[:EARLY_DAYS], data.days[EARLY_DAYS:]),
    )
    for person in data.persons:
        train = data.rows(person, early)
        groups = data.table.sessions[data.table.trial[train]]
        floor = choose_lda(small[train], data.labels[train], groups, N_CLASSES)
        scale = measure_scale(data.table.x[train], by_channel=True)
        x = scale.apply(data.table.x[train]).astype(np.float32)
        own = Fitted(_fine_tune(data, nets[person], x, train, settings.early), scale)
        twin = Twin(own.net, x)
        z = data.scale_days(person, data.days, range(1))
        warm_net = _fine_tune(data, nets_by_day[person], z[train], train, settings.early)
        for day in late:
            test = data.rows(person, [day])
            check_disjoint(data.table, train, test)
            _score(data, figures, "floor", person, test, floor.predict(small[test]))
            _add(data, figures, "pre-trained, fine-tuned", person, test, own, twin)
            rest = data.rows(person, [day], range(1, N_TRIALS))
            fitted, seen = _warm(data, person, day, warm_net, z, settings)
            _add(
                data,
                figures,
                "with a warm-up of each once, trials 2-4",
                person,
                rest,
                fitted,
                Twin(fitted.net, seen),
            )
            _score(data, figures, "floor, trials 2-4", person, rest, floor.predict(small[rest]))
    return {
        "ways": figures.as_dict(),
        "confusion": figures.confusions["pre-trained, fine-tuned, int8"].tolist(),
    }


def _warm(
    data: Suguru, person: str, day: str, net: DenseNet, z: NDArray[np.float32], settings: Settings
) -> tuple[Fitted, NDArray[np.float32]]:
    """Adapt to a day by its first trial of each motion, unlabelled."""
    first = data.rows(person, [day], range(1))
    scale = measure_scale(data.table.x[first], by_channel=True)
    bouts = [z[first[data.table.trial[first] == trial]] for trial in np.unique(data.table.trial[first])]
    warm_up = WarmUp(bouts, np.zeros((0, *z.shape[1:]), np.float32), 0)
    adapted, turn = adapt(
        net, warm_up, data.table.reach, settings.warm_up, np.random.default_rng(0), usual=Turn()
    )
    return Fitted(adapted, scale, turn), np.concatenate(bouts)


def run_new_day(data: Suguru, nets_by_day: dict[str, DenseNet], settings: Settings) -> dict[str, Any]:
    """Day 1 and one calibration trial a motion to the other trials of each new day."""
    figures = Figures(N_CLASSES)
    small, first_day = data.table.x[:, :FLOOR_COMPONENTS], data.days[0]
    for person, net in nets_by_day.items():
        begun = data.rows(person, [first_day])
        floor = choose_lda(small[begun], data.labels[begun], data.repeat[begun], N_CLASSES)
        z = data.scale_days(person, [first_day], range(N_TRIALS))
        known = _fine_tune(data, net, z[begun], begun, settings.first_day)
        for day in data.days[1:]:
            chosen, test = data.rows(person, [day], range(1)), data.rows(person, [day], range(1, N_TRIALS))
            check_disjoint(data.table, np.concatenate([begun, chosen]), test)
            both = np.concatenate([begun, chosen])
            recalibrated = choose_lda(small[both], data.labels[both], data.repeat[both], N_CLASSES)
            _score(data, figures, "floor without", person, test, floor.predict(small[test]))
            _score(data, figures, "floor", person, test, recalibrated.predict(small[test]))
            scale = measure_scale(data.table.x[chosen], by_channel=True)
            x = scale.apply(data.table.x[chosen]).astype(np.float32)
            own = _fine_tune(data, known, x, chosen, settings.day)
            _add(data, figures, "calibrated", person, test, Fitted(own, scale, STRAIGHT), Twin(own, x))
    return {"ways": figures.as_dict(), "confusion": figures.confusions["calibrated, int8"].tolist()}
