"""A patch with features on the boards: both laws at every stage, the budget, and a fault in the features is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from commands import must
from myo_host.boards import BOARDS, start_board
from myo_host.link import PatchLink
from myo_host.validate import validate_board
from myo_pipeline.bundle import open_bundle
from planted import FaultyFirmware
from tiny_feature_bundle import CHAIN_SPEC, FAMILIES_SPEC, write_trained_features


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_trained_features(tmp_path_factory.mktemp("features") / "tiny", n_segments=2)
    must("export", folder)
    return folder


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Spectra, segments, wavelets and correlations beside sums."""
    folder = tmp_path_factory.mktemp("families") / "tiny"
    write_trained_features(folder, n_segments=2, spec=FAMILIES_SPEC)
    must("export", folder)
    return folder


def build(bundle: Path, board: str) -> None:
    for tool in ("arm-none-eabi-gcc", BOARDS[board].command[0]) if board != "native" else ("cc",):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (make setup)")
    must("build", bundle, "--board", board)


@pytest.mark.parametrize("features", ["bundle", pytest.param("families", marks=pytest.mark.slow)])
def test_both_laws_hold_with_features(request: pytest.FixtureRequest, features: str, board: str) -> None:
    bundle: Path = request.getfixturevalue(features)
    build(bundle, board)
    result = json.loads(must("validate", bundle, "--board", board, "--json"))
    assert result["passed"]
    stages = {stage["name"]: stage for stage in result["stages"]}
    assert list(stages)[:4] == ["samples", "filtered signal", "features", "network input"]
    assert all(stage["words"] > 0 for stage in stages.values())
    for name in ("features", "network input"):
        assert 0 < stages[name]["bound_share"] <= 1
        assert stages[name]["bound"] is None  # each word has its own
        assert stages[name]["snr_db"] > 35
    if board == "virtual_m4":
        predicted = json.loads((bundle / "budget.json").read_text())["predicted"]
        image = json.loads((bundle / "firmware" / "virtual_m4.json").read_text())
        for memory in ("flash_bytes", "ram_bytes"):
            assert predicted[memory]["total"] == pytest.approx(image[memory], rel=0.05)


def test_both_laws_hold_with_features_behind_a_chain(tmp_path: Path) -> None:
    bundle = write_trained_features(tmp_path / "chain", n_segments=2, spec=CHAIN_SPEC)
    must("export", bundle)
    build(bundle, "native")
    result = json.loads(must("validate", bundle, "--board", "native", "--json"))
    assert result["passed"]
    assert all(stage["words"] > 0 for stage in result["stages"])


def first_difference(bundle: Path, elf: Path) -> str:
    """Validate a faulty image: the first stage that differs must be the features'."""
    with start_board(BOARDS["native"], elf) as port, PatchLink(port) as link:
        result = validate_board(open_bundle(bundle), link, BOARDS["native"])
    first = next(s for s in result.stages if s.differing)
    assert first.name == "features"
    return str(first.first_difference)


def test_planted_fault_is_named(bundle: Path, tmp_path: Path) -> None:
    faulty = FaultyFirmware(bundle, tmp_path)
    elf = faulty.build("c/features_config.c", lambda text: text.replace("THRESHOLD_SSC ", "THRESHOLD_SSC 7"))
    assert "ssc channel 0" in first_difference(bundle, elf)


@pytest.fixture(scope="module")
def faulty(families: Path, tmp_path_factory: pytest.TempPathFactory) -> FaultyFirmware:
    return FaultyFirmware(families, tmp_path_factory.mktemp("faulty"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "right", "wrong", "named"),
    [
        ("spectrum_config", "MYO_SPECTRUM_MEAN, 1,", "MYO_SPECTRUM_MEAN, 4,", "mnf channel 0"),
        ("segment_config", "MYO_SPECTRUM_POWER, 16,", "MYO_SPECTRUM_POWER, 17,", "stft_power[50-100][0] channel 0"),
        ("wavelet_config", ".up = 12", ".up = 11", "wavelet_energy[d1] channel 0"),
    ],
    ids=["spectrum", "segment", "wavelet"],
)  # fmt: skip
def test_planted_fault_of_a_family_is_named(
    families: Path, faulty: FaultyFirmware, file: str, right: str, wrong: str, named: str
) -> None:
    elf = faulty.build(f"c/{file}.c", lambda text: text.replace(right, wrong))
    assert named in first_difference(families, elf)
