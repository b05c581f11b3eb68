"""The integers that a patch computes time-domain features with: what it sums, in which blocks, and how sums become words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from myo_pipeline import power_descriptors
from myo_pipeline.errors import SpecError
from myo_pipeline.feature_words import Component
from myo_pipeline.features import (
    CATALOGUE,
    FULL_SCALE,
    AmplitudeFeature,
    AutocorrelationFeature,
    CountFeature,
    DescriptorFeature,
    Feature,
    HistogramFeature,
    PredictionFeature,
    Value,
)
from myo_pipeline.prediction import coefficient_bits


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
