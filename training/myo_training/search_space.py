"""What a search may change of a spec: filters, window, hop, features, and the model's kind and size.

Axes are made from the spec itself, from the registries of stages and features, and from ``model_axes``: a new kind joins by
standing there.
The decision's delay never changes: where windows are shorter or closer together, more of them vote.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_set import WindowFeature as Feature
from myo_pipeline.feature_stage import choose_word_shift, compile_spec_features
from myo_pipeline.spec import FEATURE_MODELS, VOTE_MAX, Model, PatchSpec
from myo_pipeline.stages import LinearStage, Spatial
from myo_pipeline.stft import StftFeature
from myo_training.model_axes import Value, build_model, list_axes
from myo_training.search_data import list_feature_tables, order_features
from myo_training.windows import _compute_features

Params = dict[str, Value]

_WINDOWS: Final = (0.6, 0.8, 1.0, 1.2, 1.6, 2.0)  # of the spec's window
_HOPS: Final = (0.5, 1.0, 1.5, 2.0)
_EDGES: Final = (0.6, 1.0, 1.6)  # of a filter's edge
_TUNED_EDGES: Final = ("cutoff_hz", "low_hz", "high_hz")  # not frequency_hz: mains is where it is
_ORDERS: Final = (2, 4, 6)
_QS: Final = (0.5, 1.0, 2.0)
_SPATIAL: Final = ("none", "common_average", "single_differential")
KIND: Final = "kind"
CHOOSING: Final = FEATURE_MODELS - {"spectrogram"}  # kinds that take whatever features there are
WINDOWED: Final = ("tcn", "attention")
_FEATURE: Final = "feature "
_SAME: Final = 1e-6  # deviations that z-scores of equal features differ by at most
# Of a feature's key that has no default, or depends on the signal: times the median magnitude behind the filters.
_SIZED: Final = {"threshold": 0.2, "range": 4.0}
_LENT: Final = (*_SIZED, "lags", "order", "taper")  # keys that features had better have alike


def name_feature(feature: Feature) -> str:
    """Name a feature as tables and axes do: ``rms``, ``log rms``, or ``autocorrelation lags 6`` where that is said."""
    said = sorted(feature.model_fields_set - {"kind", "log", *_SIZED})
    rest = "".join(f" {key} {_say(getattr(feature, key))}" for key in said)
    return f"{'log ' * bool(getattr(feature, 'log', False))}{feature.kind}{rest}"


def _say(value: Any) -> str:  # noqa: ANN401 - a key of a feature
    """Say a key's value; of bands their edges."""
    return " ".join(f"{low:g}-{high:g}" for low, high in value) if isinstance(value, tuple) else f"{value}"


