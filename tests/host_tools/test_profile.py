"""The profiler's arithmetic: cycles of known code, energy, layers that do not fit. What it counts is held by tests/hil."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from myo_host.profile import emulator
from myo_host.profile.cycles import BlockCost, Cycles, Decoder, count_cycles
from myo_host.profile.generated import read_layers
from myo_host.profile.parts import PARTS, Part, find_part
from myo_host.profile.result import Profile, Row
from myo_host.profile.sections import PlannedLayer, Section, match_layers
from myo_host.profile.show import print_profile, summarize
from myo_pipeline.errors import ProfileError


@pytest.mark.parametrize(
    ("code", "fixed", "divisions"),
    [
        ("00bf", 1, 0),  # nop
        ("0868", 2, 0),  # ldr r0, [r1]
        ("0868 1a68", 3, 0),  # ldr r0, [r1]; ldr r2, [r3]: they overlap
        ("0868 0268", 4, 0),  # ldr r0, [r1]; ldr r2, [r0]: the address comes from the load before
        ("0868 00bf 1a68", 5, 0),  # something in between
        ("0868 0860", 3, 0),  # ldr; str r0, [r1]
        ("d2e9 0001", 3, 0),  # ldrd r0, r1, [r2]
        ("70b5", 5, 0),  # push {r4, r5, r6, lr}
        ("70bd", 5, 0),  # pop {r4, r5, r6, pc}; the refill is counted as taken
        ("30c9", 3, 0),  # ldm r1!, {r4, r5}
        ("21fb 0200", 1, 0),  # smlad r0, r1, r2, r0
        ("b1fb f2f0", 0, 1),  # udiv r0, r1, r2
        ("fed1", 1, 0),  # bne
        ("90ed 000a", 2, 0),  # vldr s0, [r0]
        ("90ed 000b", 3, 0),  # vldr d0, [r0]
        ("2ded 028b", 3, 0),  # vpush {d8}
        ("a0ee a00a", 3, 0),  # vfma.f32 s0, s1, s1
        ("80ee a00a", 14, 0),  # vdiv.f32 s0, s1, s1
        ("08bf 4160", 2, 0),  # it eq; streq r1, [r0, #4]
    ],
)
def test_cycles_of_the_manual(code: str, fixed: int, divisions: int) -> None:
    data = bytes.fromhex(code)
    n = 0
    at = 0
    while at < len(data):
        at += 4 if data[at + 1] >> 3 in (0b11101, 0b11110, 0b11111) else 2
        n += 1
    assert Decoder().cost(data, 0x100, n) == BlockCost(fixed, divisions)


def test_unreadable_code_is_not_guessed() -> None:
    assert Decoder().cost(bytes.fromhex("00bf ffff ffff"), 0, 2) is None


def test_bounds_of_cycles() -> None:
    found = count_cycles(BlockCost(fixed=5, divisions=1), executed=10, taken=4)
    assert found == Cycles(50 + 20 + 4, 50 + 70 + 8, 50 + 120 + 12)


def test_every_part_names_its_source() -> None:
    for part in PARTS.values():
        assert part.active_ma
        assert len(part.source) > 40


@pytest.fixture
def profile() -> Profile:
    row = Row("0 CONV_2D", 1000.0, (1400.0, 1600.0, 1800.0), macs=500, stack_bytes=100)
    memory = {"flash_bytes": 1, "ram_bytes": 2}
    return Profile("x", "decision", [row], row, [], find_part(None, 64, 3.0, 2.5, 1e6), 0.1, memory)


def test_energy(profile: Profile, capsys: pytest.CaptureFixture[str]) -> None:
    """1,600 cycles at 64 MHz are 25 us; at 3 mA and 2.5 V that is 75 nC and 187.5 nJ; a quarter of a hop of 0.1 ms."""
    row = profile.total
    assert profile.milliseconds(row) == pytest.approx(0.025)
    assert profile.charge_uc(row) == pytest.approx(0.075)
    assert profile.energy_uj(row) == pytest.approx(0.1875)
    assert profile.duty == pytest.approx(0.25)
    values = profile.as_dict()
    assert values["mean_ma"] == pytest.approx(0.75)
    assert values["rows"][0]["instructions_per_mac"] == 2.0
    assert "0.750 mA on average" in dict(summarize(profile))["energy"]
    print_profile(profile)
    assert "0 CONV_2D" in capsys.readouterr().out


def test_without_a_current_there_is_no_energy() -> None:
    part = find_part(None, None, None, None, 64e6)
    assert part == Part("", "Cortex-M4F", 64e6)
    row = Row("x", 1.0, (1.0, 1.0, 1.0))
    found = Profile("x", "run", [row], row, [], part, None, {"flash_bytes": 1, "ram_bytes": 2})
    assert (found.charge_uc(row), found.energy_uj(row), found.duty) == (None, None, None)
    assert "energy" not in dict(summarize(found))


NET_C = """
void net_run_observed(void *arena, const int8_t *input, int8_t *output, net_observer_t observer,
                      void *context) {
    int8_t *const t1 = (int8_t *)arena + 0; /* 16 bytes */

    /* 0: RESHAPE to 1x4, scale 0.1, zero point 2 */
    observe(observer, context, 0, input, 4);

    /* 2: PAD + CONV_2D to 1x1x4x4, scale 0.1, zero point -128, 64 MACs */
#if MYO_NN_MVE
    myo_conv_mve_run(&layer_2, input, t1, (int8_t *)arena + 16);
#elif MYO_NN_DSP
    myo_conv_dsp_run(&layer_2, input, t1, (int8_t *)arena + 16);
#else
    myo_conv_run(&layer_2, input, t1);
#endif
    observe(observer, context, 2, t1, 16);
}

