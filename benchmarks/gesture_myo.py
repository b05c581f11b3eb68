"""Rows of the gesture study on ``myo_readings``: persons never seen, one bout a class, and later sessions of known persons."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gesture_scores import FLOOR_COMPONENTS, Figures, Lda, Twin, check_disjoint, choose_lda, split_persons
from gesture_sets import Table
from myo_pipeline.feature_stage import FeatureScale
from myo_training.adaptation import (
    CALIBRATION,
    Fitted,
    WarmUp,
    WarmUpSettings,
    adapt,
    calibrate,
    find_turn,
    measure_scale,
    turn_neighbours,
    weigh,
)
from myo_training.armband import STRAIGHT, Turn, turn_ring
from myo_training.bouts import find_bouts, is_steady
from myo_training.dense_net import DenseNet, FitSettings, fit_classes

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

N_CLASSES: Final = 8
N_FOLDS: Final = 5
FOLD_SEED: Final = 1
GUIDED_S: Final = (
    12.0  # of each movement's recording: 5 s of rest, the first bout, and what the person lags by
)
NEXT_S: Final = 22.0  # until the second bout is made, in the same way
REST_S: Final = 5.0  # of the resting recording, in a calibration
GAP_S: Final = 0.25  # a window: none that is tested shares a sample with the guided part


_SOURCE: Final = FitSettings(epochs=8, dropout=0.3)
_SCOUT: Final = FitSettings(epochs=5, dropout=0.3)
_CALIBRATION: Final = replace(CALIBRATION, epochs=60, learning_rate=2e-3, dropout=0.3)
_TUNING: Final = replace(CALIBRATION, epochs=6, batch_size=256)
_WARM_UP: Final = WarmUpSettings()


@dataclass(frozen=True)
class Settings:
    """What the rows are made with; part of each row's key."""

    hidden: tuple[int, ...] = (168, 64)
    source: FitSettings = _SOURCE
    scout: FitSettings = _SCOUT  # of half the training persons, to see how the others wear it
    turn_rounds: int = 2
    turned_share: float = 0.3
    stride: int = 2  # of training windows, in hops
    calibration: FitSettings = _CALIBRATION
    tuning: FitSettings = _TUNING
    warm_up: WarmUpSettings = _WARM_UP


class Myo:
    """The set with what every row needs: which windows are guided, counted, trimmed, and each session's scale."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.labels = table.labels.astype(np.int64)
        self.is_rest_file = np.char.endswith(table.trials, "0")[table.trial]
        self.counted = table.seconds > GUIDED_S + GAP_S
        agrees = self.is_rest_file | (table.works == (self.labels > 0))
        self.trimmed = agrees & table.steady
        self.sessions = sorted(
            {(p, s) for p, s in zip(table.persons.tolist(), table.sessions.tolist(), strict=True)}
        )
        self.rows = {key: table.rows_in(*key) for key in self.sessions}
        self.scales = {key: self.measure(rows) for key, rows in self.rows.items()}
        self.z = np.empty_like(table.x)
        for key, rows in self.rows.items():
            self.z[rows] = self.scales[key].apply(table.x[rows])

    def is_guided(self, rows: Rows, since_s: float = 0.0, until_s: float = GUIDED_S) -> NDArray[np.bool_]:
        """Whether windows end in a part of their recording that a guide asks for: movements and the rest before them."""
        seconds = self.table.seconds[rows]
        return (seconds > since_s) & (seconds <= until_s) & ~self.is_rest_file[rows]

    def measure(self, rows: Rows, since_s: float = 0.0, until_s: float = GUIDED_S) -> FeatureScale:
        """Scale of the guided part of some sessions' windows."""
        return measure_scale(self.table.x[rows[self.is_guided(rows, since_s, until_s)]], by_channel=True)

    def sessions_of(self, person: str) -> list[tuple[str, str]]:
        """Return a person's sessions, in their order."""
        return [key for key in self.sessions if key[0] == person]

    def divide_guided(
        self, rows: Rows, since_s: float = 0.0, until_s: float = GUIDED_S
    ) -> list[tuple[str, Rows, Rows]]:
        """Give each guided recording's trial, its windows of movement and those of rest, by that part's signal alone."""
        found = []
        rows = rows[self.is_guided(rows, since_s, until_s)]
        for trial in np.unique(self.table.trial[rows]):
            own = rows[self.table.trial[rows] == trial]
            if len(own):
                works = find_bouts(self.table.x[own, 0].mean(axis=1), 20, 75)
                steady = is_steady(works, 4)
                found.append((str(self.table.trials[trial]), own[works & steady], own[~works & steady]))
        return found

    def warm_up(self, rows: Rows, scale: FeatureScale) -> WarmUp:
        """Cut the unlabelled warm-up out of a session."""
        parts = self.divide_guided(rows)

        def scaled(chosen: Rows) -> Floats:
            return scale.apply(self.table.x[chosen]).astype(np.float32)

        still = np.concatenate([rest for _, _, rest in parts])
        return WarmUp([scaled(moving) for _, moving, _ in parts], scaled(still), 1)

    def calibration(
        self, rows: Rows, since_s: float = 0.0, until_s: float = GUIDED_S
    ) -> tuple[Rows, NDArray[np.int64]]:
        """Cut out a labelled calibration: the first bout of each movement, the rest before it, 5 s of the resting file."""
        chosen, labels = [], []
        for name, moving, still in self.divide_guided(rows, since_s, until_s):
            chosen += [moving, still]
            labels += [np.full(len(moving), int(name)), np.zeros(len(still), np.int64)]
        rest = rows[self.is_rest_file[rows] & (self.table.seconds[rows] <= REST_S)]
        return np.concatenate([*chosen, rest]), np.concatenate([*labels, np.zeros(len(rest), np.int64)])


