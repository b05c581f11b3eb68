"""What holds of every recording of every data set, whatever its layout."""

from __future__ import annotations

import numpy as np

from myo_training.recordings import DataSet, Recording


def read_all(data: DataSet, persons: list[str] | None = None) -> list[Recording]:
    """Read a set, and check what every loader promises: order, sessions as listed, and types that match its own word."""
    recordings = list(data.recordings(persons))
    keys = [recording.key for recording in recordings]
    assert keys == sorted(set(keys))
    listed = data.sessions()
    assert listed == sorted(set(listed))
    wanted = {pair for pair in listed if persons is None or pair[0] in persons}
    assert {key[:2] for key in keys} == wanted
    assert all(path.is_file() for path in data.files())
    info = data.info
    assert info.channels == () or len(info.channels) == info.n_channels
    for recording in recordings:
        assert recording.emg.dtype == np.int32
        assert recording.emg.shape[1] == info.n_channels
        assert (recording.rate_hz, recording.lsb_uv) == (info.rate_hz, info.lsb_uv)
        assert all(recording.key)
        assert np.abs(recording.emg).max() <= 2**23
        if info.kind == "classes":
            assert recording.labels.dtype == np.int64
            assert 0 <= recording.labels.min() <= recording.labels.max() < len(info.outputs)
        else:
            assert recording.labels.dtype == np.float64
            assert recording.labels.shape == (len(recording.emg), len(info.outputs))
            assert np.isfinite(recording.labels).all()
    return recordings