static void advance(void *arena) {
    /* 2: PAD + CONV_2D, 2 new columns of 4, 32 MACs */
    memmove(s1, s1 + 8, 8);
    myo_conv_dsp_run(&layer_2_left, s0, s1, (int8_t *)arena + 16);
    myo_conv_dsp_run(&layer_2_push, s0, s1 + 4, (int8_t *)arena + 16);
}

void net_push(void *arena, const int8_t *hop, int8_t *output) {
    memcpy(s0 + 32, hop, 320);
    advance(arena);

    /* 3: MEAN, from running sums */
    myo_mean_of_sums_run(&layer_3, sums3, output);
}
"""


def test_layers_are_read_from_generated_code() -> None:
    assert read_layers(NET_C) == [
        PlannedLayer(0, "RESHAPE", 0, ("observe",)),
        PlannedLayer(2, "PAD + CONV_2D", 64, ("myo_conv_run", "observe")),
    ]
    assert read_layers(NET_C, push=True) == [
        PlannedLayer(2, "PAD + CONV_2D", 32, ("memmove", "myo_conv_dsp_run", "myo_conv_dsp_run")),
        PlannedLayer(3, "MEAN", 0, ("myo_mean_of_sums_run",)),
    ]
    with pytest.raises(ProfileError, match="has no net_push; generate it again with --hop"):
        read_layers(NET_C.partition("static void advance")[0], push=True)


def make_root(*names: str) -> Section:
    root = Section("net_run", 1, 10)
    for place, name in enumerate(names):
        root.children[place, 0] = Section(name, 1, 100)
    return root


LAYERS = [
    PlannedLayer(0, "RESHAPE", 0, ()),
    PlannedLayer(1, "CONV_2D", 9, ("myo_conv_dsp_run",)),
    PlannedLayer(2, "RESHAPE", 0, ("memcpy",)),
    PlannedLayer(3, "SOFTMAX", 0, ("myo_softmax_run",)),
]


def test_layers_are_found_whatever_variant_runs_and_wherever_copies_are() -> None:
    root = make_root("memcpy", "myo_conv_run", "myo_softmax_run")
    assert [m.cost.instructions for m in match_layers(root, LAYERS)] == [0, 100, 0, 100]
    deeper = make_root()
    deeper.children[7, 7] = make_root("myo_conv_dsp_run", "myo_softmax_run")
    assert [m.kernels for m in match_layers(deeper, LAYERS)][1::2] == [
        ("myo_conv_dsp_run",),
        ("myo_softmax_run",),
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("myo_softmax_run", "myo_conv_run"), "layer 1 .CONV_2D. calls myo_conv_dsp_run .* image myo_softmax_run"),
        (("myo_conv_run",), "layer 3 .SOFTMAX. .* the image no further call"),
        (("myo_conv_run", "myo_softmax_run", "myo_conv_run"), "calls myo_conv_run after the last"),
        (("myo_conv_run", "myo_new_run", "myo_softmax_run"), "the image myo_new_run"),
    ],
)  # fmt: skip
def test_layers_that_do_not_fit_are_refused(names: tuple[str, ...], expected: str) -> None:
    with pytest.raises(ProfileError, match=expected):
        match_layers(make_root(*names), LAYERS)


def test_the_plugin_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("cc") is None:
        pytest.skip("cc is not installed")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plugin = emulator.build_plugin()
    assert plugin.parent == tmp_path / "myopatch/profile"
    monkeypatch.setenv("PATH", "/nowhere")
    assert emulator.build_plugin() == plugin
    plugin.unlink()
    with pytest.raises(ProfileError, match="cc: not installed"):
        emulator.build_plugin()
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    broken = tmp_path / "broken.c"
    broken.write_text("this is no C\n")
    monkeypatch.setattr(emulator, "SOURCE", broken)
    with pytest.raises(ProfileError, match="does not compile"):
        emulator.build_plugin()
    assert list(plugin.parent.iterdir()) == []
