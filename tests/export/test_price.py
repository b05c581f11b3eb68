"""What a spec is predicted to cost, before anything is trained, against what the export of a trained one predicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from myo_export.dry_model import make_dry_model
from myo_export.export import export_bundle
from myo_export.price import price_spec
from myo_export.tflite_reader import read_graph
from myo_pipeline.spec import PatchSpec, find_templates, load_spec, parse_spec
from tiny_feature_bundle import SPEC, write_trained_features
from tiny_word_bundle import write_trained_words


def template(name: str, more: str = "") -> PatchSpec:
    return parse_spec(find_templates()[name].read_text().replace("@NAME@", "x") + more)


@pytest.mark.parametrize(
    ("name", "ops"),
    [
        ("features", ["RESHAPE", "FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"]),
        ("gestures", ["CONV_2D"] * 3 + ["MEAN", "FULLY_CONNECTED", "FULLY_CONNECTED", "SOFTMAX"]),
    ],
)
def test_the_dry_model_has_the_operators_of_training(name: str, ops: list[str]) -> None:
    graph = read_graph(make_dry_model(template(name)))
    assert [op.name for op in graph.ops] == ops
    assert graph.tensors[graph.output].size == 8


def test_the_price_is_what_the_export_predicts(tmp_path: Path) -> None:
    trained = write_trained_features(tmp_path / "features")
    export_bundle(trained)
    predicted = json.loads((trained / "budget.json").read_text())["predicted"]
    price = price_spec(parse_spec(SPEC)).prediction
    # The bundle's model has no softmax, and its output's scale of its own: all else is the same.
    found = price.as_dict()
    for part in ("front end", "features", "decision"):
        assert found["instructions"][part] == predicted["instructions"][part]
    for part in ("features", "front end code", "front end settings"):
        assert found["flash_bytes"][part] == predicted["flash_bytes"][part]
    assert found["ram_bytes"]["total"] == pytest.approx(predicted["ram_bytes"]["total"], abs=64)


def test_a_cnn_streams_where_it_pays_and_the_rate_of_decisions_counts() -> None:
    spec = template("gestures")
    price = price_spec(spec)
    assert price.core_percent == pytest.approx(100 * price.prediction.total_ms / 60)
    odd = spec.model_copy(update={"window": spec.window.model_copy(update={"hop_ms": 65.0})})
    assert price_spec(odd).prediction.instructions["network"] > 1.2 * price.prediction.instructions["network"]
    assert price.excess == ""
    assert price.violations == (-1.0, -1.0, -1.0)


def test_what_exceeds_the_budget_is_priced_all_the_same() -> None:
    price = price_spec(template("gestures", "\n[budget]\nflash_kb = 20.0\nlatency_ms = 100.0\n"))
    assert price.excess.startswith("flash_kb is 20 and the firmware takes")
    flash, ram, latency = price.violations
    assert flash == pytest.approx(price.prediction.flash_bytes / 20480 - 1)
    assert ram == -1
    assert -1 < latency < 0
    # Packed, as no wide weights fit.
    assert price.prediction.flash_bytes < price_spec(template("gestures")).prediction.flash_bytes


@pytest.mark.parametrize("kind", ["qda", "forest", "boosted"])
def test_trees_and_quadratic_forms_are_priced_before_training(kind: str, tmp_path: Path) -> None:
    """As the export does once they are there, where trees are full; the words they look at cost nothing."""
    trained = write_trained_words(tmp_path / kind, kind)
    spec = load_spec(trained / "patch.toml")
    if kind != "qda":
        size = {"trees": 12} if kind == "forest" else {"rounds": 4}
        spec = spec.model_copy(update={"model": spec.model.model_copy(update=size | {"leaves": 20})})
    export_bundle(trained)
    predicted = json.loads((trained / "budget.json").read_text())["predicted"]
    price = price_spec(spec).prediction.as_dict()
    assert price["ram_bytes"] == predicted["ram_bytes"]
    weights = (p["flash_bytes"]["weights and tables"] for p in (price, predicted))
    assert 1 <= next(weights) / next(weights) < 1.3  # some trees are not full
    assert price["flash_bytes"]["network code"] == predicted["flash_bytes"]["network code"]
