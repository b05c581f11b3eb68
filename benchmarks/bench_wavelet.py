"""Cost of wavelet energies and of segments on a Cortex-M4F, their errors on recorded EMG, and docs/wavelets.md with both.

usage: python benchmarks/bench_wavelet.py [--out FILE]

As bench_spectrum.py: 8 channels, every word against the integer twin's under QEMU, instructions by m4cost; the errors
against float64 are those of the recordings that feature_errors.py takes.
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
from bench_network import MACHINE
from feature_errors import SOURCES as RECORDINGS
from feature_errors import Source, find_sources, read_signals
from myo_export.emit_feature_set import list_feature_headers, render_feature_set
from myo_export.feature_cost import predict_part_instructions
from myo_pipeline.feature_set import FeatureSet, WindowFeature, compile_feature_set
from myo_pipeline.feature_twin import cut_windows, round_to_words
from myo_pipeline.feature_windows import bound_set, compute_set, compute_set_words
from myo_pipeline.feature_words import to_real
from myo_pipeline.stft import FORMULA, REFERENCE, UNIT, StftFeature
from myo_pipeline.wavelet import WAVELET_CATALOGUE, PacketFeature, WaveletConfig, WaveletFeature
from window_image import (
    MAIN,
    N_CHANNELS,
    N_WINDOWS,
    SOURCES,
    Measured,
    begin,
    bench_words,
    link_image,
    measure_image,
    tell,
    write_results,
    write_vectors,
)

PAGE = Path(__file__).resolve().parents[1] / "docs" / "wavelets.md"
RATE_HZ, WINDOW = 1000.0, 200
BANDS_HZ = ((20.0, 60.0), (60.0, 120.0), (120.0, 250.0), (250.0, 450.0))
DB4, PACKETS = WaveletFeature(kind="wavelet_energy"), PacketFeature(kind="packet_energy")
SEGMENTS = StftFeature(kind="stft_power", segment_ms=100.0, bands_hz=BANDS_HZ)

#: Feature and hop of each set.
SETS: dict[str, tuple[WindowFeature, int]] = {
    "wavelet_energy, db4, 4 levels": (DB4, 50),
    "the same, hop 48": (DB4, 48),
    "the same, hop 64": (DB4, 64),
    "the same, windows apart (hop 200)": (DB4, 200),
    "wavelet_energy, db2, 3 levels": (WaveletFeature(kind="wavelet_energy", wavelet="db2", levels=3), 50),
    "wavelet_energy, db1, 4 levels": (WaveletFeature(kind="wavelet_energy", wavelet="db1", levels=4), 50),
    "packet_energy, db4, 3 levels": (PACKETS, 50),
    "the same, hop 48 ": (PACKETS, 48),
    "packet_energy, db2, 4 levels": (PacketFeature(kind="packet_energy", wavelet="db2", levels=4), 50),
    "stft_power, 3 segments of 100, 4 bands": (SEGMENTS, 50),
    "stft_power, 5 segments of 100, 4 bands": (SEGMENTS.model_copy(update={"step_ms": 25.0}), 50),
}


@dataclass(frozen=True, kw_only=True)
class PartCost(Measured):
    """One set's figures a decision."""

    name: str
    kind: str
    hop: int
    n_components: int
    updated_levels: int | None
    predicted: float


@dataclass(frozen=True)
class PartError:
    """One feature's errors against float64 over a data set, in its unit."""

    data: str
    feature: str
    unit: str
    n_windows: int
    median: float
    percentile_99: float
    largest: float
    median_bound: float
    promised_share: float
    largest_share_of_bound: float


def bench_config(feature: WindowFeature, hop: int, n_channels: int = N_CHANNELS) -> FeatureSet:
    """Compile one feature for the bench's window and rate."""
    return compile_feature_set(
        [feature], n_channels=n_channels, window=WINDOW, hop=hop, rate_hz=RATE_HZ, word_shift=0
    )


def write_sources(config: FeatureSet, x: np.ndarray, folder: Path) -> int:
    """Write a config of one family and its vectors; give the number of windows."""
    for name, text in render_feature_set(config, "benchmarks/bench_wavelet.py").items():
        (folder / name).write_text(text)
    (header,) = list_feature_headers(config)
    name = header.removesuffix("_config.h")
    family = "wavelet" if name == "packet" else name
    sizes = ("MEMORY_WORDS", "WINDOW", "HOP", "N_CHANNELS")
    (folder / "subject.h").write_text(
        f'#include "{header}"\ntypedef myo_{family}_t subject_t;\n#define subject_config {name}_config\n'
        + "".join(f"#define SUBJECT_{size} {name.upper()}_{size}\n" for size in sizes)
        + "".join(f"#define subject_{do} myo_{family}_{do}\n" for do in ("init", "push", "memory_words"))
    )
    return write_vectors(x, compute_set_words(config, cut_windows(x, config.window, config.hop)), folder)


