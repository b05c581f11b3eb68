"""A spec's network and the floor, trained anew for every fold; what is finished stands on disk.

A fold's outputs are kept, not its figures: another ``[decision]`` is measured on the same outputs without training.
"""

from __future__ import annotations

import hashlib
import json
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.bundle import replace_file, without_nan
from myo_pipeline.classical_models import CLASSICAL_TABLES
from myo_pipeline.decision_rule import find_latency
from myo_pipeline.errors import SpecError
from myo_pipeline.spec import PatchSpec
from myo_training.decision_curve import trace_decisions
from myo_training.evaluation import (
    Judged,
    judge_windows,
    predict_float,
    predict_windows,
    summarize_outputs,
)
from myo_training.fit import Examples, fit_model
from myo_training.floor import THRESHOLDS, Floor, make_floor_specs
from myo_training.folds import Across, Fold
from myo_training.input_scale import make_augmentation, measure_scale
from myo_training.metrics import compare_paired
from myo_training.model import build_model, count_cost, scale_input
from myo_training.quiet import import_tensorflow, quiet_stderr
from myo_training.recordings import DataSet, Recording
from myo_training.split import Session
from myo_training.train import Targets, hash_files, list_versions, make_examples
from myo_training.windows import WindowSet, cut_recordings

Progress = Callable[[str, float], None]

FORMAT = 1
NETWORK, FLOOR = "network", "floor"


@dataclass(frozen=True)
class FoldResult:
    """What one fold gave.

    Attributes
    ----------
    fold
        Who was tested.
    judged
        Outputs of the network and of the floor on the same windows, by :data:`NETWORK` and :data:`FLOOR`.
    kept_epoch
        Epoch, from 0, whose weights were kept.
    threshold
        Share of the median magnitude that the floor's counts need.
    seconds
        That it took.
    """

    fold: Fold
    judged: dict[str, Judged]
    kept_epoch: int
    threshold: float
    seconds: float


class CrossValidation:
    """Folds in a folder, new or gone on with.

    Parameters
    ----------
    spec, data
        The patch and its recordings.
    folds
        Who is tested when.
    folder
        Keeps the folds that are finished. Folds of another spec, other recordings or other versions are trained anew.
    """

    def __init__(self, spec: PatchSpec, data: DataSet, folds: Sequence[Fold], folder: Path) -> None:
        if spec.model.kind in CLASSICAL_TABLES:
            raise SpecError(
                f"model.kind: {spec.model.kind!r} cannot be cross-validated, expected a network; `myopatch train` tests it on "
                "the persons held out"
            )
        self.spec, self.folds = spec, folds
        self._data, self._folder = data, folder / "folds"
        self.files, self.versions = hash_files(data), list_versions()
        self._windows: dict[
            tuple[int, Session], WindowSet
        ] = {}  # to learn from, by spec (0: its own) and session
        self._recordings: dict[Session, list[Recording]] = {}
        self._floor_specs: list[PatchSpec] = []

    def run(self, progress: Progress | None = None) -> list[FoldResult]:
        """Train every fold that is not finished, and return all; Ctrl-C keeps those that are."""
        tell = progress or (lambda _text, _share: None)
        found = []
        for number, fold in enumerate(self.folds):
            name = f"fold {number + 1} of {len(self.folds)}"
            share = number / len(self.folds)
            tell(f"{name}: tests {', '.join(fold.persons)[:40]}", share)
            kept = self._load(fold)
            if kept is None:
                kept = self._train(fold, _tell_part(tell, name, share, 1 / len(self.folds)))
                self._save(kept)
            found.append(kept)
        return found

    def _key(self, fold: Fold) -> str:
        learned = self.spec.model_dump(mode="json", exclude={"name", "decision", "budget"})
        content = [FORMAT, learned, asdict(fold), self.files, self.versions, THRESHOLDS]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _path(self, fold: Fold) -> Path:
        safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in fold.name)
        return self._folder / f"{safe}-{self._key(fold)[:12]}.npz"

    def _load(self, fold: Fold) -> FoldResult | None:
        path = self._path(fold)
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"]))
                if about["key"] != self._key(fold):
                    return None
                common = (
                    arrays["labels"],
                    tuple(arrays["lengths"].tolist()),
                    tuple(arrays["persons"].tolist()),
                )
                judged = {name: Judged(arrays[name], *common) for name in (NETWORK, FLOOR)}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None  # not there, or cut short: it is trained again
        return FoldResult(fold, judged, about["kept_epoch"], about["threshold"], about["seconds"])

    def _save(self, found: FoldResult) -> None:
        path, judged = self._path(found.fold), found.judged[NETWORK]
        about = {
            "key": self._key(found.fold), "kept_epoch": found.kept_epoch, "threshold": found.threshold,
            "seconds": round(found.seconds, 1),
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file, allow_pickle=False, about=np.array(json.dumps(about)), labels=judged.labels,
                lengths=np.array(judged.lengths, np.int64), persons=np.array(judged.persons),
                **{name: one.outputs.astype(np.float32) for name, one in found.judged.items()},
            )  # fmt: skip

    def _train(self, fold: Fold, tell: Progress) -> FoldResult:
        began = time.monotonic()
        self._read(tell)
        spec = self.spec
        network, kept_epoch = self._train_network(fold, lambda text, share: tell(text, 0.1 + 0.7 * share))
        tell("the floor", 0.85)
        specs = range(1, len(self._floor_specs) + 1)
        train, validation = (
            [[self._windows[number, session] for session in side] for number in specs]
            for side in (fold.train, fold.validation)
        )
        floor = Floor(spec, train, validation)
        tested = [recording for session in fold.test for recording in self._recordings[session]]
        windows = cut_recordings(tested, self._floor_specs[floor.threshold], spec.hop_samples)
        judged = {NETWORK: network, FLOOR: judge_windows(windows, _narrow(floor.predict(windows)))}
        seconds = time.monotonic() - began
        return FoldResult(fold, judged, kept_epoch, THRESHOLDS[floor.threshold], seconds)

    def _train_network(self, fold: Fold, tell: Progress) -> tuple[Judged, int]:
        spec, classes = self.spec, self.spec.output.kind == "classes"
        tf = import_tensorflow()
        tf.keras.backend.clear_session()
        tf.keras.utils.set_random_seed(spec.training.seed)  # a fold is the same whichever ran before it
        windows = join_windows([self._windows[0, session] for session in fold.train])
        scale = measure_scale(windows.counts, spec)
        targets = Targets(windows.labels)
        examples, checked = make_examples(windows, spec, scale, targets), None
        del windows
        if fold.validation:
            others = join_windows([self._windows[0, session] for session in fold.validation])
            checked = Examples(
                scale_input(others.counts, scale), targets.normalize(others.labels), np.ones(0, np.float32)
            )
        with quiet_stderr():
            model = build_model(spec)
        history = fit_model(
            model, examples, checked, spec.training, classes, tell, make_augmentation(spec, scale)
        )
        targets.restore(model)
        tested = [recording for session in fold.test for recording in self._recordings[session]]
        seen = cut_recordings(tested, spec, spec.hop_samples)
        with quiet_stderr():
            outputs = predict_windows(seen, predict_float(model), scale)
        return judge_windows(seen, _narrow(outputs)), history.kept_epoch

    def _read(self, tell: Progress) -> None:
        """Read, filter and cut every session once, at the training hop."""
        if self._recordings:
            return
        tell("reading recordings", 0.0)
        for recording in self._data.recordings():
            self._recordings.setdefault((recording.person, recording.session), []).append(recording)
        spec = self.spec
        hop = max(1, round(spec.training.hop_ms * spec.front_end_rate_hz / 1000))
        plain = spec.model_copy(update={"features": []})
        some = [recordings[0] for recordings in list(self._recordings.values())[:8]]
        size = float(np.median(np.abs(cut_recordings(some, plain, spec.window_samples).counts)))
        self._floor_specs = make_floor_specs(spec, size)
        for number, (session, recordings) in enumerate(self._recordings.items()):
            tell(f"filtering {session[0]}, session {session[1]}", 0.1 * number / len(self._recordings))
            for place, one in enumerate([spec, *self._floor_specs]):
                self._windows[place, session] = cut_recordings(recordings, one, hop)


