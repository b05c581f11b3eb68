"""What calibration on the patch is worth on persons that training never saw, through the integer twin's head.

usage: python benchmarks/study_calibration.py [--models NAME ...] [--work FOLDER] [--out FILE]

Trains the templates `gestures` and `features` with [calibration], each twice (four times the demo's minutes; a bundle that
stands in the work folder is taken as it is), runs every recording of the persons held out through front end and network
once, and then makes and tests heads from the embeddings: 1, 2 and 4 bouts a class; the same donning and the others; the
layer behind which the head stands; what a later calibration forgets; wrong labels. Prototypes and a last layer trained by
gradient descent stand beside, in float. Needs the recordings of myo_readings. Two minutes on a core where the bundles stand.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_export.emit_net import render_network
from myo_export.export import export_bundle
from myo_host.calibration import HOLD_S, SETTLE_S, TAIL_S
from myo_host.cli.app import show_progress
from myo_pipeline.bundle import replace_file, write_json, write_text
from myo_pipeline.calibration_head import PRIOR_BITS, HeadConfig, Tally, fit_head, score, to_softmax
from myo_pipeline.errors import BundleError
from myo_pipeline.reference import cut_windows, vote_classes, window_ends
from myo_pipeline.spec import PatchSpec, find_templates, load_spec
from myo_pipeline.twin import FrontEndTwin
from myo_pipeline.twin_config import TwinConfig
from myo_training.datasets import find_dataset, resolve_dataset
from myo_training.metrics import estimate_mean
from myo_training.runtime import read_tensors
from myo_training.train import train

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "calibration.json"
DATA = "myo_readings"
# Templates; `_last`: with a head behind the last hidden layer, where the others have it behind the one before.
MODELS = ("gestures", "gestures_last", "features", "features_last")
BOUTS = (1, 2, 4)
MOST = max(BOUTS)
SEED = 20261121

Decide = Callable[[NDArray[np.int8]], NDArray[np.int8]]  # embeddings to softmax words


@dataclass(frozen=True)
class Windows:
    """Every window of the persons held out, in the order of their recordings.

    Attributes
    ----------
    embeddings, outputs
        int8, a row a window.
    labels, person, session, recording
        Of each window, int64.
    bout
        Place of its bout among those of its class in its session, int64.
    since, left
        Seconds from its bout's cue to the window's end, and from there to the bout's end.
    """

    embeddings: NDArray[np.int8]
    outputs: NDArray[np.int8]
    labels: NDArray[np.int64]
    person: NDArray[np.int64]
    session: NDArray[np.int64]
    recording: NDArray[np.int64]
    bout: NDArray[np.int64]
    since: NDArray[np.float64]
    left: NDArray[np.float64]


def make_bundle(name: str, work: Path) -> Path:
    """Train and export a template with ``[calibration]``, or take what stands there."""
    folder = work / name
    if not (folder / "manifest.json").is_file():
        template, _, last = name.partition("_")
        text = find_templates()[template].read_text(encoding="utf-8").replace("@NAME@", name)
        table = "[calibration]\n" + ("dense_layers = 1\n" if last else "")
        write_text(folder / "patch.toml", text.replace("[training]\n", f"{table}\n[training]\n"))
        with show_progress(name) as progress:
            if not (folder / "calibration.npz").is_file():
                train(folder / "patch.toml", folder, None, progress)
            export_bundle(folder, progress)
    return folder


def read_windows(bundle: Path, spec: PatchSpec, config: TwinConfig, n_dense: int) -> Windows:
    """Run the held-out persons' recordings through the twin's front end and the int8 network."""
    training = json.loads((bundle / "training.json").read_text(encoding="utf-8"))
    persons = sorted({person for person, _ in training["split"]["across_persons"]})
    model = (bundle / "model.tflite").read_bytes()
    source = render_network(model, "", n_dense=n_dense)
    tensors = (int(source.network.kept or 0), source.network.graph.output)
    rate, columns = spec.sensor.rate_hz, []
    seen: dict[tuple[int, int, int], int] = {}
    for number, recording in enumerate(resolve_dataset(DATA, None, spec).recordings(persons)):
        full = config.full_scale_counts
        front_end = FrontEndTwin(config)
        filtered = front_end.filter(np.clip(recording.emg, -full, full - 1))
        stage = config.features
        words = stage.to_words(filtered) if stage else front_end.quantize(filtered)
        windows = np.asarray(cut_windows(words, config.window_samples, config.hop_samples))
        if stage:
            windows = np.stack(
                [stage.normalize(stage.compute(window.astype(np.int16))) for window in windows]
            )
        inputs = windows.astype(np.int8)[:, None]
        ends = window_ends(len(filtered), config.window_samples, config.hop_samples)
        labels = recording.labels.astype(np.int64)
        edges = np.flatnonzero(np.diff(labels)) + 1
        bounds = np.concatenate([[0], edges, [len(labels)]])
        place = np.searchsorted(bounds, ends - 1, side="right") - 1
        who, donning = persons.index(recording.person), int(recording.session)
        order = []
        for begin in bounds[:-1]:
            key = (who, donning, int(labels[begin]))
            order.append(seen.get(key, 0))
            seen[key] = order[-1] + 1
        columns.append(
            (
                *read_tensors(model, inputs, tensors),
                labels[ends - 1],
                np.full(len(ends), who),
                np.full(len(ends), donning),
                np.full(len(ends), number),
                np.array(order)[place],
                (ends - bounds[place]) / rate,
                (bounds[place + 1] - ends) / rate,
            )
        )
    return Windows(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def choose(w: Windows, session: int, n_bouts: int, settle_s: float, window_s: float) -> NDArray[np.int64]:
    """Return a person's windows of a guided recording of so many bouts a class, as `myopatch calibrate` collects them."""
    late = w.since - window_s >= settle_s
    early = (w.left >= TAIL_S) & (w.since <= settle_s + HOLD_S)
    return np.flatnonzero((w.session == session) & (w.bout < n_bouts) & late & early)


