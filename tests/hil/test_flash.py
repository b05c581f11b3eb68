"""`myopatch flash` for a board on the desk: an uploader on PATH that boots in QEMU the very image that it was given."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commands import MYOPATCH, must
from myo_export import budget
from myo_export.firmware_build import measure_image, upload_firmware
from myo_host.flash import read_progress
from myo_host.patch import open_patch
from myo_pipeline.bundle import open_bundle

Built = Callable[[str, str], Path]
Flash = Callable[..., subprocess.CompletedProcess[str]]
UPLOADER = Path(__file__).with_name("fake_uploader.py")


@pytest.fixture(scope="module")
def bundle(built: Built) -> Path:
    folder = built("classes", "virtual_stm32f405")
    must("build", folder, "--board", "stm32f405")
    return folder


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A desk with a board on it: dfu-util stands on PATH, the port appears as `port` in this folder."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "dfu-util").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{UPLOADER}" "$@"\n')
    (tools / "dfu-util").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    monkeypatch.setenv("FAKE_FOLDER", str(tmp_path))
    monkeypatch.setenv("FAKE_UPLOAD", "boot")
    yield tmp_path
    if (pid := tmp_path / "pid").is_file():
        os.kill(int(pid.read_text()), signal.SIGTERM)


def flash(bundle: Path, port: object) -> subprocess.CompletedProcess[str]:
    command = [MYOPATCH, "flash", bundle, "--board", "stm32f405", "--protocol", "dfu", "--port", port]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, check=False)


def refuses(done: subprocess.CompletedProcess[str], *said: str) -> None:
    errors = [line for line in done.stderr.splitlines() if line.startswith("myopatch: ")]
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(errors) == 1
    assert all(words in errors[0] for words in said), errors[0]
    assert "Traceback" not in done.stderr


def test_what_qemu_runs_is_what_is_flashed_bit_for_bit(bundle: Path) -> None:
    images = [
        (bundle / "firmware" / f"{name}.elf").read_bytes() for name in ("virtual_stm32f405", "stm32f405")
    ]
    assert images[0] == images[1]


def test_what_the_port_takes_is_in_the_budget(built: Built, bundle: Path) -> None:
    plain = measure_image(built("classes", "virtual_m4") / "firmware/virtual_m4.elf")
    image = measure_image(bundle / "firmware/stm32f405.elf")
    flash_bytes, ram_bytes = budget._PORT["stm32f405"]
    assert image.flash_bytes - plain.flash_bytes == pytest.approx(flash_bytes, abs=100)
    assert image.ram_bytes - plain.ram_bytes == pytest.approx(ram_bytes, abs=8)


def test_flash_uploads_and_hears_the_bundle(bundle: Path, desk: Path, tmp_path: Path) -> None:
    done = flash(bundle, desk / "port")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"stm32f405 booted and runs bundle {open_bundle(bundle).bundle_hash[:12]}" in done.stdout
    assert "3 channels at 500 Hz" in done.stdout
    subprocess.run(
        ["arm-none-eabi-objcopy", "-O", "binary", bundle / "firmware/stm32f405.elf", tmp_path / "expected.bin"], check=True
    )  # fmt: skip
    assert (desk / "uploaded.bin").read_bytes() == (tmp_path / "expected.bin").read_bytes()
    told = (desk / "arguments").read_text()
    assert "--device\n0483:df11" in told
    assert "--dfuse-address\n0x08000000:leave" in told
    with open_patch(open_bundle(bundle), "port", str(desk / "port")) as patch:
        assert patch.compare(patch.recordings[0]) == []


def test_progress_comes_while_the_uploader_works(
    bundle: Path, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_UPLOAD", "pretend")
    shares: list[float] = []

    def step(line: str) -> None:
        if (share := read_progress(line)) is not None:
            shares.append(share)

    upload_firmware(bundle, "stm32f405", "dfu", step)
    assert shares == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]


def test_an_uploader_that_fails_is_told_in_its_words(
    bundle: Path, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_UPLOAD", "fail")
    done = flash(bundle, desk / "port")
    refuses(
        done,
        "dfu-util could not flash stm32f405: dfu-util: No DFU capable USB device available",
        "BOOT0 high",
    )


def test_a_missing_uploader_is_told_with_its_package(bundle: Path) -> None:
    refuses(flash(bundle, "/dev/null"), "dfu-util is not on this machine", "sudo apt-get install dfu-util")
