"""Other people's feature code, as an oracle."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest


def load_libemg() -> types.ModuleType:
    """Load LibEMG's feature code by itself: the package wants NumPy 1 and a graphical stack, its formulas only NumPy."""
    found = importlib.util.find_spec("libemg")
    if found is None or not found.submodule_search_locations:
        pytest.skip("libemg is not here: pip install --no-deps libemg==2.0.3")
    absent = {}
    for name in ("numpy.matlib", "librosa", "pywt", "sklearn", "sklearn.decomposition", "sklearn.manifold",
                 "sklearn.discriminant_analysis", "sklearn.preprocessing"):  # fmt: skip
        if name not in sys.modules:
            absent[name] = types.ModuleType(name)
            absent[name].__getattr__ = lambda _: None  # type: ignore[method-assign]
    sys.modules.update(absent)
    had_matlib = "matlib" in vars(np)
    if not had_matlib:  # numpy's own way to it warns that it is old
        np.matlib = absent["numpy.matlib"]
    try:
        path = Path(found.submodule_search_locations[0]) / "feature_extractor.py"
        spec = importlib.util.spec_from_file_location("libemg_features", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        for name in absent:
            del sys.modules[name]
        if not had_matlib:
            del np.matlib
    return module
