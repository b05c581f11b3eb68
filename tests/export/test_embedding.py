"""The embedding outlives a run and a push, and a network without one is refused."""

from __future__ import annotations

import pytest

from myo_export.dry_model import make_dry_model
from myo_export.emit_net import render_network
from myo_export.fold_mve import fold_layer
from myo_pipeline.errors import ExportError
from myo_pipeline.spec import find_templates, parse_spec

TEMPLATES = {name: path.read_text().replace("@NAME@", "x") for name, path in find_templates().items()}


@pytest.mark.parametrize(
    ("name", "change", "n_dense", "size"),
    [
        ("gestures", ("", ""), 1, 32),
        ("gestures", ("", ""), 2, 48),
        ("gestures", ("dense = 32", "dense = 0"), 2, 48),  # no more than one dense layer: its input
        ("features", ("", ""), 1, 48),
        ("features", ("", ""), 2, 32),  # the network's input
        ("features", ("hidden = [48]", "hidden = [64, 48, 40]"), 2, 48),
        ("features", ("hidden = [48]", "hidden = [16, 8, 100]"), 2, 8),  # the last layer needs all memory
    ],
)
def test_nothing_overwrites_the_embedding(
    name: str, change: tuple[str, str], n_dense: int, size: int
) -> None:
    spec = parse_spec(TEMPLATES[name].replace(*change) if change[0] else TEMPLATES[name])
    hop = spec.hop_samples if name == "gestures" else None
    source = render_network(make_dry_model(spec), "", hop=hop, n_dense=n_dense)
    found, plan = source.embedding, source.plan
    assert found is not None
    assert found.size == size
    home = plan.homes[found.tensor].buffer
    if home == plan.input_buffer:
        assert (found.run_offset, found.push_offset) == (-1, -1)
        return
    state_bytes = source.stream.state_bytes if source.stream else 0
    assert found.run_offset == state_bytes + plan.offsets[home] + plan.homes[found.tensor].begin
    reader = min(p for p, step in enumerate(source.network.steps) if found.tensor in step.inputs)
    for step in source.network.steps[reader:]:
        other = plan.homes[step.output].buffer
        if other != plan.output_buffer:
            assert not _overlap(plan.offsets[other], plan.sizes[other], plan.offsets[home], plan.sizes[home])
            if source.stream is not None:
                offsets = source.stream.offsets
                assert not _overlap(offsets[other], plan.sizes[other], offsets[home], plan.sizes[home])
    for place, step in enumerate(source.network.steps):
        forms = (source.packed[place], fold_layer(step.layer))
        n_scratch = max(0 if isinstance(form, str) else form.scratch_bytes for form in forms)
        if place >= reader and n_scratch:
            assert not _overlap(plan.scratch[place], n_scratch, plan.offsets[home], plan.sizes[home])
    if source.stream is not None:
        assert found.push_offset == source.stream.offsets[home] + plan.homes[found.tensor].begin


def _overlap(a: int, size_a: int, b: int, size_b: int) -> bool:
    return a < b + size_b and b < a + size_a


def test_without_calibration_nothing_is_kept() -> None:
    source = render_network(make_dry_model(parse_spec(TEMPLATES["gestures"])), "")
    assert source.embedding is None
    assert source.network.kept is None


def test_a_network_that_ends_otherwise_is_refused_in_one_line() -> None:
    model = make_dry_model(parse_spec(TEMPLATES["values"]))
    with pytest.raises(ExportError, match="expected a dense layer and a softmax") as caught:
        render_network(model, "", n_dense=2)
    assert "\n" not in str(caught.value)
