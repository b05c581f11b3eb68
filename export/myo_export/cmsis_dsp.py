"""CMSIS-DSP's C sources, from the same Python package that the twin computes with.

They are fetched once from the package's source distribution, checked against its SHA-256, and unpacked,
as far as the firmware needs them, into the user's cache. Nothing of them is committed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from myo_pipeline.cache import find_user_cache
from myo_pipeline.errors import BuildError, MyoError

VERSION = "1.10.3"
SDIST_SHA256 = "307d32298faa7c58db912851027fce35f886fec7eb1a27c4b309ce1a97f47519"
_SDIST = f"cmsisdsp-{VERSION}.tar.gz"
_WANTED = ("LICENSE", "Include/", "PrivateInclude/", "Source/FilteringFunctions/")
_MARK = Path("Source/FilteringFunctions/arm_biquad_cascade_df1_q31.c")


def find_cache() -> Path:
    """Return where the sources are, or will be: below ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    return find_user_cache() / f"cmsis-dsp-{VERSION}"


def locate() -> Path:
    """Return the folder that holds CMSIS-DSP's ``Include`` and ``Source``; fetch it where the cache has none.

    Raises
    ------
    BuildError
        If the sources cannot be fetched or are not the pinned ones.
    """
    target = find_cache()
    cache = target.parent
    if (target / _MARK).is_file():
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".cmsis-dsp-") as scratch:
            archive = _download(Path(scratch))
            _check(archive)
            unpacked = _unpack(archive, Path(scratch) / "unpacked")
            _install(unpacked, target)
    except (OSError, tarfile.TarError) as error:
        raise BuildError(f"CMSIS-DSP {VERSION} cannot be unpacked into {cache}: {error}") from error
    return target


def _download(folder: Path) -> Path:
    """Let pip fetch the source distribution.

    pip builds the package's metadata on the way. With the build tools that this environment has it takes a
    quarter of the time; where they do not do, pip fetches its own.
    """
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--no-binary", "cmsisdsp", "--dest", str(folder), f"cmsisdsp=={VERSION}",
    ]  # fmt: skip
    archive = folder / _SDIST
    for options in (["--no-build-isolation"], []):
        result = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        if result.returncode == 0 and archive.is_file():
            return archive
    reasons = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or [
        "pip said nothing"
    ]
    raise BuildError(
        f"CMSIS-DSP {VERSION} could not be fetched with pip ({reasons[0]}); "
        f"run again when the package index can be reached"
    )


def _check(archive: Path) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SDIST_SHA256:
        raise BuildError(f"{_SDIST} has SHA-256 {found}, expected {SDIST_SHA256}; do not use it, and tell us")


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack what the firmware needs: regular files below the wanted names, none that climbs out of them."""
    root = f"cmsisdsp-{VERSION}/"
    wanted = tuple(root + name for name in _WANTED)
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() and member.name.startswith(wanted) else None
            if content is None or ".." in Path(member.name).parts:
                continue
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())
    unpacked = folder / root
    if not (unpacked / _MARK).is_file():
        raise BuildError(f"{_SDIST} lacks {_MARK}, which the firmware's front end needs")
    return unpacked


def _install(unpacked: Path, target: Path) -> None:
    """Rename the whole folder into place; another process that was faster wins."""
    if target.exists() and not (target / _MARK).is_file():
        shutil.rmtree(target)
    try:
        unpacked.rename(target)
    except OSError:
        if not (target / _MARK).is_file():
            raise


def main() -> None:
    """Write the folder to standard output."""
    try:
        sys.stdout.write(f"{locate()}\n")
    except MyoError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
