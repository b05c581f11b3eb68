"""``myopatch record``, ``replay`` and ``convert``."""

from __future__ import annotations

import datetime as dt
import signal
import threading
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from myo_host.cli.app import app, show_progress

if TYPE_CHECKING:
    from myo_pipeline.recording import Recording

BoardOption = Annotated[str | None, typer.Option("--board", help="Boot this virtual board.")]
PortOption = Annotated[
    str | None, typer.Option("--port", help="Serial port of a board that is up, usb:SERIAL, or auto.")
]
ChannelsOption = Annotated[
    str | None, typer.Option("--channels", help="Channels, by name or number from 0, in order: 3,1,2.")
]
RateOption = Annotated[
    float | None, typer.Option("--rate-hz", help="Sample rate, where the file does not say.")
]
LsbOption = Annotated[
    float | None, typer.Option("--lsb-uv", help="Microvolts a count, where the file does not say.")
]
UnitOption = Annotated[
    str | None, typer.Option("--unit", help="counts or uv, where a text or MATLAB file does not say.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


def _open_board(
    bundle: Path | None, board: str | None, port: str | None, store: Path | None = None
) -> AbstractContextManager[str]:
    from myo_host.boards import find_board, start_board
    from myo_pipeline.errors import LinkError

    if bool(board) == bool(port):
        raise LinkError("give one of --board NAME (a virtual board) and --port DEVICE (a board on the line)")
    if port:
        if store is not None:
            raise LinkError(f"--store {store}: a board on the line keeps its heads itself; leave it out")
        return nullcontext(port)
    if bundle is None:
        raise LinkError(f"board {board}: boots the firmware of a bundle; give the bundle's folder")
    description = find_board(str(board))
    return start_board(description, bundle / "firmware" / f"{description.name}.elf", store)


@app.command(short_help="Record a running patch into BDF+ or EDF+.")
def record(
    bundle: Annotated[
        Path | None, typer.Argument(help="Bundle that the board runs: names, units and its hash.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="New file, .bdf or .edf.")] = Path("recording.bdf"),
    board: BoardOption = None,
    port: PortOption = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0.01, help="Patch time; until Ctrl-C without.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Record the patch's own samples, decisions and counters; the file is whole at every moment, even after a power cut."""
    from dataclasses import asdict

    import numpy as np

    from myo_host.aux_recorder import AuxRecorder
    from myo_host.link import PatchLink
    from myo_host.recorder import describe_board, record_patch
    from myo_pipeline.bundle import open_bundle, render_json
    from myo_pipeline.errors import DataError
    from myo_pipeline.recording.edf import EdfWriter

    if out.suffix.lower() not in (".bdf", ".edf"):
        raise DataError(f"{out}: a recorder appends, which .bdf and .edf allow; convert the file afterwards")
    if out.exists():
        raise DataError(f"{out}: exists already; remove it or give another name")
    if not out.parent.is_dir():
        raise DataError(f"{out.parent}: no such folder; make it first")
    opened = open_bundle(bundle) if bundle else None
    interrupted = threading.Event()

    def interrupt(*_: object) -> None:
        interrupted.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever presses twice wants out at once

    with _open_board(bundle, board, port) as name, PatchLink(name) as link:
        hello = link.say_hello(opened.bundle_hash if opened else None)
        sensor = opened.spec.sensor if opened else None
        rate = sensor.rate_hz if sensor else hello.rate_hz
        streams = AuxRecorder(out, hello, opened.spec.aux if opened else ())
        writer = EdfWriter(
            out, tuple(f"EMG{k + 1}" for k in range(hello.n_channels)), rate,
            np.full(hello.n_channels, sensor.lsb_uv if sensor else np.nan),
            full_scale_counts=sensor.full_scale_counts if sensor else 1 << (8 * min(3, hello.sample_bytes) - 1),
            start=dt.datetime.now(), meta=describe_board(hello),
        )  # fmt: skip
        limit = None if seconds is None else seconds * rate
        before = signal.signal(signal.SIGINT, interrupt)
        try:
            with show_progress("record") as progress:
                session = record_patch(
                    link, writer, lambda n: interrupted.is_set() or (limit is not None and n >= limit),
                    opened.spec.output_names if opened and opened.spec.decides_classes else None,
                    lambda s: progress(f"{s.n_samples / rate:.0f} s", s.n_samples / limit if limit else 0.0), streams,
                )  # fmt: skip
        finally:
            signal.signal(signal.SIGINT, before)
    result = {"file": str(out), "rate_hz": rate} | asdict(session)
    if as_json:
        print(render_json(result))
    else:
        lost = session.status.get("samples_lost", 0)
        print(
            f"{out}: {session.n_samples} samples ({session.n_samples / rate:.1f} s), {session.decisions} decisions, "
            f"{lost} samples lost on the board, {session.samples_missing} on the line, {session.faults} faults"
        )
        for name, told in session.aux.items():
            missing = f", {told['samples_missing']} lost on the line" if told["samples_missing"] else ""
            print(f"{out.with_name(told['file'])}: {told['n_samples']} samples of {name}{missing}")
    if interrupted.is_set() and seconds is not None:
        raise typer.Exit(130)


def _open_recording(
    name: str, channels: str | None, rate_hz: float | None, lsb_uv: float | None, unit: str | None,
    data: Path | None = None,
) -> Recording:  # fmt: skip
    """Open a file, or NAME[:PERSON/SESSION/TRIAL] of a data set."""
    from myo_pipeline.errors import DataError
    from myo_pipeline.recording import FORMATS, Recording, read_recording
    from myo_training.datasets import CATALOGUE, resolve_dataset

    wanted = [part.strip() for part in channels.split(",")] if channels else None
    if unit not in (None, "counts", "uv"):
        raise DataError(f"--unit {unit!r}: expected counts or uv")
    set_name, _, which = name.partition(":")
    if Path(name).suffix.lower() in FORMATS or (set_name not in CATALOGUE and not Path(set_name).is_dir()):
        return read_recording(Path(name), channels=wanted, rate_hz=rate_hz, lsb_uv=lsb_uv, unit=unit)
    dataset = resolve_dataset(set_name, data)
    person = which.partition("/")[0] or dataset.persons()[0]
    for found in dataset.recordings([person]):
        if not which or "/".join(found.key).startswith(which):
            opened = Recording.from_array(
                f"{set_name}:{'/'.join(found.key)}", found.emg, found.rate_hz, lsb_uv=found.lsb_uv
            )
            return opened.select(wanted) if wanted else opened
    raise DataError(
        f"{set_name}: no recording {which!r}; give PERSON/SESSION/TRIAL, or its beginning; persons are "
        f"{', '.join(dataset.persons())[:120]}"
    )


@app.command(
    short_help="Stream a recording through a board; write its decisions.",
    epilog="Exit codes: 0 fine; 1 the twin decided otherwise (--twin); 2 could not replay; 130 interrupted.",
)
def replay(
    recording: Annotated[str, typer.Argument(help="A .bdf .edf .hea .csv .mat .h5 file, or a data set: NAME[:P/S/T].")],
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    board: BoardOption = None,
    port: PortOption = None,
    speed: Annotated[str, typer.Option("--speed", help="max, or real: at the patch's own sample rate.")] = "max",
    out: Annotated[Path | None, typer.Option("--out", help="Decisions, .csv or .json; CSV on stdout without.")] = None,
    twin: Annotated[bool, typer.Option("--twin", help="Compare every decision with the twin's.")] = False,
    resample: Annotated[bool, typer.Option("--resample", help="Bring another sample rate to the patch's.")] = False,
    rescale: Annotated[bool, typer.Option("--rescale", help="Round counts of another worth to the patch's.")] = False,
    aux: Annotated[
        list[Path] | None, typer.Option("--aux", help="CSV of each auxiliary stream, in order; those beside the file without.")
    ] = None,
    channels: ChannelsOption = None,
    rate_hz: RateOption = None,
    lsb_uv: LsbOption = None,
    unit: UnitOption = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder that holds the data sets.")] = None,
) -> None:  # fmt: skip
    """Stream a recording into a board; two replays, at whatever speed, write the same bytes."""
    import sys

    from myo_host.calibration import read_stored_head
    from myo_host.link import PatchLink
    from myo_host.replay import (
        find_streams,
        first_difference,
        fit_recording,
        list_decisions,
        list_twin_decisions,
        read_streams,
        render_csv,
    )  # fmt: skip
    from myo_host.streaming import stream_segment
    from myo_pipeline.bundle import open_bundle, render_json, write_text
    from myo_pipeline.errors import DataError

    if speed not in ("max", "real"):
        raise DataError(f"--speed {speed!r}: expected max or real")
    if out is not None and out.suffix.lower() not in (".csv", ".json"):
        raise DataError(f"{out}: decisions are written as .csv or .json; give such a name")
    opened = open_bundle(bundle)
    sensor = opened.spec.sensor
    source = _open_recording(recording, channels, rate_hz, lsb_uv, unit, data)
    fitted = fit_recording(source, sensor, resample=resample, rescale=rescale)
    streams = read_streams(opened.spec, aux or find_streams(opened.spec, Path(recording)))
    with _open_board(bundle, board, port) as name, PatchLink(name) as link:
        link.say_hello(opened.bundle_hash)
        stored = read_stored_head(link, opened)
        capture = stream_segment(
            link, fitted.counts, aux=streams, pace_hz=sensor.rate_hz if speed == "real" else None
        )
    rows = list_decisions(opened, capture)
    told = {
        "recording": source.source,
        "bundle_hash": opened.bundle_hash,
        "notes": fitted.notes,
        "decisions": rows,
    }
    text = render_csv(rows) if out is None or out.suffix.lower() == ".csv" else render_json(told) + "\n"
    if out is not None:
        write_text(out, text)
    else:
        print(text, end="")
    for note in (*source.notes, *fitted.notes):
        print(f"note: {note}", file=sys.stderr)
    difference = (
        first_difference(rows, list_twin_decisions(opened, fitted.counts, streams, stored)) if twin else ""
    )
    if out is not None:
        agreed = ", all as the twin's" if twin and not difference else ""
        print(f"{out}: {len(rows)} decisions from {len(fitted.counts)} samples{agreed}")
    if difference:
        print(f"differs from the twin: {difference}", file=sys.stderr)
        raise typer.Exit(1)


@app.command(short_help="Convert a recording to another format.")
def convert(
    recording: Annotated[str, typer.Argument(help="A .bdf .edf .hea .csv .mat .h5 file, or a data set: NAME[:P/S/T].")],
    out: Annotated[Path, typer.Argument(help="New file; its ending names the format.")],
    channels: ChannelsOption = None,
    rate_hz: RateOption = None,
    lsb_uv: LsbOption = None,
    unit: UnitOption = None,
    quantize_uv: Annotated[
        float | None, typer.Option("--quantize-uv", min=1e-9, help="Round to counts of so many microvolts.")
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder that holds the data sets.")] = None,
) -> None:  # fmt: skip
    """Convert a recording; counts come through bit for bit, or the conversion is refused."""
    import sys

    from myo_pipeline.recording import write_recording
    from myo_pipeline.recording.files import quantize

    source = _open_recording(recording, channels, rate_hz, lsb_uv, unit, data)
    if quantize_uv is not None:
        source = quantize(source, quantize_uv)
    lost = write_recording(out, source)
    for note in source.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{out}: {source.n_samples} samples of {len(source.channels)} channels at {source.rate_hz:g} Hz, "
          f"{len(source.annotations)} annotations" + (f"; without {', '.join(lost)}" if lost else ""))  # fmt: skip
