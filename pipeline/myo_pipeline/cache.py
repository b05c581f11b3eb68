"""Where what was downloaded is kept from run to run."""

from __future__ import annotations

import os
from pathlib import Path


def find_user_cache() -> Path:
    """Return ``$XDG_CACHE_HOME/myopatch``, or ``~/.cache/myopatch`` where the variable is not set or empty."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "myopatch"
