"""Cost of spectral features on a Cortex-M4F, their errors on recorded EMG, and docs/spectrum.md with both.

usage: python benchmarks/bench_spectrum.py [--out FILE]

As bench_features.py: 8 channels, hop 50, every word against the integer twin's under QEMU, instructions by m4cost. The
errors against float64 are those of the recordings that feature_errors.py takes; what is not here is left out by name.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy import signal

sys.path.insert(0, str(Path(__file__).resolve().parent))
from feature_errors import SOURCES as RECORDINGS
from feature_errors import Source, find_sources, read_signals
from myo_export.emit_spectrum import render_spectrum
from myo_pipeline.feature_twin import cut_windows, round_to_words
from myo_pipeline.feature_words import to_real
from myo_pipeline.spectrum import (
    SPECTRUM_CATALOGUE,
    SpectrumConfig,
    SpectrumFeature,
    Taper,
    compile_spectrum,
    compute_spectrum_features,
)
from myo_pipeline.spectrum_bounds import bound_spectrum, transform_error
from myo_pipeline.spectrum_twin import compute_spectrum_words
from window_image import (
    HOP,
    N_CHANNELS,
    N_WINDOWS,
    Measured,
    begin,
    bench_words,
    measure,
    tell,
    write_results,
    write_subject,
)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "spectrum.md"
RATE_HZ = 1000.0
BANDS_HZ = ((20.0, 60.0), (60.0, 120.0), (120.0, 250.0), (250.0, 450.0))


@dataclass(frozen=True, kw_only=True)
class SpectrumCost(Measured):
    """One set's figures a decision."""

    name: str
    window: int
    length: int
    taper: str


@dataclass(frozen=True)
class SpectrumError:
    """One feature's errors against float64 over a data set, in its unit."""

    data: str
    feature: str
    unit: str
    taper: str
    n_windows: int
    median: float
    percentile_99: float
    largest: float
    median_bound: float
    promised_share: float
    largest_share_of_bound: float


def every_feature() -> list[SpectrumFeature]:
    """Each kind once, then power in bands."""
    found = [SpectrumFeature(kind=kind) for kind in SPECTRUM_CATALOGUE]  # type: ignore[arg-type]
    return found + [SpectrumFeature(kind="power", band_hz=band) for band in BANDS_HZ]


SETS: dict[str, tuple[Sequence[SpectrumFeature], int, Taper]] = {
    "mnf, mdf": ((SpectrumFeature(kind="mnf"), SpectrumFeature(kind="mdf")), 200, "none"),
    "mnf, mdf of 256": ((SpectrumFeature(kind="mnf"), SpectrumFeature(kind="mdf")), 256, "hann"),
    "mnf, mdf of 400": ((SpectrumFeature(kind="mnf"), SpectrumFeature(kind="mdf")), 400, "hann"),
    "power in 4 bands": ([f for f in every_feature() if f.band_hz], 200, "hann"),
    "all, and power in 4 bands": (every_feature(), 200, "hann"),
}


def write_sources(config: SpectrumConfig, x: np.ndarray, folder: Path) -> int:
    """Write a config and its vectors; give the number of windows."""
    texts = render_spectrum(config, "benchmarks/bench_spectrum.py")
    words = compute_spectrum_words(config, cut_windows(x, config.window, config.hop))
    return write_subject("spectrum", texts, x, words, folder)


def bench_set(name: str, counter: Path | None) -> SpectrumCost:
    """Compile, run and measure one set."""
    features, window, taper = SETS[name]
    config = compile_spectrum(
        features, n_channels=N_CHANNELS, window=window, hop=HOP, rate_hz=RATE_HZ, word_shift=0, taper=taper
    )
    x = bench_words(window + (N_WINDOWS - 1) * HOP, N_CHANNELS)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), write_sources(config, x, Path(folder)), counter)
    return SpectrumCost(name=name, window=window, length=config.length, taper=taper, **vars(found))


def measure_errors(source: Source, folder: Path, taper: Taper) -> list[SpectrumError]:
    """Compare twin and float over a data set, as feature_errors.py does."""
    sections = signal.butter(4, (20.0, source.high_hz), "bandpass", fs=source.rate_hz, output="sos")
    impulse = np.zeros(20_000)
    impulse[0] = 1
    largest = np.abs(signal.sosfilt(sections, impulse)).sum() * source.full_scale
    word_shift = int(np.floor(np.log2((2**15 - 1) / largest)))
    features = [f for f in every_feature() if f.band_hz is None or f.band_hz[1] < source.high_hz]
    errors, bounds = [], []
    for counts in read_signals(source, folder):
        x = cut_windows(signal.sosfilt(sections, counts, axis=0), source.window, source.hop)
        config = compile_spectrum(
            features, n_channels=x.shape[2], window=source.window, hop=source.hop, rate_hz=source.rate_hz,
            word_shift=word_shift, taper=taper,
        )  # fmt: skip
        words = compute_spectrum_words(config, round_to_words(x, word_shift))
        errors.append(np.abs(to_real(config, words) - compute_spectrum_features(config, x)))
        bounds.append(bound_spectrum(config, x))
    error, bound = (
        np.concatenate(found).transpose(1, 0, 2).reshape(len(features), -1) for found in (errors, bounds)
    )
    found = []
    for feature, name, e, b in zip(features, config.names, error, bound, strict=True):
        share = np.divide(e, b, out=np.zeros_like(e), where=b > 0)
        found.append(SpectrumError(
            source.name, name, SPECTRUM_CATALOGUE[feature.kind].unit, taper, e.size, float(np.median(e)),
            float(np.percentile(e, 99)), float(e.max()), float(np.median(b)), float(np.isfinite(b).mean()),
            float(share.max()),
        ))  # fmt: skip
    return found


