"""What a search sees: recordings of some persons to learn from and of others to judge by, thinned, and windows of them.

Persons held out for the test are never read. Of all others, half judge unless told otherwise, the spec's validation persons
among them: by three persons alone, a search of forty specs gained 6.8 points that were 1.7 on persons that it had not seen.
Features are computed once for each front end, window and hop, and kept.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from myo_pipeline.errors import DataError
from myo_pipeline.feature_set import WindowFeature as Feature
from myo_pipeline.feature_stage import compile_spec_features
from myo_pipeline.features import AmplitudeFeature
from myo_pipeline.spec import PatchSpec
from myo_training.recordings import DataSet, Recording
from myo_training.split import TRAIN, VALIDATION, Session, split_sessions
from myo_training.windows import WindowSet, cut_recordings

TRAIN_VALUES: Final = 8_000_000  # counts of training persons that are read: 5,000 s of 8 channels at 200 Hz
JUDGED_VALUES: Final = 4_000_000
LEAST_S: Final = 15.0  # of a recording, as long as a person has several sessions to thin instead
KEPT_BYTES: Final = 800_000_000  # of features


@dataclass(frozen=True)
class Sides:
    """Windows to learn from, at the spec's training hop, and windows to judge by, at the patch's own."""

    train: WindowSet
    validation: WindowSet


class SearchData:
    """Recordings of the persons that a search may see.

    Parameters
    ----------
    spec
        The patch that the search begins with; its split is that of every spec of the search.
    data
        The recordings.
    n_judges
        Persons that judge: the validation persons, then persons drawn from those that train; None: half of all that are not
        held out.
    values
        Counts to read of those that teach and of those that judge, at most: the first sessions of each person, and the first
        part of each recording.

    Raises
    ------
    DataError
        If nobody is left to learn from or to judge by.
    """

    def __init__(
        self,
        spec: PatchSpec,
        data: DataSet,
        n_judges: int | None = None,
        values: tuple[int, int] = (TRAIN_VALUES, JUDGED_VALUES),
    ) -> None:
        self.sessions = _split(spec, data, n_judges)
        self._recordings = {
            role: _thin(_read(data, self.sessions[role]), limit, spec)
            for role, limit in zip((TRAIN, VALIDATION), values, strict=True)
        }
        self._kept: OrderedDict[str, tuple[NDArray[np.float32], WindowSet]] = OrderedDict()

    @property
    def n_judges(self) -> int:
        """Persons that judge."""
        return len({person for person, _ in self.sessions[VALIDATION]})

    @property
    def seconds(self) -> tuple[float, float]:
        """Length of what was read, of those that teach and of those that judge."""
        train, validation = (
            sum(len(r.emg) / r.rate_hz for r in self._recordings[role]) for role in (TRAIN, VALIDATION)
        )
        return train, validation

    def cut(self, spec: PatchSpec) -> Sides:
        """Filter and cut for a spec of the search; of features, components stand as :func:`order_features` has them."""
        hop = max(1, round(spec.training.hop_ms * spec.front_end_rate_hz / 1000))
        return Sides(self._cut(TRAIN, spec, hop), self._cut(VALIDATION, spec, spec.hop_samples))

    def measure_size(self, spec: PatchSpec) -> float:
        """Return the median magnitude behind the front end of a spec, of training persons, in counts."""
        plain = spec.model_copy(update={"features": []})
        windows = cut_recordings(self._recordings[TRAIN][::8], plain, spec.window_samples)
        return float(np.median(np.abs(windows.counts[..., : spec.emg_channels])))

    def _cut(self, role: str, spec: PatchSpec, hop: int) -> WindowSet:
        if not spec.features:
            return cut_recordings(self._recordings[role], spec, hop)
        place = json.dumps(
            [
                role, hop, spec.window_samples, spec.hop_samples, spec.context_windows,
                [stage.model_dump(mode="json") for stage in spec.stage],
            ]
        )  # fmt: skip
        features = order_features(spec.features)
        keys = [f"{place} {feature.model_dump_json()}" for feature in features]
        missing = [feature for feature, key in zip(features, keys, strict=True) if key not in self._kept]
        found = {key: self._kept[key] for key in keys if key in self._kept}
        if missing:
            found |= self._compute(role, spec.model_copy(update={"features": missing}), hop, place)
        for key in keys:
            self._kept[key] = found[key]
            self._kept.move_to_end(key)
        self._forget()
        counts = np.concatenate([found[key][0] for key in keys], axis=-2)
        return replace(found[keys[0]][1], counts=counts)

    def _compute(
        self, role: str, spec: PatchSpec, hop: int, place: str
    ) -> dict[str, tuple[NDArray[np.float32], WindowSet]]:
        windows = cut_recordings(self._recordings[role], spec, hop)
        empty = replace(windows, counts=windows.counts[..., :0, :])
        found, first = {}, 0
        for feature, size in zip(spec.features, count_components(spec), strict=True):
            part = np.ascontiguousarray(windows.counts[..., first : first + size, :])
            found[f"{place} {feature.model_dump_json()}"] = (part, empty)
            first += size
        return found

    def _forget(self) -> None:
        """Drop what was not asked for the longest."""
        total = sum(part.nbytes for part, _ in self._kept.values())
        while total > KEPT_BYTES and len(self._kept) > 1:
            total -= self._kept.popitem(last=False)[1][0].nbytes


def list_feature_tables() -> dict[str, type[BaseModel]]:
    """Return the table of each kind that a spec takes as a feature, families in the order of their words."""
    (entry,) = get_args(PatchSpec.model_fields["features"].annotation)
    union = get_args(entry)[0]  # behind Annotated
    return {
        str(kind): table
        for table in get_args(union)
        for kind in get_args(table.model_fields["kind"].annotation)
    }


def order_features(features: Sequence[Feature]) -> list[Feature]:
    """Put features in the order of their words: family by family, within one as they stand.

    Tables of :mod:`myo_pipeline.features` are one family, any other table is one of its own.
    """
    tables: list[type[BaseModel]] = list(dict.fromkeys(list_feature_tables().values()))

    def place(feature: Feature) -> int:
        table: type[BaseModel] = type(feature)
        return -1 if table.__module__ == AmplitudeFeature.__module__ else tables.index(table)

    return sorted(features, key=place)


def count_components(spec: PatchSpec) -> list[int]:
    """Return the words a channel of each of a spec's features."""

    def size(features: Sequence[Feature]) -> int:
        one = spec.model_copy(update={"features": list(features)})
        return compile_spec_features(one, 16 - spec.sensor.adc_bits).n_components

    return [size([feature]) for feature in spec.features]


