"""What a validation writes for machines: JSON as its schema says, and JUnit XML that services can read."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from pydantic import ValidationError

from myo_export.export import export_bundle
from myo_host.comparison import StageResult
from myo_host.divergence import SAMPLES, Layout
from myo_host.junit import write_junit, write_junit_error
from myo_host.validate import Validation, cycles_each
from myo_host.validation_schema import check_record, render_schema
from myo_pipeline.bundle import open_bundle, render_json, write_json
from myo_pipeline.errors import BundleError
from tiny_bundle import write_trained

ROOT = Path(__file__).resolve().parents[2]


def make_validation(fault: int = 0, error: float = 0.001) -> Validation:
    """A validation of two stages, the first with a fault in the device if asked for."""
    twin = np.arange(30, dtype=np.int32).reshape(10, 3)
    device = twin.copy()
    device[4, 1] += fault
    first, second = (
        StageResult("filtered signal", bound=0.01),
        StageResult("layer 0 PAD (in layer 1)", layer=0),
    )
    first.compare(device, twin, Layout("a/1/\x00", SAMPLES, 3))
    first.measure(twin + error, twin, "counts", 0.001)
    empty: dict[str, object] = {field.name: {} for field in fields(Validation)}
    return Validation(**empty | {
        "board": "native", "description": "a process", "bundle_hash": "ab" * 32, "stages": [first, second],
        "output_kind": "classes", "names": ["rest"], "n_windows": 1, "n_traced": 1, "n_segments": 1, "persons": ["a"],
        "accuracy": {"device": {"macro": float("nan")}}, "confusion": [[1, 0]], "bytes_per_s": 1.0, "seconds": 0.5,
        "law2_broken": [], "diagnosis": ["replayed, the same"], "loss": {"filtered signal": 1.0},
    })  # type: ignore[arg-type]  # fmt: skip


def test_published_schema_is_the_models() -> None:
    assert (ROOT / "docs/validation.schema.json").read_text() == render_schema(), "run `make docs`"


@pytest.mark.parametrize("fault", [0, 5])
def test_record_is_strict_json_of_the_schema(fault: int) -> None:
    record = json.loads(render_json(check_record(make_validation(fault).as_dict())))
    assert record["passed"] is (fault == 0)
    assert record["accuracy"] == {"device": {"macro": None}}
    assert [stage["loss_share"] for stage in record["stages"]] == [1.0, None]
    if fault:
        first = record["first_divergence"]
        assert (first["stage"], first["layer"], first["sample"], first["channel"]) == (
            "filtered signal",
            None,
            4,
            1,
        )
        assert (first["device"], first["twin"]) == (18, 13)
        assert {"at": 4, "device": 18, "twin": 13} in first["neighbours"]
        assert record["stages"][0]["ulp_device"] == {"0": 29, "4-7": 1}
    else:
        assert record["first_divergence"] is None
    with pytest.raises(ValidationError):
        check_record(record | {"surprise": 1})


def test_junit_names_each_stage_and_what_failed(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    write_junit(path, make_validation(fault=5, error=0.1), "patch")
    suite = ElementTree.parse(path).getroot().find("testsuite")
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "3", "failures": "2", "errors": "0", "skipped": "1"}
    port, bound = suite.findall("testcase/failure")
    assert "1 of 30 words differ, first at a/1/? sample 4 channel 1: device 18, twin 13" in port.get(
        "message"
    )
    assert "at 3: device 10, twin 10" in port.text
    assert "replayed, the same" in port.text
    assert bound.get("message") == "max error 0.1 counts, bound 0.01"


def test_junit_of_a_good_patch_has_no_failure(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    write_junit(path, make_validation(), "patch")
    assert "<failure" not in path.read_text()


def test_junit_tells_why_it_could_not_run(tmp_path: Path) -> None:
    path = tmp_path / "junit.xml"
    write_junit_error(path, "patch", "no answer \x07 & <silence>")
    suite = ElementTree.parse(path).getroot().find("testsuite")
    assert suite.get("errors") == "1"
    assert suite.find("testcase/error").get("message") == "no answer ? & <silence>"


def test_a_bundle_that_predicts_no_cycles_is_one_line(tmp_path: Path) -> None:
    """Its export is older than this validation: no number is made up for it."""
    bundle = open_bundle(export_bundle(write_trained(tmp_path / "tiny")).bundle.path)
    assert 1 < cycles_each(bundle, "network") < 3
    write_json(bundle.path / "budget.json", {"predicted": {"instructions": {"network": 1}}})
    with pytest.raises(BundleError, match=r"budget\.json: predicts no cycles; run `myopatch export"):
        cycles_each(bundle, "network")
