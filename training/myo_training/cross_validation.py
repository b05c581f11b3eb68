"""A spec's model and the floor, trained anew for every fold; what is finished stands on disk.

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
from myo_pipeline.classical_models import WordModel
from myo_pipeline.decision_rule import find_latency
from myo_pipeline.spec import PatchSpec
from myo_training.anomaly import mark_recording
from myo_training.decision_curve import trace_decisions
from myo_training.evaluation import Judged, judge_windows, summarize_outputs
from myo_training.float_model import learn_float
from myo_training.floor import THRESHOLDS, Floor, make_floor_specs
from myo_training.folds import Across, Fold
from myo_training.metrics import compare_paired
from myo_training.model import count_cost
from myo_training.recordings import DataSet, Recording
from myo_training.split import Session
from myo_training.train import hash_files, list_versions
from myo_training.windows import WindowSet, cut_recordings
from myo_training.word_training import list_trainers

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
        Outputs of the spec's model and of the floor on the same windows, by :data:`NETWORK` and :data:`FLOOR`.
    kept_epoch
        Epoch, from 0, whose weights were kept; 0 of models that are fitted at once.
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
        self.spec, self.folds = spec, folds
        self._data, self._folder = data, folder / "folds"
        self.files, self.versions = hash_files(data), list_versions(list_trainers(spec.model))
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
        def join(sessions: Sequence[Session]) -> WindowSet:
            return join_windows([self._windows[0, session] for session in sessions])

        checked = (lambda: join(fold.validation)) if fold.validation else None
        model = learn_float(self.spec, lambda: join(fold.train), checked, tell)
        tested = [recording for session in fold.test for recording in self._recordings[session]]
        seen = cut_recordings(tested, self.spec, self.spec.hop_samples)
        return judge_windows(seen, _narrow(model.predict(seen))), model.kept_epoch

    def _read(self, tell: Progress) -> None:
        """Read, filter and cut every session once, at the training hop."""
        if self._recordings:
            return
        tell("reading recordings", 0.0)
        spec = self.spec
        for recording in self._data.recordings():
            known = mark_recording(recording, spec)
            self._recordings.setdefault((recording.person, recording.session), []).append(known)
        hop = max(1, round(spec.training.hop_ms * spec.front_end_rate_hz / 1000))
        plain = spec.model_copy(update={"features": []})
        some = [recordings[0] for recordings in list(self._recordings.values())[:8]]
        emg = cut_recordings(some, plain, spec.window_samples).counts[..., : spec.emg_channels]
        size = float(np.median(np.abs(emg)))
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


def _name_compared(spec: PatchSpec, kind: str) -> str:
    """Name the figure that is compared with the floor's; decisions of a score have no area under a curve."""
    if spec.output.kind == "score" and kind == "window":
        return "roc_auc"
    return "macro_accuracy" if spec.decides_classes else "r2"


def _list_persons(figures: dict[str, Any], key: str) -> dict[str, float]:
    """Return a figure by person."""
    tables = (figures["per_person"], figures.get("details_per_person", {}))
    return {p: own[key] for table in tables for p, own in table.items() if key in own}


def _describe_model(spec: PatchSpec) -> dict[str, Any]:
    """Return a model's kind and, where the spec alone decides it, its size."""
    size = {} if isinstance(spec.model, WordModel) else asdict(count_cost(spec))
    return {"kind": spec.model.kind, **size}


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
    paired = {}
    for kind in ("window", "voted"):
        key = _name_compared(spec, kind)
        one, other = (_list_persons(figures[name][kind], key) for name in (NETWORK, FLOOR))
        paired[kind] = asdict(compare_paired(one, other)) | {"figure": key}
    record = {
        "format": FORMAT, "name": spec.name, "across": across, "source": data.info.source, "simulated": data.info.simulated,
        "data": {key: value for key, value in asdict(data.info).items() if key != "aux"} | {"files": validation.files},
        "spec": spec.model_dump(mode="json", exclude_unset=True),
        "outputs": spec.output_names, "seed": spec.training.seed, "model": _describe_model(spec),
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