def tally_of(config: HeadConfig, w: Windows, chosen: NDArray[np.int64], labels: NDArray[np.int64]) -> Tally:
    """Sum windows; the same integers as adding them one by one."""
    steps = w.embeddings[chosen].astype(np.int64) - config.zero_point
    counts = np.bincount(labels, minlength=config.n_classes)
    return Tally(counts, np.stack([steps[labels == c].sum(axis=0) for c in range(config.n_classes)]))


def decide_by(config: HeadConfig, tally: Tally) -> Decide:
    """Return the twin's head of a tally."""
    head = fit_head(config, tally)
    return lambda x: to_softmax(config, head, score(config, head, x))


def judge(
    spec: PatchSpec, w: Windows, words: NDArray[np.int8], tested: Sequence[NDArray[np.bool_]]
) -> list[dict[str, float]]:
    """Return macro accuracies of what is tested, each a choice of windows: as labelled, settled, and settled and voted."""
    voted = np.full(len(words), -1)
    for number in np.unique(w.recording):
        mine = w.recording == number
        voted[mine] = vote_classes((words[mine] + 128.0) / 256, spec.decision.vote)[0]
    raw, settled = words.argmax(axis=1), w.since >= SETTLE_S
    return [
        {
            "as_labelled": _macro(raw, w.labels, which),
            "window": _macro(raw, w.labels, which & settled),
            "voted": _macro(voted, w.labels, which & settled),
        }
        for which in tested
    ]


def _macro(decided: NDArray[np.int64], labels: NDArray[np.int64], which: NDArray[np.bool_]) -> float:
    truth, found = labels[which], decided[which]
    return float(np.mean([(found[truth == c] == c).mean() for c in np.unique(truth)]))


Rows = list[tuple[int, dict[str, float]]]  # a figure a person and donning


def summarize(rows: Rows) -> dict[str, Any]:
    """Return the mean over persons with its 95 % interval, a person's donnings averaged first."""
    out: dict[str, Any] = {}
    for key in rows[0][1]:
        each = [
            float(np.mean([r[key] for p, r in rows if p == person]))
            for person in sorted({p for p, _ in rows})
        ]
        mean = estimate_mean(each, 0.0, 1.0)
        out[key] = {"mean": mean.mean, "low": mean.low, "high": mean.high, "persons": each}
    return out


def own_windows(w: Windows, person: int) -> Windows:
    """Return a person's windows."""
    mine = w.person == person
    return Windows(*(column[mine] for column in vars(w).values()))