def build_image(folder: Path, machine: str = MACHINE) -> Path:
    """Compile what :func:`write_sources` wrote to an image for a machine."""
    return link_image([*SOURCES, *sorted(folder.glob("*_config.c")), MAIN], folder, machine)


def bench_set(name: str, counter: Path | None) -> PartCost:
    """Compile, run and measure one set."""
    feature, hop = SETS[name]
    config = bench_config(feature, hop)
    x = bench_words(WINDOW + (N_WINDOWS - 1) * hop, N_CHANNELS)
    with tempfile.TemporaryDirectory() as folder:
        n_windows = write_sources(config, x, Path(folder))
        found = measure_image(build_image(Path(folder)), n_windows, counter)
    (part,) = config.parts
    updated = part.n_updated if isinstance(part, WaveletConfig) else None
    predicted = round(predict_part_instructions(part))
    return PartCost(
        name=name.strip(), kind=feature.kind, hop=hop, n_components=config.n_components, updated_levels=updated,
        predicted=predicted, **vars(found),
    )  # fmt: skip


def features_for(source: Source) -> list[WindowFeature]:
    """Features that fit a recording's window and band."""
    bands = tuple(band for band in BANDS_HZ if band[1] < source.high_hz)
    half_ms = 1000 * (source.window // 2) / source.rate_hz
    is_short = source.window < 100
    return [
        StftFeature(kind="stft_power", segment_ms=half_ms, bands_hz=bands),
        WaveletFeature(kind="wavelet_energy", wavelet="db2" if is_short else "db4", levels=3 if is_short else 4),
        PacketFeature(kind="packet_energy", wavelet="db2" if is_short else "db4", levels=2 if is_short else 3),
    ]  # fmt: skip


def measure_errors(source: Source, folder: Path) -> list[PartError]:
    """Compare twin and float over a data set, as feature_errors.py does."""
    sections = signal.butter(4, (20.0, source.high_hz), "bandpass", fs=source.rate_hz, output="sos")
    impulse = np.zeros(20_000)
    impulse[0] = 1
    largest = np.abs(signal.sosfilt(sections, impulse)).sum() * source.full_scale
    word_shift = int(np.floor(np.log2((2**15 - 1) / largest)))
    errors, bounds = [], []
    for counts in read_signals(source, folder):
        x = cut_windows(signal.sosfilt(sections, counts, axis=0), source.window, source.hop)
        config = compile_feature_set(
            features_for(source), n_channels=x.shape[2], window=source.window, hop=source.hop,
            rate_hz=source.rate_hz, word_shift=word_shift,
        )  # fmt: skip
        words = compute_set_words(config, round_to_words(x, word_shift))
        errors.append(np.abs(to_real(config, words) - compute_set(config, x)))
        bounds.append(bound_set(config, x))
    n = config.n_components
    error, bound = (np.concatenate(v).transpose(1, 0, 2).reshape(n, -1) for v in (errors, bounds))
    found = []
    for component, e, b in zip(config.components, error, bound, strict=True):
        share = np.divide(e, b, out=np.zeros_like(e), where=b > 0)
        found.append(PartError(
            source.name, component.name, component.unit, e.size, float(np.median(e)), float(np.percentile(e, 99)),
            float(e.max()), float(np.median(b)), float(np.isfinite(b).mean()), float(share.max()),
        ))  # fmt: skip
    return found


def render_page(costs: Sequence[PartCost], errors: Sequence[PartError]) -> str:
    """Write docs/wavelets.md: the catalogue, how the integers go, costs and errors."""
    lines = [
        "# Wavelets and segments", "",
        "Made by `python benchmarks/bench_wavelet.py`. Beside them stand the features of `docs/features.md` and "
        "`docs/spectrum.md`, under the same laws: samples are int16 words, device and twin equal to the bit "
        "(`tests/core/test_wavelet.py`, `tests/core/test_stft.py`, `tests/core/test_parts_on_cores.py`), the twin within a bound "
        "derived for each window (`tests/pipeline/test_wavelet.py`, `tests/pipeline/test_stft.py`, "
        "`tests/data/test_wavelets_on_emg.py`).", "",
        "| kind | definition | unit | reference |", "|---|---|---|---|",
        *(f"| `{kind}` | `{d.formula}` | {d.unit} | {d.reference} |" for kind, d in WAVELET_CATALOGUE.items()),
        f"| `stft_power` | `{FORMULA}` | {UNIT} | {REFERENCE} |", "",
        "Wavelets are Daubechies' of least phase, `db1` (Haar) to `db8`, designed here and equal to PyWavelets' to "
        "1e-14. Only coefficients whose samples all lie in the window count: no boundary is made up, energies of "
        "all halves add up to the signal's power on average, and a long wavelet at many levels needs a long window "
        "(`db4` at 4 levels 112 frames), which the spec is checked for. Packets stand in the order of their "
        "frequencies. On the device a coefficient is 32 bits, with so many bits below a word that no sum of "
        "squares of a whole window reaches 2^62, whatever the signal; sums are exact.", "",
        "## What slides", "",
        "Coefficients of level j stand at every 2^j-th sample of the window. Where the hop is a multiple of 2^j, they are those "
        "of the window before, moved: a patch computes only the hop's, and keeps exact sums of squares of each hop. Other levels "
        "are computed anew for each window. Both give the same words (`test_what_is_updated_equals_what_is_computed_anew`). "
        "A hop that is a multiple of 2^levels costs least. Segments end with the window and before it at steps that divide "
        "the hop: each is transformed once.", "",
        "## Cost", "",
        f"A decision of {N_CHANNELS} channels, windows of {WINDOW} frames at {RATE_HZ:g} Hz: the push of a hop's frames and all "
        "words of the window; mps2-an386 under QEMU, instructions by m4cost, every word compared. `predicted` is what the "
        "report of a bundle says.", "",
        "| feature | hop | words a channel | levels updated | instructions | cycles | predicted | flash, bytes | RAM, bytes | "
        "windows equal |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for r in costs:
        counts = " | ".join("-" if v is None else f"{v:,.0f}" for v in (r.instructions, r.cycles))
        updated = "all" if r.updated_levels is None else str(r.updated_levels)
        lines.append(
            f"| {r.name} | {r.hop} | {r.n_components} | {updated} | {counts} | {r.predicted:,.0f} | {r.flash:,} | "
            f"{r.memory_bytes:,} | {r.equal_windows} of {r.n_windows} |"
        )
    for data in dict.fromkeys(e.data for e in errors):
        source = next(s for s in RECORDINGS if s.name == data)
        lines += [
            "", f"## Errors on `{data}`", "",
            f"Windows of {source.window} samples at {source.rate_hz:g} Hz, band-passed from 20 to {source.high_hz:g} Hz in "
            "float64, against float64, in base-2 logarithms. The bound is of each window: its median, where it is finite, and "
            "how much of it the worst window uses.", "",
            "| feature | median | 99 % | largest | median bound | bounded windows | largest share |",
            "|---|---|---|---|---|---|---|",
        ]  # fmt: skip
        for e in (e for e in errors if e.data == data):
            figures = " | ".join(f"{v:.2g}" for v in (e.median, e.percentile_99, e.largest, e.median_bound))
            lines.append(
                f"| `{e.feature}` | {figures} | {100 * e.promised_share:.1f} % | {e.largest_share_of_bound:.2f} |"
            )
    return "\n".join([*lines, ""])


def main() -> int:
    """Bench the sets, measure the errors, print tables, write the results."""
    begun = begin("bench_wavelet", "Cost and error of wavelet energies and segments.")
    if begun is None:
        return 2
    out, counter = begun
    costs = tell("wavelets and segments, a decision", (bench_set(name, counter) for name in SETS))
    errors: list[PartError] = []
    print(f"{'errors':46} {'median':>9} {'99 %':>9} {'largest':>9} {'bound':>9} {'of it':>6}")
    for source, folder in find_sources("bench_wavelet"):
        for e in measure_errors(source, folder):
            errors.append(e)
            figures = " ".join(f"{v:9.2g}" for v in (e.median, e.percentile_99, e.largest, e.median_bound))
            print(f"{e.data:16} {e.feature:29} {figures} {e.largest_share_of_bound:6.2f}")
    write_results(out, "wavelets", costs, window=WINDOW, rate_hz=RATE_HZ, errors=[asdict(e) for e in errors])
    PAGE.write_text(render_page(costs, errors))
    return 0 if all(r.equal_windows == r.n_windows for r in costs) else 1


if __name__ == "__main__":
    sys.exit(main())
