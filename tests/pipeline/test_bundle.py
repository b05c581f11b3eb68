"""Bundles: what is missing, changed or of another version is refused in one line; files are written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from myo_pipeline import spec as spec_module
from myo_pipeline.bundle import (
    BUNDLE_ID,
    hash_bundle,
    hash_file,
    open_bundle,
    replace_file,
    write_json,
    write_text,
)
from myo_pipeline.errors import BundleError
from myo_pipeline.vectors import GoldenSegment, load_vectors

SPEC = (
    (Path(spec_module.__file__).parent / "templates/gestures.toml").read_text().replace("@NAME@", "gestures")
)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_text(tmp_path / "patch.toml", SPEC)
    write_text(tmp_path / "c/net.c", "int x;\n")
    write_text(tmp_path / BUNDLE_ID, "id\n")
    files = {name: hash_file(tmp_path / name) for name in ("patch.toml", "c/net.c", BUNDLE_ID)}
    write_json(tmp_path / "manifest.json", {"format": 1, "bundle_hash": hash_bundle(files), "files": files})
    return tmp_path


def test_whole_bundle_opens(bundle: Path) -> None:
    opened = open_bundle(bundle)
    assert opened.spec.name == "gestures"
    assert len(opened.bundle_hash) == 64


def test_identity_does_not_depend_on_the_file_that_carries_it(bundle: Path) -> None:
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    assert hash_bundle(files) == hash_bundle(files | {BUNDLE_ID: "0" * 64})
    assert hash_bundle(files) != hash_bundle(files | {"c/net.c": "0" * 64})


def refused(bundle: Path, expected: str) -> None:
    with pytest.raises(BundleError) as caught:
        open_bundle(bundle)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_folder(tmp_path: Path) -> None:
    refused(tmp_path / "none", "no such bundle folder")


def test_never_exported(bundle: Path) -> None:
    (bundle / "manifest.json").unlink()
    refused(bundle, "never exported; run `myopatch export")


def test_missing_file(bundle: Path) -> None:
    (bundle / "c/net.c").unlink()
    refused(bundle, "listed in the manifest but missing")


def test_changed_file(bundle: Path) -> None:
    (bundle / "c/net.c").write_text("int y;\n")
    refused(bundle, "changed since the export")


def test_another_version(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    write_json(bundle / "manifest.json", manifest | {"format": 2})
    refused(bundle, "bundle format 2, this version reads 1")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 1}', '{"format": 1, "files": 3}'])
def test_damaged_manifest(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text)
    refused(bundle, "damaged")


def test_forged_hash(bundle: Path) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    write_json(bundle / "manifest.json", manifest | {"bundle_hash": "0" * 64})
    refused(bundle, "bundle hash does not fit")


def test_failed_write_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def interrupted() -> None:
        with replace_file(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def make_segment() -> GoldenSegment:
    rng = np.random.default_rng(0)
    return GoldenSegment(
        "p", "1", "t", 5, rng.integers(-9, 9, (20, 2)).astype(np.int32), np.array([0, 1], np.int32),
        rng.integers(-9, 9, (20, 2)).astype(np.int32), rng.normal(size=(20, 2)),
        rng.integers(-9, 9, (2, 8)).astype(np.int8), rng.integers(-9, 9, (2, 3)).astype(np.int8),
        rng.normal(size=(2, 3)).astype(np.float32), np.array([[1, 1, 9, 1], [2, 0, 8, 2]], np.int32),
        np.zeros((2, 0), np.int32), np.array([1, 2], np.int32),
        [rng.integers(-9, 9, (1, k)).astype(np.int8) for k in (4, 3)],
        [rng.normal(size=(1, k)).astype(np.float32) for k in (4, 3)],
    )  # fmt: skip


def test_segment_round_trips_to_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "vectors/000.npz"
    make_segment().save(path)
    loaded = load_vectors(tmp_path)[0]
    loaded.save(tmp_path / "vectors/001.npz")
    assert path.read_bytes() == (tmp_path / "vectors/001.npz").read_bytes()
    assert (loaded.name, loaded.n_windows, loaded.n_traced) == ("p/1/t", 2, 1)
    assert loaded.decision(1).decided == 2


def test_no_vectors(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="holds no golden vectors"):
        load_vectors(tmp_path)


def test_damaged_segment(tmp_path: Path) -> None:
    write_text(tmp_path / "vectors/000.npz", "nonsense")
    with pytest.raises(BundleError, match="not a golden vector of this version"):
        load_vectors(tmp_path)
