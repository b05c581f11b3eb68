"""Microcontrollers as whose a profile's milliseconds and energy are stated: what their documents say of the running core.

A figure stands here only if it was read; `source` says where, and whether in the vendor's own document or in another that
quotes it. For any other microcontroller the command line takes the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from myo_pipeline.errors import ProfileError


@dataclass(frozen=True)
class Part:
    """A running core.

    Attributes
    ----------
    name
        On the command line.
    core
        The core; cycles are those of a Cortex-M4, whatever it is.
    clock_hz
        Its clock.
    active_ma
        Milliamperes while it runs, or None where nobody said.
    volts
        Supply at which they were measured, or None: then energy cannot be stated, only charge.
    source
        Document, revision, section and condition of the figure.
    """

    name: str
    core: str
    clock_hz: float
    active_ma: float | None = None
    volts: float | None = None
    source: str = ""


PARTS: dict[str, Part] = {
    part.name: part
    for part in (
        Part(
            "nrf54l15", "Cortex-M33", 128e6, 2.6, 3.0,
            "Nordic nRF54L15 Datasheet, Current consumption: CPU running, I_APPCPU0: CoreMark at 128 MHz from NVM, cache "
            "enabled, typical; table 1, common conditions: 3 V on VDD, DC/DC, 25 C",
        ),
        Part(
            "nrf52840", "Cortex-M4F", 64e6, 3.3, 3.0,
            "Nordic nRF52840 Product Specification v1.11, Current consumption: CPU running, I_CPU0: CoreMark at 64 MHz from "
            "flash, HFXO, DC/DC, 3 V, 25 C, typical; as two public documents quote it",
        ),
        Part(
            "efm32pg1", "Cortex-M4F", 40e6, 2.52, None,
            "Silicon Labs EFM32PG1 Data Sheet, first page: 63 uA/MHz in EM0; code, supply and converter are not named there",
        ),
        Part(
            "max32660", "Cortex-M4F", 96e6, 8.16, None,
            "Maxim MAX32660: 85 uA/MHz active, executing from flash, at 96 MHz; supply not named; from the list of features in "
            "Zephyr's documentation of the vendor's board MAX32660EVSYS",
        ),
    )
}  # fmt: skip


def find_part(
    name: str | None, clock_mhz: float | None, active_ma: float | None, volts: float | None, default_hz: float
) -> Part:
    """Return the part that is asked for by name, or by its figures.

    Raises
    ------
    ProfileError
        If there is none of that name, a figure is not positive, or both are given.
    """
    given = {"--clock-mhz": clock_mhz, "--active-ma": active_ma, "--volts": volts}
    stated = [option for option, value in given.items() if value is not None]
    for option in stated:
        if not 0 < float(given[option] or 0) < float("inf"):
            raise ProfileError(f"{option} {given[option]}: expected a number above 0")
    if name is not None:
        if stated:
            raise ProfileError(f"--part {name} has its own figures: leave out {', '.join(stated)}, or --part")
        if name not in PARTS:
            raise ProfileError(
                f"--part {name!r} is unknown, expected one of: {', '.join(PARTS)}; or give {', '.join(given)}"
            )
        return PARTS[name]
    clock_hz = default_hz if clock_mhz is None else 1e6 * clock_mhz
    return Part("", "Cortex-M4F", clock_hz, active_ma, volts, "the command line" if active_ma else "")
