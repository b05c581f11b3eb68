"""The catalogue of time-domain EMG features and their keys in the spec.

A feature is a *value*, an exact integer made from a window's words ``x`` (int16, ``count = x * 2^-word_shift``), and a
*transform* of it into an int32 word. ``real = word * scale + offset`` gives the definition's unit. The integers that a patch
computes with are chosen in ``feature_config``; float definitions are in ``feature_reference``, the integer twin in
``feature_twin``, bounds between the two in ``feature_bounds``, the C in ``firmware/core/features``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from myo_pipeline.prediction import MAX_ORDER

FULL_SCALE = 1 << 15  # largest magnitude of a word
MAX_LAGS, MAX_BINS = 16, 32


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
