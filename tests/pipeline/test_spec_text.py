"""A spec written as TOML is the spec that was read."""

from __future__ import annotations

import pytest

from myo_pipeline.spec import find_templates, parse_spec
from myo_pipeline.spec_text import render_spec


@pytest.mark.parametrize("name", find_templates())
def test_templates_survive_writing(name: str) -> None:
    spec = parse_spec(find_templates()[name].read_text().replace("@NAME@", "x"))
    text = render_spec(spec, ["found by\na search"], {"window": "why\nso", "stage[0]": "first"})
    assert parse_spec(text) == spec
    assert text.startswith("# found by a search\nformat = 1\n")
    assert "[window]  # why so\n" in text
    assert text.count("  # first") == min(len(spec.stage), 1)


def test_odd_texts_and_nested_lists_survive() -> None:
    text = (
        find_templates()["gestures"]
        .read_text()
        .replace("@NAME@", "x")
        .replace('"rest"', '"\\"r\\\\e\\tst é\\u007f"')
    )
    text = text.replace(
        "[window]",
        '[[stage]]\nkind = "spatial"\nmode = "matrix"\nweights = [[1.0, 0, 0, 0, 0, 0, 0, -1e-3]]\n[window]',
    )
    spec = parse_spec(text)
    assert spec.output_names[0] == '"r\\e\tst é\x7f'
    assert parse_spec(render_spec(spec)) == spec


def test_tables_in_tables_survive() -> None:
    aux = """[[aux]]
name = "wrist"
kind = "accelerometer"
channels = 3
rate_hz = 104.0
lsb = 0.000061
adc_bits = 16
"""
    stages = """[[aux.stage]]
kind = "dc"
cutoff_hz = 0.3
[[aux.stage]]
kind = "spatial"
mode = "matrix"
weights = [[1.0, 0, 0]]
"""
    text = find_templates()["gestures"].read_text().replace("@NAME@", "x")
    spec = parse_spec(
        text.replace("[window]", aux + stages + aux.replace("wrist", "leg") + "stage = []\n[window]")
    )
    assert [len(stream.stage) for stream in spec.aux] == [2, 0]
    assert parse_spec(render_spec(spec)) == spec
