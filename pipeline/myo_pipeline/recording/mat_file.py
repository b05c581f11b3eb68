"""Recordings in MATLAB files, through scipy: the signal in ``emg``, the rest beside it. Version 7.3 is HDF5."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from myo_pipeline.errors import DataError
from myo_pipeline.recording.csv_file import pack_facts, unpack_facts
from myo_pipeline.recording.recording import Recording

_RATE_NAMES = ("rate_hz", "fs", "srate", "samplerate", "samplingrate", "sampling_rate", "sf")


def read_mat(path: Path, rate_hz: float | None, unit: str | None) -> Recording:
    """Read the matrix ``emg``, or the only one there is.

    Raises
    ------
    DataError
        If there is none, there are several, or the rate is not told.
    """
    from scipy import io

    try:
        content: dict[str, Any] = io.loadmat(path)
    except NotImplementedError:  # scipy's word for version 7.3
        from myo_pipeline.recording.hdf5_file import read_hdf5

        return read_hdf5(path, rate_hz, unit)
    except Exception as error:  # scipy raises what its parser happens to meet
        raise DataError(f"{path}: not readable as a MATLAB file ({error}); save it again") from None
    content = {key: value for key, value in content.items() if not key.startswith("__")}
    samples = content[find_signal(path, {k: v for k, v in content.items() if isinstance(v, np.ndarray)})]
    if "myopatch" not in content and samples.shape[0] < samples.shape[1]:
        samples = samples.T  # a channel a row, as many write it
    values = read_facts(path, content.get("myopatch"), samples.shape[1])
    rate = values.pop("rate_hz", None) or find_rate(path, content, rate_hz)
    if samples.dtype.kind != "f":
        values.setdefault("is_counts", unit != "uv")
    else:
        values.setdefault(
            "is_counts", unit == "counts" if unit else bool((samples == np.rint(samples)).all())
        )
    return Recording.from_array(str(path), samples, rate, **values)


def find_signal(path: Path, arrays: Mapping[str, Any]) -> str:
    """Return the name of the matrix ``emg``, or of the only one there is.

    Raises
    ------
    DataError
        If there is none, or there are several.
    """
    matrices = [
        name for name, array in arrays.items()
        if array.ndim == 2 and array.dtype.kind in "iuf" and array.size > 1
        and name.rpartition("/")[2].lower() not in ("lsb_uv", *_RATE_NAMES)
    ]  # fmt: skip
    named = [name for name in matrices if name.rpartition("/")[2].lower() == "emg"]
    found = named or matrices
    if len(found) != 1:
        raise DataError(f"{path}: matrices {', '.join(matrices)[:200] or 'none'}; name the signal's `emg`")
    return found[0]


def read_facts(path: Path, stored: Any, n_channels: int) -> dict[str, Any]:  # noqa: ANN401
    """Return what ``myopatch`` holds as arguments of ``Recording.from_array``, with ``rate_hz``; nothing where it is None.

    Raises
    ------
    DataError
        If it is not what :func:`write_mat` writes.
    """
    if stored is None:
        return {}
    try:
        facts = json.loads(str(np.asarray(stored).reshape(-1)[0]))
        values = unpack_facts(facts, n_channels)
        values["rate_hz"] = float(facts["rate_hz"])
        values["channels"] = tuple(facts["channels"])
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise DataError(f"{path}: variable `myopatch`: {error}; save the file again") from None
    return values


def find_rate(path: Path, content: Mapping[str, Any], rate_hz: float | None) -> float:
    """Return the sample rate that the file tells, or the one given.

    Raises
    ------
    DataError
        If neither does, or what the file tells is no number.
    """
    told = {name.lower(): value for name, value in content.items()}
    for name in _RATE_NAMES:
        if name in told and np.size(told[name]):
            try:
                return float(np.asarray(told[name]).reshape(-1)[0])
            except (TypeError, ValueError):
                raise DataError(f"{path}: {name} is not a number; save the file again") from None
    if rate_hz is None:
        raise DataError(f"{path}: does not say its sample rate (fs, rate_hz); give --rate-hz")
    return rate_hz


def write_mat(path: Path, recording: Recording) -> list[str]:
    """Write ``emg`` (int32 counts or microvolts), ``rate_hz`` and ``lsb_uv``; everything else as JSON in ``myopatch``."""
    from scipy import io

    facts = json.dumps(pack_facts(recording) | {"channels": list(recording.channels)})
    with path.open("xb") as file:
        io.savemat(file, {
            "emg": recording.read(), "rate_hz": recording.rate_hz, "lsb_uv": recording.lsb_uv, "myopatch": facts,
        }, do_compression=True)  # fmt: skip
    return []
