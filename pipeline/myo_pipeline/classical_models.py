"""The tables of ``[model]`` that are no neural networks: discriminants, a linear support vector machine, trees.

All take the int8 words of a window's features and decide between classes. ``lda`` and ``svm`` are one dense layer on the
patch; ``qda``, ``forest`` and ``boosted`` have kernels of their own in ``firmware/core/classical``.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, Field

from myo_pipeline.stages import Table

MAX_LEAVES: Final = 128  # of a tree: a link to a node or a leaf is one byte
MAX_TREES: Final = 1024  # of a forest
MAX_TREE_WORDS: Final = 256  # that trees may look at: a word's number is one byte


class LdaModel(Table):
    """Linear discriminant analysis: classes of one covariance, one dense layer on the patch."""

    kind: Literal["lda"]
    shrinkage: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="share of a sphere in the covariance: 0 takes it as measured, 1 decides by the nearest mean",
    )


class SvmModel(Table):
    """A linear support vector machine, each class against the others: one dense layer on the patch."""

    kind: Literal["svm"]
    penalty: float = Field(
        default=0.01, gt=0, le=1000, description="weight of an error against a wide margin: C, of a window"
    )


class QdaModel(Table):
    """Quadratic discriminant analysis: a covariance for each class, in integer dot products and squares."""

    kind: Literal["qda"]
    shrinkage: float = Field(
        default=0.3, ge=0, le=1, description="share of a sphere in each class's covariance; 0: as measured"
    )


class ForestModel(Table):
    """A random forest: integer thresholds, and the mean of the leaves' class shares."""

    kind: Literal["forest"]
    trees: int = Field(default=24, ge=1, le=MAX_TREES, description="trees that vote")
    leaves: int = Field(default=64, ge=2, le=MAX_LEAVES, description="leaves of a tree at most")
    leaf_windows: int = Field(default=20, ge=1, description="training windows in a leaf at least")


class BoostedModel(Table):
    """Gradient-boosted trees: integer thresholds, sums of int16 leaves, softmax."""

    kind: Literal["boosted"]
    rounds: int = Field(
        default=30, ge=1, le=1000, description="trees of each class; of two classes, of both together"
    )
    leaves: int = Field(default=8, ge=2, le=MAX_LEAVES, description="leaves of a tree at most")
    leaf_windows: int = Field(default=20, ge=1, description="training windows in a leaf at least")
    step: float = Field(default=0.15, gt=0, le=1, description="share of a tree's correction that is taken")
    trainer: Literal["scikit-learn", "xgboost"] = Field(
        default="scikit-learn",
        description="who grows the trees; 'xgboost' is a package of its own: `pip install myopatch[xgboost]`",
    )


LinearModel = LdaModel | SvmModel
WordModel = QdaModel | ForestModel | BoostedModel
TreeModel = ForestModel | BoostedModel
CLASSICAL_TABLES: Final[dict[str, type[BaseModel]]] = {
    "lda": LdaModel,
    "svm": SvmModel,
    "qda": QdaModel,
    "forest": ForestModel,
    "boosted": BoostedModel,
}


def check_words(model: object, n_words: int) -> None:
    """Refuse trees over more feature words than a node can name.

    Raises
    ------
    ValueError
        What was found, expected, and what to do.
    """
    if isinstance(model, TreeModel) and n_words > MAX_TREE_WORDS:
        raise ValueError(
            f"features: {n_words} words a window, trees take at most {MAX_TREE_WORDS}: take features or channels out, "
            "or use 'lda' or 'mlp'"
        )
