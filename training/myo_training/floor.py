"""What anything new has to beat: four features and a linear classifier, learned and tested on the same windows.

Log mean absolute value, log waveform length, zero crossings and slope sign changes of each channel, shrinkage LDA with equal
priors (of values: ridge regression). Its one setting, the threshold of the counts, is chosen as a network's epoch is: by the
persons that validate; it then learns from those as well. Of a score the floor is what six principal components of the normal
windows leave, with the network's own rule for a threshold; nobody may choose by anomalies, so its counts take the usual one.

References
----------
Hudgins et al. 1993, IEEE Trans. Biomed. Eng. 40(1), doi:10.1109/10.204774 (the features); Ledoit and Wolf 2004, J. Multivar.
Anal. 88(2), doi:10.1016/S0047-259X(03)00096-4 (the shrinkage).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.spec import ClassesOutput, MlpModel, PatchSpec, ScoreOutput, ValuesOutput
from myo_training.anomaly import NORMAL, find_threshold, share_scores
from myo_training.metrics import count_confusion, measure_macro
from myo_training.train import REST_EXCESS
from myo_training.windows import WindowSet, choose_balanced

THRESHOLDS = (0.05, 0.15, 0.5)  # of the median magnitude behind the filters
USUAL = 1  # where nobody validates
COMPONENTS = 6  # of a score: those of docs/models.md


def make_floor_specs(spec: PatchSpec, size: float) -> list[PatchSpec]:
    """Return the spec with the floor's features in place of its own, one for each threshold; its windows are the spec's.

    Parameters
    ----------
    spec
        The patch.
    size
        Median magnitude behind the front end, in counts.
    """
    specs = []
    for share in THRESHOLDS:
        threshold = float(f"{max(share * size, 2.0**-8):.4g}")
        features: list[dict[str, Any]] = [{"kind": "mav", "log": True}, {"kind": "wl", "log": True}]
        features += [{"kind": kind, "threshold": threshold} for kind in ("zc", "ssc")]
        content = spec.as_recorded().model_dump(mode="json", exclude_unset=True)
        model = MlpModel(kind="mlp", hidden=[], windows=spec.context_windows)
        content |= {"features": features, "model": model.model_dump()}
        specs.append(PatchSpec.model_validate(content))
    return specs


class Floor:
    """The floor of one fold.

    Parameters
    ----------
    spec
        The patch.
    train, validation
        Windows to learn from and to choose by, for each spec of :func:`make_floor_specs` those of every session; validation may
        hold none.
    """

    def __init__(
        self, spec: PatchSpec, train: Sequence[Sequence[WindowSet]], validation: Sequence[Sequence[WindowSet]]
    ) -> None:
        self._output, self._n_outputs = spec.output, len(spec.output_names)
        self._seed = spec.training.seed
        self.threshold = USUAL  # which of the specs it takes
        if validation[0] and not isinstance(self._output, ScoreOutput):
            scores = []
            for own, others in zip(train, validation, strict=True):
                self._fit(own)
                scores.append(self._score(others))
            self.threshold = int(np.argmax(scores))
        self._fit([*train[self.threshold], *validation[self.threshold]])

    def predict(self, windows: WindowSet) -> NDArray[np.float64]:
        """Return probabilities of classes, or values, (n_windows, n_outputs), of windows of the spec that it takes."""
        x = (_flatten(windows) - self._mean) / self._spread
        if isinstance(self._output, ValuesOutput):
            return np.asarray(self._model.predict(x), np.float64).reshape(len(x), -1)
        found = np.zeros((len(x), self._n_outputs))
        found[:, self._model.classes_] = self._model.predict_proba(x)
        return found

    def _fit(self, sets: Sequence[WindowSet]) -> None:
        x = np.concatenate([_flatten(windows) for windows in sets])
        y = np.concatenate([windows.labels for windows in sets])
        if isinstance(self._output, ClassesOutput):
            rng = np.random.default_rng((self._seed, 23))
            y = y.astype(np.int64)
            chosen = choose_balanced(y, self._n_outputs, rng, REST_EXCESS)
            x, y = x[chosen], y[chosen]
        elif isinstance(self._output, ScoreOutput):
            x, y = x[y == NORMAL], y[y == NORMAL]
        self._mean, self._spread = x.mean(axis=0), x.std(axis=0)
        self._spread[self._spread == 0] = 1.0
        self._model = self._make_model(y).fit((x - self._mean) / self._spread, y)

    def _make_model(self, y: NDArray[Any]) -> Any:  # noqa: ANN401 - scikit-learn has no types
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
        from sklearn.linear_model import Ridge

        if isinstance(self._output, ValuesOutput):
            return Ridge(alpha=1.0)
        if isinstance(self._output, ScoreOutput):
            return _Components(self._output.percentile)
        n_present = len(np.unique(y))
        return LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage="auto", priors=np.full(n_present, 1 / n_present)
        )

    def _score(self, sets: Sequence[WindowSet]) -> float:
        """Return what is better the larger it is, on windows that it did not learn from."""
        found = np.concatenate([self.predict(windows) for windows in sets])
        truth = np.concatenate([windows.labels for windows in sets])
        if isinstance(self._output, ClassesOutput):
            table = count_confusion(truth.astype(np.int64), found.argmax(axis=1), self._n_outputs)
            return measure_macro(table)
        return -float(((found - truth) ** 2).mean())


class _Components:
    """How far windows are from the space of normal windows' principal components, as shares of normal and anomaly."""

    classes_ = np.array([NORMAL, 1 - NORMAL])

    def __init__(self, percentile: float) -> None:
        self._percentile = percentile

    def fit(self, x: NDArray[np.float64], _y: NDArray[Any]) -> _Components:
        """Learn from normal windows."""
        from sklearn.decomposition import PCA

        self._pca = PCA(min(COMPONENTS, *x.shape)).fit(x)
        self._threshold = find_threshold(self._miss(x), self._percentile)
        return self

    def predict_proba(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the shares, (n_windows, 2)."""
        return share_scores(self._miss(x), self._threshold)

    def _miss(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        again = self._pca.inverse_transform(self._pca.transform(x))
        return np.asarray(np.sqrt(np.square(again - x).mean(axis=1)), np.float64)


def _flatten(windows: WindowSet) -> NDArray[np.float64]:
    newest = windows.counts if windows.counts.ndim == 3 else windows.counts[:, -1]
    return newest.reshape(len(newest), -1).astype(np.float64)
