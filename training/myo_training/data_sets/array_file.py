"""Arrays by name out of the files that hold several: NumPy archives and MATLAB files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.errors import DataError
from myo_training.data_sets.file_set import AGAIN


def read_npz(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return arrays of an ``.npz`` file.

    Raises
    ------
    DataError
        If the file is damaged or has none of that name.
    """
    try:
        with path.open("rb") as raw, np.load(raw) as file:
            found = {name: file[name] for name in names if name in file.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: not a whole .npz file ({error}); {AGAIN}") from None
    return _require(path, found, names)


def read_mat(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Return matrices of a MATLAB file, as MATLAB shows them; version 7.3 is HDF5 and read as such.

    Raises
    ------
    DataError
        If the file is damaged or has none of that name.
    """
    from scipy import io

    try:
        found: dict[str, Any] = io.loadmat(path, variable_names=list(names))
    except NotImplementedError:  # scipy's word for version 7.3
        found = _read_mat73(path, names)
    except Exception as error:  # scipy raises what its parser happens to meet
        raise DataError(f"{path}: not readable as a MATLAB file ({error}); {AGAIN}") from None
    matrices = {name: found[name] for name in names if name in found}
    for name, matrix in matrices.items():
        if not isinstance(matrix, np.ndarray) or matrix.ndim != 2 or matrix.dtype.kind not in "iufb":
            raise DataError(f"{path}: variable {name!r} is no matrix of numbers; {AGAIN}")
    return _require(path, matrices, names)


def _read_mat73(path: Path, names: Sequence[str]) -> dict[str, Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return {name: np.asarray(file[name]).T for name in names if name in file}
    except (OSError, RuntimeError, KeyError) as error:
        raise DataError(f"{path}: not readable as a MATLAB 7.3 file ({error}); {AGAIN}") from None


def _require(path: Path, found: dict[str, NDArray[Any]], names: Sequence[str]) -> dict[str, NDArray[Any]]:
    if missing := [name for name in names if name not in found]:
        raise DataError(f"{path}: no variable {missing[0]!r} in it; {AGAIN}")
    return found
