"""How far integer features are from float ones on recorded EMG, and docs/features.md with the figures.

usage: python benchmarks/feature_errors.py

The recordings are band-passed in float64 (20 Hz to 450 Hz, or to 95 Hz at 200 Hz), and rounded to words whose scale
holds the filter's largest output for any full-scale input.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from myo_pipeline.feature_bounds import bound_features
from myo_pipeline.feature_config import FeatureConfig
from myo_pipeline.feature_config import compile_features as compile_config
from myo_pipeline.feature_reference import compute_features
from myo_pipeline.feature_twin import compute_words, cut_windows, round_to_words
from myo_pipeline.feature_words import to_real
from myo_pipeline.features import (
    CATALOGUE,
    AmplitudeFeature,
    AutocorrelationFeature,
    CountFeature,
    DescriptorFeature,
    Feature,
    HistogramFeature,
    PredictionFeature,
    ShapeFeature,
)
from myo_training.datasets import list_places

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "features.md"
N_FILES = 6  # of each data set
IMPULSE_SAMPLES = 20_000

IN_A_PATCH = """## In a patch

`[[features]]` in `patch.toml`, one table a feature, with `kind = "mlp"` in `[model]`, make a patch whose network
takes the features of a window instead of the window ([every key](spec.md)); `hidden = []` is one dense layer, which
decides linearly as LDA does. `myopatch new --template features` makes one. LDA itself, QDA, linear support vectors, forests and
boosted trees: [classical.md](classical.md).

Training computes features in float64, takes each one's mean and deviation over the windows of the training persons
and all channels, and gives the network `(feature - mean) / (4 * deviation)`, limited to int8's range. Where
augmentation is on, a gain and a turned armband are applied to the features: sizes follow the gain by their power,
logarithms shift, counts and ratios stay. Features of size are heavy-tailed as EMG is: `log = true` keeps them in
range.

On the device the filtered block is rounded to int16 words and added to the sums of its channel; a window's end gives
the feature words (stage `FEATURES`), `myo_normalize` brings them to the network's int8 input. The words' range is
what the filters can put out at all, so nothing saturates; where the converter has many more bits than the EMG needs
(24 bits), words are coarse: choose `adc_bits` by the range in use.

Spectra ([spectrum.md](spectrum.md)), segments and wavelets ([wavelets.md](wavelets.md)) are kinds of `[[features]]` like
these, each family with a stage of its own on the device; the network takes words family by family, in time first. A
spectral feature may stand once for each band, and all take one `taper`. Bounds hold for words that are off by the
filters' error as well: of linear prediction the lags are then known to within that, and the recursion's roundings are
followed as far as they may grow on any such lags.

### Electrodes together

`ring_correlation` with `reach = n` gives each channel's correlation with the 1 .. n next ones around the arm,
`sum x[c] x[c+k] / sqrt(sum x[c]^2 sum x[c+k]^2)`, n at most half of the channels. Words are kept at the first channel of
a pair, so a band that is turned turns them as it turns the others. Sums are exact, roots keep 30 bits, words are Q30;
`pipeline/myo_pipeline/ring.py` derives the bound. On `myo_readings` it is worth 7 points of persons never seen
([gestures.md](gestures.md)).

`myo_readings`, eight gestures, 6 persons never seen, each window by itself, and the cost on virtual_m4
(front end and features + network):

| network | float, macro accuracy | instructions a decision | flash | static RAM |
|---|---|---|---|---|
| mav, wl (log), zc, ssc, 48 hidden units (the template) | 42.1 % (26.2 to 57.9) | 12,772 + 2,970 | 27,372 B | 24,008 B |
| the same features, `hidden = []` | 41.8 % (29.8 to 53.9) | 12,739 + 1,065 | 23,204 B | 23,896 B |
| CNN on the window (template gestures) | 44.2 % | 16,151 + 236,520 | 46,584 B | 24,896 B |
"""


@dataclass(frozen=True)
class Source:
    """A data set, how it was recorded, and the windows that are taken of it."""

    name: str
    rate_hz: float
    high_hz: float
    full_scale: float  # counts
    window: int
    hop: int
    threshold: float  # counts


SOURCES = (
    Source("elderly_emg_dyn", 2000.0, 450.0, 2048.0, 400, 100, 2.0),
    Source("myo_readings", 200.0, 95.0, 128.0, 50, 10, 2.0),
)


def find_folder(name: str) -> Path | None:
    """Folder of a data set, None where it is not here."""
    return next((place / name for place in list_places() if (place / name).is_dir()), None)


def find_sources(bench: str) -> Iterator[tuple[Source, Path]]:
    """Yield the sources that are here, with their folders; say in a bench's name which are not."""
    for source in SOURCES:
        folder = find_folder(source.name)
        if folder is None:
            print(f"{bench}: {source.name} is not here, left out")
        else:
            yield source, folder


