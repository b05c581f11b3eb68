"""What a search may change of a spec: filters, window, hop, features, and the network's size.

Axes are made from the spec itself and from the registries of stages and features: a new kind joins by standing there.
The decision's delay never changes: where windows are shorter or closer together, more of them vote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_set import WindowFeature as Feature
from myo_pipeline.feature_stage import choose_word_shift, compile_spec_features
from myo_pipeline.spec import VOTE_MAX, CnnModel, MlpModel, PatchSpec
from myo_pipeline.stages import LinearStage, Spatial
from myo_training.search_data import list_feature_tables, order_features
from myo_training.windows import _compute_features

Value = str | float | int | bool
Params = dict[str, Value]

_WINDOWS: Final = (0.6, 0.8, 1.0, 1.2, 1.6, 2.0)  # of the spec's window
_HOPS: Final = (0.5, 1.0, 1.5, 2.0)
_EDGES: Final = (0.6, 1.0, 1.6)  # of a filter's edge
_TUNED_EDGES: Final = ("cutoff_hz", "low_hz", "high_hz")  # not frequency_hz: mains is where it is
_ORDERS: Final = (2, 4, 6)
_QS: Final = (0.5, 1.0, 2.0)
_SPATIAL: Final = ("none", "common_average", "single_differential")
_HIDDEN: Final = ("", "16", "32", "48", "64", "96", "128", "48 24", "96 48")
_WIDTHS: Final = (0.5, 0.75, 1.0, 1.5)
_KERNELS: Final = (3, 5, 7, 9)
_DENSE: Final = (0, 16, 32, 64)
_SAME: Final = 1e-6  # deviations that z-scores of equal features differ by at most
# Of a feature's key that has no default, or depends on the signal: times the median magnitude behind the filters.
_SIZED: Final = {"threshold": 0.2, "range": 4.0}
_LENT: Final = (*_SIZED, "lags", "order", "taper")  # keys that features had better have alike


def name_feature(feature: Feature) -> str:
    """Name a feature as tables and axes do: ``rms``, ``log rms``, or ``autocorrelation lags 6`` where that is said."""
    said = sorted(feature.model_fields_set - {"kind", "log", *_SIZED})
    rest = "".join(f" {key} {getattr(feature, key)}" for key in said)
    return f"{'log ' * bool(getattr(feature, 'log', False))}{feature.kind}{rest}"


def list_candidates(spec: PatchSpec, size: float) -> tuple[list[Feature], list[str]]:
    """List the features of the registry that differ from each other behind a z-score.

    Parameters
    ----------
    spec
        The patch: its own features come first and lend their thresholds to the others.
    size
        Median magnitude behind its filters, in counts, for keys that depend on it.

    Returns
    -------
    list of Feature
        Sizes as they are and, where a kind has ``log``, as logarithms.
    list of str
        Kinds left out, each with the key that nobody can guess, or what the window has no room for.
    """
    given = {key: getattr(f, key) for f in spec.features for key in _LENT if key in f.model_fields_set}
    tables: list[dict[str, Any]] = [f.model_dump(exclude_unset=True) for f in spec.features]
    known: dict[str, Any] = dict(list_feature_tables())
    left_out = []
    for kind, table in known.items():
        values: dict[str, Any] = {"kind": kind}
        for key, field in table.model_fields.items():
            if key in given:
                values[key] = given[key]
            elif key in _SIZED:
                values[key] = float(f"{_SIZED[key] * size:.2g}")
            elif field.is_required() and key != "kind":
                left_out.append(f"{kind} ({key})")
                break
        else:
            logs = ({"log": True}, {}) if "log" in table.model_fields else ({},)
            tables += [values | log for log in logs]
    chosen: list[Feature] = []
    scores: list[NDArray[np.float64]] = []
    for entry in tables:
        try:
            feature, score = _fit_feature(spec, known[entry["kind"]], entry, size)
        except SpecError as error:
            left_out.append(f"{entry['kind']} ({str(error).removeprefix('features, ')})")
            continue
        if not any(score.shape == other.shape and np.abs(score - other).max() < _SAME for other in scores):
            chosen.append(feature)
            scores.append(score)
    return order_features(chosen), left_out


def _fit_feature(
    spec: PatchSpec, table: Any, entry: Mapping[str, Any], size: float  # noqa: ANN401 - of the registry
) -> tuple[Feature, NDArray[np.float64]]:  # fmt: skip
    """Make a feature that the spec's window has room for: whole numbers (levels, lags) shrink until it has."""
    whole = {key: field.default for key, field in table.model_fields.items() if type(field.default) is int}
    while True:
        feature: Feature = table.model_validate(entry)
        try:
            return feature, _score_noise(spec, feature, size)
        except SpecError:
            whole = {
                key: value - 1 for key, value in whole.items() if key not in entry or entry[key] == value
            }
            if not whole or min(whole.values()) < 1:
                raise
            entry = {**entry, **whole}


