"""The spec: what is valid passes, and every fault is one line that names the key and the remedy."""

from pathlib import Path

import pytest

from myo_pipeline import spec as spec_module
from myo_pipeline.errors import SpecError
from myo_pipeline.spec import find_templates, load_spec, parse_spec
from myo_pipeline.spec_page import document_spec
from myo_pipeline.stages import STAGE_TABLES

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
        *STAGE_TABLES.values(),
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


HEAD = 'format = 1\nname = "x"\n[sensor]\nchannels = 4\nrate_hz = 1000.0\nlsb_uv = 1.0\nadc_bits = 16\n'
TAIL = '[window]\nwindow_ms = 200.0\nhop_ms = 50.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n[training]\ndata = "n"\n'


def with_stages(*stages: str) -> str:
    return HEAD + "".join(f"[[stage]]\n{stage}\n" for stage in stages) + TAIL


@pytest.mark.parametrize(
    ("stages", "expected"),
    [
        (
            ('kind = "spatial"\nmode = "remap"\nchannels = [0, 9]',),
            "stage[0].channels: 9 does not exist, 4 come in",
        ),
        (('kind = "spatial"\nmode = "remap"',), "mode 'remap' wants channels: add it"),
        (('kind = "spatial"\nmode = "rotate"\nby = 1\nring = true',), "ring means nothing to mode 'rotate'"),
        (('kind = "spatial"\nmode = "common_average"\nby = 1',), "by means nothing to mode 'common_average'"),
        (('kind = "spatial"\nmode = "matrix"\nweights = [[1.0, 2.0]]',), "weights: a row of 2, expected 4"),
        (('kind = "spatial"\nmode = "matrix"\nweights = []',), "weights: 0 rows, expected 1 to 64"),
        (
            (
                'kind = "spatial"\nmode = "double_differential"',
                'kind = "spatial"\nmode = "double_differential"',
            ),
            "stage[1].mode: double_differential wants 3 channels or more, 2 come in",
        ),
        (
            ('kind = "decimate"\nfactor = 3',),
            "window.window_ms: 200 ms is 66.6667 samples at 333.333 Hz behind the stages",
        ),
        (
            ('kind = "decimate"\nfactor = 10', 'kind = "envelope"\ncutoff_hz = 50.0'),
            "stage[1].cutoff_hz: 50 Hz is not below Nyquist, 50 Hz at the stage's rate of 100 Hz",
        ),
        (('kind = "moving_average"\nms = 2.5',), "stage[0].ms: 2.5 ms is 2.5 samples at 1000 Hz"),
        (('kind = "moving_average"',), "give either n (samples) or ms"),
        (('kind = "fir"\ntaps = [0.0]',), "taps are all zero"),
        (('kind = "fir"\ntaps = [1.0]\nn_taps = 3',), "taps leave nothing to design"),
        (
            ('kind = "fir"\nn_taps = 20\nedges_hz = [20.0]\nshape = "highpass"',),
            "n_taps 20: a highpass passes Nyquist",
        ),
        (('kind = "fir"\nn_taps = 21\nedges_hz = [90.0, 20.0]\nshape = "bandpass"',), "do not ascend"),
        (
            ('kind = "fir"\nn_taps = 21\nedges_hz = [20.0]\nshape = "bandpass"',),
            "wants n_taps and 2 edges_hz",
        ),
        (
            ('kind = "fir"\nn_taps = 21\nedges_hz = [500.0]',),
            "stage[0].edges_hz: 500 Hz is not below Nyquist",
        ),
        (('kind = "tkeo"\nn = 2',), "stage[0].n: unknown key"),
    ],
)
def test_stage_that_does_not_fit_is_one_clear_line(stages: tuple[str, ...], expected: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(with_stages(*stages), "patch.toml")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_stages_change_channels_and_rate() -> None:
    spec = parse_spec(
        with_stages('kind = "spatial"\nmode = "single_differential"', 'kind = "decimate"\nfactor = 5', 'kind = "rectify"',
                    'kind = "decimate"\nfactor = 2', 'kind = "spatial"\nmode = "remap"\nchannels = [2, 2, 0, 1, 1]')
    )  # fmt: skip
    assert (spec.front_end_channels, spec.front_end_rate_hz, spec.decimation) == (5, 100.0, 10)
    assert (spec.window_samples, spec.hop_samples) == (20, 5)
