"""Quadratic discriminants, learned by scikit-learn on int8 words, as integer maps."""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from myo_pipeline.classical_models import QdaModel
from myo_pipeline.errors import DataError
from myo_pipeline.quadratic import Quadratic
from myo_training.classical import Words, fit_temperature


def fit_quadratic(model: QdaModel, train: Words, checked: Words) -> tuple[Quadratic, float]:
    """Fit a Gaussian for each class; give the scores with the temperature that they are divided by.

    A class's log-likelihood is ``log prior - log det(C) - |C^-1 (x - mean)|^2 / 2`` with its covariance ``C C'``, C
    lower triangular.

    Raises
    ------
    DataError
        If a class's words span no volume.

    References
    ----------
    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2nd ed., 4.3, equation 4.12.
    """
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

    estimator = QuadraticDiscriminantAnalysis(
        solver="eigen", shrinkage=model.shrinkage, priors=train.priors, store_covariance=True
    )
    words = train.words.astype(np.float64)
    try:
        estimator.fit(words, train.labels)
        roots = [np.linalg.cholesky(covariance) for covariance in estimator.covariance_]
    except np.linalg.LinAlgError:
        raise DataError(
            f"a class's {words.shape[1]} feature words lie in a plane, expected a volume; raise model.shrinkage, or take "
            "features out"
        ) from None
    unit = np.eye(words.shape[1])
    maps = np.stack([solve_triangular(root, unit, lower=True) for root in roots]) / np.sqrt(2.0)
    offsets = -np.einsum("ckj,cj->ck", maps, estimator.means_)
    constants = np.log(train.priors) - [np.log(np.diagonal(root)).sum() for root in roots]
    constants -= constants.max()  # what all classes share decides nothing
    plain = Quadratic.quantize(maps, offsets, constants)
    temperature = fit_temperature(plain.score(checked.words), checked.labels, checked.weights)
    scale = 1 / np.sqrt(temperature)
    return Quadratic.quantize(maps * scale, offsets * scale, constants / temperature), temperature
