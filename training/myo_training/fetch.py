"""Download of a public data set into the user's cache, checked by content before anything is put in place."""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from myo_pipeline.errors import DataError
from myo_training.datasets import CATALOGUE, find_cache
from myo_training.myo_readings import HANDS, TextMyoReadings, pack_person, read_pins
from myo_training.recordings import digest_listing, digest_recording

Progress = Callable[[str, float], None]

TIMEOUT_S = 30.0  # of one read from the server, not of the download
CHUNK_BYTES = 1 << 18
MAX_ARCHIVE_BYTES = 1 << 30  # the public archives are well below; more is not one of them
MAX_UNPACKED_BYTES = 2 << 30


def fetch_dataset(
    name: str,
    url: str | None = None,
    progress: Progress | None = None,
    cache: Path | None = None,
    pins: dict[str, str] | None = None,
) -> Path:
    """Download a data set, verify its content, and put it into the user's cache.

    The public home packs a repository on request, so the archive's bytes are not stable and cannot be pinned.
    Pinned instead is what the archive holds: for each person a SHA-256 over the parsed recordings
    (:func:`~myo_training.recordings.digest_recording` and ``digest_listing``), which is the same for the text
    and the packed form. Persons beyond the pinned ones are left out, so that everybody trains on the same
    set. The cache keeps the packed form.

    Parameters
    ----------
    name
        A name of the catalogue.
    url
        Another address of the same archive (``http``, ``https`` or ``file``).
    progress
        Called with a phrase and a fraction of 0 .. 1.
    cache
        Folder of data sets instead of the user's cache.
    pins
        Person to digest, or file to SHA-256, instead of the pinned ones.

    Returns
    -------
    Path
        The set's folder in the cache.

    Raises
    ------
    DataError
        If the name is unknown, the set cannot be fetched, the download fails, or the content differs from what
        is pinned; the cache is then as it was.
    """
    if name not in CATALOGUE:
        raise DataError(f"unknown data set {name!r}; known: {', '.join(CATALOGUE)}")
    tell = progress or (lambda _text, _fraction: None)
    entry, folder = CATALOGUE[name], cache or find_cache()
    if not entry.can_fetch:
        raise DataError(
            f"{name}: no checksums are published for it, or people must ask for it; get it from {entry.url} and unpack it "
            f"into {folder / name}"
        )
    address = url or entry.url
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}.") as temporary:
            work = Path(temporary)
            if entry.pins:
                _fetch_files(address, entry.pins if pins is None else pins, work / name, tell)
                _replace_folder(work / name, folder / name)
                tell(f"{name} is in {folder / name}", 1.0)
                return folder / name
            _download(address, work / "archive.zip", tell)
            _unpack(work / "archive.zip", work / "text", address, tell)
            _verify_and_pack(work / "text", work / name, read_pins() if pins is None else pins, address, tell)
            _replace_folder(work / name, folder / name)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot write the data set ({error}); free space or set XDG_CACHE_HOME"
        ) from None
    tell(f"{name} is in {folder / name}", 1.0)
    return folder / name


def _fetch_files(address: str, pins: Mapping[str, str], target: Path, tell: Progress) -> None:
    """Download files below an address, each checked against its SHA-256."""
    target.mkdir()
    for number, (name, pin) in enumerate(pins.items()):
        file = f"{address.rstrip('/')}/{name}"
        tell(f"file {name}", number / len(pins))
        _download(file, target / name, lambda _text, _fraction: None)
        found = hashlib.sha256((target / name).read_bytes()).hexdigest()
        if found != pin:
            raise DataError(
                f"{file}: SHA-256 {found[:12]}, published is {pin[:12]}; it was damaged on the way, try again or give another "
                "--url"
            )


def _download(address: str, path: Path, tell: Progress) -> None:
    if not address.startswith(("http://", "https://", "file://")):
        raise DataError(f"{address}: not an http, https or file address; correct it")
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer, path.open("wb") as file:
            stated = answer.headers.get("Content-Length")
            total = int(stated) if stated and stated.isdigit() else None
            done = 0
            while chunk := answer.read(CHUNK_BYTES):
                done += len(chunk)
                if done > MAX_ARCHIVE_BYTES:
                    raise DataError(
                        f"{address}: more than {MAX_ARCHIVE_BYTES >> 20} MB, not the archive expected"
                    )
                file.write(chunk)
                tell(
                    f"downloaded {done / 1e6:.1f} MB",
                    0.6 * (done / total if total else done / MAX_ARCHIVE_BYTES),
                )
    except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"{address}: download failed ({reason}); check the network, or give another --url"
        ) from None
    if total is not None and done != total:
        raise DataError(f"{address}: download ended after {done} of {total} bytes; try again")


def _unpack(archive: Path, target: Path, address: str, tell: Progress) -> None:
    """Unpack the recordings and the licence; a member whose name leads out of the folder is refused."""
    target.mkdir()
    try:
        with zipfile.ZipFile(archive) as pack:
            members = pack.infolist()
            if sum(member.file_size for member in members) > MAX_UNPACKED_BYTES:
                raise DataError(
                    f"{address}: unpacks to more than {MAX_UNPACKED_BYTES >> 20} MB, not the archive expected"
                )
            for number, member in enumerate(members):
                parts = PurePosixPath(member.filename).parts
                unsafe = member.filename.startswith(("/", "\\")) or "\\" in member.filename or ".." in parts
                if unsafe or stat.S_ISLNK(member.external_attr >> 16):
                    raise DataError(
                        f"{address}: member {member.filename!r} leads out of the archive; do not use it"
                    )
                inner = parts[1:]  # the first part is the repository's own folder
                wanted = (len(inner) == 3 and inner[0] in HANDS) or inner == ("LICENSE",)
                if wanted and not member.is_dir():
                    out = target.joinpath(*inner)
                    out.parent.mkdir(parents=True, exist_ok=True)
                    with pack.open(member) as source, out.open("wb") as file:
                        shutil.copyfileobj(source, file)
                if number % 50 == 0:
                    tell("unpacking", 0.6 + 0.1 * number / len(members))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{address}: not a whole zip archive ({error}); try again, or give another --url"
        ) from None


def _verify_and_pack(text: Path, packed: Path, pins: dict[str, str], address: str, tell: Progress) -> None:
    data = TextMyoReadings(text)
    packed.mkdir()
    missing = sorted(set(pins) - set(data.persons()))
    if missing:
        raise DataError(
            f"{address}: recordings of {', '.join(missing)[:120]} are missing; the set has changed, give "
            "another --url"
        )
    for number, (person, pin) in enumerate(sorted(pins.items())):
        recordings = list(data.recordings([person]))
        found = digest_listing(map(digest_recording, recordings))
        if found != pin:
            raise DataError(
                f"{address}: recordings of {person} have digest {found[:12]}, pinned is {pin[:12]}; "
                "the set has changed or was damaged on the way, try again or give another --url"
            )
        pack_person(recordings, packed / f"{person}.npz")
        tell(f"verified {person}", 0.7 + 0.3 * (number + 1) / len(pins))
    if (text / "LICENSE").is_file():
        shutil.copyfile(text / "LICENSE", packed / "LICENSE")


def _replace_folder(new: Path, place: Path) -> None:
    """Put a folder in place; one that stood there is taken away only after the new one is complete."""
    old = new.with_name("replaced")
    if place.exists():
        place.replace(old)
    new.replace(place)
