"""What was chosen for the front end by measuring: how the heart is removed, and why no section is Q15.

usage: python benchmarks/study_front_end.py [--out FILE]

Recorded muscle (1 kHz, at most a minute of each channel) is mixed with a synthesised heart, band-passed, and cleaned: by the
product's `ecg` stage (the integer twin) and by a normalised LMS filter in integers, both from a reference lead that shows the
heart 20 dB above another muscle. Each wave of the heart has another share in the muscle's lead than in the reference, drawn for
each channel, and both breathe. What counts is how much less of the heart is left, from the tenth second on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import cmsisdsp
import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_export.front_end import quantize_front_end
from myo_export.front_end_analysis import make_filter_twin
from myo_export.section_forms import choose_section_forms
from myo_pipeline.bundle import write_json
from myo_pipeline.ecg import EcgSettings, find_beats
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_training.datasets import list_places

Floats = NDArray[np.float64]
RESULTS = Path(__file__).resolve().parent / "results" / "front_end_study.json"
RATE_HZ, SECONDS, SETTLED_S = 1000, 60, 10
BITS, LOUDEST = 16, 20000  # of the converter, and the mixture's largest count
#: Muscle over heart, decibels, behind the band-pass.
RATIOS_DB = (-10, -5, 0, 5, 10)
#: Degrees from the R wave, height and width (radians) of P, Q, R, S, T: McSharry et al., IEEE Trans. Biomed. Eng. 50,
#: 2003, 10.1109/TBME.2003.808805, table I; a wave's height there is a rate, hence times width squared.
WAVES = ((-70.0, 1.2, 0.25), (-15.0, -5.0, 0.1), (0.0, 30.0, 0.1), (15.0, -7.5, 0.1), (100.0, 0.75, 0.4))
BAND = '[[stage]]\nkind = "bandpass"\nlow_hz = 20.0\nhigh_hz = 450.0\norder = 4\n'
LMS = ((64, 4), (128, 3), (128, 4))  # taps, and right shift of the step beside the reference's power


def make_spec(stages: str, channels: int, rate_hz: float = RATE_HZ) -> PatchSpec:
    """Return a spec for its stages."""
    return parse_spec(
        f'format = 1\nname = "study"\n[sensor]\nchannels = {channels}\nrate_hz = {rate_hz}\nlsb_uv = 1.0\nadc_bits = {BITS}\n'
        f'{stages}[window]\nwindow_ms = 100.0\nhop_ms = 50.0\n[output]\nkind = "classes"\nlabels = ["a", "b"]\n'
        '[training]\ndata = "none"\n'
    )


def run_twin(spec: PatchSpec, counts: NDArray[np.int64]) -> Floats:
    """Return what the front end gives, in counts."""
    front_end = quantize_front_end(spec)
    words = make_filter_twin(spec, front_end).filter(counts)
    return np.asarray(words * 2.0**-front_end.exponent, dtype=np.float64)


def read_muscles(root: Path) -> Iterator[Floats]:
    """Yield channels of walking, sitting and standing persons, and of isometric contractions."""
    for person in ("1N", "5N", "8A", "3A", "9N"):
        files = [root / "uci_lower_limb" / f"{person}{what}.npz" for what in ("gait", "sitting", "standing")]
        emg = np.concatenate([np.load(file)["emg"][:, :2] for file in files]).astype(np.float64)
        yield from (emg - emg.mean(axis=0)).T
    for person in ("ID1", "ID4", "ID9", "ID12"):
        trials = np.load(root / "elderly_emg_dyn" / f"{person}.npz")
        emg = np.concatenate([trials[m][:, c] for m in ("EMG_VL", "EMG_TA") for c in range(3)])
        yield np.asarray(signal.decimate(emg - emg.mean(), 2, ftype="fir"), dtype=np.float64)


def make_heart(n: int, shares: Floats, rng: np.random.Generator) -> Floats:
    """Return leads of one heart, (n, n_leads): 70 beats a minute that vary with breath and chance.

    ``shares`` says how much of each wave a lead has, (n_leads, 5); a lead's height breathes by a tenth, each at its own phase.
    """
    seconds = np.arange(n) / RATE_HZ
    starts = [0.0]
    while starts[-1] < n / RATE_HZ + 2:
        breath = 0.04 * np.sin(2 * np.pi * 0.25 * starts[-1])
        starts.append(starts[-1] + 60 / 70 * (1 + 0.03 * rng.standard_normal() + breath))
    phase = np.interp(seconds, starts, 2 * np.pi * np.arange(len(starts)))
    leads = np.zeros((n, len(shares)))
    for (degrees, height, width), share in zip(WAVES, shares.T, strict=True):
        off = (phase - np.deg2rad(degrees) + np.pi) % (2 * np.pi) - np.pi
        leads += height * width**2 * np.exp(-(off[:, None] ** 2) / (2 * width**2)) * share
    return np.asarray(
        leads * (1 + 0.1 * np.sin(2 * np.pi * 0.25 * seconds[:, None] + np.arange(len(shares)))),
        dtype=np.float64,
    )


def run_lms(x: NDArray[np.int64], reference: NDArray[np.int64], taps: int, slow: int) -> NDArray[np.int64]:
    """Normalised LMS in integers: weights in Q30, a step of a power of two, the muscle half the filter's length late.

    The step is 2^-slow over the reference's power in the filter, or over the largest of late where that is more, rounded up
    to a power of two: no division, and never above a step that is stable.
    """
    weights, past = np.zeros(taps, np.int64), np.zeros(taps, np.int64)
    late = np.concatenate([np.zeros(taps // 2, np.int64), x])
    given = np.zeros(len(x), np.int64)
    power = 1
    for n, word in enumerate(reference.tolist()):
        past[1:] = past[:-1]
        past[0] = word
        power = max(int(past @ past), power - (power >> 12))
        given[n] = late[n] - ((int(weights @ past) + (1 << 29)) >> 30)
        shift = slow + power.bit_length() - 30
        step = given[n] * past
        weights += step >> shift if shift >= 0 else step << -shift
    return given[taps // 2 :]


def mix(muscle: Floats, other: Floats, ratio_db: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return muscle with heart and the reference, (n, 2), and the heart alone in the first, in counts before any filter."""
    sos = signal.butter(4, (20, 450), "bandpass", fs=RATE_HZ, output="sos")
    shares = np.stack([rng.uniform(-1, 1, 5), np.ones(5)])
    shares[0, 2] = np.sign(shares[0, 2]) * max(abs(shares[0, 2]), 0.3)
    heart = make_heart(len(muscle), shares, rng)
    size = [signal.sosfilt(sos, y).std() for y in (muscle, other, heart[:, 0], heart[:, 1])]
    alone = heart[:, 0] / size[2] * size[0] * 10 ** (-ratio_db / 20)
    lead = (heart[:, 1] / size[3] + 0.1 * other / size[1]) * size[0]
    both = np.stack([muscle + alone, lead], axis=1)
    scale = LOUDEST / np.abs(both).max(axis=0)
    return both * scale, np.stack([muscle, alone], axis=1) * scale[0]


