"""Prices before training: what a network costs depends on its shapes, whoever makes the file."""

from __future__ import annotations

import pytest

from myo_export.dry_model import is_dry
from myo_export.price import Price, price_spec
from myo_pipeline.spec import parse_spec
from myo_training import untrained
from myo_training.untrained import make_untrained
from test_train_features import MODEL, make_feature_text
from training_case import make_text


def figures(price: Price) -> tuple[int, int, dict[str, float]]:
    p = price.prediction
    return p.flash_bytes, p.ram_bytes, p.instructions


@pytest.mark.parametrize("text", [make_text(), make_feature_text()])
def test_the_converter_s_network_costs_what_the_dry_one_does(text: str) -> None:
    spec = parse_spec(text)
    assert is_dry(spec)
    assert figures(price_spec(spec)) == figures(price_spec(spec, make_untrained(spec)))


@pytest.mark.parametrize(
    "model", ['kind = "tcn"\nfilters = 8\ndilations = [1, 2]', 'kind = "attention"\nfilters = 8']
)
def test_weights_do_not_change_the_price(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = parse_spec(make_text().replace(MODEL, model))
    assert not is_dry(spec)
    first = make_untrained(spec)
    monkeypatch.setattr(untrained, "N_WINDOWS", 9)  # other weights and other ranges
    second = make_untrained(spec)
    assert first != second
    assert figures(price_spec(spec, first)) == figures(price_spec(spec, second))
