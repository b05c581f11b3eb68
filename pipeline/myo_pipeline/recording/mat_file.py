"""Recordings in MATLAB files of version 5, through scipy: the signal in ``emg``, the rest beside it."""

from __future__ import annotations

import json
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
    except NotImplementedError:
        raise DataError(f"{path}: is a MATLAB 7.3 file; save it with `save(..., '-v7')`") from None
    except Exception as error:  # scipy raises what its parser happens to meet
        raise DataError(f"{path}: not readable as a MATLAB file ({error}); save it again") from None
    content = {key: value for key, value in content.items() if not key.startswith("__")}
    matrices = [
        key for key, value in content.items()
        if isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "iuf" and value.size > 1
    ]  # fmt: skip
    name = next(
        (key for key in matrices if key.lower() == "emg"), matrices[0] if len(matrices) == 1 else None
    )
    if name is None:
        raise DataError(f"{path}: matrices {', '.join(matrices) or 'none'}; name the signal's `emg`")
    samples = content[name]
    facts: dict[str, Any] = {}
    try:
        if "myopatch" in content:
            facts = json.loads(str(content["myopatch"].reshape(-1)[0]))
        elif samples.shape[0] < samples.shape[1]:
            samples = samples.T  # a channel a row, as many write it
        values = unpack_facts(facts, samples.shape[1])
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: variable `myopatch`: {error}; save the file again") from None
    if "channels" in facts:
        values["channels"] = tuple(facts["channels"])
    lower = {key.lower(): value for key, value in content.items()}
    told = next(
        (float(lower[key].reshape(-1)[0]) for key in _RATE_NAMES if key in lower and lower[key].size), rate_hz
    )
    rate = facts.get("rate_hz", told)
    if rate is None:
        raise DataError(f"{path}: does not say its sample rate (fs, rate_hz); give --rate-hz")
    if samples.dtype.kind != "f":
        values.setdefault("is_counts", unit != "uv")
    else:
        values.setdefault(
            "is_counts", unit == "counts" if unit else bool((samples == np.rint(samples)).all())
        )
    return Recording.from_array(str(path), samples, float(rate), **values)


def write_mat(path: Path, recording: Recording) -> list[str]:
    """Write ``emg`` (int32 counts or microvolts), ``rate_hz`` and ``lsb_uv``; everything else as JSON in ``myopatch``."""
    from scipy import io

    facts = json.dumps(pack_facts(recording) | {"channels": list(recording.channels)})
    with path.open("xb") as file:
        io.savemat(file, {
            "emg": recording.read(), "rate_hz": recording.rate_hz, "lsb_uv": recording.lsb_uv, "myopatch": facts,
        }, do_compression=True)  # fmt: skip
    return []