def measure_removal(muscles: list[Floats]) -> dict[str, dict[str, list[float]]]:
    """Return, by method and ratio, how many decibels of each channel's heart are gone."""
    clean = make_spec(BAND, 2)
    late = EcgSettings(1, 70, 90, 5, 250, 2000).window
    found: dict[str, dict[str, list[float]]] = {}
    for number, muscle in enumerate(muscles):
        other = np.resize(muscles[(number + 3) % len(muscles)], len(muscle))
        for ratio_db in RATIOS_DB:
            mixed, parts = mix(muscle, other, ratio_db, np.random.default_rng(number))
            counts = np.round(mixed).astype(np.int64)
            exact = signal.sosfilt(
                signal.butter(4, (20, 450), "bandpass", fs=RATE_HZ, output="sos"), parts, axis=0
            )

            def note(name: str, given: Floats, exact: Floats = exact, ratio_db: int = ratio_db) -> None:
                span = slice(SETTLED_S * RATE_HZ, len(given))
                left = given[span] - exact[: len(given)][span, 0]
                gone = 10 * np.log10((exact[: len(given)][span, 1] ** 2).sum() / (left**2).sum())
                found.setdefault(name, {}).setdefault(str(ratio_db), []).append(float(gone))

            for name, reference in (("ecg stage", 1), ("ecg stage, no reference lead", 0)):
                spec = make_spec(f'{BAND}[[stage]]\nkind = "ecg"\nreference = {reference}\n', 2)
                note(name, run_twin(spec, counts)[late:, 0])
            banded = np.round(run_twin(clean, counts)).astype(np.int64)
            for taps, slow in LMS:
                note(
                    f"LMS, {taps} taps, step 2^-{slow}",
                    run_lms(banded[:, 0], banded[:, 1], taps, slow).astype(np.float64),
                )
    return found