def render_page(costs: Sequence[SpectrumCost], errors: Sequence[SpectrumError]) -> str:
    """Write docs/spectrum.md: the catalogue, how the integers go, costs and errors."""
    first = costs[0].instructions
    beside_peer = "" if first is None else (
        f" The first line is {first / N_CHANNELS:,.0f} a channel; `arm_rfft_q31` of 256, the transform alone, "
        "takes 19,195."
    )  # fmt: skip
    lines = [
        "# Spectral features", "",
        "Made by `python benchmarks/bench_spectrum.py`. Each is a kind of `[[features]]` in a patch. Beside them stand the "
        "features of `docs/features.md`, under the same laws: "
        "samples are int16 words, device and twin equal to the bit (`tests/core/test_spectrum.py`, "
        "`tests/core/test_spectrum_on_cores.py`), the twin within a bound that `pipeline/myo_pipeline/spectrum_bounds.py` "
        "derives for each window (`tests/pipeline/test_spectrum.py`, `tests/data/test_spectrum_on_emg.py`).", "",
        "`P[k]` is the periodogram's power in bin `k` at `f = k rate / length`, 0 < k < length / 2, of a window of `N` samples "
        "that is tapered (`none`, or `hann`) and filled up with zeros to `length`, a power of two of 64 to 1024: "
        "`2 |sum w x exp(-2 pi j k n / length)|^2 / (length sum w^2)`. Each feature takes a band; without one, all bins.", "",
        "| kind | definition | unit | reference |", "|---|---|---|---|",
    ]  # fmt: skip
    lines += [
        f"| `{kind}` | `{d.formula}` | {d.unit} | {d.reference} |" for kind, d in SPECTRUM_CATALOGUE.items()
    ]
    lines += [
        "", "Two channels are transformed as one complex signal, in 32 bits at a fixed gain: int16 words leave so much room that "
        f"rounding stays below {transform_error(256) / 64:.2f} words in any bin of 256, whatever the input, where half a word in "
        "each of 200 samples makes up to 100. A channel's last bits depend on its partner's signal. Each channel's powers are "
        "then brought to 31 bits.", "",
        "Mean and median are those of all that is in the band. White noise of power `Q` under a signal of power `S` moves the "
        "mean from `m` to `(S m + Q rate / 4) / (S + Q)`: at 10 dB and 2000 Hz from 90 Hz to 127 Hz. Below 10 dB "
        "the mean is not usable.", "",
        "## Cost", "",
        f"A decision of {N_CHANNELS} channels, hop {HOP}: the push of a hop's frames and all words of the window; mps2-an386 "
        f"under QEMU, instructions by m4cost, every word compared.{beside_peer}", "",
        "| features | window | length | taper | instructions | cycles | flash, bytes | RAM, bytes | windows equal |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for r in costs:
        counts = " | ".join("-" if v is None else f"{v:,.0f}" for v in (r.instructions, r.cycles))
        lines.append(
            f"| {r.name} | {r.window} | {r.length} | {r.taper} | {counts} | {r.flash:,} | {r.memory_bytes:,} | "
            f"{r.equal_windows} of {r.n_windows} |"
        )
    for data in dict.fromkeys(e.data for e in errors):
        source = next(s for s in RECORDINGS if s.name == data)
        lines += [
            "", f"## Errors on `{data}`", "",
            f"Windows of {source.window} samples at {source.rate_hz:g} Hz, band-passed from 20 to {source.high_hz:g} Hz in "
            "float64, against float64, in the features' units. The bound is of each window: its median, where it is finite, "
            "and how much of it the worst window uses. The median frequency jumps where bins are nearly empty and a "
            "peak where two are "
            "nearly equal: their bounds are the range of frequencies that the error of the powers leaves open.", "",
            "| feature | taper | median | 99 % | largest | median bound | bounded windows | largest share |",
            "|---|---|---|---|---|---|---|---|",
        ]  # fmt: skip
        for e in (e for e in errors if e.data == data):
            figures = " | ".join(f"{v:.2g}" for v in (e.median, e.percentile_99, e.largest, e.median_bound))
            lines.append(
                f"| `{e.feature}`, {e.unit} | {e.taper} | {figures} | {100 * e.promised_share:.1f} % | "
                f"{e.largest_share_of_bound:.2f} |"
            )
    return "\n".join([*lines, ""])


def main() -> int:
    """Bench the sets, measure the errors, print tables, write the results."""
    begun = begin("bench_spectrum", "Cost and error of spectral features.")
    if begun is None:
        return 2
    out, counter = begun
    costs = tell("spectral features, a decision", (bench_set(name, counter) for name in SETS))
    errors: list[SpectrumError] = []
    print(f"{'errors':54} {'median':>9} {'99 %':>9} {'largest':>9} {'bound':>9} {'of it':>6}")
    for source, folder in find_sources("bench_spectrum"):
        for e in (e for taper in ("none", "hann") for e in measure_errors(source, folder, taper)):  # type: ignore[arg-type]
            errors.append(e)
            figures = " ".join(f"{v:9.2g}" for v in (e.median, e.percentile_99, e.largest, e.median_bound))
            print(
                f"{e.data:16} {e.taper:5} {e.feature:16} {e.unit:14} {figures} {e.largest_share_of_bound:6.2f}"
            )
    write_results(out, "spectrum", costs, errors=[asdict(e) for e in errors])
    PAGE.write_text(render_page(costs, errors))
    return 0 if all(r.equal_windows == r.n_windows for r in costs) else 1


if __name__ == "__main__":
    sys.exit(main())
