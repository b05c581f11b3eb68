"""The spec: what is valid passes, and every fault is one line that names the key and the remedy."""

from pathlib import Path

import pytest

from myo_pipeline import spec as spec_module
from myo_pipeline.errors import SpecError
from myo_pipeline.spec import find_templates, load_spec, parse_spec
from myo_pipeline.spec_page import document_spec

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = list(find_templates().values())
GESTURES = TEMPLATES[0].parent.joinpath("gestures.toml").read_text().replace("@NAME@", "gestures")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_templates_are_valid(path: Path) -> None:
    assert parse_spec(path.read_text().replace("@NAME@", "patch")).name == "patch"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("cutoff_hz = 15.0", "cutof_hz = 15.0", "stage[0].cutof_hz: unknown key; did you mean 'cutoff_hz'"),
        ("cutoff_hz = 15.0", "cutoff_hz = 150.0", "stage[0].cutoff_hz: 150 Hz is not below Nyquist, 100 Hz"),
        ("channels = 8", 'channels = "eight"', "sensor.channels: 'eight' does not fit"),
        ("channels = 8", "channels = 0", "greater than or equal to 1"),
        ('kind = "highpass"', 'kind = "highpas"', "stage[0].kind: 'highpas' is unknown, expected one of"),
        ('kind = "classes"', 'kind = "trend"', "kind 'trend' has no stage in this version"),
        ("window_ms = 250.0", "window_ms = 251.0", "window.window_ms: 251 ms is 50.2 samples"),
        ("hop_ms = 60.0", "hop_ms = 500.0", "window.hop_ms: 500 is longer than window_ms"),
        ('"fist"', '"rest"', "label 'rest' stands twice"),
        ("format = 1", "format = 2", "format 2, this version reads format 1"),
        ("format = 1", "", "format: missing"),
        ("[window]", "[windw]", "windw: unknown key; did you mean 'window'"),
        ("[sensor]", "[sensor", "not valid TOML"),
        ("vote = 5", "vote = 99", "less than or equal to 31"),
        ("strides = [1, 2, 2]", "strides = [1, 2]", "filters has 3 entries and strides 2"),
        ("adc_bits = 8", "adc_bits = 25", "less than or equal to 24"),
    ],
)
def test_fault_is_one_clear_line(old: str, new: str, expected: str) -> None:
    assert old in GESTURES
    with pytest.raises(SpecError) as caught:
        parse_spec(GESTURES.replace(old, new, 1), "patch.toml")
    message = str(caught.value)
    assert message.startswith("patch.toml: ")
    assert expected in message
    assert "\n" not in message


def test_missing_file_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file; make one with `myopatch new"):
        load_spec(tmp_path / "patch.toml")


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "patch.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="not readable as UTF-8"):
        load_spec(path)


def test_every_key_is_documented() -> None:
    page = document_spec()
    for table in (
        spec_module.Sensor,
        spec_module.Window,
        spec_module.Decision,
        spec_module.Training,
        *spec_module.STAGE_TABLES.values(),
    ):
        for key in table.model_fields:
            if key != "kind":
                assert f"| `{key}` |" in page
                assert table.model_fields[key].description


def test_page_is_up_to_date() -> None:
    assert (ROOT / "docs/spec.md").read_text() == document_spec(), "run `make docs`"


def test_a_key_that_means_nothing_to_the_design_is_refused() -> None:
    head = 'format = 1\nname = "x"\n[sensor]\nchannels = 1\nrate_hz = 1000.0\nlsb_uv = 1.0\nadc_bits = 16\n[[stage]]\n'
    stage = 'kind = "lowpass"\ncutoff_hz = 20.0\nripple_db = 1.0\n'
    with pytest.raises(
        SpecError, match=r"ripple_db means nothing to design 'butterworth': remove it, or use chebyshev1"
    ):
        parse_spec(head + stage)
    with pytest.raises(SpecError, match=r"design.*correct it"):
        parse_spec(head + stage + 'design = "gauss"\n')
