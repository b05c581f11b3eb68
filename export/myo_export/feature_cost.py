"""Cost of the feature stage on a Cortex-M4F, predicted from its features."""

from __future__ import annotations

import math
from typing import Final

from myo_pipeline.feature_config import FeatureConfig, Sum, Transform
from myo_pipeline.feature_set import Part
from myo_pipeline.feature_stage import FeatureStage
from myo_pipeline.ring import RingConfig
from myo_pipeline.spectrum import SpectrumConfig
from myo_pipeline.stft import StftConfig
from myo_pipeline.wavelet import SPLIT_FURTHER, WaveletConfig

# Median of what `python benchmarks/bench_features.py` counts with m4cost, of which nearly all lie between 1.2 and 1.5.
CYCLES_PER_INSTRUCTION: Final = 1.36

# Fitted by benchmarks/fit_feature_cost.py to m4cost's counts of 195 configs: median error 3 %, largest 23 %.
_CONSTANTS: Final[dict[str, float]] = {
    "ABS block": 5.93, "ABS frame": 4.42, "AR value": 455, "BEND block": 13.5, "BEND frame": 4.6,
    "BINS block": 5.02, "BINS frame": 14.4, "CEPSTRUM value": 574, "COMPLEXITY value": 663, "CUBE block": 9.11,
    "CUBE frame": 4.09, "CUBE value": 0.476, "FOURTH block": 13.8, "FOURTH frame": 8.11,
    "KURTOSIS value": 1140, "LAGS block": 6.17, "LAGS frame": 5.71, "LAGS value": 166, "LOG block": 14.5,
    "LOG frame": 10.9, "LOG2 transform": 3.57, "MAV1 value": 257, "MAV2 value": 177, "MOBILITY value": 315,
    "RAMP block": 24.7, "RAMP frame": 2.08, "SHAPES value": 173, "SIZES value": 182, "SKEWNESS value": 1080,
    "SQRT transform": 115, "SQUARE block": 8.51, "SQUARE frame": 3.42, "SSC block": 6.64, "SSC frame": 10.1,
    "SSC value": 44.2, "STEP value": 52.5, "TKEO value": 71.2, "VARIANCE value": 1.02, "WAMP block": 5.77,
    "WAMP frame": 8.34, "WL block": 5.8, "WL frame": 6.98, "X block": 4.15, "X frame": 1.02, "ZC block": 6.25,
    "ZC frame": 8.25, "ZC value": 9.28, "channel": 113, "decision": 168,
}  # fmt: skip
# Of the words of the signal and of the network's input, beside the features: as virtual_m4 counts the template's.
_PER_SAMPLE, _PER_WORD = 9.0, 20.0
# Of moving the earlier windows' words up, as newlib's memmove does: by four words where they stay aligned, else one by one.
_MOVE, _PER_MOVED, _PER_MOVED_ODD = 30.0, 0.75, 4.0

# Code of a feature alone less what all share, by bench_features.py; what is shared by some is counted with each.
_CODE: Final[dict[str, int]] = {
    "ABS": 48, "MAV1": 50, "MAV2": 104, "SQUARE": 20, "VARIANCE": 42, "CUBE": 40, "FOURTH": 172, "LOG": 350,
    "WL": 80, "STEP": 280, "TKEO": 414, "ZC": 200, "SSC": 266, "WAMP": 132, "MOBILITY": 632, "COMPLEXITY": 1076,
    "SKEWNESS": 1002, "KURTOSIS": 1194, "LAGS": 1080, "BINS": 322,
}  # fmt: skip
_RARE_CODE: Final = 1200  # of one that is not in the table
_SHARED_CODE: Final = 4068
_STAGE_CODE: Final = 2810  # beside the features: the stage in the patch, as the template's image has it
_NORMALIZE_BYTES: Final = 16  # a word's mean, fraction, multiplier and shift

# Of the other families, fitted to m4cost's counts in benchmarks/results/front_end.json: spectra within 1 %, wavelets 8 %.
_FFT_PER_POINT, _PAIR_PER_POINT, _BIN, _WINDOW_FRAME, _RING = 7.11, 28.5, 9.01, 13.8, 6.0
_STFT_PER_WORD: Final = 2.0
_WAVELET_FRAME, _WAVELET_MOVE, _WAVELET_COEFFICIENT, _WAVELET_TAP = 8.0, 1.0, 20.0, 7.0
_WAVELET_SQUARE, _WAVELET_SPLIT, _WAVELET_ENERGY = 6.0, 100.0, 150.0
_FAMILY_CODE: Final[dict[str, int]] = {"spectrum": 3400, "stft": 500, "wavelet": 3300, "ring": 1200}
_RING_FRAME, _RING_BLOCK, _RING_SUM, _RING_ROOT, _RING_DIVISION = 6.0, 20.0, 6.0, 130.0, 170.0
_FIXED_MATH_CODE: Final = 500  # of _SHARED_CODE, what other families take alone
_LAG_CODE: Final = 370  # of each lag beyond the second, for which loops are unrolled


