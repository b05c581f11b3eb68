"""Which port is a patch's: by USB identity, without opening any."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports as pyserial_ports

from fake_board import FakeBoard
from myo_host import ports
from myo_host.doctor import examine
from myo_host.link import PatchLink
from myo_pipeline.errors import LinkError

DAPLINK = {"vid": 0x0D28, "pid": 0x0204, "serial_number": "9900", "product": "BBC micro:bit CMSIS-DAP"}
GNSS = {"vid": 0x1546, "pid": 0x01A8, "serial_number": None, "product": "u-blox GNSS receiver"}
UART = {"vid": None, "pid": None, "serial_number": None, "product": None}

Devices = dict[str, dict[str, object]]


def plug(monkeypatch: pytest.MonkeyPatch, devices: Devices) -> None:
    found = [SimpleNamespace(device=device, **identity) for device, identity in devices.items()]
    monkeypatch.setattr(pyserial_ports, "comports", lambda: found)


def test_ports_are_named_so_that_plugging_in_again_keeps_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    plug(monkeypatch, {"/dev/ttyS0": UART, "/dev/ttyACM1": GNSS, "/dev/ttyACM0": DAPLINK})
    found = ports.list_ports()
    assert [port.name for port in found] == ["usb:9900", "/dev/ttyACM1", "/dev/ttyS0"]
    assert found[0].what == "DAPLink (micro:bit and other Arm boards), USB 0d28:0204"
    assert found[1].what == "u-blox GNSS receiver, USB 1546:01a8"
    assert ports.find_port("usb:9900") == "/dev/ttyACM0"
    assert ports.find_port("auto") == "/dev/ttyACM0"
    assert ports.find_port("/dev/whatever") == "/dev/whatever"


@pytest.mark.parametrize(
    ("name", "devices", "said"),
    [
        ("auto", {"/dev/ttyS0": UART}, "--port auto: no board that is known .* no USB serial port at all: plug it in"),
        ("auto", {"/dev/ttyACM1": GNSS}, r"there is /dev/ttyACM1 \(u-blox GNSS receiver, USB 1546:01a8\): give it"),
        (
            "auto",
            {"/dev/ttyACM0": DAPLINK, "/dev/ttyACM1": {**DAPLINK, "serial_number": "9901"}},
            r"2 boards, usb:9900 \(.*\), usb:9901 \(.*\): give one with --port",
        ),
        ("usb:77", {"/dev/ttyACM0": DAPLINK}, "no USB device of this serial number .* there is usb:9900"),
    ],
)  # fmt: skip
def test_a_port_that_is_not_clear_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, devices: Devices, said: str
) -> None:
    plug(monkeypatch, devices)
    with pytest.raises(LinkError, match=said) as refused:
        PatchLink(name)
    assert "\n" not in str(refused.value)


def test_another_device_is_named_where_no_patch_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeBoard() as board:
        plug(monkeypatch, {board.port: GNSS})
        with PatchLink(board.port) as link:
            assert link._explain_silence(1.0).startswith(
                f"{board.port} (u-blox GNSS receiver, USB 1546:01a8): no answer"
            )


def test_doctor_tells_of_a_port_that_may_not_be_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plug(monkeypatch, {str(tmp_path / "ttyACM0"): DAPLINK})
    monkeypatch.setattr(os, "access", lambda *_: False)
    finding = next(f for f in examine() if f.what == "serial ports")
    assert not finding.ok
    assert "dialout" in finding.remedy
