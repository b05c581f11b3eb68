"""Families of features side by side: the order of the words, and what a spec may not ask for at once."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from myo_pipeline.errors import SpecError
from myo_pipeline.feature_set import FEATURE_TABLES, FeatureSet, WindowFeature, compile_feature_set
from myo_pipeline.spectrum import SpectrumConfig
from myo_pipeline.stft import StftConfig

ENTRIES: TypeAdapter[list[WindowFeature]] = TypeAdapter(list[WindowFeature])
POWER = {"kind": "power", "band_hz": [20, 60]}
STFT = {"kind": "stft_power", "segment_ms": 100, "bands_hz": [[20, 60]]}


def make(*entries: dict[str, Any]) -> FeatureSet:
    return compile_feature_set(
        ENTRIES.validate_python(list(entries)),
        n_channels=2,
        window=200,
        hop=100,
        rate_hz=1000.0,
        word_shift=3,
    )


def test_words_stand_family_by_family() -> None:
    found = make(
        {"kind": "packet_energy", "levels": 1}, STFT, {"kind": "mnf"}, {"kind": "wl"}, POWER,
        {"kind": "wavelet_energy", "levels": 1}, {"kind": "mav"},
    )  # fmt: skip
    assert found.names == [
        "wl", "mav", "mnf", "power[20-60]", "stft_power[20-60][0]", "stft_power[20-60][1]",
        "wavelet_energy[d1]", "wavelet_energy[a1]", "packet_energy[0]", "packet_energy[1]",
    ]  # fmt: skip
    # Two transforms, of 256 and of 128: the smaller one's scratch is in the larger one's.
    shared = min(part.scratch_words for part in found.parts if isinstance(part, SpectrumConfig | StftConfig))
    assert shared == 320
    assert found.memory_words == sum(part.memory_words for part in found.parts) - shared


def test_every_kind_has_a_table() -> None:
    assert {"mav", "mnf", "sm3", "stft_power", "wavelet_energy", "packet_energy"} <= set(FEATURE_TABLES)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([POWER, POWER], "power of one band stands twice"),
        ([POWER, {"kind": "mnf", "taper": "hann"}], "taper hann and none, expected one"),
        ([STFT, STFT], "stft_power stands twice"),
        (
            [{"kind": "wavelet_energy"}, {"kind": "wavelet_energy", "levels": 1}],
            "wavelet_energy stands twice",
        ),
        ([], "features: none"),
    ],
)
def test_contradictions_are_refused(entries: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        make(*entries)