def fit_source(
    data: Myo, train: Rows, z: Floats, settings: Settings, fit: FitSettings, seed: int
) -> DenseNet:
    """Train a network on many persons' windows."""
    rng = np.random.default_rng(seed)
    net = DenseNet.draw([z[0].size, *settings.hidden, N_CLASSES], rng)
    labels = data.labels[train]
    augment = turn_neighbours(settings.turned_share) if settings.turned_share else None
    return fit_classes(
        net, z[train], labels, fit, rng, weights=weigh(labels, N_CLASSES, 0.5), augment=augment
    )


def align_persons(data: Myo, persons: list[str], settings: Settings) -> dict[tuple[str, str], Turn]:
    """Find how each training session was worn, by networks that were trained on the other half of the training persons."""
    z = data.z.copy()
    turns = dict.fromkeys([key for key in data.sessions if key[0] in persons], STRAIGHT)
    usable = data.trimmed & (np.arange(len(z)) % (2 * settings.stride) == 0)
    for number in range(settings.turn_rounds):
        order = np.random.default_rng(7 + number).permutation(sorted(persons))
        halves = [set(part.tolist()) for part in np.array_split(order, 2)]
        found = {}
        for own, other in (halves, halves[::-1]):
            train = np.concatenate([data.rows[key] for key in turns if key[0] in other])
            scout = fit_source(data, train[usable[train]], z, settings, settings.scout, number)
            for key in turns:
                if key[0] in own:
                    rows = data.rows[key][usable[data.rows[key]] & (data.labels[data.rows[key]] > 0)]
                    found[key] = find_turn(scout.predict, data.z[rows], data.labels[rows], data.table.reach)
        turns = found
        for key, turn in turns.items():
            z[data.rows[key]] = turn_ring(data.z[data.rows[key]], turn, data.table.reach)
    return turns


def train_fold(data: Myo, tested: list[str], settings: Settings) -> DenseNet:
    """Train the network that knows everybody but ``tested``."""
    persons = sorted(set(data.table.persons.tolist()) - set(tested))
    z = data.z
    turns = align_persons(data, persons, settings) if settings.turn_rounds else {}
    if turns:
        z = data.z.copy()
        for key, turn in turns.items():
            z[data.rows[key]] = turn_ring(data.z[data.rows[key]], turn, data.table.reach)
    rows = data.table.rows_of(np.isin(data.table.persons, persons))
    train = rows[data.trimmed[rows] & (rows % settings.stride == 0)]
    check_disjoint(data.table, train, data.table.rows_of(np.isin(data.table.persons, tested)))
    return fit_source(data, train, z, settings, settings.source, 0)


def list_folds(data: Myo) -> list[list[str]]:
    """Deal the persons to folds."""
    return split_persons(data.table.persons.tolist(), N_FOLDS, FOLD_SEED)


def _score(data: Myo, figures: Figures, way: str, key: tuple[str, str], rows: Rows, p: NDArray[Any]) -> None:
    figures.add(
        way, key[0], p, data.labels[rows], data.table.trial[rows], data.counted[rows], data.trimmed[rows]
    )


def _add(
    data: Myo,
    figures: Figures,
    way: str,
    keys: list[tuple[str, str]],
    fitted: Fitted,
    twin: Twin | None = None,
) -> None:
    """Score sessions together, as one test of a person."""
    rows = np.concatenate([data.rows[key] for key in keys])
    x = fitted.prepare(data.table.x[rows], data.table.reach)
    _score(data, figures, way, keys[0], rows, fitted.net.predict(x))
    if twin is not None:
        _score(data, figures, f"{way}, int8", keys[0], rows, twin.predict(x))


