"""Bundles trained small on simulated EMG, and boards that run them: by the commands that a user types."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands import must
from myo_host.boards import BOARDS, start_board
from myo_host.link import PatchLink
from myo_pipeline.bundle import Bundle, open_bundle

SPEC = """
format = 1
name = "{kind}"
[sensor]
{sensor}
[window]
window_ms = 64.0
hop_ms = 32.0
[model]
filters = [4, 6]
strides = [1, 2]
kernel = 3
dense = 0
[output]
{output}
[decision]
{decision}
{budget}
[training]
data = "simulated"
held_out_persons = 2
validation_persons = 1
epochs = 1
hop_ms = 200.0
"""
BANDPASS = '[[stage]]\nkind = "bandpass"\nlow_hz = 20.0\nhigh_hz = 200.0\norder = 2'
# Every kind of step, three channels to four, 1 kHz to 250 Hz; their place in the signal is not a doctor's.
CHAIN = "".join(f"[[stage]]\n{stage}\n" for stage in (
    'kind = "spatial"\nmode = "single_differential"\nring = true',
    'kind = "highpass"\ncutoff_hz = 20.0\norder = 2',
    'kind = "fir"\nn_taps = 25\nedges_hz = [200.0]',
    'kind = "tkeo"',
    'kind = "envelope"\ncutoff_hz = 40.0',
    'kind = "decimate"\nfactor = 4',
    'kind = "moving_average"\nms = 20.0',
    'kind = "spatial"\nmode = "remap"\nchannels = [1, 0, 2, 1]',
))  # fmt: skip
NOTCH = '[[stage]]\nkind = "notch"\nfrequency_hz = 60.0\nharmonics = 2'
# Thresholds at which sound signals have faults now and then, so that flags, masks and gates change all the time.
QUALITY = """
[quality]
period_ms = 80.0
periods_on = 1
periods_off = 1
clip_counts = 900
mains_uv = 5.0
mains_share = 0.2
mask = ["saturated", "mains"]
max_masked = 1
"""
# Patches as unlike as they can be: 12 bits travel as int16, 24 bits as int32; an odd channel count.
SENSORS = {
    "classes": f"channels = 3\nrate_hz = 500.0\nlsb_uv = 1.0\nadc_bits = 12\n{BANDPASS}{QUALITY}",
    "chain": f"channels = 3\nrate_hz = 1000.0\nlsb_uv = 1.0\nadc_bits = 12\n{CHAIN}",
    "values": f"channels = 5\nrate_hz = 1000.0\nlsb_uv = 0.02\nadc_bits = 24\n{NOTCH}",
}
OUTPUTS = {
    "classes": 'kind = "classes"\nlabels = ["rest", "open", "close"]',
    "chain": 'kind = "classes"\nlabels = ["rest", "open", "close"]',
    "values": 'kind = "values"\nnames = ["force", "angle"]\nunit = "share"',
}
DECISIONS = {
    "classes": "vote = 3",
    "chain": 'method = "bayes"\nvote = 3\nstay = 0.8\nreject_below = 0.4\ndebounce = 2\ndwell = 3',
    "values": "vote = 3",
}
# By the least RAM the values' patch, of 24 bits, fits the smallest board; its rings are then shorter than the others'.
BUDGETS = {"classes": "", "chain": "", "values": "[budget]\nram_kb = 16"}


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function that gives the exported bundle of an output kind."""
    root = tmp_path_factory.mktemp("bundles")

    def make(kind: str) -> Path:
        folder = root / kind
        if not folder.is_dir():
            folder.mkdir()
            (folder / "patch.toml").write_text(
                SPEC.format(
                    kind=kind,
                    sensor=SENSORS[kind],
                    output=OUTPUTS[kind],
                    decision=DECISIONS[kind],
                    budget=BUDGETS[kind],
                )
            )
            must("train", folder, "--out", folder)
            must("export", folder)
        return folder

    return make


@pytest.fixture(scope="session")
def built(bundles: Callable[[str], Path]) -> Callable[[str, str], Path]:
    """Return a function that gives the bundle of a kind with its firmware built for a board."""

    def build(kind: str, board: str) -> Path:
        needs = BOARDS[board].command[0]
        for tool in ("arm-none-eabi-gcc", needs) if board != "native" else ("cc",):
            if shutil.which(tool) is None:
                pytest.skip(f"{tool} is not installed (make setup)")
        bundle = bundles(kind)
        if not (bundle / "firmware" / f"{board}.elf").is_file():
            must("build", bundle, "--board", board)
        return bundle

    return build


@pytest.fixture(scope="session")
def bundle(request: pytest.FixtureRequest, built: Callable[[str, str], Path], patch_board: str) -> Bundle:
    """What the plugin's ``patch`` runs: the bundle that is given, or the classes bundle."""
    given = request.config.getoption("myopatch_bundle")
    return open_bundle(Path(given) if given else built("classes", patch_board))


@pytest.fixture
def link(built: Callable[[str, str], Path], board: str) -> Iterator[PatchLink]:
    """A board that runs the classes bundle, booted for this test, hello said."""
    bundle = built("classes", board)
    elf = bundle / "firmware" / f"{board}.elf"
    with start_board(BOARDS[board], elf) as port, PatchLink(port) as opened:
        opened.say_hello(open_bundle(bundle).bundle_hash)
        yield opened
