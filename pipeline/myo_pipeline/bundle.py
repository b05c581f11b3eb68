"""The bundle: the folder that training fills, export completes, and firmware and host tools read.

``manifest.json`` lists every file with its SHA-256. The bundle hash is taken over that list without ``c/bundle_id.h``,
which carries the hash into the firmware, so that a board can tell which bundle it runs.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from myo_pipeline.errors import BundleError
from myo_pipeline.spec import PatchSpec, load_spec

MANIFEST = "manifest.json"
MANIFEST_FORMAT = 1
BUNDLE_ID = "c/bundle_id.h"


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends well, and vanishes when not.

    An ``OSError`` on the temporary file (no space, no permission) names ``path`` instead, which a user knows.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        temporary = Path(name)
        os.close(handle)
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if error.filename is None or Path(str(error.filename)).name.startswith(f".{path.name}."):
            error.filename = str(path)
        raise
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def without_nan(value: Any) -> Any:  # noqa: ANN401
    """Return plain values with None where a number is NaN or infinite: JSON has no word for these."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def render_json(value: Any) -> str:  # noqa: ANN401
    """Return strict JSON, keys in the order given; NaN and infinity become null."""
    return json.dumps(without_nan(value), indent=2, allow_nan=False)


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401
    """Write strict JSON whole or not at all, as :func:`render_json` renders it."""
    write_text(path, render_json(value) + "\n")


def hash_file(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_bundle(files: dict[str, str]) -> str:
    """Return the bundle hash of a manifest's file list (path to SHA-256)."""
    listing = "".join(f"{digest}  {path}\n" for path, digest in sorted(files.items()) if path != BUNDLE_ID)
    return hashlib.sha256(listing.encode()).hexdigest()


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Parameters
    ----------
    path
        The file.
    remedy
        What to do if it cannot be read, for the message.

    Raises
    ------
    BundleError
        If it is absent, unreadable, or holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read as JSON ({error}); {remedy}") from None
    if not isinstance(value, dict):
        raise BundleError(f"{path}: holds a {type(value).__name__}, expected an object; {remedy}")
    return value


@dataclass(frozen=True)
class Bundle:
    """An exported bundle whose files are what its manifest says."""

    path: Path
    spec: PatchSpec
    manifest: dict[str, Any]

    @property
    def bundle_hash(self) -> str:
        """The bundle hash, 64 hexadecimal digits."""
        return str(self.manifest["bundle_hash"])

    def read_json(self, name: str) -> dict[str, Any]:
        """Read one of the bundle's JSON files."""
        return read_json(self.path / name, "run `myopatch export` again")


def open_bundle(path: Path) -> Bundle:
    """Open an exported bundle and check every file against the manifest.

    Parameters
    ----------
    path
        The bundle's folder, ``build/NAME``.

    Raises
    ------
    BundleError
        If it is not a bundle, of another version, or a file is missing or changed.
    """
    manifest_path = path / MANIFEST
    again = f"run `myopatch export {path}` again"
    if not path.is_dir():
        raise BundleError(
            f"{path}: no such bundle folder; make one with `myopatch train` and `myopatch export`"
        )
    if not manifest_path.is_file():
        raise BundleError(f"{path}: no {MANIFEST}, so it was never exported; run `myopatch export {path}`")
    try:
        manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
        version, files = manifest["format"], dict(manifest["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{manifest_path}: damaged ({type(error).__name__}); {again}") from None
    if version != MANIFEST_FORMAT:
        raise BundleError(f"{path}: bundle format {version!r}, this version reads {MANIFEST_FORMAT}; {again}")
    for name, digest in files.items():
        file = path / name
        if not file.is_file():
            raise BundleError(f"{file}: listed in the manifest but missing; {again}")
        if hash_file(file) != digest:
            raise BundleError(
                f"{file}: changed since the export (SHA-256 differs from the manifest); {again}"
            )
    if manifest.get("bundle_hash") != hash_bundle(files):
        raise BundleError(f"{manifest_path}: bundle hash does not fit the file list; {again}")
    return Bundle(path, load_spec(path / "patch.toml"), manifest)