def run_unseen(data: Myo, nets: list[DenseNet], settings: Settings) -> dict[str, Any]:
    """Persons never seen: each session with an unlabelled warm-up of 84 s."""
    figures = Figures(N_CLASSES)
    small = data.table.x[:, :FLOOR_COMPONENTS]
    warm = settings.warm_up
    ways = {
        "warm-up: scale": None,
        "warm-up: scale, turn": replace(warm, each_once=False, rounds=0),
        "warm-up: scale, turn, self-training": replace(warm, each_once=False),
        "warm-up of each once: scale, turn": replace(warm, rounds=0),
        "warm-up of each once: scale, self-training": replace(warm, search=False),
        "warm-up of each once": warm,
    }
    for tested, net in zip(list_folds(data), nets, strict=True):
        train = data.table.rows_of(~np.isin(data.table.persons, tested))
        train = train[data.trimmed[train] & (train % settings.stride == 0)]
        floor = choose_lda(small[train], data.labels[train], data.table.person[train], N_CLASSES)
        scale = measure_scale(data.table.x[train], by_channel=True)
        plain_z = np.zeros_like(data.z)
        plain_z[train] = scale.apply(data.table.x[train])
        plain = Fitted(fit_source(data, train, plain_z, settings, settings.source, 0), scale)
        plain_twin = Twin(plain.net, plain_z[train].astype(np.float32))
        for key in (key for person in tested for key in data.sessions_of(person)):
            rows = data.rows[key]
            _score(data, figures, "floor", key, rows, floor.predict(small[rows]))
            _add(data, figures, "no warm-up", [key], plain, plain_twin)
            scale_here = data.scales[key]
            warm_up = data.warm_up(rows, scale_here)
            for way, how in ways.items():
                if how is None:
                    _add(data, figures, way, [key], Fitted(net, scale_here))
                    continue
                adapted, turn = adapt(net, warm_up, data.table.reach, how, np.random.default_rng(0))
                fitted = Fitted(adapted, scale_here, turn)
                twin = None
                if how is warm or way == "warm-up: scale, turn, self-training":
                    seen = np.concatenate([*warm_up.bouts, warm_up.still])
                    twin = Twin(adapted, turn_ring(seen, turn, data.table.reach))
                _add(data, figures, way, [key], fitted, twin)
    return {"ways": figures.as_dict(), "confusion": figures.confusions["warm-up of each once, int8"].tolist()}


def run_calibrated(data: Myo, nets: list[DenseNet], settings: Settings) -> dict[str, Any]:
    """One guided bout a class in the first session: the rest of that session, and all sessions."""
    figures = Figures(N_CLASSES)
    for tested, net in zip(list_folds(data), nets, strict=True):
        for person in tested:
            keys = data.sessions_of(person)
            first = data.rows[keys[0]]
            chosen, labels = data.calibration(first)
            check_disjoint(data.table, chosen, first[data.counted[first]], GAP_S)
            scale = data.scales[keys[0]]
            x = scale.apply(data.table.x[chosen]).astype(np.float32)
            reach, rng = data.table.reach, np.random.default_rng
            small = data.table.x[:, :FLOOR_COMPONENTS]
            floor = Lda(small[chosen], labels, N_CLASSES, 0.3)
            fresh = DenseNet.draw([x[0].size, *settings.hidden, N_CLASSES], rng(1))
            models = {
                "trained on the bouts alone": (
                    fresh,
                    replace(settings.calibration, learning_rate=2e-3),
                    False,
                ),
                "turn": (net, replace(settings.calibration, epochs=0), True),
                "fine-tuned without a turn": (net, settings.calibration, False),
                "calibrated": (net, settings.calibration, True),
            }
            for way, (start, fit, search) in models.items():
                own, turn = calibrate(start, x, labels, reach, fit, rng(0), search=search)
                fitted = Fitted(own, scale, turn)
                is_final = way == "calibrated"
                twin = Twin(own, turn_ring(x, turn, reach)) if is_final else None
                _add(data, figures, f"same session: {way}", keys[:1], fitted, twin)
                _add(data, figures, f"all sessions: {way}", keys, fitted, twin)
                if is_final:
                    _add_warmed(data, figures, keys, fitted, twin, settings)
            for where, rows in (
                ("same session", first),
                ("all sessions", np.concatenate([data.rows[k] for k in keys])),
            ):
                _score(data, figures, f"{where}: floor", keys[0], rows, floor.predict(small[rows]))
            _add_later_bouts(data, figures, keys[0], net, settings)
    return {
        "ways": figures.as_dict(),
        "confusion": figures.confusions["same session: calibrated, int8"].tolist(),
    }