def count_terms(config: FeatureConfig) -> dict[str, float]:
    """Return how often each part of the features runs in a decision.

    Sums are taken over the frames of a hop and put together from a window's blocks; then come the values.
    """
    channels = config.n_channels
    terms: dict[str, float] = {"decision": 1.0, "channel": channels}
    for bit in Sum:
        if bit in config.needs:
            lags = config.n_lags if bit is Sum.LAGS else 1
            words = config.n_bins if bit is Sum.BINS else lags  # a sample falls into one bin
            terms[f"{bit.name} frame"] = channels * config.hop * lags
            terms[f"{bit.name} block"] = channels * config.n_blocks * words
    for row in config.rows:
        names = [f"{row.value.name} value"]
        if row.transform is not Transform.LINEAR:
            names.append(f"{row.transform.name} transform")
        for name in names:
            terms[name] = terms.get(name, 0.0) + channels * row.n_components
    return terms


def predict_feature_instructions(stage: FeatureStage) -> float:
    """Predict the instructions between two decisions: words, features and normalization."""
    config = stage.config
    inside = sum(predict_part_instructions(part) for part in config.parts)
    n_moved = stage.n_inputs - stage.n_words
    moving = (_MOVE + n_moved * (_PER_MOVED_ODD if stage.n_words % 4 else _PER_MOVED)) * (n_moved > 0)
    return inside + _PER_SAMPLE * config.n_channels * config.hop + _PER_WORD * stage.n_words + moving


def predict_feature_flash(stage: FeatureStage) -> int:
    """Predict the bytes of the stage's code and constants."""
    parts, names = stage.config.parts, set[str]()
    code = _FIXED_MATH_CODE
    for part in parts:
        match part:
            case FeatureConfig():
                kinds = {row.value for row in part.rows}
                code = _SHARED_CODE + sum(_CODE.get(value.name, _RARE_CODE) for value in kinds)
                code += _LAG_CODE * max(0, part.n_lags - 2)
            case SpectrumConfig():
                names |= {"spectrum"}
            case StftConfig():
                names |= {"spectrum", "stft"}
            case RingConfig():
                names |= {"ring"}
            case _:
                names |= {"wavelet"}
    code += sum(_FAMILY_CODE[name] for name in names)
    return code + sum(_part_tables(part) for part in parts) + _STAGE_CODE + _NORMALIZE_BYTES * stage.n_words


def predict_part_instructions(part: Part) -> float:
    """Predict the instructions of one family between two decisions."""
    match part:
        case FeatureConfig():
            return sum(_CONSTANTS.get(name, 0.0) * times for name, times in count_terms(part).items())
        case SpectrumConfig():
            return _predict_spectrum(part)
        case StftConfig():
            n_words = len(part.components) * part.n_channels
            return part.hop / part.segment.hop * _predict_spectrum(part.segment) + _STFT_PER_WORD * n_words
        case RingConfig():
            return _predict_ring(part)
        case _:
            return _predict_wavelet(part)


def _predict_spectrum(config: SpectrumConfig) -> float:
    pairs, length = (config.n_channels + 1) // 2, config.length
    n_bins = sum(row.end_bin - row.first_bin for row in config.rows)
    of_channel = _BIN * n_bins + _WINDOW_FRAME * config.window + _RING * config.hop
    per_pair = (_FFT_PER_POINT * math.log2(length) + _PAIR_PER_POINT) * length
    return pairs * per_pair + config.n_channels * of_channel


def _predict_wavelet(config: WaveletConfig) -> float:
    n_taps = len(config.taps)
    found = config.hop * _WAVELET_FRAME + config.memory_words / config.n_channels * _WAVELET_MOVE
    for split in config.splits:
        n = config.hop >> split.level if split.level <= config.n_updated else config.count(split.level)
        n_energies = sum(half != SPLIT_FURTHER for half in (split.low, split.high))
        found += n * (_WAVELET_COEFFICIENT + _WAVELET_TAP * n_taps + _WAVELET_SQUARE * n_energies)
        found += _WAVELET_SPLIT + _WAVELET_ENERGY * n_energies
    return found * config.n_channels


def _predict_ring(config: RingConfig) -> float:
    n_sums = config.n_channels * (1 + config.spec.reach)
    n_words = config.n_channels * config.spec.reach
    blocks_per_hop = 2 if config.window % config.hop else 1
    summed = n_sums * (_RING_FRAME * config.hop + _RING_BLOCK * blocks_per_hop + _RING_SUM * config.n_blocks)
    return summed + _RING_ROOT * config.n_channels + _RING_DIVISION * n_words


def _part_tables(part: Part) -> int:
    """Bytes of a family's constants: turns, bins and taper of a spectrum; taps and splits."""
    match part:
        case FeatureConfig() | RingConfig():
            return 0
        case SpectrumConfig():
            return 7 * part.length + (0 if part.taper_q15 is None else 2 * part.window)
        case StftConfig():
            return _part_tables(part.segment)
        case _:
            return 8 * len(part.taps) + 4 * len(part.splits)