def guess_keys(kind: str, spec: PatchSpec) -> dict[str, Any]:
    """Return keys of a feature that depend on the patch and that nobody has to name for a search.

    Parameters
    ----------
    kind
        Of the feature.
    spec
        The patch.

    Raises
    ------
    SpecError
        If the kind is nothing for this patch.
    """
    rate_hz, n_channels = spec.front_end_rate_hz, spec.front_end_channels
    if kind == "stft_power":  # segments of half a window, four bands of one width
        frames = max(spec.window_samples // 2, min(spec.hop_samples, spec.window_samples))
        edges = [float(f"{rate_hz / 8 * k:.4g}") for k in range(5)]
        edges[-1] = float(np.ceil(rate_hz / 2 + 1e-9))  # the last bin, at Nyquist, is below the edge
        return {"segment_ms": 1000 * frames / rate_hz, "bands_hz": list(itertools.pairwise(edges))}
    if kind == "ring_correlation":
        if spec.aux:
            raise SpecError("no ring with auxiliary channels in it")
        if n_channels < 2:
            raise SpecError("no ring of one channel")
        return {"reach": n_channels // 2}
    return {}


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
        try:
            guessed = guess_keys(kind, spec)
        except SpecError as error:
            left_out.append(f"{kind} ({error})")
            continue
        for key, field in table.model_fields.items():
            if key in given:
                values[key] = given[key]
            elif key in guessed:
                values[key] = guessed[key]
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
    models
        The kinds that may be taken, each with the keys that the search begins with; the spec's own first.
    candidates
        Features that may be taken, the spec's own among them; empty where no kind chooses among features.
    axes
        Values of each axis, by name; an axis of a kind is asked for that kind alone.
    starts
        A place to begin with for each kind, the spec's own first.
    """

    spec: PatchSpec
    models: tuple[Model, ...]
    candidates: tuple[Feature, ...]
    axes: Mapping[str, tuple[Value, ...]]
    starts: tuple[Params, ...]

    @property
    def start(self) -> Params:
        """The spec's own place."""
        return self.starts[0]

    def asks(self, axis: str, params: Mapping[str, Value]) -> bool:
        """Return whether an axis matters at a place whose kind is known."""
        kind = self._take_model(params).kind
        if axis.startswith(_FEATURE):
            return kind in CHOOSING
        owner = axis.partition(".")[0]
        return owner == kind or owner not in {m.kind for m in self.models}

    def _take_model(self, params: Mapping[str, Value]) -> Model:
        wanted = params.get(KIND)
        return next((m for m in self.models if m.kind == wanted), self.models[0])

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
        model = self._take_model(params)
        content["model"] = build_model(model, params)
        n_context = int(content["model"].get("windows", 1))
        vote = 1 + int((self.delay_ms - window) / hop + 1e-9) - (n_context - 1)
        if vote < 1 < n_context:
            raise SpecError(f"model.windows: {n_context} windows are longer than the decision's delay")
        content["decision"] = content.get("decision", {}) | {"vote": min(max(vote, 1), VOTE_MAX)}
        content.pop("features", None)
        if features := self._build_features(content["model"]["kind"], params):
            content["features"] = features
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

    def _build_features(self, kind: str, params: Mapping[str, Value]) -> list[dict[str, Any]]:
        chosen: list[Feature] = []
        if kind == "spectrogram":
            guessed = StftFeature.model_validate(
                {"kind": "stft_power", **guess_keys("stft_power", self.spec)}
            )
            chosen.append(next((f for f in self.spec.features if isinstance(f, StftFeature)), guessed))
        elif kind in FEATURE_MODELS:
            chosen = [f for f in self.candidates if params[f"{_FEATURE}{name_feature(f)}"]]
            if not chosen:
                raise SpecError("features: none")
        return [f.model_dump(mode="json", exclude_unset=True) for f in chosen]


def make_space(
    spec: PatchSpec, candidates: Sequence[Feature], models: Sequence[Model] | None = None
) -> SearchSpace:
    """Lay out the axes around a spec.

    Parameters
    ----------
    spec
        Where the search begins.
    candidates
        Features that may be taken; of a spec with features only. The spec's own are added.
    models
        Kinds to choose from, of :func:`~myo_training.model_axes.make_models`; the spec's own if left out.

    Raises
    ------
    SpecError
        If a model has no axes, or the spec contradicts a kind whatever its size.
    """
    models = [spec.model] if models is None else models
    of_models = [list_axes(model) for model in models]
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
    kinds: list[str] = [model.kind for model in models]
    kept: list[Feature] = []
    if any(kind in CHOOSING for kind in kinds):
        own = {name_feature(f) for f in spec.features}
        kept = order_features([*spec.features, *(f for f in candidates if name_feature(f) not in own)])
        for feature in kept:
            name = name_feature(feature)
            add(f"{_FEATURE}{name}", [True, False], name in own)
    if len(kinds) > 1:
        add(KIND, kinds, kinds[0])
    for axis in itertools.chain(*of_models):
        add(axis.name, axis.values, axis.own)
    # The kind is asked first: what else is asked depends on it.
    named = {name: tuple(axes[name]) for name in sorted(axes, key=lambda name: name != KIND)}
    space = SearchSpace(spec, tuple(models), tuple(kept), named, (start,))
    starts = []
    for kind in kinds:
        whole = start | ({KIND: kind} if len(kinds) > 1 else {})
        starts.append({name: value for name, value in whole.items() if space.asks(name, whole)})
        if kind not in WINDOWED:  # their size decides whether a window has room for them
            space.build(starts[-1])
    return replace(space, starts=tuple(starts))
