"""Both ends of the link under fire: frames harmed in every way a line can, against a ledger of what was sent.

usage: python benchmarks/study_link.py [--refused N] [--fuzz-seconds S] [--out FILE]

tests/core/link_storm.c makes the line (tests/core/hostile_line.h says how frames are harmed) and checks the whole device;
the host's decoder reads the same kind of line here. `refused` counts pieces of the line that are no frame that was sent:
each must be refused, and every whole frame taken. Then libFuzzer (clang) drives the device by scripts
(tests/core/link_fuzz.c), with the coverage of the core as its guide. `make test` holds a sample of all three.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "core"))

from core_build import build_harness
from link_storm import storm_device, storm_host
from myo_pipeline.bundle import write_json

RESULTS = Path(__file__).parent / "results" / "link_study.json"
N_PARTS = 10  # lines a side, each of its own seed
CRC_PATTERNS = 2**32


def run_device(pool: ProcessPoolExecutor, programs: list[Path], n_refused: int) -> dict[str, Any]:
    """Drive the device through all lines; a fault ends the study. The first line goes to the sanitized build."""
    began = time.monotonic()
    parts = [
        pool.submit(storm_device, programs[seed > 0], seed, n_refused // N_PARTS) for seed in range(N_PARTS)
    ]
    total: dict[str, Any] = {}
    for part in parts:
        total = _add(total, part.result())
        print(f"device: {total['refused']} refused, {total['accepted']} taken", flush=True)
    return _finish(total, began) | {"accepted_wrongly": 0, "refused_wrongly": 0}  # either ends the program


def run_host(pool: ProcessPoolExecutor, programs: list[Path], n_refused: int) -> dict[str, Any]:
    """Feed all lines to the host's decoder."""
    began = time.monotonic()
    parts = [
        pool.submit(storm_host, programs[1], 1000 + seed, n_refused // N_PARTS) for seed in range(N_PARTS)
    ]
    total: dict[str, Any] = {}
    wrong: list[str] = []
    accepted = repeated = refused = 0
    for part in parts:
        done = part.result()
        wrong += done.wrong
        accepted, repeated = accepted + done.accepted, repeated + done.decoder.repeated
        refused += done.decoder.frames_bad
        total = _add(total, done.told)
        print(f"host: {refused} refused, {accepted} taken, {len(wrong)} wrong", flush=True)
    if refused != total["refused"] or accepted + repeated != total["whole"]:
        wrong.append(
            f"{refused} refused of {total['refused']}, {accepted} + {repeated} taken of {total['whole']}"
        )
    total = {k: n for k, n in total.items() if n}  # without the device's counts
    total |= {"accepted": accepted, "repeated_left_out": repeated}
    return _finish(total, began) | {"accepted_or_refused_wrongly": len(wrong), "first_wrong": wrong[:3]}


def _add(total: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    kinds = {k: total.get("kinds", {}).get(k, 0) + n for k, n in part["kinds"].items()}
    return {k: total.get(k, 0) + n for k, n in part.items() if k != "kinds"} | {"kinds": kinds}


def _finish(total: dict[str, Any], began: float) -> dict[str, Any]:
    collisions = total["decided_by_crc"] / CRC_PATTERNS
    return total | {
        "expected_crc_collisions": float(f"{collisions:.2g}"),
        "seconds": round(time.monotonic() - began, 1),
    }


def run_fuzzer(folder: Path, seconds: int) -> dict[str, Any]:
    """Let libFuzzer write scripts; its finding ends the study and is kept."""
    clang = shutil.which("clang")
    if clang is None:
        sys.exit("study_link: clang is missing: run ./setup.sh study")
    program = build_harness(clang, folder, "link_fuzz", "-fsanitize=fuzzer")
    (folder / "corpus").mkdir()
    done = subprocess.run(
        [str(program), "-seed=1", "-max_len=2048", f"-max_total_time={seconds}", "-print_final_stats=1",
         f"-artifact_prefix={folder}/", str(folder / "corpus")],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode:
        kept = Path("build/study")
        kept.mkdir(parents=True, exist_ok=True)
        names = [
            shutil.copy(path, kept)
            for pattern in ("crash-*", "leak-*", "timeout-*", "oom-*")
            for path in folder.glob(pattern)
        ]
        sys.exit(f"study_link: the fuzzer found something, kept in {names}:\n{done.stderr[-3000:]}")
    units = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    reached = re.findall(r"cov: (\d+) ft: (\d+)", done.stderr)[-1]
    return {
        "scripts": int(units[1]) if units else 0,
        "edges": int(reached[0]),
        "features": int(reached[1]),
        "findings": 0,
        "seconds": seconds,
    }


def main() -> None:
    """Run the three and write the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--refused", type=int, default=10_000_000, help="pieces to be refused, a side")
    parser.add_argument("--fuzz-seconds", type=int, default=120)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    compiler = (
        shutil.which("gcc") or shutil.which("cc") or sys.exit("study_link: no C compiler: run ./setup.sh")
    )
    os.environ.setdefault(
        "ASAN_OPTIONS", "detect_leaks=0"
    )  # ptrace is not everywhere; the tests look for leaks
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for build in ("fast", "fuzz"):
            (folder / build).mkdir()
        programs = [
            build_harness(str(compiler), folder, "link_storm"),
            build_harness(str(compiler), folder / "fast", "link_storm", "-O2", "-fno-sanitize=all"),
        ]
        with ProcessPoolExecutor(arguments.jobs) as pool, ThreadPoolExecutor(2) as both:
            sides = [both.submit(run, pool, programs, arguments.refused) for run in (run_device, run_host)]
            result = dict(zip(("device", "host"), (side.result() for side in sides), strict=True))
        result["libfuzzer"] = run_fuzzer(folder / "fuzz", arguments.fuzz_seconds)
    write_json(arguments.out, result)
    print(json.dumps(result, indent=1))
    sys.exit(bool(result["host"]["accepted_or_refused_wrongly"]))


if __name__ == "__main__":
    main()
