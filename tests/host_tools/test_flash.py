"""What `myopatch flash` says of the board that answers, or does not; tests/hil/test_flash.py uploads for real."""

from __future__ import annotations

import os
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports as pyserial_ports

from fake_board import FakeBoard
from myo_export import uploaders
from myo_host import flash, link, ports
from myo_host.boards import BOARDS, STM32_TICK_HZ, identify_board
from myo_host.doctor import _find_uploaders
from myo_pipeline.errors import BuildError, LinkError, MismatchError

BOARD = BOARDS["stm32f405"]
HASH = bytes(range(32)).hex()  # of FakeBoard
ST_LINK = {"vid": 0x0483, "pid": 0x374B, "serial_number": "066D", "product": "STM32 STLink"}


@pytest.fixture(autouse=True)
def on_usb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The kernel's list of USB devices: a hub, one of its interfaces, nothing to flash with."""
    hub = tmp_path / "usb"
    plug_usb(hub / "usb1", "1d6b", "0002")
    (hub / "1-0:1.0").mkdir()
    monkeypatch.setattr(ports, "USB_DEVICES", hub)
    return hub


def plug_usb(folder: Path, vendor: str, product: str) -> None:
    folder.mkdir(parents=True)
    for name, text in {
        "idVendor": vendor,
        "idProduct": product,
        "busnum": "1",
        "devnum": "7",
        "serial": "3172",
    }.items():
        (folder / name).write_text(f"{text}\n")


@pytest.fixture
def silent_port() -> Iterator[str]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_board_that_runs_the_bundle_is_fine() -> None:
    with FakeBoard(board=b"stm32f405") as board:
        assert flash.greet_flashed(BOARD, board.port, HASH).bundle_hash == HASH


def test_another_bundle_is_refused_with_both_hashes() -> None:
    with (
        FakeBoard(board=b"stm32f405") as board,
        pytest.raises(
            MismatchError,
            match=rf"after the upload stm32f405 runs bundle {HASH[:12]}, expected ffffffffffff: ",
        ),
    ):
        flash.greet_flashed(BOARD, board.port, "ff" * 32)


def test_another_board_is_refused_by_name() -> None:
    with FakeBoard() as board, pytest.raises(MismatchError, match="fake answers and stm32f405 was flashed"):
        flash.greet_flashed(BOARD, board.port, HASH)


def test_silence_is_told_with_the_place_of_the_line(
    silent_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "HELLO_TIMEOUT_S", 0.05)
    with pytest.raises(
        LinkError, match=rf"does not answer at {silent_port}: no answer .* PB6 .*BOOT0 low"
    ) as refused:
        flash.greet_flashed(BOARD, silent_port, HASH)
    assert "\n" not in str(refused.value)


def test_a_port_is_waited_for_but_not_forever(silent_port: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(LinkError, match=r"no such port 0\.2 s after the upload"):
        flash.await_port(str(tmp_path / "none"), 0.2)
    assert time.monotonic() - began >= 0.2
    late = tmp_path / "late"
    late.symlink_to(silent_port)
    assert flash.await_port(str(late), 0.2) == str(late)


def test_several_boards_are_refused_before_the_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        SimpleNamespace(device=f"/dev/ttyACM{k}", **ST_LINK | {"serial_number": f"066{k}"}) for k in range(2)
    ]
    monkeypatch.setattr(pyserial_ports, "comports", lambda: found)
    with pytest.raises(LinkError, match="2 boards, usb:0660"):
        flash.check_port_is_clear("auto")
    flash.check_port_is_clear("/dev/ttyACM1")
    monkeypatch.setattr(pyserial_ports, "comports", lambda: found[:1])
    flash.check_port_is_clear("auto")
    monkeypatch.setattr(pyserial_ports, "comports", list)
    flash.check_port_is_clear("auto")  # it may come with the upload's reset


@pytest.mark.parametrize(
    ("line", "share"),
    [
        ("Download\t[=============            ]  52%       28672 bytes", 0.52),
        ("Erase   \t[=========================] 100%            0 bytes", 1.0),
        ("  3/ 14 pages written", 3 / 14),
        ("** Programming Started **", None),
        ("wrote 65536 bytes from file firmware.elf in 1.9s (33.6 KiB/s)", None),
    ],
)
def test_progress_is_read_from_what_uploaders_print(line: str, share: float | None) -> None:
    assert flash.read_progress(line) == share


def test_a_bootloader_on_usb_is_listed_and_told_where_its_port_is_missed(
    on_usb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyserial_ports, "comports", list)
    assert not ports.list_portless()
    assert not ports.find_bootloader()
    plug_usb(on_usb / "1-2", "0483", "3748")
    assert [device.what for device in ports.list_portless()] == ["ST-LINK/V2, a probe, USB 0483:3748"]
    assert not ports.find_bootloader()
    plug_usb(on_usb / "1-3", "0483", "df11")
    assert ports.find_bootloader()
    assert [device.serial_number for device in ports.list_portless()] == ["3172", "3172"]
    with pytest.raises(LinkError, match="an STM32 is in its bootloader: BOOT0 low, then reset"):
        ports.find_port("auto")


def test_an_uploader_is_chosen_by_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match=r"openocd or st-flash is not .* sudo apt-get install openocd$"):
        uploaders.choose_uploader("stlink")
    assert [finding.ok for finding in _find_uploaders()] == [False, False]
    for tool, image in (
        ("st-flash", "/a b/firmware.bin"),
        ("openocd", "program {/a b/firmware.elf} verify reset exit"),
    ):
        (tmp_path / tool).write_text("")
        (tmp_path / tool).chmod(0o755)
        chosen = uploaders.choose_uploader("stlink")
        assert chosen.tool == tool
        assert image in chosen.command(Path("/a b/firmware.elf"))
    with pytest.raises(BuildError, match="apt-get install dfu-util, or take `stlink` with openocd"):
        uploaders.choose_uploader("dfu")
    assert [finding.ok for finding in _find_uploaders()] == [True, False]


def test_one_image_is_known_apart_by_its_counter() -> None:
    assert identify_board("stm32f405", STM32_TICK_HZ) is BOARDS["virtual_stm32f405"]
    assert identify_board("stm32f405", 84e6) is BOARD
    assert identify_board("stm32f405", BOARD.slow_tick_hz or 0) is BOARD
    assert identify_board("virtual_m4", 25e6) is BOARDS["virtual_m4"]
    assert identify_board("fake", 1000) is None
