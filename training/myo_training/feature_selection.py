"""Features ranked and chosen by what they add to accuracy for the time that they take on the core.

Accuracy is that of a linear discriminant (of values: R2 of a ridge regression), learned from some persons and measured on
others, each window by itself: quick enough to try hundreds of sets. What a set costs is the caller's to say.

References
----------
Ledoit and Wolf 2004, J. Multivariate Anal. 88(2), doi:10.1016/S0047-259X(03)00096-4 (the discriminant's shrinkage).
Kraskov et al. 2004, Phys. Rev. E 69, doi:10.1103/PhysRevE.69.066138; Ross 2014, PLoS ONE 9(2),
doi:10.1371/journal.pone.0087357 (mutual information from nearest neighbours).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.feature_set import WindowFeature as Feature
from myo_pipeline.spec import PatchSpec
from myo_training.metrics import count_confusion, measure_macro
from myo_training.search_data import SearchData, Sides, count_components, order_features
from myo_training.search_space import name_feature
from myo_training.windows import choose_balanced

MAX_WINDOWS: Final = 6000  # learned from, and as many measured on
MI_WINDOWS: Final = 3000
LONGEST_PATH: Final = 8  # features
LEAST: Final = 0.002  # of accuracy: what a further feature must add
ENOUGH: Final = 0.5  # of the best gain: below, cheapness does not help
_FREE_US: Final = 0.5  # least time counted for a feature that shares all its sums

Progress = Callable[[str, float], None]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tag:
    """What a decision takes with a set of features: the whole patch's instructions, and microseconds at the budget's clock."""

    instructions: float
    microseconds: float


Price = Callable[[PatchSpec], Tag]


@dataclass(frozen=True)
class Ranked:
    """One candidate by itself.

    Attributes
    ----------
    name, n_components
        The feature, and its words a channel.
    information_bits
        Mutual information of its most telling component and the class, mean over channels.
    accuracy, tag
        Of the patch with this feature alone.
    """

    name: str
    n_components: int
    information_bits: float
    accuracy: float
    tag: Tag


@dataclass(frozen=True)
class Point:
    """A set of features: the one that came or went last, all names, accuracy and cost."""

    moved: str
    names: tuple[str, ...]
    accuracy: float
    tag: Tag


@dataclass(frozen=True)
class Projection:
    """The first principal components of all chosen features: share of the variance, accuracy."""

    n_components: int
    variance: float
    accuracy: float


@dataclass(frozen=True)
class Selection:
    """What a selection found.

    Attributes
    ----------
    ranked
        All candidates, by accuracy for a microsecond.
    forward, backward
        Sets in the order in which they were found.
    own, chosen
        The spec's own set, and the best of all.
    spec
        With the chosen features.
    projections
        Of the chosen features.
    metric
        ``macro accuracy`` or ``R2``.
    """

    ranked: tuple[Ranked, ...]
    forward: tuple[Point, ...]
    backward: tuple[Point, ...]
    own: Point
    chosen: Point
    spec: PatchSpec
    projections: tuple[Projection, ...]
    metric: str


class LinearJudge:
    """Accuracy of linear models on columns of standardised features."""

    def __init__(self, spec: PatchSpec, sides: Sides, sizes: Sequence[int], seed: int) -> None:
        rng = np.random.default_rng((seed, 11))
        self.is_classes = spec.output.kind == "classes"
        self._n_classes = len(spec.output_names)
        train, validation = sides.train, sides.validation
        chosen = np.arange(len(train.counts))
        if self.is_classes:
            chosen = choose_balanced(train.labels.astype(np.int64), self._n_classes, rng, 1.0)
        chosen = np.sort(rng.permutation(chosen)[:MAX_WINDOWS])
        persons = np.array([p for p, part in validation.parts() for _ in range(part.stop - part.start)])
        checked = np.linspace(0, len(persons) - 1, min(MAX_WINDOWS, len(persons))).astype(int)
        self.labels, self._truth = train.labels[chosen], validation.labels[checked]
        self._persons = persons[checked]
        x, y = (counts.astype(np.float64) for counts in (train.counts[chosen], validation.counts[checked]))
        mean, spread = x.mean(axis=0, keepdims=True), x.std(axis=0, keepdims=True)
        emg = slice(0, spec.emg_channels)  # an auxiliary channel has its own
        mean[..., emg] = x[..., emg].mean(axis=(0, 2), keepdims=True)
        spread[..., emg] = x[..., emg].std(axis=(0, 2), keepdims=True)
        spread[spread == 0] = 1.0
        edges = np.concatenate([[0], np.cumsum(sizes)])
        self.columns, self._checked = (
            [
                part[:, a:b].reshape(len(part), -1)
                for a, b in itertools.pairwise(edges)
            ]
            for part in ((x - mean) / spread, (y - mean) / spread)
        )  # fmt: skip

    def judge(self, features: Sequence[int]) -> float:
        """Return macro accuracy, or R2, of a set of features; mean over the persons that judge."""
        x, y = (np.concatenate([side[k] for k in features], axis=1) for side in (self.columns, self._checked))
        return self.judge_columns(x, y)

    def project(self, features: Sequence[int], n: int) -> Projection:
        """Return what the first principal components of a set of features keep."""
        from sklearn.decomposition import PCA

        x, y = (np.concatenate([side[k] for k in features], axis=1) for side in (self.columns, self._checked))
        pca = PCA(n_components=n, svd_solver="full").fit(x)
        kept = float(pca.explained_variance_ratio_.sum())
        return Projection(n, kept, self.judge_columns(pca.transform(x), pca.transform(y)))

    def judge_columns(self, x: Floats, y: Floats) -> float:
        """Learn from x, measure on y."""
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.linear_model import Ridge

        found = []
        if self.is_classes:
            present = np.unique(self.labels)
            model = LinearDiscriminantAnalysis(
                solver="lsqr", shrinkage="auto", priors=np.full(len(present), 1 / len(present))
            ).fit(x, self.labels)
            decided = model.predict(y)
            for person in np.unique(self._persons):
                own = self._persons == person
                table = count_confusion(self._truth[own].astype(np.int64), decided[own], self._n_classes)
                found.append(measure_macro(table))
        else:
            values = Ridge(alpha=1.0).fit(x, self.labels).predict(y).reshape(len(y), -1)
            for person in np.unique(self._persons):
                own = self._persons == person
                truth = self._truth[own]
                spread = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
                error = ((truth - values[own]) ** 2).sum(axis=0)
                found.append(float((1 - error[spread > 0] / spread[spread > 0]).mean()))
        return float(np.mean(found))

    def inform(self, feature: int, n_channels: int) -> float:
        """Return the mutual information of a feature's best component and the first output, in bits; mean over channels."""
        from sklearn.feature_selection import mutual_info_classif, mutual_info_regression

        step = -(-len(self.labels) // MI_WINDOWS)
        x, labels = self.columns[feature][::step], self.labels[::step]
        measure: Any = mutual_info_classif if self.is_classes else mutual_info_regression
        target = labels if labels.ndim == 1 else labels[:, 0]
        nats = measure(x, target, random_state=0).reshape(-1, n_channels)
        return float(nats.mean(axis=1).max() / np.log(2))


def _with(spec: PatchSpec, candidates: Sequence[Feature], chosen: Sequence[int]) -> PatchSpec:
    """Return the spec with these features, in the order of the candidates."""
    return spec.model_copy(update={"features": [candidates[k] for k in sorted(chosen)]})


def _see_one(spec: PatchSpec) -> PatchSpec:
    """Return the spec with a network of one window: features are judged by the newest alone."""
    if spec.context_windows == 1:
        return spec
    return spec.model_copy(update={"model": spec.model.model_copy(update={"windows": 1})})


def _keep_finite(spec: PatchSpec, data: SearchData, candidates: Sequence[Feature]) -> list[Feature]:
    """Leave out what is infinite or no number in some window: a ratio of two silences, say."""
    wide = _with(spec, candidates, range(len(candidates)))
    sides = data.cut(_see_one(wide))
    edges = np.concatenate([[0], np.cumsum(count_components(wide))])
    return [
        feature
        for feature, (a, b) in zip(candidates, itertools.pairwise(edges), strict=True)
        if all(np.isfinite(side.counts[:, a:b]).all() for side in (sides.train, sides.validation))
    ]


def select_features(
    spec: PatchSpec,
    data: SearchData,
    candidates: Sequence[Feature],
    price: Price,
    worth: float = 0.01,
    progress: Progress | None = None,
) -> Selection:
    """Rank candidates, add them one by one, take them away again, and choose.

    Forward, the feature comes that adds most accuracy for a microsecond, among those that add at least half of what the best
    one adds; it ends where nothing adds :data:`LEAST`. Backward, from there, the one goes that loses least for a microsecond
    saved. Of all sets on the way, and the spec's own, that is chosen in which every doubling of the time is worth it.

    Parameters
    ----------
    spec
        The patch: front end, window, and a network over features.
    data
        Recordings to learn from and to judge by.
    candidates
        Features to choose from.
    price
        What a spec's patch takes.
    worth
        Accuracy that a doubling of the time has to bring.
    progress
        Called with a phrase and a fraction of 0 .. 1.
    """
    tell = progress or (lambda _text, _fraction: None)
    tell("computing features", 0.0)
    candidates = _keep_finite(spec, data, order_features(candidates))
    wide = _with(spec, candidates, range(len(candidates)))
    judge = LinearJudge(spec, data.cut(_see_one(wide)), count_components(wide), spec.training.seed)
    n = len(candidates)
    names = [name_feature(f) for f in candidates]
    known: dict[frozenset[int], tuple[float, Tag]] = {}

    def measure(chosen: Sequence[int]) -> tuple[float, Tag]:
        key = frozenset(chosen)
        if key not in known:
            known[key] = judge.judge(sorted(chosen)), price(_with(spec, candidates, chosen))
        return known[key]

    ranked = []
    for k in range(n):
        tell(f"{names[k]} by itself", 0.1 + 0.3 * k / n)
        accuracy, tag = measure([k])
        information = judge.inform(k, spec.front_end_channels)
        size = judge.columns[k].shape[1] // spec.front_end_channels
        ranked.append(Ranked(names[k], size, information, accuracy, tag))
    forward = _go_forward(names, measure, 1 / len(spec.output_names) if judge.is_classes else 0.0, tell)
    backward = _go_backward(names, measure, forward[-1], tell)
    given = tuple(name_feature(f) for f in spec.features if name_feature(f) in names)
    own = Point("", given, *measure([names.index(name) for name in given]))
    chosen = max(
        (*forward, *backward, own), key=lambda p: p.accuracy - worth * float(np.log2(p.tag.microseconds))
    )
    places = [names.index(name) for name in chosen.names]
    tell("principal components", 0.95)
    most = sum(judge.columns[k].shape[1] for k in places)
    projections = [judge.project(places, m) for m in (1, 2, 4, 8, 16, 32, 64) if m < most]
    return Selection(
        tuple(sorted(ranked, key=lambda r: -r.accuracy / r.tag.microseconds)), tuple(forward), tuple(backward), own, chosen,
        PatchSpec.model_validate(_with(spec, candidates, places).model_dump(mode="json", exclude_unset=True)),
        tuple(projections), "macro accuracy" if judge.is_classes else "R2",
    )  # fmt: skip


Measure = Callable[[Sequence[int]], tuple[float, Tag]]


def _go_forward(names: Sequence[str], measure: Measure, chance: float, tell: Progress) -> list[Point]:
    chosen: list[int] = []
    path: list[Point] = []
    accuracy, microseconds = chance, 0.0
    while len(path) < min(LONGEST_PATH, len(names)):
        tell(f"forward, {len(path) + 1} features, {accuracy:.3f}", 0.4 + 0.4 * len(path) / LONGEST_PATH)
        found = {k: measure([*chosen, k]) for k in range(len(names)) if k not in chosen}
        gains = {k: a - accuracy for k, (a, _) in found.items()}
        best = max(gains.values())
        if path and best < LEAST:
            break
        enough = [k for k, gain in gains.items() if gain >= ENOUGH * best]
        k = max(enough, key=lambda k: gains[k] / max(found[k][1].microseconds - microseconds, _FREE_US))
        chosen.append(k)
        accuracy, tag = found[k]
        microseconds = tag.microseconds
        path.append(Point(names[k], tuple(names[i] for i in sorted(chosen)), accuracy, tag))
    return path


def _go_backward(names: Sequence[str], measure: Measure, last: Point, tell: Progress) -> list[Point]:
    chosen = [names.index(name) for name in last.names]
    accuracy, tag = last.accuracy, last.tag
    path: list[Point] = []
    while len(chosen) > 1:
        tell(f"backward, {len(chosen)} features, {accuracy:.3f}", 0.8 + 0.15 / len(chosen))
        found = {k: measure([i for i in chosen if i != k]) for k in chosen}
        saved = {k: max(tag.microseconds - found[k][1].microseconds, _FREE_US) for k in chosen}
        # What loses nothing goes first, the dearest of it; of what loses, the least for a microsecond.
        losses = {k: accuracy - found[k][0] for k in chosen}
        k = min(chosen, key=lambda k: losses[k] * saved[k] if losses[k] < 0 else losses[k] / saved[k])
        chosen.remove(k)
        accuracy, tag = found[k]
        path.append(Point(names[k], tuple(names[i] for i in sorted(chosen)), accuracy, tag))
    return path