def _tell_part(tell: Progress, name: str, begin: float, size: float) -> Progress:
    """Return a progress of one fold within that of all."""
    return lambda text, share: tell(f"{name}: {text}", begin + share * size)


def _narrow(outputs: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return outputs as the folder keeps them, so that a fold gone on with gives the figures of one just trained."""
    return outputs.astype(np.float32)


def join_windows(sets: Sequence[WindowSet]) -> WindowSet:
    """Put windows of several sessions one behind the other."""
    return WindowSet(
        np.concatenate([one.counts for one in sets]),
        np.concatenate([one.labels for one in sets]),
        tuple(n for one in sets for n in one.lengths),
        tuple(p for one in sets for p in one.persons),
    )


def join_judged(found: Sequence[Judged]) -> Judged:
    """Put outputs of several folds one behind the other."""
    first = found[0]
    return replace(
        first,
        outputs=np.concatenate([one.outputs for one in found]),
        labels=np.concatenate([one.labels for one in found]),
        lengths=tuple(n for one in found for n in one.lengths),
        persons=tuple(p for one in found for p in one.persons),
    )


def summarize_folds(
    results: Sequence[FoldResult], validation: CrossValidation, data: DataSet, across: Across
) -> dict[str, Any]:
    """Return the content of ``evaluation.json``.

    Parameters
    ----------
    results
        Of :meth:`CrossValidation.run`.
    validation
        What made them.
    data
        The recordings.
    across
        What the folds hold apart.
    """
    spec = validation.spec
    joined = {name: join_judged([r.judged[name] for r in results]) for name in (NETWORK, FLOOR)}
    figures = {name: summarize_outputs(judged, spec) for name, judged in joined.items()}
    key = "macro_accuracy" if spec.output.kind == "classes" else "r2"
    paired = {}
    for kind in ("window", "voted"):
        one, other = (
            {p: own[key] for p, own in figures[name][kind]["per_person"].items()} for name in (NETWORK, FLOOR)
        )
        paired[kind] = asdict(compare_paired(one, other)) | {"figure": key}
    record = {
        "format": FORMAT, "name": spec.name, "across": across, "source": data.info.source, "simulated": data.info.simulated,
        "data": {key: value for key, value in asdict(data.info).items() if key != "aux"} | {"files": validation.files},
        "spec": spec.model_dump(mode="json", exclude_unset=True),
        "outputs": spec.output_names, "seed": spec.training.seed, "model": asdict(count_cost(spec)),
        "latency": find_latency(spec).as_dict(),
        "folds": [
            {
                "name": r.fold.name, "tests": [list(s) for s in r.fold.test], "validates": [list(s) for s in r.fold.validation],
                "kept_epoch": r.kept_epoch, "floor_threshold": r.threshold, "seconds": round(r.seconds, 1),
            }
            for r in results
        ],
        "metrics": figures, "paired": paired,
        "decision_curve": trace_decisions(joined[NETWORK], spec), "versions": validation.versions,
    }  # fmt: skip
    cleaned: dict[str, Any] = without_nan(record)
    return cleaned
