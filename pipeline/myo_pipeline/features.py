"""The catalogue of time-domain EMG features, their keys in the spec, and the integers that a patch computes them with.

A feature is a *value*, an exact integer made from a window's words ``x`` (int16, ``count = x * 2^-word_shift``), and a
*transform* of it into an int32 word. ``real = word * scale + offset`` gives the definition's unit. Float definitions are in
``feature_reference``, the integer twin in ``feature_twin``, bounds between the two in ``feature_bounds``, the C in
``firmware/core/features``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from myo_pipeline import power_descriptors
from myo_pipeline.errors import SpecError
from myo_pipeline.feature_words import Component
from myo_pipeline.prediction import MAX_ORDER, coefficient_bits

FULL_SCALE = 1 << 15  # largest magnitude of a word
MAX_LAGS, MAX_BINS = 16, 32


class Sum(IntFlag):
    """What is summed over a block, as ``MYO_SUM_`` in the firmware."""

    ABS = 1 << 0
    RAMP = 1 << 1
    X = 1 << 2
    SQUARE = 1 << 3
    CUBE = 1 << 4
    FOURTH = 1 << 5
    LOG = 1 << 6
    WL = 1 << 7
    ZC = 1 << 8
    SSC = 1 << 9
    WAMP = 1 << 10
    LAGS = 1 << 11
    BINS = 1 << 12
    BEND = 1 << 13


class Value(IntEnum):
    """What a feature is before its transform, each the ``myo_feature_`` of that name in the firmware."""

    ABS = 0
    MAV1 = 1
    MAV2 = 2
    SQUARE = 3
    VARIANCE = 4
    CUBE = 5
    FOURTH = 6
    LOG = 7
    WL = 8
    STEP = 9
    TKEO = 10
    ZC = 11
    SSC = 12
    WAMP = 13
    MOBILITY = 14
    COMPLEXITY = 15
    SKEWNESS = 16
    KURTOSIS = 17
    LAGS = 18
    BINS = 19
    AR = 20
    CEPSTRUM = 21
    SIZES = 22
    SHAPES = 23


class Transform(IntEnum):
    """From a value to a word, as ``myo_feature_transform_t`` in the firmware."""

    LINEAR = 0
    SQRT = 1
    LOG2 = 2


NEEDS: Final[dict[Value, Sum]] = {
    Value.ABS: Sum.ABS,
    Value.MAV1: Sum.ABS,
    Value.MAV2: Sum.ABS | Sum.RAMP,
    Value.SQUARE: Sum.SQUARE,
    Value.VARIANCE: Sum.SQUARE | Sum.X,
    Value.CUBE: Sum.CUBE,
    Value.FOURTH: Sum.FOURTH,
    Value.LOG: Sum.LOG,
    Value.WL: Sum.WL,
    Value.STEP: Sum.SQUARE | Sum.LAGS,
    Value.TKEO: Sum.SQUARE | Sum.LAGS,
    Value.ZC: Sum.ZC,
    Value.SSC: Sum.SSC,
    Value.WAMP: Sum.WAMP,
    Value.MOBILITY: Sum.SQUARE | Sum.LAGS,
    Value.COMPLEXITY: Sum.SQUARE | Sum.LAGS,
    Value.SKEWNESS: Sum.SQUARE | Sum.X | Sum.CUBE,
    Value.KURTOSIS: Sum.SQUARE | Sum.X | Sum.CUBE | Sum.FOURTH,
    Value.LAGS: Sum.SQUARE | Sum.LAGS,
    Value.BINS: Sum.BINS,
    Value.AR: Sum.SQUARE | Sum.LAGS,
    Value.CEPSTRUM: Sum.SQUARE | Sum.LAGS,
    Value.SIZES: Sum.SQUARE | Sum.LAGS,
    Value.SHAPES: Sum.SQUARE | Sum.LAGS | Sum.WL | Sum.BEND,
}  # fmt: skip


#: Lags that a value needs; AR and CEPSTRUM need their order.
LAGS_OF: Final[dict[Value, int]] = {
    Value.STEP: 1, Value.MOBILITY: 1, Value.TKEO: 2, Value.COMPLEXITY: 2, Value.SIZES: 2, Value.SHAPES: 2,
}  # fmt: skip


class _Feature(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AmplitudeFeature(_Feature):
    """A feature of size, in counts or a power of them."""

    kind: Literal[
        "iemg",
        "mav",
        "mav1",
        "mav2",
        "rms",
        "ssi",
        "variance",
        "activity",
        "wl",
        "aac",
        "dasdv",
    ]
    log: bool = Field(default=False, description="give log2 of the feature, no lower than that of one word")


class ShapeFeature(_Feature):
    """A feature without parameters."""

    kind: Literal["log_detector", "tm3", "tm4", "tkeo", "mobility", "complexity", "skewness", "kurtosis"]


class CountFeature(_Feature):
    """A count of events, each of which must reach a threshold."""

    kind: Literal["zc", "ssc", "wamp"]
    threshold: float = Field(
        default=0.0, ge=0, description="step between two samples, in counts, that an event needs"
    )


class AutocorrelationFeature(_Feature):
    """Autocorrelation at lags 1 .. n, over that at lag 0."""

    kind: Literal["autocorrelation"]
    lags: int = Field(default=4, ge=1, le=MAX_LAGS, description="lags, in samples: 1 .. n")


class HistogramFeature(_Feature):
    """Samples in each of n bins of one width; the outer bins hold what lies beyond."""

    kind: Literal["histogram"]
    bins: int = Field(default=9, ge=2, le=MAX_BINS, description="bins")
    range: float = Field(gt=0, description="counts; the bins divide -range .. range")


class PredictionFeature(_Feature):
    """Coefficients of linear prediction, or of its cepstrum."""

    kind: Literal["ar", "cepstrum"]
    order: int = Field(default=4, ge=1, le=MAX_ORDER, description="coefficients: 1 .. n; one for both kinds")


class DescriptorFeature(_Feature):
    """Time-domain power spectral descriptors, three of them."""

    kind: Literal["tdpsd_sizes", "tdpsd_shapes"]


TimeFeature = (
    AmplitudeFeature
    | ShapeFeature
    | CountFeature
    | AutocorrelationFeature
    | HistogramFeature
    | PredictionFeature
    | DescriptorFeature
)
Feature = Annotated[TimeFeature, Field(discriminator="kind")]

#: Table of each kind, for messages and the page of the spec.
FEATURE_TABLES: Final[dict[str, type[BaseModel]]] = {
    str(kind): table
    for table in (
        AmplitudeFeature,
        ShapeFeature,
        CountFeature,
        AutocorrelationFeature,
        HistogramFeature,
        PredictionFeature,
        DescriptorFeature,
    )
    for kind in get_args(table.model_fields["kind"].annotation)
}


@dataclass(frozen=True)
class Definition:
    """A feature of the catalogue.

    Attributes
    ----------
    formula
        Over one window ``x[1] .. x[N]`` of one channel, ``d[i] = x[i] - x[i-1]``.
    unit
        Of the real value; counts are the sensor's.
    reference
        Where the formula is from, and how ours differs where it does.
    value, power
        The real value is ``(value * factor) ** power``.
    """

    formula: str
    unit: str
    reference: str
    value: Value
    power: float = 1.0


PHINYOMARK = "Phinyomark et al. 2012, Expert Syst. Appl. 39(8), doi:10.1016/j.eswa.2012.01.102"
HUDGINS = "Hudgins et al. 1993, IEEE Trans. Biomed. Eng. 40(1), doi:10.1109/10.204774"
HJORTH = "Hjorth 1970, Electroencephalogr. Clin. Neurophysiol. 29(3), doi:10.1016/0013-4694(70)90143-4"
KAISER = "Kaiser 1990, ICASSP, doi:10.1109/ICASSP.1990.115702"
JOANES = "Joanes and Gill 1998, The Statistician 47(1), doi:10.1111/1467-9884.00122"
ZARDOSHTI = "Zardoshti-Kermani et al. 1995, IEEE Trans. Rehabil. Eng. 3(4), doi:10.1109/86.481972"
MAKHOUL = "Makhoul 1975, Proc. IEEE 63(4), doi:10.1109/PROC.1975.9792"
ATAL = "Atal 1974, J. Acoust. Soc. Am. 55(6), doi:10.1121/1.1914702"
TIMEMY = ("Al-Timemy et al. 2016, IEEE Trans. Neural Syst. Rehabil. Eng. 24(6), doi:10.1109/TNSRE.2015.2445634; "
          "root means for all moments, without the comparison with ln x^2")  # fmt: skip
BOX = "Box and Jenkins, Time Series Analysis, 2.1.5, without subtraction of the mean"

CATALOGUE: Final[dict[str, Definition]] = {
    "iemg": Definition("sum |x|", "counts", PHINYOMARK, Value.ABS),
    "mav": Definition("1/N sum |x|", "counts", HUDGINS, Value.ABS),
    "mav1": Definition("1/N sum w |x|, w = 1 for N/4 <= i <= 3N/4, else 1/2", "counts", PHINYOMARK, Value.MAV1),
    "mav2": Definition("1/N sum w |x|, w = 1 for N/4 <= i <= 3N/4, 4i/N before, 4(N-i)/N after", "counts",
                       PHINYOMARK + "; its printed weights 4(i-N)/N are negative, we take their size", Value.MAV2),
    "ssi": Definition("sum x^2", "counts^2", PHINYOMARK, Value.SQUARE),
    "rms": Definition("sqrt(1/N sum x^2)", "counts", PHINYOMARK, Value.SQUARE, 0.5),
    "variance": Definition("1/(N-1) sum (x - mean)^2", "counts^2",
                           PHINYOMARK + "; it takes the mean to be 0, we subtract it", Value.VARIANCE),
    "tm3": Definition("log2 |1/N sum x^3|", "log2 counts^3", PHINYOMARK + "; log2 of it, which keeps its range", Value.CUBE),
    "tm4": Definition("log2 (1/N sum x^4)", "log2 counts^4", PHINYOMARK + "; log2 of it, which keeps its range", Value.FOURTH),
    "log_detector": Definition("1/N sum log2(|x| + one word)", "log2 counts",
                               PHINYOMARK + "; log2 of it, and it adds nothing to |x|", Value.LOG),
    "wl": Definition("sum |d|", "counts", HUDGINS, Value.WL),
    "aac": Definition("1/N sum |d|", "counts", PHINYOMARK, Value.WL),
    "dasdv": Definition("sqrt(1/(N-1) sum d^2)", "counts", PHINYOMARK, Value.STEP, 0.5),
    "tkeo": Definition("1/(N-2) sum (x[i]^2 - x[i-1] x[i+1])", "counts^2", KAISER + "; its mean", Value.TKEO),
    "zc": Definition("pairs with sgn x[i] != sgn x[i-1] and |d[i]| >= threshold; sgn 0 = +", "count",
                     HUDGINS + "; it loses a crossing that lands on 0", Value.ZC),
    "ssc": Definition("triples with sgn d[i] != sgn d[i-1] and max(|d[i]|, |d[i-1]|) >= threshold; sgn 0 = +", "count",
                      HUDGINS + "; it loses a turn with two equal samples", Value.SSC),
    "wamp": Definition("pairs with |d| >= threshold", "count", PHINYOMARK, Value.WAMP),
    "activity": Definition("m0 = 1/N sum x^2", "counts^2", HJORTH + "; powers, not variances", Value.SQUARE),
    "mobility": Definition("sqrt(m2/m0), m2 = 1/(N-1) sum d^2", "1", HJORTH + "; as activity", Value.MOBILITY),
    "complexity": Definition("sqrt(m4/m2) / sqrt(m2/m0), m4 = 1/(N-2) sum (d[i] - d[i-1])^2", "1",
                             HJORTH + "; as activity", Value.COMPLEXITY),
    "skewness": Definition("1/N sum (x - mean)^3 / (1/N sum (x - mean)^2)^1.5", "1", JOANES + ", g1", Value.SKEWNESS),
    "kurtosis": Definition("1/N sum (x - mean)^4 / (1/N sum (x - mean)^2)^2", "1", JOANES + ", g2 + 3", Value.KURTOSIS),
    "autocorrelation": Definition("sum x[i] x[i-lag] / sum x^2", "1", BOX, Value.LAGS),
    "ar": Definition("a[1] .. a[n] of least sum (x[i] - sum a[k] x[i-k])^2, x = 0 beyond the window", "1", MAKHOUL,
                     Value.AR),
    "cepstrum": Definition("c[n] = a[n] + sum l/n c[l] a[n-l], a of ar", "1", ATAL, Value.CEPSTRUM),
    "tdpsd_sizes": Definition("ln m0, ln |m0 - m2|, ln |m0 - m4|; m = 10 r^0.1, r the root mean squares of x, d and d's d",
                              "ln counts^0.1", TIMEMY, Value.SIZES),
    "tdpsd_shapes": Definition("ln (m0 / sqrt(|m0 - m2| |m0 - m4|)), ln (m2 / sqrt(m0 m4)), "
                               "ln (sum |d| / sum |d[i] - d[i-1]|)", "1", TIMEMY, Value.SHAPES),
    "histogram": Definition("samples in each bin of width 2 range / bins from -range", "count", ZARDOSHTI, Value.BINS),
}  # fmt: skip


@dataclass(frozen=True)
class FeatureRow:
    """One feature as a patch computes it.

    Attributes
    ----------
    spec
        The entry of the spec.
    value, transform, shift
        As in the firmware's ``myo_feature_t``.
    n_components
        Words a channel.
    scale, offset
        ``real = word * scale + offset``.
    """

    spec: Feature
    value: Value
    transform: Transform
    shift: int
    n_components: int
    scale: float
    offset: float


@dataclass(frozen=True)
class FeatureConfig:
    """All integers that decide what features a patch computes; ``myo_features_config_t`` in the firmware.

    Attributes
    ----------
    word_shift
        ``count = word * 2^-word_shift``; negative where words are coarser than counts.
    block_lengths
        Frames of each block of a hop.
    n_blocks, first_middle_block, end_middle_block
        Blocks of a window, of its first quarter, and before its last.
    order
        Of linear prediction, 0 without it.
    thresholds
        Of ZC, SSC and WAMP, in words, 0 where the feature is absent.
    """

    n_channels: int
    window: int
    hop: int
    word_shift: int
    rows: tuple[FeatureRow, ...]
    needs: Sum
    n_lags: int
    order: int
    n_bins: int
    bin_range: int
    bin_multiplier: int
    bin_shift: int
    thresholds: tuple[int, int, int]
    block_lengths: tuple[int, ...]
    n_blocks: int
    first_middle_block: int
    end_middle_block: int

    @property
    def n_components(self) -> int:
        """Words a channel, of all features."""
        return sum(row.n_components for row in self.rows)

    @property
    def sums_words(self) -> int:
        """32-bit words of one channel's sums over one block."""
        double = Sum.RAMP | Sum.SQUARE | Sum.CUBE
        sizes = {Sum.FOURTH: 4, Sum.LOG: 3, Sum.LAGS: 2 * self.n_lags, Sum.BINS: self.n_bins}
        return sum(sizes.get(bit, 2 if bit in double else 1) for bit in Sum if bit in self.needs)

    @property
    def memory_words(self) -> int:
        """32-bit words of state on the device, ``myo_features_memory_words`` in the firmware."""
        reach = max(self.n_lags, 2 if self.needs & (Sum.SSC | Sum.BEND) else 1)
        n_starts = -(-self.window // self.hop)
        partials = self.n_blocks * self.n_channels * self.sums_words
        return partials + ((n_starts + 1) * 2 * reach * self.n_channels + 1) // 2

    @property
    def components(self) -> list[Component]:
        """Each word of a channel."""
        found = []
        for row in self.rows:
            kind, unit = row.spec.kind, CATALOGUE[row.spec.kind].unit
            is_log = row.transform is Transform.LOG2 or unit.startswith("log2")
            for k in range(row.n_components):
                name = kind if row.n_components == 1 else f"{kind}[{k}]"
                found.append(Component(name, unit, is_log, row.scale, row.offset))
        return found

    @property
    def names(self) -> list[str]:
        """Name of each component."""
        return [component.name for component in self.components]


def quarters(window: int) -> tuple[int, int]:
    """Give the samples before, and up to the end of, the middle of a window: ``N/4 <= i <= 3N/4``, i from 1."""
    return (window + 3) // 4 - 1, 3 * window // 4


def _largest(value: Value, window: int) -> int:
    """Largest value that words of full scale can give."""
    full, step = FULL_SCALE, 2 * FULL_SCALE - 1
    return {
        Value.ABS: window * full,
        Value.MAV1: 2 * window * full,
        Value.MAV2: window**2 * full,
        Value.SQUARE: window * full**2,
        Value.VARIANCE: window**2 * full**2,
        Value.CUBE: window * full**3,
        Value.LOG: window * 16 << 16,
        Value.WL: window * step,
        Value.STEP: window * step**2,
        Value.TKEO: 2 * window * full**2,
    }.get(value, window)


def factor_of(kind: str, window: int, word_shift: int) -> float:
    """Return c of ``real = (value * c) ** power``, for a feature with a value that is transformed."""
    lsb, n = 2.0**-word_shift, window
    return {
        "iemg": lsb, "mav": lsb / n, "mav1": lsb / (2 * n), "mav2": lsb / n**2,
        "ssi": lsb**2, "rms": lsb**2 / n, "activity": lsb**2 / n, "variance": lsb**2 / (n * (n - 1)),
        "tm3": lsb**3 / n, "tm4": lsb**4 / n, "wl": lsb, "aac": lsb / n,
        "dasdv": lsb**2 / (n - 1), "tkeo": lsb**2 / (n - 2),
    }.get(kind, 1.0)  # fmt: skip


def _compile_row(feature: Feature, window: int, word_shift: int) -> FeatureRow:
    definition = CATALOGUE[feature.kind]
    value, n = definition.value, window
    plain = {
        Value.MOBILITY: 2.0**-24 * math.sqrt(n / (n - 1)),
        Value.COMPLEXITY: 2.0**-16 * (n - 1) / math.sqrt(n * (n - 2)),
        Value.SKEWNESS: 2.0**-16,
        Value.KURTOSIS: 2.0**-16,
        Value.LAGS: 2.0**-30,
        Value.BINS: 1.0,
    }
    if isinstance(feature, PredictionFeature):
        scale = 2.0 ** -coefficient_bits(feature.order)
        return FeatureRow(feature, value, Transform.LINEAR, 0, feature.order, scale, 0.0)
    if isinstance(feature, DescriptorFeature):
        offset = power_descriptors.size_offset(word_shift) if value is Value.SIZES else 0.0
        return FeatureRow(feature, value, Transform.LINEAR, 0, 3, power_descriptors.SCALE, offset)
    if value in plain:
        n_components = (
            feature.lags if isinstance(feature, AutocorrelationFeature)
            else feature.bins if isinstance(feature, HistogramFeature) else 1
        )  # fmt: skip
        return FeatureRow(feature, value, Transform.LINEAR, 0, n_components, plain[value], 0.0)
    largest, factor = _largest(value, window), factor_of(feature.kind, window, word_shift)
    if value in (Value.CUBE, Value.FOURTH) or (isinstance(feature, AmplitudeFeature) and feature.log):
        power = definition.power
        return FeatureRow(feature, value, Transform.LOG2, 0, 1, power * 2.0**-16, power * math.log2(factor))
    if definition.power == 0.5:
        shift = (61 - largest.bit_length()) // 2
        return FeatureRow(feature, value, Transform.SQRT, shift, 1, math.sqrt(factor) * 2.0**-shift, 0.0)
    shift = max(0, largest.bit_length() - 31)
    if value is Value.LOG:
        return FeatureRow(feature, value, Transform.LINEAR, shift, 1, 2.0 ** (shift - 16) / n, -word_shift)
    return FeatureRow(feature, value, Transform.LINEAR, shift, 1, factor * 2.0**shift, 0.0)


def _threshold(features: Sequence[Feature], kind: str, word_shift: int) -> int:
    for feature in features:
        if isinstance(feature, CountFeature) and feature.kind == kind:
            words = round(feature.threshold * 2.0**word_shift)
            if words > 2 * FULL_SCALE:
                raise SpecError(
                    f"features, {kind}: threshold {feature.threshold:g} counts is above the largest step, "
                    f"{2 * FULL_SCALE * 2.0**-word_shift:g}: lower it"
                )
            return words
    return 0


def _cut_hop(window: int, hop: int, inner: Sequence[int]) -> tuple[tuple[int, ...], list[int]]:
    """Cut a hop so that window starts, ends and ``inner`` places lie at blocks' edges; count the blocks before each."""
    edges = sorted({0, *(place % hop for place in (window, *inner))})
    lengths = tuple(b - a for a, b in zip(edges, [*edges[1:], hop], strict=True))
    return lengths, [len(edges) * (place // hop) + edges.index(place % hop) for place in (window, *inner)]


def _count_lags(features: Sequence[Feature], values: set[Value]) -> tuple[int, int]:
    """Give the lags that are summed, and the order of linear prediction."""
    orders = {f.order for f in features if isinstance(f, PredictionFeature)}
    if len(orders) > 1:
        raise SpecError(
            f"features: ar and cepstrum of orders {' and '.join(map(str, sorted(orders)))}, expected one; make them equal"
        )
    order = max(orders, default=0)
    needed = max(max(LAGS_OF.get(value, 0) for value in values), order)
    asked = max((f.lags for f in features if isinstance(f, AutocorrelationFeature)), default=needed)
    if asked < needed:
        kinds = [
            f.kind
            for f in features
            if max(LAGS_OF.get(CATALOGUE[f.kind].value, 0), getattr(f, "order", 0)) > asked
        ]
        raise SpecError(
            f"features: {' and '.join(kinds)} need autocorrelation.lags {needed}, found {asked}; raise it"
        )
    return asked, order


def compile_features(
    features: Sequence[Feature], *, n_channels: int, window: int, hop: int, word_shift: int
) -> FeatureConfig:
    """Choose the integers of a set of features.

    Parameters
    ----------
    features
        Entries of the spec, in the order of the output; each kind once, but for ``log`` beside plain.
    n_channels, window, hop
        Channels, and frames.
    word_shift
        ``count = word * 2^-word_shift``.

    Raises
    ------
    SpecError
        If the features or sizes contradict each other.
    """
    if not features:
        raise SpecError("features: none, expected at least one; add one")
    seen = [(f.kind, getattr(f, "log", False)) for f in features]
    doubles = sorted({kind for kind, log in seen if seen.count((kind, log)) > 1})
    if doubles:
        raise SpecError(f"features: {doubles[0]} stands twice; remove one")
    values = {CATALOGUE[f.kind].value for f in features}
    n_lags, order = _count_lags(features, values)
    if values & {Value.SIZES, Value.SHAPES} and window > power_descriptors.MAX_WINDOW:
        raise SpecError(
            f"features, tdpsd: window {window} frames, expected at most {power_descriptors.MAX_WINDOW}; shorten it"
        )
    if not (1 <= hop <= window <= 65_535 and window > max(n_lags, 2)):
        raise SpecError(
            f"features: window {window} and hop {hop} frames, expected 1 <= hop <= window <= 65535 and a window "
            f"above {max(n_lags, 2)}; correct [window]"
        )
    needs = Sum(0)
    for value in values:
        needs |= NEEDS[value]
    has_quarters = bool(values & {Value.MAV1, Value.MAV2})
    lengths, (n_blocks, *middle) = _cut_hop(window, hop, quarters(window) if has_quarters else ())
    n_bins = bin_range = multiplier = bin_shift = 0
    for feature in features:
        if isinstance(feature, HistogramFeature):
            n_bins = feature.bins
            bin_range = max(round(feature.range * 2.0**word_shift), 1)
            if bin_range > FULL_SCALE:
                raise SpecError(
                    f"features, histogram: range {feature.range:g} counts is beyond the words', "
                    f"{FULL_SCALE * 2.0**-word_shift:g}: lower it"
                )
            bin_shift = 31 - n_bins.bit_length()
            multiplier = (n_bins << bin_shift) // (2 * bin_range)
    return FeatureConfig(
        n_channels, window, hop, word_shift, tuple(_compile_row(f, window, word_shift) for f in features), needs,
        n_lags, order, n_bins, bin_range, multiplier, bin_shift,
        (_threshold(features, "zc", word_shift), _threshold(features, "ssc", word_shift),
         _threshold(features, "wamp", word_shift)),
        lengths, n_blocks, middle[0] if middle else 0, middle[1] if middle else 0,
    )  # fmt: skip
