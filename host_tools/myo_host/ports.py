"""Serial ports of this machine and what hangs on them, by USB identity: none is opened for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from myo_pipeline.errors import LinkError

# Vendor and product number of the probes and bridges that boards bring along, as their makers assign them.
BRIDGES = {
    (0x0D28, 0x0204): "DAPLink (micro:bit and other Arm boards)",
    (0x0483, 0x374B): "ST-LINK/V2-1",
    (0x0483, 0x3752): "ST-LINK/V2-1",
    (0x0483, 0x374E): "STLINK-V3",
    (0x0483, 0x374F): "STLINK-V3",
    (0x0483, 0x3753): "STLINK-V3",
    (0x0483, 0x3754): "STLINK-V3",
    (0x0483, 0x3757): "STLINK-V3",
    (0x0483, 0x5740): "STM32 virtual COM port",
    (0x1366, 0x0105): "J-Link",
    (0x1366, 0x1015): "J-Link",
    (0x1366, 0x1051): "J-Link",
    (0x2E8A, 0x000C): "Raspberry Pi Debug Probe",
    (0x0403, 0x6001): "FTDI FT232R",
    (0x0403, 0x6015): "FTDI FT-X",
    (0x10C4, 0xEA60): "CP210x",
    (0x1A86, 0x7523): "CH340",
}
# What flashes a board and brings no serial port.
STM32_BOOTLOADER = (0x0483, 0xDF11)
PORTLESS = {
    STM32_BOOTLOADER: "STM32 bootloader (DFU): an STM32 with BOOT0 high",
    (0x0483, 0x3748): "ST-LINK/V2, a probe",
}
USB_DEVICES = Path("/sys/bus/usb/devices")
AUTO, BY_SERIAL = "auto", "usb:"


@dataclass(frozen=True)
class Port:
    """A serial port.

    Attributes
    ----------
    device
        What to open: /dev/ttyACM0; empty for a device without a serial port.
    usb_id
        Vendor and product, ``0d28:0204``; empty where it is no USB device.
    serial_number
        The USB device's own; empty where it has none.
    product
        How the device calls itself.
    bridge
        What it is by its USB identity; empty where that is unknown here.
    permitted
        Whether this user may open it.
    """

    device: str
    usb_id: str
    serial_number: str
    product: str
    bridge: str
    permitted: bool

    @property
    def name(self) -> str:
        """What ``--port`` takes, the same after plugging it in again where the device has a serial number."""
        return f"{BY_SERIAL}{self.serial_number}" if self.serial_number else self.device

    @property
    def what(self) -> str:
        """The device in words."""
        return (
            f"{self.bridge or self.product or 'serial port'}{f', USB {self.usb_id}' if self.usb_id else ''}"
        )


def list_ports() -> list[Port]:
    """Return the serial ports there are, those on USB first."""
    from serial.tools.list_ports import comports

    found = [
        Port(
            device=port.device, usb_id=f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None else "",
            serial_number=port.serial_number or "", product=port.product or "",
            bridge=BRIDGES.get((port.vid, port.pid), ""), permitted=os.access(port.device, os.R_OK | os.W_OK),
        )
        for port in comports()
    ]  # fmt: skip
    return sorted(found, key=lambda port: (not port.usb_id, port.device))


def list_portless() -> list[Port]:
    """Return the USB devices that bring an image onto a board and have no serial port, by the kernel's list (Linux)."""
    found = []
    for folder in sorted(USB_DEVICES.glob("*")):
        try:
            identity = (
                int((folder / "idVendor").read_text(), 16),
                int((folder / "idProduct").read_text(), 16),
            )
            node = "/dev/bus/usb/{:03}/{:03}".format(
                *(int((folder / name).read_text()) for name in ("busnum", "devnum"))
            )
        except (OSError, ValueError):  # an interface of a device, or a device that has just gone
            continue
        if what := PORTLESS.get(identity):
            serial_number, product = (_read_line(folder / name) for name in ("serial", "product"))
            usb_id = "{:04x}:{:04x}".format(*identity)
            permitted = os.access(node, os.R_OK | os.W_OK)
            found.append(Port("", usb_id, serial_number, product, what, permitted))
    return found


def find_bootloader() -> bool:
    """Return whether an STM32 waits in its bootloader on USB."""
    return any(device.usb_id == "{:04x}:{:04x}".format(*STM32_BOOTLOADER) for device in list_portless())


def _read_line(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def find_port(name: str) -> str:
    """Return the device of a port: ``auto``, the only board that is plugged in; ``usb:SERIAL``; or the device itself.

    Raises
    ------
    LinkError
        If it is not there, or ``auto`` is not clear; names what there is.
    """
    if name != AUTO and not name.startswith(BY_SERIAL):
        return name
    ports = [port for port in list_ports() if port.usb_id]
    if name == AUTO:
        wanted = [port for port in ports if port.bridge]
        lack = "no board that is known by its USB identity is plugged in"
        if find_bootloader():
            lack += " (an STM32 is in its bootloader: BOOT0 low, then reset)"
    else:
        wanted = [port for port in ports if port.serial_number == name.removeprefix(BY_SERIAL)]
        lack = "no USB device of this serial number is plugged in"
    if len(wanted) == 1:
        return wanted[0].device
    if wanted:
        raise LinkError(f"--port {name}: {len(wanted)} boards, {_list(wanted)}: give one with --port")
    there = (
        f"there is {_list(ports)}: give it with --port"
        if ports
        else "there is no USB serial port at all: plug it in"
    )
    raise LinkError(f"--port {name}: {lack}; {there}")


def describe_port(device: str) -> str:
    """Return what hangs on a device, in words; empty where USB does not say."""
    return next((port.what for port in list_ports() if port.device == device and port.usb_id), "")


def _list(ports: list[Port]) -> str:
    return ", ".join(f"{port.name} ({port.what})" for port in ports)