def test_heads(spec: PatchSpec, w: Windows, make: Callable[[Windows, int], Decide | None]) -> dict[str, Any]:
    """Make a head for each donning, and test it there and on the person's other donnings.

    There: on the bouts behind the fourth, however many were collected.
    """
    same: Rows = []
    others: Rows = []
    for person in np.unique(w.person).tolist():
        own = own_windows(w, person)
        for session in np.unique(own.session).tolist():
            decide = make(own, session)
            words = own.outputs if decide is None else decide(own.embeddings)
            here = own.session == session
            found = judge(spec, own, words, [here & (own.bout >= MOST), ~here])
            same.append((person, found[0]))
            others.append((person, found[1]))
    return {"same": summarize(same), "others": summarize(others)}


def make_prototypes(config: HeadConfig, w: Windows, chosen: NDArray[np.int64]) -> Decide:
    """Nearest class mean, in float; the prior's of a class that was not held."""
    x, y = w.embeddings[chosen].astype(np.float64), w.labels[chosen]
    means = config.prior / 2.0**PRIOR_BITS + config.zero_point
    for c in np.unique(y):
        means[c] = x[y == c].mean(axis=0)
    return lambda e: _rank(e.astype(np.float64) @ means.T - (means**2).sum(axis=1) / 2)


def _rank(scores: NDArray[np.float64]) -> NDArray[np.int8]:
    """Words in the order of scores, for what has no softmax."""
    return (100 * (scores == scores.max(axis=1, keepdims=True))).astype(np.int8)