def read_signals(source: Source, folder: Path) -> Iterator[NDArray[np.float64]]:
    """Read recordings in counts, (n_samples, n_channels)."""
    for path in sorted(folder.glob("*.npz"))[:N_FILES]:
        with np.load(path) as archive:
            if source.name == "elderly_emg_dyn":
                yield archive["EMG_VL"][:, :3].astype(np.float64) / 10  # the fourth trial is noise of a count
            else:
                yield archive["s1_g7_emg"][:6000].astype(np.float64)


def bench_features(threshold: float, reach: float) -> list[Feature]:
    """Every feature of the catalogue."""
    found: list[Feature] = []
    for kind in CATALOGUE:
        if kind in ("zc", "ssc", "wamp"):
            found.append(CountFeature(kind=kind, threshold=threshold))  # type: ignore[arg-type]
        elif kind == "autocorrelation":
            found.append(AutocorrelationFeature(kind="autocorrelation", lags=4))
        elif kind in ("ar", "cepstrum"):
            found.append(PredictionFeature(kind=kind, order=4))  # type: ignore[arg-type]
        elif kind in ("tdpsd_sizes", "tdpsd_shapes"):
            found.append(DescriptorFeature(kind=kind))  # type: ignore[arg-type]
        elif kind == "histogram":
            found.append(HistogramFeature(kind="histogram", bins=9, range=reach))
        elif kind in ("log_detector", "tm3", "tm4", "tkeo", "mobility", "complexity", "skewness", "kurtosis"):
            found.append(ShapeFeature(kind=kind))  # type: ignore[arg-type]
        else:
            found.append(AmplitudeFeature(kind=kind))  # type: ignore[arg-type]
    return found


@dataclass(frozen=True)
class Measured:
    """Over all windows and channels of a data set, per component: relative errors, and the largest share of the bound."""

    config: FeatureConfig
    n_windows: int
    median: NDArray[np.float64]
    worst: NDArray[np.float64]
    share: NDArray[np.float64]


def measure(source: Source, folder: Path) -> Measured:
    """Compare twin and float over a data set."""
    sections = signal.butter(4, (20.0, source.high_hz), "bandpass", fs=source.rate_hz, output="sos")
    impulse = np.zeros(IMPULSE_SAMPLES)
    impulse[0] = 1
    largest = np.abs(signal.sosfilt(sections, impulse)).sum() * source.full_scale
    word_shift = int(np.floor(np.log2((2**15 - 1) / largest)))
    errors, reals, bounds = [], [], []
    for counts in read_signals(source, folder):
        x = cut_windows(signal.sosfilt(sections, counts, axis=0), source.window, source.hop)
        config = compile_config(
            bench_features(source.threshold, source.full_scale / 8),
            n_channels=x.shape[2], window=source.window, hop=source.hop, word_shift=word_shift,
        )  # fmt: skip
        words = compute_words(config, round_to_words(x, word_shift))
        reals.append(compute_features(config, x))
        errors.append(np.abs(to_real(config, words) - reals[-1]))
        bounds.append(bound_features(config, x))
    error, real, bound = (np.concatenate(found).transpose(1, 0, 2) for found in (errors, reals, bounds))
    flat = (len(error), -1)
    # Relative to the feature's usual size, so that a window where it is 0 does not count for infinity.
    relative = (error / np.median(np.abs(real), axis=(1, 2), keepdims=True).clip(1e-12)).reshape(flat)
    is_count = np.array([row.spec.kind in ("zc", "ssc", "wamp", "histogram") for row in config.rows
                         for _ in range(row.n_components)])  # fmt: skip
    relative[is_count] = error.reshape(flat)[is_count]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.nan_to_num(error / bound, nan=0.0).reshape(flat).max(axis=1)
    return Measured(
        config, len(reals[0]) * len(reals), np.median(relative, axis=1), relative.max(axis=1), share
    )