def _read(data: DataSet, sessions: Sequence[tuple[str, str]]) -> list[Recording]:
    wanted = set(sessions)
    return [r for r in data.recordings({p for p, _ in wanted}) if (r.person, r.session) in wanted]


def _split(spec: PatchSpec, data: DataSet, n_judges: int | None) -> dict[str, tuple[Session, ...]]:
    """Return the sessions to learn from and to judge by; persons held out for the test are in neither."""
    training = spec.training
    split = split_sessions(
        data.sessions(), training.held_out_persons, training.validation_persons, training.seed
    )
    judging = sorted({person for person, _ in split.validation})
    others = sorted({person for person, _ in split.train})
    drawn = [others[i] for i in np.random.default_rng((training.seed, 13)).permutation(len(others))]
    n_all = len(judging) + len(drawn)
    wanted = n_all // 2 if n_judges is None else n_judges
    if not 1 <= wanted < n_all:
        raise DataError(
            f"{wanted} of {n_all} persons to judge by, expected at least 1 and 1 to learn from; record more persons, or change "
            "--judges"
        )
    chosen = (
        {*judging, *drawn[: max(wanted - len(judging), 0)]} if wanted >= len(judging) else {*judging[:wanted]}
    )
    free = [s for s in data.sessions() if s in {*split.train, *split.validation}]
    return {
        TRAIN: tuple(s for s in free if s[0] not in chosen),
        VALIDATION: tuple(s for s in free if s[0] in chosen),
    }


def _thin(recordings: list[Recording], n_values: int, spec: PatchSpec) -> list[Recording]:
    """Leave out last sessions while recordings would else be short, then cut all as short as they must be."""
    least = 3 * spec.span_samples * spec.decimation // 2
    while sum(r.emg.size for r in recordings) > n_values:
        n = int(n_values / len(recordings) / spec.sensor.channels)
        sessions: dict[str, list[str]] = {}
        for r in recordings:
            sessions.setdefault(r.person, []).append(r.session)
        counts = {person: len(set(own)) for person, own in sessions.items()}
        most = max(counts.values())
        if n >= LEAST_S * spec.sensor.rate_hz or most == 1:
            n = max(n, least)
            return [replace(r, emg=r.emg[:n], labels=r.labels[:n]) for r in recordings]
        last = {person: max(sessions[person]) for person, count in counts.items() if count == most}
        recordings = [r for r in recordings if last.get(r.person) != r.session]
    return recordings
