"""Which kinds of model calibration on the patch takes, and the one line that the others get."""

from __future__ import annotations

import pytest

from myo_export.emit_net import render_network
from myo_export.price import choose_hop
from myo_pipeline.errors import SpecError
from myo_pipeline.spec import parse_spec
from myo_training.untrained import make_untrained
from test_train_features import MODEL, make_feature_text
from training_case import CLASSES, VALUES, make_text

CALIBRATION = "[calibration]\n[window]"
STFT = """
[[features]]
kind = "stft_power"
segment_ms = 100.0
bands_hz = [[10.0, 40.0], [40.0, 70.0], [70.0, 101.0]]
"""
TCN = 'kind = "tcn"\nfilters = 8\ndilations = [1, 2]'


@pytest.mark.parametrize(
    ("text", "size"),
    [
        (make_text().replace(MODEL, TCN), 8),
        (make_text().replace(MODEL, f'{TCN}\nresidual = false\npadding = "valid"'), 8),
        (make_text().replace(MODEL, 'kind = "attention"\nfilters = 12'), 12),
        (make_feature_text(features=STFT, model='kind = "spectrogram"\nfilters = [6]'), 6),
    ],
    ids=["tcn", "tcn, streamed", "attention", "spectrogram"],
)
def test_networks_keep_what_a_head_takes(text: str, size: int) -> None:
    spec = parse_spec(text.replace("[window]", CALIBRATION, 1))
    model = make_untrained(spec)
    embedding = render_network(model, "", hop=choose_hop(spec, model), n_dense=2).embedding
    assert embedding is not None
    assert (embedding.size, embedding.n_dense) == (size, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            make_text(output=VALUES),
            "'values' has no classes to calibrate: remove the table, or use 'classes'",
        ),
        (
            make_feature_text(model='kind = "forest"'),
            "'forest' has no layer that the patch learns again: .* use 'mlp'",
        ),
        (
            make_feature_text(model='kind = "autoencoder"').replace(
                CLASSES, 'kind = "score"\nlabels = ["rest", "fist", "open"]\nanomalies = ["open"]'
            ),
            "'score' has no classes to calibrate: remove the table, or use 'classes'",
        ),
    ],
)
def test_what_cannot_be_calibrated_gets_one_line(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        parse_spec(text.replace("[window]", CALIBRATION, 1))
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(":") >= 2  # where, what, what to do
