"""``myopatch calibrate``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myo_host.cli.app import app, show_progress
from myo_host.cli.recording_commands import BoardOption, PortOption, _open_board

if TYPE_CHECKING:
    from myo_host.calibration import Standing
    from myo_host.calibration_run import Signal
    from myo_pipeline.spec import PatchSpec


@app.command(
    short_help="Calibrate a patch for a person, on the patch.",
    epilog="Exit codes: 0 fine; 1 device and twin differ (--replay); 2 could not calibrate; 130 interrupted.",
)
def calibrate(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    board: BoardOption = None,
    port: PortOption = None,
    replay: Annotated[
        str | None,
        typer.Option("--replay", help="A recording with annotated classes, or NAME:PERSON/SESSION of a set; guided without."),
    ] = None,
    bouts: Annotated[int, typer.Option("--bouts", min=1, max=100, help="Times that each class is held.")] = 1,
    seconds: Annotated[float, typer.Option("--seconds", min=0.2, help="That count of each, guided.")] = 4.0,
    pause: Annotated[float, typer.Option("--pause", min=0.0, help="Seconds to get ready, guided.")] = 2.0,
    undo: Annotated[bool, typer.Option("--undo", help="Back to the head before.")] = False,
    factory: Annotated[bool, typer.Option("--factory", help="Forget every head: the network decides.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Say which head is in use.")] = False,
    store: Annotated[
        Path | None, typer.Option("--store", help="File for a native board's heads; else its own in the bundle.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder that holds the data sets.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")] = False,
) -> None:  # fmt: skip
    """Hold each class for some seconds: the patch makes a head of its own for the person, and keeps it."""
    from myo_host.calibration import Calibrator
    from myo_host.calibration_run import calibrate_by_recording, guide
    from myo_host.link import PatchLink
    from myo_host.messages import CalibrationAction
    from myo_pipeline.bundle import open_bundle, render_json
    from myo_pipeline.errors import LinkError

    if undo + factory + status + (replay is not None) > 1:
        raise LinkError("give one of --replay, --undo, --factory and --status; guided without")
    opened = open_bundle(bundle)
    signals = _read_signals(replay, opened.spec, data) if replay is not None else []
    with (
        _open_board(bundle, board, port, store or _default_store(bundle, board)) as name,
        PatchLink(name) as link,
    ):
        hello = link.say_hello(opened.bundle_hash)
        calibrator = Calibrator(link, opened)
        if signals:
            with show_progress("calibrate") as progress:
                gain = calibrate_by_recording(link, opened, signals, bouts, progress)
            if as_json:
                print(render_json(gain.as_dict()))
            else:
                held = ", ".join(
                    f"{label} {n}" for label, n in zip(calibrator.names, gain.windows, strict=True)
                )
                print(f"head {gain.standing.sequence} of {bouts} bout(s) a class; windows: {held}")
                print(
                    f"the rest of the recording, {gain.n_tested} windows, macro accuracy: {gain.before['window']:.1%} before, "
                    f"{gain.after['window']:.1%} after; voted {gain.before['voted']:.1%} and {gain.after['voted']:.1%}"
                )
                print(
                    f"device against twin: {gain.words} words of heads and decisions, {gain.differing} differ"
                )
            if gain.differing:
                raise typer.Exit(1)
            return
        action = {
            undo: CalibrationAction.UNDO,
            factory: CalibrationAction.FACTORY,
            status: CalibrationAction.STATUS,
        }
        if True in action:
            standing = calibrator.ask(action[True])
        else:
            standing = guide(calibrator, bouts, seconds, pause, lambda line: print(line, flush=True))
    if as_json:
        print(render_json(_as_dict(standing)))
        return
    if standing.foreign:
        print(f"{hello.board}: holds a head of another bundle, which is not used")
    decides = f"head {standing.sequence} decides" if standing.sequence else "no head, the network decides"
    kept = "outlive power" if standing.outlives_power else "outlive a reset, not the power"
    print(f"{hello.board}: {decides}; heads {kept}")


def _default_store(bundle: Path, board: str | None) -> Path | None:
    """Return where a board that is not plugged in keeps heads between two commands; None: nowhere, or where a variable says."""
    from myo_host.boards import BOARDS

    known = BOARDS.get(board or "")
    if known is None or not known.store_variable or os.environ.get(known.store_variable):
        return None
    return bundle / "firmware" / f"{known.name}.store"


def _as_dict(standing: Standing) -> dict[str, object]:
    return {
        "sequence": standing.sequence, "foreign": standing.foreign, "outlives_power": standing.outlives_power,
        "left_out": standing.left_out, "known": standing.known.tolist(), "fresh": standing.fresh.tolist(),
    }  # fmt: skip


def _read_signals(name: str, spec: PatchSpec, data: Path | None) -> list[Signal]:
    """Read recordings with a class for every sample: of a data set's person and session, or a file's annotations."""
    import numpy as np

    from myo_host.calibration_run import Signal
    from myo_host.replay import fit_recording
    from myo_pipeline.errors import DataError
    from myo_pipeline.recording import FORMATS, read_recording

    if Path(name).suffix.lower() in FORMATS:
        recording = read_recording(Path(name))
        counts = fit_recording(recording, spec.sensor).counts
        labels = np.full(len(counts), -1, np.int64)
        for note in recording.annotations:
            if note.text in spec.output_names:
                start = round(note.onset_s * spec.sensor.rate_hz)
                stop = start + round((note.duration_s or 0.0) * spec.sensor.rate_hz)
                labels[max(start, 0) : max(stop, 0)] = spec.output_names.index(note.text)
        if (labels < 0).all():
            raise DataError(
                f"{name}: no annotation names a class for some time, expected one of {', '.join(spec.output_names)}; annotate "
                "what was held when"
            )
        return [Signal(name, counts, labels)]
    from myo_training.datasets import resolve_dataset
    from myo_training.recordings import check_fits

    set_name, _, which = name.partition(":")
    dataset = resolve_dataset(set_name, data, spec)
    check_fits(dataset.info, spec)
    person = which.partition("/")[0] or dataset.persons()[0]
    found = [r for r in dataset.recordings([person]) if "/".join(r.key).startswith(which)]
    sessions = sorted({r.session for r in found})
    if len(sessions) != 1:
        raise DataError(
            f"{set_name}: {which!r} is {len(sessions)} sessions ({', '.join(sessions)[:60]}), expected one donning; give "
            "NAME:PERSON/SESSION"
        )
    return [Signal("/".join(r.key), r.emg, r.labels.astype(np.int64)) for r in found]