def make_descent(config: HeadConfig, w: Windows, chosen: NDArray[np.int64]) -> Decide:
    """Train a last layer by 60 epochs of gradient descent on the collected windows, in float."""
    rng = np.random.default_rng(SEED)
    scale = float(w.embeddings.astype(np.float64).std())
    x, y = (w.embeddings[chosen].astype(np.float64) - config.zero_point) / scale, w.labels[chosen]
    weights, bias = np.zeros((config.n_classes, x.shape[1])), np.zeros(config.n_classes)
    for _ in range(60):
        for part in np.array_split(rng.permutation(len(y)), max(1, len(y) // 16)):
            z = x[part] @ weights.T + bias
            p = np.exp(z - z.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            p[np.arange(len(part)), y[part]] -= 1
            weights -= 0.3 * (p.T @ x[part] / len(part) + 1e-3 * weights)
            bias -= 0.3 * p.mean(axis=0)
    return lambda e: _rank((e.astype(np.float64) - config.zero_point) / scale @ weights.T + bias)


def spoil(w: Windows, chosen: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """Return the labels with a share of the bouts held as another class."""
    rng = np.random.default_rng((SEED, seed))
    labels = w.labels[chosen].copy()
    keys = w.labels[chosen] * 1000 + w.bout[chosen]
    bouts = np.unique(keys)
    n_classes = int(w.labels.max()) + 1
    for key in rng.choice(bouts, round(share * len(bouts)), replace=False):
        label = key // 1000
        labels[keys == key] = (label + rng.integers(1, n_classes)) % n_classes
    return labels


def study_forgetting(spec: PatchSpec, w: Windows, config: HeadConfig, window_s: float) -> dict[str, Any]:
    """Calibrate on a person's first donning, then on the second: what is left of the first, what the third gets."""
    out: dict[str, Any] = {}
    for memory in (-1, 0, 60, 240):
        rows: list[Rows] = [[], [], []]
        for person in np.unique(w.person).tolist():
            own = own_windows(w, person)
            sessions = np.unique(own.session).tolist()[:3]
            chosen = [choose(own, session, 1, SETTLE_S, window_s) for session in sessions[:2]]
            tally, later = (tally_of(config, own, c, own.labels[c]) for c in chosen)
            if memory >= 0:
                kept = tally.fade(replace(config, memory_windows=memory))
                tally = Tally(kept.counts + later.counts, kept.sums + later.sums)
            words = decide_by(config, tally)(own.embeddings)
            tested = [(own.session == session) & (own.bout >= MOST) for session in sessions]
            for row, found in zip(rows, judge(spec, own, words, tested), strict=True):
                row.append((person, found))
        name = "first only" if memory < 0 else f"then the second, memory {memory}"
        out[name] = {k: summarize(v) for k, v in zip(("first", "second", "third"), rows, strict=True)}
    return out


def study_bundle(name: str, work: Path, progress: Callable[[str, float], None]) -> dict[str, Any]:
    """Study one model."""
    bundle = make_bundle(name, work)
    spec, config = load_spec(bundle / "patch.toml"), TwinConfig.load(bundle / "twin.npz")
    head = config.calibration
    if head is None or spec.calibration is None:
        raise BundleError(
            f"{bundle}: has no [calibration], expected what this study makes; remove the folder"
        )
    n_dense = spec.calibration.dense_layers
    window_s = spec.window.window_ms / 1000
    progress(f"{name}: windows", 0.0)
    kept = bundle / "windows.npz"  # minutes of tflite_micro: a study that was stopped goes on
    if not kept.is_file():
        with replace_file(kept) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **vars(read_windows(bundle, spec, config, n_dense)))
    with np.load(kept) as archive:
        w = Windows(**{key: archive[key] for key in archive.files})
    found: dict[str, Any] = {
        "n_windows": len(w.labels), "n_words": head.n_words, "n_dense": n_dense,
        "window_s": window_s, "hop_ms": spec.window.hop_ms, "before": test_heads(spec, w, lambda own, session: None),
    }  # fmt: skip

    def lda(n_bouts: int, settle_s: float = SETTLE_S, share: float = 0.0, **changes: int) -> dict[str, Any]:
        changed = replace(head, **changes)

        def make(own: Windows, session: int) -> Decide:
            chosen = choose(own, session, n_bouts, settle_s, window_s)
            labels = spoil(own, chosen, share, int(100 * own.person[0] + session))
            return decide_by(changed, tally_of(changed, own, chosen, labels))

        return test_heads(spec, w, make)

    def rival(
        n_bouts: int, make: Callable[[HeadConfig, Windows, NDArray[np.int64]], Decide]
    ) -> dict[str, Any]:
        return test_heads(
            spec, w, lambda own, session: make(head, own, choose(own, session, n_bouts, SETTLE_S, window_s))
        )

    for n_bouts in BOUTS:
        progress(f"{name}: {n_bouts} bouts", n_bouts / 6)
        found[f"lda {n_bouts}"] = lda(n_bouts)
        found[f"prototypes {n_bouts}"] = rival(n_bouts, make_prototypes)
        found[f"descent {n_bouts}"] = rival(n_bouts, make_descent)
    if name.endswith("_last"):
        return found
    found["no prior, 1"] = lda(1, prior_windows=0)
    for share in (0.1, 0.3):
        for n_bouts in (1, 4):
            found[f"wrong {share:g} of {n_bouts}"] = lda(n_bouts, share=share)
    found["lag left in 1"] = lda(1, settle_s=-window_s)
    found["lag left in 4"] = lda(4, settle_s=-window_s)
    progress(f"{name}: forgetting", 0.9)
    found["forgetting"] = study_forgetting(spec, w, head, window_s)
    return found


def show(name: str, found: dict[str, Any]) -> Iterable[str]:
    """Give the lines of a table."""
    yield f"{name}: {found['n_windows']} windows of persons never seen, head over {found['n_words']} words"
    yield f"{'':<20} {'same donning':>26} {'other donnings':>26}"
    for key, value in found.items():
        if not isinstance(value, dict) or "same" not in value:
            continue
        cells = []
        for where in ("same", "others"):
            window, voted = value[where]["window"], value[where]["voted"]
            cells.append(
                f"{100 * window['mean']:5.1f} {100 * voted['mean']:5.1f} [{100 * voted['low']:.0f}, {100 * voted['high']:.0f}]"
            )
        yield f"{key:<20} {cells[0]:>26} {cells[1]:>26}"
    for key, value in found.get("forgetting", {}).items():
        cells = [f"{where} {100 * value[where]['voted']['mean']:.1f}" for where in value]
        yield f"{'forgetting, ' + key:<28} donning {', '.join(cells)}"


def main() -> int:
    """Study both models, print a table, write the results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "study_calibration", help="bundles stand here"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="results, JSON")
    parser.add_argument(
        "--models", nargs="*", choices=MODELS, default=MODELS, help="those that are studied; the others stay"
    )
    args = parser.parse_args()
    if find_dataset(DATA, None) is None:
        sys.stderr.write(f"study_calibration: {DATA} is not here; get it with `myopatch data get {DATA}`\n")
        return 2
    for name in args.models:
        with show_progress("calibration") as progress:
            found = study_bundle(name, args.work, progress)
        for line in show(name, found):
            print(line)
        old = json.loads(args.out.read_text(encoding="utf-8")) if args.out.is_file() else {}
        write_json(args.out, {**old, name: found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
