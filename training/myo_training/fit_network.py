"""Fitting the Keras model of a spec, whatever its kind: by epochs, at once by scikit-learn, or to give windows again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from myo_pipeline.classical_models import LinearModel
from myo_pipeline.spec import PatchSpec
from myo_training.anomaly import NORMAL, Threshold, fit_autoencoder
from myo_training.classical import learn_linear
from myo_training.fit import Augment, Examples, Progress, fit_model


@dataclass(frozen=True)
class Fitted:
    """What fitting says of itself.

    Attributes
    ----------
    learning
        ``learning`` of ``training.json``.
    threshold
        Of a score; None of other outputs.
    packages
        Packages whose version decides, beside those of every run.
    """

    learning: dict[str, Any]
    threshold: Threshold | None = None
    packages: tuple[str, ...] = ()


def fit_network(
    model: Any, spec: PatchSpec, examples: Examples, checked: Examples | None, progress: Progress, augment: Augment  # noqa: ANN401
) -> Fitted:  # fmt: skip
    """Fit a spec's Keras model in place.

    Parameters
    ----------
    model
        The learned form, of :func:`~myo_training.model.build_model`.
    spec
        The patch; its model is no word model.
    examples
        Training windows; of a score, normal ones alone.
    checked
        Windows of the persons that choose the epoch or the temperature; None without such persons.
    progress, augment
        As :func:`~myo_training.fit.fit_model`.
    """
    if isinstance(spec.model, LinearModel):
        learning = learn_linear(spec, model, examples, checked, augment, progress)
        return Fitted(learning, packages=("scikit-learn",))
    if spec.output.kind == "score":
        normal = checked.x[checked.y == NORMAL] if checked else None
        history, threshold = fit_autoencoder(model, spec, examples.x, normal, progress, augment)
        return Fitted(asdict(history), threshold)
    return Fitted(
        asdict(fit_model(model, examples, checked, spec.training, spec.decides_classes, progress, augment))
    )
