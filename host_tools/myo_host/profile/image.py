"""What the profiler must know of an image before it runs: functions, interrupt handlers, where the stack lies."""

from __future__ import annotations

import bisect
import struct
from dataclasses import dataclass, field
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile

from myo_pipeline.errors import ProfileError

RAM_BYTES = 4 << 20  # of mps2-an386
N_VECTORS = 16 + 240  # system exceptions and the most interrupts that a Cortex-M4 has


@dataclass(frozen=True)
class Function:
    """A function of an image."""

    begin: int
    end: int
    name: str


@dataclass(frozen=True)
class Image:
    """An ELF image for a Cortex-M.

    Attributes
    ----------
    path
        The file.
    functions
        By address; none overlaps the next.
    reset
        Address of the reset handler.
    handlers
        Addresses in the rest of the vector table.
    stack
        Lowest address that the stack may take, and the initial stack pointer.
    flash_bytes, ram_bytes
        Code, constants and start values; data and zero-initialised data.
    has_heap
        Whether ``malloc`` or ``_sbrk`` is in the image: then what lies below the stack may be heap.
    """

    path: Path
    functions: tuple[Function, ...]
    reset: int
    handlers: tuple[int, ...]
    stack: tuple[int, int]
    flash_bytes: int
    ram_bytes: int
    has_heap: bool
    _begins: tuple[int, ...] = field(repr=False)

    def find(self, name: str) -> Function | None:
        """Return a function by name, or None."""
        return next((f for f in self.functions if f.name == name), None)

    def name_at(self, address: int) -> str:
        """Return the name of the function that covers an address, or the address."""
        place = bisect.bisect_right(self._begins, address) - 1
        if place >= 0 and address < self.functions[place].end:
            return self.functions[place].name
        return f"0x{address:x}"


def read_image(path: Path, origin: int = 0) -> Image:
    """Read an image's symbols, its vector table at ``origin``, and sections.

    Raises
    ------
    ProfileError
        If the file is no ELF image for Arm, or has no symbols, or no vector table where the board starts from.
    """
    try:
        with path.open("rb") as file:
            return _read(path, ELFFile(file), origin)
    except OSError as error:
        raise ProfileError(f"{path}: cannot be read ({error.strerror}); give an ELF image") from None
    except (ELFError, ValueError, struct.error) as error:
        raise ProfileError(f"{path}: not an ELF image ({error}); give the linker's output") from None


def _read(path: Path, elf: ELFFile, origin: int) -> Image:
    if elf["e_machine"] != "EM_ARM":
        raise ProfileError(f"{path}: an image for {elf['e_machine']}, expected EM_ARM: a Cortex-M's")
    table = elf.get_section_by_name(".symtab")
    if table is None:
        raise ProfileError(f"{path}: has no symbols; link it without -s and do not strip it")
    found: dict[int, Function] = {}
    names = set()
    for symbol in table.iter_symbols():
        names.add(symbol.name)
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF":
            begin = symbol["st_value"] & ~1
            # Of names for one address the first stays; those without a size come from assembly.
            if begin not in found or found[begin].end == begin:
                found[begin] = Function(begin, begin + symbol["st_size"], symbol.name)
    functions = _cut_overlaps(sorted(found.values(), key=lambda f: f.begin))
    words = _vectors(path, elf, origin)
    sections = [s for s in elf.iter_sections() if s["sh_flags"] & SH_FLAGS.SHF_ALLOC and s["sh_size"]]
    stored = [s for s in sections if s["sh_type"] != "SHT_NOBITS"]
    writable = [s for s in sections if s["sh_flags"] & SH_FLAGS.SHF_WRITE or s["sh_type"] == "SHT_NOBITS"]
    top = words[0]
    holding = [s for s in sections if s["sh_addr"] < top <= s["sh_addr"] + s["sh_size"]]
    ends = [s["sh_addr"] + s["sh_size"] for s in writable]
    low = (
        holding[0]["sh_addr"]
        if holding
        else max((e for e in ends if 0 <= top - e < RAM_BYTES), default=top - RAM_BYTES)
    )
    return Image(
        path,
        functions,
        words[1] & ~1,
        tuple(sorted({word & ~1 for word in words[2:] if word & 1} - {words[1] & ~1})),
        (low, top),
        sum(s["sh_size"] for s in stored),
        sum(s["sh_size"] for s in writable),
        bool(names & {"malloc", "_malloc_r", "_sbrk"}),
        tuple(f.begin for f in functions),
    )


def _cut_overlaps(functions: list[Function]) -> tuple[Function, ...]:
    """End each function where the next begins, and where it has no size."""
    out = []
    for function, following in zip(functions, [*functions[1:], None], strict=True):
        end = function.end
        if following is not None and (end > following.begin or end == function.begin):
            end = following.begin
        out.append(Function(function.begin, max(end, function.begin + 2), function.name))
    return tuple(out)


def _vectors(path: Path, elf: ELFFile, origin: int) -> list[int]:
    """Return the words of the vector table, as many as look like one."""
    for segment in elf.iter_segments():
        if segment["p_type"] == "PT_LOAD" and segment["p_paddr"] == origin and segment["p_filesz"] >= 8:
            data = segment.data()[: 4 * N_VECTORS]
            words = [word for (word,) in struct.iter_unpack("<I", data[: len(data) // 4 * 4])]
            code_end = max(s["p_vaddr"] + s["p_memsz"] for s in elf.iter_segments() if s["p_flags"] & 1)
            n = 1
            # A handler is an odd address in the code; an unused entry is 0. What follows the table is neither, soon.
            while n < len(words) and (words[n] == 0 or (words[n] & 1 and words[n] < code_end)):
                n += 1
            if n >= 2 and words[1]:
                return words[:n]
    raise ProfileError(f"{path}: has no vector table at address {origin:#x}, which the board starts from")
