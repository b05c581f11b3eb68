"""How GNU's compiler is told which core it compiles for; nothing else is imported, as the firmware's build reads this."""

from typing import Final

CPU_FLAGS: Final[dict[str, tuple[str, ...]]] = {
    "m0": ("-mcpu=cortex-m0", "-mthumb"),
    "m3": ("-mcpu=cortex-m3", "-mthumb"),
    "m4": ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16"),
    "m7": ("-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-d16"),
    "m33": ("-mcpu=cortex-m33", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv5-sp-d16"),
    "m55": ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"),
}