def _add_later_bouts(
    data: Myo, figures: Figures, key: tuple[str, str], net: DenseNet, settings: Settings
) -> None:
    """Score calibrations by a session's first bouts, by its second, and by both, on what comes behind the second."""
    rows, reach = data.rows[key], data.table.reach
    test = rows[data.table.seconds[rows] > NEXT_S + GAP_S]
    for which, since_s, until_s in (
        ("first", 0.0, GUIDED_S),
        ("second", GUIDED_S, NEXT_S),
        ("both", 0.0, NEXT_S),
    ):
        chosen, labels = data.calibration(rows, since_s, until_s)
        check_disjoint(data.table, chosen, test, GAP_S)
        scale = data.measure(rows, since_s, until_s)
        x = scale.apply(data.table.x[chosen]).astype(np.float32)
        own, turn = calibrate(net, x, labels, reach, settings.calibration, np.random.default_rng(0))
        z = Fitted(own, scale, turn).prepare(data.table.x[test], reach)
        way = f"same session, behind the second bouts: {which}"
        _score(data, figures, way, key, test, own.predict(z))
        twin = Twin(own, turn_ring(x, turn, reach))
        _score(data, figures, f"{way}, int8", key, test, twin.predict(z))


def _add_warmed(
    data: Myo,
    figures: Figures,
    keys: list[tuple[str, str]],
    fitted: Fitted,
    twin: Twin | None,
    settings: Settings,
) -> None:
    """Score all sessions of which the later ones begin with an unlabelled warm-up."""
    way = "all sessions, the later with a warm-up: calibrated"
    parts: list[tuple[Rows, NDArray[Any], NDArray[Any]]] = []
    for number, key in enumerate(keys):
        rows, now, now_twin = data.rows[key], fitted, twin
        if number:
            now = _warm(data, key, fitted, settings)
            warm = data.warm_up(rows, now.scale)
            now_twin = Twin(
                now.net, turn_ring(np.concatenate([*warm.bouts, warm.still]), now.turn, data.table.reach)
            )
        x = now.prepare(data.table.x[rows], data.table.reach)
        assert now_twin is not None  # noqa: S101 - the caller's
        parts.append((rows, now.net.predict(x), now_twin.predict(x)))
    rows = np.concatenate([part[0] for part in parts])
    _score(data, figures, way, keys[0], rows, np.concatenate([part[1] for part in parts]))
    _score(data, figures, f"{way}, int8", keys[0], rows, np.concatenate([part[2] for part in parts]))


def _warm(data: Myo, key: tuple[str, str], fitted: Fitted, settings: Settings) -> Fitted:
    """Adapt a person's network to another session by its warm-up."""
    scale = data.scales[key]
    warm_up = data.warm_up(data.rows[key], scale)
    net, turn = adapt(
        fitted.net, warm_up, data.table.reach, settings.warm_up, np.random.default_rng(0), usual=fitted.turn
    )
    return Fitted(net, scale, turn)


def run_sessions(data: Myo, nets: list[DenseNet], settings: Settings) -> dict[str, Any]:
    """Sessions 1 and 2 to 3 of known persons, without and with an unlabelled warm-up in session 3."""
    figures = Figures(N_CLASSES)
    small, reach = data.table.x[:, :FLOOR_COMPONENTS], data.table.reach
    for tested, net in zip(list_folds(data), nets, strict=True):
        for person in tested:
            *known, last = data.sessions_of(person)[:3]
            both = np.concatenate([data.rows[key] for key in known])
            train = both[data.trimmed[both]]
            labels = data.labels[train]
            check_disjoint(data.table, train, data.rows[last])
            floor = choose_lda(small[train], labels, data.table.sessions[data.table.trial[train]], N_CLASSES)
            _score(data, figures, "floor", last, data.rows[last], floor.predict(small[data.rows[last]]))
            together = measure_scale(data.table.x[both], by_channel=True)
            for way, scales in (
                ("pre-trained, fine-tuned", dict.fromkeys(known, together)),
                ("with a warm-up", {key: data.scales[key] for key in known}),
            ):
                parts, turn = [], STRAIGHT
                for key in known:
                    rows = data.rows[key][data.trimmed[data.rows[key]]]
                    z = scales[key].apply(data.table.x[rows]).astype(np.float32)
                    moving = data.labels[rows] > 0
                    turn = find_turn(net.predict, z[moving][::5], data.labels[rows][moving][::5], reach)
                    parts.append(turn_ring(z, turn, reach))
                x = np.concatenate(parts)
                own, _ = calibrate(
                    net,
                    x,
                    labels,
                    reach,
                    settings.tuning,
                    np.random.default_rng(0),
                    search=False,
                    balance=0.6,
                )
                fitted = Fitted(own, together, turn)
                if way == "with a warm-up":
                    _add(
                        data, figures, f"{way}: scale alone", [last], replace(fitted, scale=data.scales[last])
                    )
                    fitted = _warm(data, last, fitted, settings)
                _add(data, figures, way, [last], fitted, Twin(fitted.net, x[::5]))
    return {"ways": figures.as_dict(), "confusion": figures.confusions["with a warm-up, int8"].tolist()}