def _score_noise(spec: PatchSpec, feature: Any, size: float) -> NDArray[np.float64]:  # noqa: ANN401 - of the registry
    """Z-scores of a feature over windows of noise: equal of those that differ by scale and offset alone."""
    noise = np.random.default_rng(1).normal(size=(12, spec.window_samples, spec.front_end_channels))
    windows = noise * np.geomspace(0.5, 5, 12)[:, None, None] * max(size, 1.0)
    config = compile_spec_features(spec.model_copy(update={"features": [feature]}), choose_word_shift(spec))
    x = _compute_features(config, windows)
    spread = x.std(axis=(0, 2), keepdims=True)
    return np.asarray((x - x.mean(axis=(0, 2), keepdims=True)) / np.where(spread > 0, spread, 1.0))


def _round_to(values: Sequence[float], quantum: float, low: float, high: float) -> list[float]:
    """Bring values to multiples of a quantum within a range, each once, ascending."""
    return sorted({n * quantum for v in values if low <= (n := round(v / quantum)) * quantum <= high + 1e-9})


@dataclass(frozen=True)
class SearchSpace:
    """Axes around a spec.

    Attributes
    ----------
    spec
        Where the search begins.
    candidates
        Features that may be taken, the spec's own among them; empty where the network takes the window.
    axes
        Values of each axis, by name.
    start
        The spec's own place.
    """

    spec: PatchSpec
    candidates: tuple[Feature, ...]
    axes: Mapping[str, tuple[Value, ...]]
    start: Params

    @property
    def delay_ms(self) -> float:
        """From the begin of the first window that counts in a decision to the end of the last."""
        window, n_before = self.spec.window, self.spec.context_windows + self.spec.decision.vote - 2
        return window.window_ms + n_before * window.hop_ms

    def build(self, params: Mapping[str, Value]) -> PatchSpec:
        """Make the spec at a place of the space.

        Raises
        ------
        SpecError
            If what is there contradicts itself.
        """
        content = self.spec.model_dump(mode="json", exclude_unset=True)
        content["stage"] = self._build_stages(content.get("stage", []), params)
        window, hop = float(params["window_ms"]), float(params["hop_ms"])
        content["window"] |= {"window_ms": window, "hop_ms": hop}
        n_context = self.spec.context_windows
        vote = 1 + int((self.delay_ms - window) / hop + 1e-9) - (n_context - 1)
        if vote < 1 < n_context:
            raise SpecError(f"model.windows: {n_context} windows are longer than the decision's delay")
        content["decision"] = content.get("decision", {}) | {"vote": min(max(vote, 1), VOTE_MAX)}
        if self.candidates:
            chosen = [f for f in self.candidates if params[f"feature {name_feature(f)}"]]
            if not chosen:
                raise SpecError("features: none")
            content["features"] = [f.model_dump(mode="json", exclude_unset=True) for f in chosen]
        content["model"] = content.get("model", {}) | self._build_model(params)
        try:
            return PatchSpec.model_validate(content)
        except ValidationError as error:
            raise SpecError(str(error.errors(include_url=False)[0]["msg"])) from None

    def _build_stages(
        self, stages: list[dict[str, Any]], params: Mapping[str, Value]
    ) -> list[dict[str, Any]]:
        built = []
        for number, stage in enumerate(stages):
            if params.get(f"stage[{number}]") == "without":
                continue
            place = f"stage[{number}]."
            built.append(stage | {k.removeprefix(place): v for k, v in params.items() if k.startswith(place)})
        mode = params.get("spatial", "none")
        return built if mode == "none" else [{"kind": "spatial", "mode": mode}, *built]

    def _build_model(self, params: Mapping[str, Value]) -> dict[str, Any]:
        model = self.spec.model
        if isinstance(model, MlpModel):
            return {"hidden": [int(units) for units in str(params["hidden"]).split()]}
        if not isinstance(model, CnnModel):  # pragma: no cover - make_space refuses it
            raise SpecError(f"model.kind: {model.kind!r} has no axes")
        width = float(params["width"])
        filters = [max(4, 4 * round(width * n / 4)) if width != 1 else n for n in model.filters]
        return {
            "filters": filters,
            "kernel": params["kernel"],
            "dense": params["dense"],
            "strides": list(model.strides),
        }


