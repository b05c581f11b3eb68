"""What a search may change of each kind of model: an axis for each key that decides its size or how it decides.

A kind joins by a line in :data:`_VALUES`. Lists stand as text (``"48 24"``), since an axis has plain values. What contradicts
itself at a place, the spec refuses there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from myo_pipeline.errors import SpecError
from myo_pipeline.network_models import TcnModel
from myo_pipeline.spec import FEATURE_MODELS, MODEL_TABLES, CnnModel, Model, PatchSpec

Value = str | float | int | bool
Params = Mapping[str, Value]

_VALUES: Final[dict[str, dict[str, tuple[Value, ...]]]] = {
    "cnn": {"kernel": (3, 5, 7, 9), "dense": (0, 16, 32, 64)},
    "mlp": {"hidden": ("", "16", "32", "48", "64", "96", "128", "48 24", "96 48"), "windows": (1, 2, 3)},
    "tcn": {
        "filters": (8, 12, 16, 20, 24, 32, 48),
        "kernel": (2, 3, 5),
        "dilations": ("1 2", "1 2 4", "1 2 4 8", "1 2 4 8 16"),
        "stride": (1, 2),
        "separable": (False, True),
        "readout": ("last", "mean"),
    },
    "lstm": {"units": (8, 12, 16, 24, 32, 48)},
    "attention": {
        "filters": (12, 16, 24, 32, 40),
        "kernel": (4, 8, 12),
        "stride": (2, 4, 8),
        "keys": (4, 8, 16),
    },
    "spectrogram": {"filters": ("8", "16", "32", "8 16", "16 16", "16 24", "24 32"), "kernel": (2, 3, 5)},
    "lda": {"shrinkage": (0.01, 0.03, 0.1, 0.3, 0.6)},
    "svm": {"penalty": (0.001, 0.003, 0.01, 0.03, 0.1)},
    "qda": {"shrinkage": (0.1, 0.2, 0.3, 0.5, 0.7)},
    "forest": {"trees": (6, 12, 24, 48), "leaves": (8, 16, 32, 64, 128), "leaf_windows": (5, 20, 60)},
    "boosted": {
        "rounds": (10, 20, 30, 60), "leaves": (4, 8, 16), "leaf_windows": (5, 20, 60), "step": (0.08, 0.15, 0.3),
    },
}  # fmt: skip
_WIDTHS: Final = (0.5, 0.75, 1.0, 1.5)  # times the filters of a CNN
_FORMS: Final = {  # of a TCN: what may stand beside what
    "residual": {"residual": True, "padding": "causal"},
    "plain": {"residual": False, "padding": "causal"},
    "valid": {"residual": False, "padding": "valid"},
}


@dataclass(frozen=True)
class Axis:
    """Values that a key of a model may take, the given model's own among them."""

    name: str
    values: tuple[Value, ...]
    own: Value


def list_axes(model: Model) -> list[Axis]:
    """Return the axes around a model, each named ``kind.key``.

    Raises
    ------
    SpecError
        If the kind has none.
    """
    kind = model.kind
    if kind not in _VALUES:
        raise SpecError(
            f"model.kind: {kind!r} cannot be searched: what it scores as an anomaly is not to be learned from, nor chosen by; "
            f"expected one of {', '.join(_VALUES)}"
        )
    axes = []
    for key, values in _VALUES[kind].items():
        axes.append(_make_axis(f"{kind}.{key}", values, _write(getattr(model, key))))
    if isinstance(model, CnnModel):
        n = len(model.filters)
        axes.append(_make_axis(f"{kind}.width", _WIDTHS, 1.0))
        axes.append(_make_axis(f"{kind}.layers", tuple(k for k in (n - 1, n, n + 1) if 1 <= k <= 12), n))
    if isinstance(model, TcnModel):
        axes.append(_make_axis(f"{kind}.form", tuple(_FORMS), _name_form(model)))
    return axes


def build_model(model: Model, params: Params) -> dict[str, Any]:
    """Return the table ``[model]`` at a place of the space around a model."""
    kind = model.kind
    table: dict[str, Any] = {"kind": kind} | model.model_dump(mode="json", exclude_unset=True)
    for key in _VALUES[kind]:
        value = params[f"{kind}.{key}"]
        is_list = isinstance(getattr(model, key), list)
        table[key] = [int(n) for n in str(value).split()] if is_list else value
    if isinstance(model, CnnModel):
        table |= _build_cnn(model, float(params["cnn.width"]), int(params["cnn.layers"]))
    if isinstance(model, TcnModel):
        table |= _FORMS[str(params["tcn.form"])]
    return table


def make_models(spec: PatchSpec, kinds: Sequence[str]) -> list[Model]:
    """Return the models that a search of these kinds begins with: the spec's own first, others with their defaults.

    Raises
    ------
    SpecError
        If a kind is unknown, decides otherwise than the spec's output asks, or takes features that the spec does not have.
    """
    models: list[Model] = [spec.model]
    for kind in kinds:
        if kind not in _VALUES:
            raise SpecError(f"--kinds: {kind!r} cannot be searched, expected some of {', '.join(_VALUES)}")
        if kind in FEATURE_MODELS and kind != "spectrogram" and not spec.features:
            raise SpecError(
                f"--kinds: {kind!r} takes features and the spec has none; add [[features]], those of `myopatch new --template "
                "features`"
            )
        if kind not in {model.kind for model in models}:
            table: Any = MODEL_TABLES[kind]
            models.append(table.model_validate({"kind": kind}))
    return models


def describe_model(model: Model) -> str:
    """Say a model's kind and size."""
    kind = model.kind
    keys = [
        *_VALUES[kind],
        *(["filters"] * isinstance(model, CnnModel)),
        *(["residual", "padding"] * (kind == "tcn")),
    ]
    return ", ".join([kind, *(f"{key} {_write(getattr(model, key))}" for key in keys)])


def _make_axis(name: str, values: tuple[Value, ...], own: Value) -> Axis:
    order: Callable[[Value], Any] = str if isinstance(own, str) else float
    return Axis(name, values if own in values else tuple(sorted((*values, own), key=order)), own)


def _write(value: Any) -> Value:  # noqa: ANN401 - a key of a table
    """Return a key's value as an axis has it."""
    return " ".join(map(str, value)) if isinstance(value, list) else value


def _name_form(model: TcnModel) -> str:
    return next(
        name
        for name, form in _FORMS.items()
        if all(getattr(model, key) == value for key, value in form.items())
    )


def _build_cnn(model: CnnModel, width: float, n_layers: int) -> dict[str, Any]:
    """Widen the filters, and leave the last layer out or put one like it behind, without a stride."""
    more = max(0, n_layers - len(model.filters))
    filters = [*model.filters, *[model.filters[-1]] * more][:n_layers]
    strides = [*model.strides, *[1] * more][:n_layers]
    return {
        "filters": filters if width == 1 else [max(4, 4 * round(width * n / 4)) for n in filters],
        "strides": strides,
    }
