"""Firmware with a fault planted in a copy of its sources, built for this machine by the compiler alone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from myo_export import cmsis_dsp

ROOT = Path(__file__).resolve().parents[2]
# No sanitizers: they would stop some faults before these reach the line, and what is tested is the comparison.
FLAGS = ["-std=c11", "-O1", "-w", "-fwrapv", "-ffunction-sections", "-fno-common"]
OTHERS = "Source/FilteringFunctions/arm_biquad_cascade_df1_q31.c"

Change = Callable[[str], str]


class FaultyFirmware:
    """Builds the native firmware of a bundle with one file changed; what the change does not touch is compiled once."""

    def __init__(self, bundle: Path, folder: Path) -> None:
        self._folder = folder
        self._tree = folder / "tree"
        shutil.copytree(ROOT / "firmware", self._tree / "firmware")
        shutil.copytree(bundle / "c", self._tree / "c", ignore=shutil.ignore_patterns("tflm"))
        cmsis = cmsis_dsp.locate()
        shutil.copy(cmsis / OTHERS, self._tree / "c" / "biquad.c")
        parts = ("firmware/core", "firmware/core/nn", "firmware/ports", "firmware/ports/native", "c")
        self._parts = parts
        self._system = [f"-I{cmsis / part}" for part in ("Include", "PrivateInclude")]
        sources = [
            path
            for part in ("firmware/core", "firmware/app", "firmware/ports/native", "c")
            for path in sorted((self._tree / part).rglob("*.c"))
        ]
        self._sources = [path.relative_to(self._tree) for path in sources]
        self._compile(self._tree, self._sources, folder / "objects")

    def build(self, file: str, change: Change) -> Path:
        """Return the firmware with one file changed; where it is a header, all is compiled again."""
        copy = self._folder / "planted"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self._tree, copy / "tree")
        path = copy / "tree" / file
        text = path.read_text()
        changed = change(text)
        assert changed != text, f"{file}: the fault finds nothing to change"
        path.write_text(changed)
        again = [s for s in self._sources if s == Path(file) or self._may_include(s, path.name)]
        self._compile(copy / "tree", again, copy / "objects")
        objects = [(copy if s in again else self._folder) / "objects" / f"{s.stem}.o" for s in self._sources]
        elf = copy / "native.elf"
        subprocess.run(["gcc", "-o", elf, *objects, "-lm"], check=True)
        return elf

    def _may_include(self, source: Path, header: str) -> bool:
        """Whether a source includes a header, through others of its folders or by itself."""
        if not header.endswith(".h"):
            return False
        seen: set[str] = set()
        todo = [self._tree / source]
        while todo:
            text = todo.pop().read_text()
            for line in text.splitlines():
                if line.startswith("#include") and (name := line.split('"')[1:2]):
                    base = Path(name[0]).name
                    if base == header:
                        return True
                    if base not in seen:
                        seen.add(base)
                        todo += sorted(self._tree.rglob(base))
        return False

    def _compile(self, tree: Path, sources: list[Path], out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        if not sources:
            return
        assert len({s.stem for s in sources}) == len(sources)
        include = [f"-I{tree / part}" for part in self._parts]
        files = [tree / s for s in sources]
        subprocess.run(["gcc", *FLAGS, *include, *self._system, "-c", *files], cwd=out, check=True)