def _percent(value: float) -> str:
    return "0" if value == 0 else f"{100 * value:.2g} %"


def render_page(found: dict[str, Measured]) -> str:
    """Write docs/features.md: the catalogue, and the figures of each data set."""
    bar = "\\|"
    out = [
        "# Features", "",
        "Made by `python benchmarks/feature_errors.py`. `x` are the filtered samples of one channel over a window of `N`, "
        "numbered from 1, `d[i] = x[i] - x[i-1]`. The sign of 0 counts as positive.", "",
        "A patch computes features in integers: samples are int16 words, `count = word * 2^-word_shift` with a shift that "
        "the front end's proven range allows; sums over a window are exact; the last step rounds to an int32 word with "
        "`real = word * scale + offset`. Device and twin are equal to the bit "
        "(`tests/core/test_features.py`, `tests/core/test_features_on_cores.py`), and the twin stays within a bound that "
        "`pipeline/myo_pipeline/feature_bounds.py` derives for each window (`tests/pipeline/test_features.py`, "
        "`tests/data/test_features_on_emg.py`).", "",
        "## Catalogue", "", "| kind | definition | unit | reference |", "|---|---|---|---|",
    ]  # fmt: skip
    out += [
        f"| `{kind}` | `{d.formula.replace('|', bar)}` | {d.unit} | {d.reference.replace('|', bar)} |"
        for kind, d in CATALOGUE.items()
    ]
    out += ["", "Amplitudes take `log = true` for their log2; `zc`, `ssc` and `wamp` take `threshold` in counts; "
            "`autocorrelation` takes `lags`; `ar` and `cepstrum` take `order`, "
            "here 4; `histogram` takes `bins` and `range` in counts.", "",
            "The words of `log_detector` depend on the hop by their last rounding: logarithms are taken of the product of two "
            "samples, and pairs begin with each block of a hop. Spectral features: "
            "`docs/spectrum.md`; wavelets and segments: `docs/wavelets.md`.", ""]  # fmt: skip
    out += [IN_A_PATCH]
    for name, m in found.items():
        source = next(s for s in SOURCES if s.name == name)
        out += [
            f"## Errors on `{name}`", "",
            f"{m.n_windows} windows of {source.window} samples at {source.rate_hz:g} Hz, hop {source.hop}, "
            f"{m.config.n_channels} channels, band-passed from 20 to {source.high_hz:g} Hz in float64; words of "
            f"2^{-m.config.word_shift} counts, thresholds {source.threshold:g} counts. "
            "Errors are relative to the feature's median size over all windows, those of counts are in events. The last column "
            "is the largest error as a share of its bound.",
            "", "| feature | median error | largest error | of the bound |", "|---|---|---|---|",
        ]  # fmt: skip
        kinds = [row.spec.kind for row in m.config.rows for _ in range(row.n_components)]
        for kind in CATALOGUE:
            at = [k for k, other in enumerate(kinds) if other == kind]
            is_count = kind in ("zc", "ssc", "wamp", "histogram")
            median, worst = m.median[at].max(), m.worst[at].max()
            cells = (f"{median:g}", f"{worst:g}") if is_count else (_percent(median), _percent(worst))
            out.append(f"| `{kind}` | {cells[0]} | {cells[1]} | {m.share[at].max():.2f} |")
        out.append("")
    return "\n".join(out)


def main() -> int:
    """Measure what is here and write the page."""
    found = {}
    for source in SOURCES:
        folder = find_folder(source.name)
        if folder is None:
            print(
                f"feature_errors: {source.name} is not here (set $MYOPATCH_DATA); {PAGE.name} stays as it is"
            )
            return 2
        found[source.name] = measure(source, folder)
        print(
            f"{source.name}: {found[source.name].n_windows} windows, "
            f"largest share of a bound {found[source.name].share.max():.2f}"
        )
    PAGE.write_text(render_page(found))
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
