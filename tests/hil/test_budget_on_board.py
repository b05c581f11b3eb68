"""What the export predicts of a firmware, against the image and the instructions that the board counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.mark.parametrize("kind", ["classes", "values", "chain"])
def test_the_image_is_as_large_as_predicted(kind: str, built: Callable[[str, str], Path]) -> None:
    bundle = built(kind, "virtual_m4")
    predicted = json.loads((bundle / "budget.json").read_text())["predicted"]
    image = json.loads((bundle / "firmware" / "virtual_m4.json").read_text())
    told = "the firmware has changed: bring the constants of myo_export/budget.py up to date"
    assert predicted["flash_bytes"]["total"] == pytest.approx(image["flash_bytes"], rel=0.01), told
    assert predicted["ram_bytes"]["total"] == pytest.approx(image["ram_bytes"], rel=0.01), told