def make_space(spec: PatchSpec, candidates: Sequence[Feature]) -> SearchSpace:
    """Lay out the axes around a spec.

    Parameters
    ----------
    spec
        Where the search begins.
    candidates
        Features that may be taken; of a spec with features only. The spec's own are added.

    Raises
    ------
    SpecError
        If the spec's model is no network.
    """
    if not isinstance(spec.model, (CnnModel, MlpModel)):
        raise SpecError(
            f"model.kind: {spec.model.kind!r} has no axes to search, expected 'cnn' or 'mlp'; search with one of these, then "
            "train both kinds"
        )
    axes: dict[str, list[Value]] = {}
    start: Params = {}

    def add(name: str, values: Sequence[Value], own: Value) -> None:
        axes[name] = [*values] if own in values else sorted([*values, own], key=float)
        start[name] = own

    window, hop = spec.window.window_ms, spec.window.hop_ms
    quantum = 1000 / spec.front_end_rate_hz
    delay = window + (spec.context_windows + spec.decision.vote - 2) * hop
    add(
        "window_ms",
        _round_to([window * f for f in _WINDOWS], quantum, 4 * quantum, max(delay, window)),
        window,
    )
    shortest = min(float(v) for v in axes["window_ms"])
    add("hop_ms", _round_to([hop * f for f in _HOPS], quantum, quantum, max(shortest, hop)), hop)
    for number, stage in enumerate(spec.stage):
        if not isinstance(stage, get_args(LinearStage)):
            continue
        place = f"stage[{number}]"
        add(place, ["with", "without"], "with")
        nyquist = spec.sensor.rate_hz / 2
        for key in _TUNED_EDGES:
            if (edge := getattr(stage, key, None)) is not None:
                values = [float(f"{edge * f:.2g}") for f in _EDGES]
                add(f"{place}.{key}", [v for v in values if v < 0.95 * nyquist], edge)
        if (order := getattr(stage, "order", None)) is not None:
            add(f"{place}.order", list(_ORDERS), order)
        if (q := getattr(stage, "q", None)) is not None:
            add(f"{place}.q", [q * f for f in _QS], q)
    if spec.sensor.channels >= 4 and not any(isinstance(stage, Spatial) for stage in spec.stage):
        add("spatial", list(_SPATIAL), "none")
    kept: list[Feature] = []
    if spec.features:
        own = {name_feature(f) for f in spec.features}
        kept = order_features([*spec.features, *(f for f in candidates if name_feature(f) not in own)])
        for feature in kept:
            name = name_feature(feature)
            add(f"feature {name}", [True, False], name in own)
    model = spec.model
    if isinstance(model, MlpModel):
        units = " ".join(map(str, model.hidden))
        add("hidden", [*_HIDDEN] if units in _HIDDEN else [*_HIDDEN, units], units)
    elif isinstance(model, CnnModel):
        add("width", list(_WIDTHS), 1.0)
        add("kernel", list(_KERNELS), model.kernel)
        add("dense", list(_DENSE), model.dense)
    return SearchSpace(spec, tuple(kept), {name: tuple(values) for name, values in axes.items()}, start)
