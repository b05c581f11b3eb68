"""Row of the gesture study that holds its float features against the patch's integer ones."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

import gesture_myo as myo
import study_gestures as study
from gesture_scores import Figures, Twin
from gesture_sets import CHUNK, SPECS, Table, read_signals, tabulate
from myo_pipeline.feature_stage import choose_word_shift, compile_spec_features
from myo_pipeline.feature_twin import round_to_words
from myo_pipeline.feature_windows import compute_set_words
from myo_pipeline.feature_words import to_real
from myo_pipeline.reference import cut_windows, filter_counts
from myo_training.adaptation import CALIBRATION, Fitted, calibrate
from myo_training.dense_net import DenseNet

SESSION: Final = "1"


@dataclass(frozen=True)
class Settings:
    """Of the row; part of its key."""

    persons: tuple[str, ...] = ("L44444", "R12378", "R41924", "R91827")
    hidden: tuple[int, ...] = (168, 64)


def tabulate_both(folder: Path, settings: Settings) -> tuple[Table, np.ndarray]:
    """Give some sessions' table with float features, and the same features from the twin's words."""
    spec = SPECS["myo_readings"]()
    word_shift = choose_word_shift(spec)
    config = compile_spec_features(spec, word_shift)
    signals = [
        signal
        for signal in read_signals(folder, "myo_readings")
        if signal[2] in settings.persons and signal[3] == SESSION
    ]
    found = []
    for counts, *_ in signals:
        words = round_to_words(filter_counts(spec, counts), word_shift)
        windows = cut_windows(words, spec.window_samples, spec.hop_samples)
        for k in range(0, len(windows), CHUNK):
            found.append(to_real(config, compute_set_words(config, np.asarray(windows[k : k + CHUNK]))))
    return tabulate(spec, iter(signals), stays_s=(3.5, 7.5)), np.concatenate(found).astype(np.float32)


def run_integers(folder: Path, settings: Settings) -> dict[str, Any]:
    """Decide by one int8 network from float features and from integer ones: one bout a class, the rest of the session."""
    table, integers = tabulate_both(folder, settings)
    figures = Figures(myo.N_CLASSES)
    data, twin_data = myo.Myo(table), myo.Myo(replace(table, x=integers))
    same = []
    for person in settings.persons:
        rows, key = data.rows[person, SESSION], (person, SESSION)
        chosen, labels = data.calibration(rows)
        x = data.scales[key].apply(table.x[chosen]).astype(np.float32)
        fresh = DenseNet.draw([x[0].size, *settings.hidden, myo.N_CLASSES], np.random.default_rng(1))
        fit = replace(CALIBRATION, epochs=60, learning_rate=2e-3)
        net, _ = calibrate(fresh, x, labels, table.reach, fit, np.random.default_rng(0), search=False)
        fitted, twin = Fitted(net, data.scales[key]), Twin(net, x)
        outputs = []
        for way, source in (("float features", data), ("integer features", twin_data)):
            p = twin.predict(fitted.prepare(source.table.x[rows], table.reach))
            outputs.append(p)
            figures.add(
                way, person, p, data.labels[rows], table.trial[rows], data.counted[rows], data.trimmed[rows]
            )
        same.append(float((outputs[0].argmax(axis=1) == outputs[1].argmax(axis=1)).mean()))
    return {"ways": figures.as_dict(), "same_decisions": same}


def main() -> int:
    """Add the row to the study's results, where it does not stand."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of the sets")
    options = parser.parse_args()
    folder = study.find_folder(options.data)
    row = study.Row("myo_readings", "benchmarks/gesture_integers.py", Settings(), "", run_integers)
    study.run_rows({"integer_features": row}, study.OUT, lambda row: folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