def measure_beats(muscles: list[Floats]) -> dict[str, list[float]]:
    """Return, by decibels of heart over muscle in the reference, the share of beats found and false ones a minute."""
    found = {}
    sos = signal.butter(4, (20, 450), "bandpass", fs=RATE_HZ, output="sos")
    settings = EcgSettings(0, 70, 90, 5, 250, 2000)
    for heart_db in (20, 10, 5, 0):
        hits = beats = wrong = 0
        minutes = 0.0
        for number, muscle in enumerate(muscles):
            rng = np.random.default_rng(number)
            heart = signal.sosfilt(sos, make_heart(len(muscle), np.ones((1, 5)), rng)[:, 0])
            noise = signal.sosfilt(sos, muscle)
            true = np.array(find_beats(heart, settings))
            ends = np.array(
                find_beats(heart / heart.std() + noise / noise.std() * 10 ** (-heart_db / 20), settings)
            )
            near = (
                np.abs(true[:, None] - ends[None]) <= RATE_HZ // 20
                if len(ends)
                else np.zeros((len(true), 1), bool)
            )
            hits, beats = hits + int(near.any(axis=1).sum()), beats + len(true)
            wrong += int((~near.any(axis=0)).sum()) if len(ends) else 0
            minutes += len(muscle) / RATE_HZ / 60
        found[str(heart_db)] = [hits / beats, wrong / minutes]
    return found


def measure_q15() -> dict[str, dict[str, float]]:
    """Return the SNR of Q15 cascades (CMSIS-DSP's) against float64, beside the forms that the export chooses."""
    found = {}
    stages = {
        "20 to 450 Hz, order 4, notch 50 Hz": BAND + '[[stage]]\nkind = "notch"\nfrequency_hz = 50.0\n',
        "low-pass 100 Hz, order 2": '[[stage]]\nkind = "lowpass"\ncutoff_hz = 100.0\norder = 2\n',
        "low-pass 400 Hz, order 2": '[[stage]]\nkind = "lowpass"\ncutoff_hz = 400.0\norder = 2\n',
        "notch 50 Hz, q 2": '[[stage]]\nkind = "notch"\nfrequency_hz = 50.0\nq = 2.0\n',
    }
    rng = np.random.default_rng(1)
    for name, text in stages.items():
        for rate_hz in (1000, 2000, 4000):
            cascade = quantize_front_end(make_spec(text, 1, rate_hz)).cascades[0]
            down = max(0, int(np.ceil(np.log2(cascade.node_gain))))
            values = np.column_stack([cascade.sections[:, :3], -cascade.sections[:, 4:]])
            post = max(0, int(np.ceil(np.log2(np.abs(values).max() + 2**-14))))
            held = np.clip(np.round(values * 2.0 ** (15 - post)), -32768, 32767)
            coefficients = np.insert(held, 1, 0, axis=1).astype(np.int16).ravel()
            shape = signal.butter(2, (20, 450), "bandpass", fs=rate_hz, output="sos")
            noise = signal.sosfilt(shape, rng.standard_normal(10 * rate_hz))
            counts = np.round(noise / noise.std() * 2048).astype(np.int64)
            instance = cmsisdsp.arm_biquad_casd_df1_inst_q15()
            state = np.zeros(4 * len(held), np.int16)
            cmsisdsp.arm_biquad_cascade_df1_init_q15(instance, len(held), coefficients, state, post)
            words = cmsisdsp.arm_biquad_cascade_df1_q15(instance, (counts >> down).astype(np.int16))
            exact = signal.sosfilt(cascade.sections, counts)
            error = np.asarray(words, np.float64) * 2.0**down - exact
            forms = choose_section_forms(cascade.sections, 32768.0, name)
            found[f"{name}, {rate_hz} Hz"] = {
                "q15_db": float(10 * np.log10((exact**2).sum() / (error**2).sum())),
                "chosen_db": forms.snr_db,
            }
    return found


def main() -> int:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    q15 = measure_q15()
    print(
        f"words of 16 bits at best, a signal of 1/16 of full scale: {20 * np.log10(2048 * np.sqrt(12)):.0f} dB"
    )
    for name, row in q15.items():
        print(f"{name}: Q15 {row['q15_db']:.0f} dB, chosen {row['chosen_db']:.0f} dB")
    root = next((place for place in list_places(None) if (place / "uci_lower_limb").is_dir()), None)
    if root is None:
        print("study_front_end: uci_lower_limb is not here (set $MYOPATCH_DATA); the heart is left out")
        return 0
    muscles = [muscle[: SECONDS * RATE_HZ] for muscle in read_muscles(root)]
    removal, beats = measure_removal(muscles), measure_beats(muscles)
    print(
        f"heart removed from {len(muscles)} channels, dB, mean (least), at muscle over heart {RATIOS_DB} dB"
    )
    for name, rows in removal.items():
        print(f"{name}: {', '.join(f'{np.mean(row):.1f} ({np.min(row):.1f})' for row in rows.values())}")
    for heart_db, (share, wrong) in beats.items():
        print(
            f"reference with the heart {heart_db} dB above muscle: {100 * share:.1f} % found, {wrong:.2f} false a minute"
        )
    write_json(
        arguments.out,
        {
            "how": "benchmarks/study_front_end.py",
            "heart_removed_db": removal,
            "beats_found_and_false_a_minute": beats,
            "q15": q15,
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
