"""A spec's model as folds and searches need it: learned from windows, in real numbers, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.classical_models import WordModel
from myo_pipeline.spec import PatchSpec
from myo_training.anomaly import keep_normal
from myo_training.evaluation import Predict, predict_float, predict_windows
from myo_training.fit import Examples, Progress
from myo_training.fit_network import fit_network
from myo_training.input_scale import make_augmentation, measure_scale
from myo_training.model import InputScale, build_model, scale_input
from myo_training.quiet import import_tensorflow, quiet_stderr
from myo_training.train import Targets, make_examples
from myo_training.windows import WindowSet
from myo_training.word_training import learn_words

Take = Callable[[], WindowSet]


@dataclass(frozen=True)
class FloatModel:
    """A model learned.

    Attributes
    ----------
    scale
        Of its input.
    kept_epoch
        Epoch, from 0, whose weights were kept; 0 of models that are fitted at once.
    """

    _predict: Predict
    scale: InputScale
    kept_epoch: int

    def predict(self, windows: WindowSet) -> NDArray[np.float64]:
        """Return outputs in real units, (n_windows, n_outputs)."""
        with quiet_stderr():
            return predict_windows(windows, self._predict, self.scale)


def learn_float(spec: PatchSpec, take: Take, take_checked: Take | None, tell: Progress) -> FloatModel:
    """Learn a spec's model; the same spec and windows give the same model, whatever was learned before.

    Parameters
    ----------
    spec
        The patch.
    take
        Gives the windows to learn from, asked once: nobody else need hold them while the model is fitted. Labels of a score say
        normal or anomaly.
    take_checked
        Gives those of the persons that choose the epoch or the temperature; None without such persons.
    tell
        Called with a phrase and a fraction of 0 .. 1.

    Raises
    ------
    DataError
        If a class has no window, or a feature is no number or never changes.
    """
    keras, seed = import_tensorflow().keras, spec.training.seed
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    windows = take()
    if spec.output.kind == "score":
        windows = keep_normal(windows)
    scale = measure_scale(windows.counts, spec)
    targets = Targets(windows.labels)
    examples, checked = make_examples(windows, spec, scale, targets), None
    del windows
    if take_checked is not None:
        others = take_checked()
        checked = Examples(
            scale_input(others.counts, scale), targets.normalize(others.labels), np.ones(0, np.float32)
        )
        del others
    augment = make_augmentation(spec, scale)
    if isinstance(spec.model, WordModel):
        return FloatModel(learn_words(spec, examples, checked, augment, tell).floating, scale, 0)
    with quiet_stderr():
        model = build_model(spec)
    fitted = fit_network(model, spec, examples, checked, tell, augment)
    targets.restore(model)
    return FloatModel(predict_float(model), scale, fitted.learning.get("kept_epoch", 0))
