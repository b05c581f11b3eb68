"""The compiler against chance and against malice: random networks word for word, damaged files one line or a sound network.

`make study` runs it; `make test` holds a sample of both (tests/core/test_nn_against_tflm.py and
tests/export/test_net_reader.py). A failing network is named by its seed, a failing file is kept.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "core"))

from myo_export.emit_net import NetworkSource, render_network
from myo_export.tflite_reader import read_graph
from myo_pipeline.bundle import write_json
from myo_pipeline.errors import ExportError
from nn_moving_models import MovingNetwork
from nn_mutations import mutate
from nn_run import EMULATED_DSP, HostKernels, build_kernels, compare, run_c, run_tflm, varied_inputs
from test_nn_against_tflm import KINDS

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results" / "network_study.json"
CHUNK_GRAPHS, CHUNK_FILES = 10, 200
READ_LIMIT_S = 10  # a file that keeps the compiler for longer counts as a hang
RUN_MACS_MAX = 20_000_000  # accepted files with more are not run: the sanitized host would take minutes
MESSAGE_MAX = 600
MOST_REFUSED = 0.01  # share of random networks
FORMS = ("plain", "dsp-speed", "dsp-size")


@dataclass
class Tally:
    """What a chunk of work found."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take over what another chunk found."""
        self.counts.update(other.counts)
        self.failures += other.failures
        self.refused += other.refused


def _build_forms(folder: Path) -> dict[str, HostKernels]:
    """Compile the kernels once, each form under the sanitizers."""
    built = {}
    for form in FORMS:
        (folder / form).mkdir()
        flags = [] if form == "plain" else EMULATED_DSP
        built[form] = build_kernels(folder / form, flags, "size" if form == "dsp-size" else "speed")
    return built


def random_network(seed: int) -> tuple[bytes, list[str]]:
    """Draw the network that a seed stands for."""
    rng = np.random.default_rng([2026, seed])
    kinds = [str(k) for k in rng.choice(KINDS, int(rng.integers(1, 9)))]
    plane = (int(rng.integers(1, 7)), int(rng.integers(1, 13)), int(rng.integers(1, 10)))
    return MovingNetwork(seed, kinds, plane).pack(), kinds


def _forms_of(seed: int) -> tuple[str, str]:
    return "plain", FORMS[1 + seed % 2]


def check_graphs(seeds: range, forms: dict[str, HostKernels]) -> Tally:
    """Compare every word of every layer of some networks: plain kernels, and one form of the DSP kernels."""
    tally = Tally()
    for seed in seeds:
        model, kinds = random_network(seed)
        try:
            texts = {
                form: render_network(model, "study", "both", forms[form].optimize) for form in _forms_of(seed)
            }
        except ExportError as error:  # scales that grow from layer to layer may leave every format
            tally.refused.append(f"network {seed}, {' '.join(kinds)}: {error}")
            continue
        for form, text in texts.items():
            try:
                source = text.network.graph.tensors[text.network.graph.input]
                inputs = varied_inputs(source.size, source.quantization.zero_point, seed)
                with tempfile.TemporaryDirectory() as folder:
                    found = run_c(text, inputs, forms[form], Path(folder))
                expected = run_tflm(model, inputs)
                compare(expected, found, [op.name for op in text.network.graph.ops for _ in op.outputs])
            except Exception as error:  # the study goes on, and says at the end what failed
                tally.failures.append(f"network {seed}, {form}, {' '.join(kinds)}: {error}"[:1000])
                continue
            tally.counts[f"networks, {form}"] += 1
            tally.counts["words compared"] += sum(words.size for row in expected for words in row)
        tally.counts["networks"] += 1
        tally.counts.update(f"operator {op.name}" for op in read_graph(model).ops)
    return tally


@contextmanager
def _limit(seconds: int) -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise TimeoutError(f"took over {seconds} s")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def _run_apart(model: bytes, inputs: np.ndarray) -> list[list[np.ndarray]] | None:
    """Run the runtime in a process of its own: it may end the process on a damaged file; None where it did or refused."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def work() -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            sender.send(run_tflm(model, inputs))
        except Exception:
            sender.send(None)

    process = context.Process(target=work)
    process.start()
    sender.close()
    try:
        found = receiver.recv() if receiver.poll(READ_LIMIT_S) else None
    except EOFError:
        found = None
    process.kill()
    process.join()
    return found


def _compile_damaged(model: bytes, tally: Tally) -> NetworkSource | None:
    try:
        with _limit(READ_LIMIT_S):
            return render_network(model, "study")
    except ExportError as error:
        if "\n" in str(error) or len(str(error)) > MESSAGE_MAX:
            raise ValueError(f"the message is not one line: {str(error)!r}") from error
        tally.counts["files refused in one line"] += 1
    return None


def check_files(numbers: range, forms: dict[str, HostKernels], keep: Path) -> Tally:
    """Damage files; what is still accepted runs under the sanitizers and equals the runtime, where that takes it."""
    tally, seen = Tally(), set()
    for number in numbers:
        rng = np.random.default_rng([2027, number])
        model, _ = random_network(int(rng.integers(500)))
        damaged, how = mutate(model, rng)
        try:
            text = _compile_damaged(damaged, tally)
            tally.counts[f"files, {how}"] += 1
            if text is None:
                continue
            tally.counts["files accepted"] += 1
            if text.source in seen:
                continue
            seen.add(text.source)
            source = text.network.graph.tensors[text.network.graph.input]
            if sum(step.macs for step in text.network.steps) > RUN_MACS_MAX or source.size > 1 << 20:
                tally.counts["accepted files too large to run here"] += 1
                continue
            inputs = varied_inputs(source.size, source.quantization.zero_point, number, 1)
            with tempfile.TemporaryDirectory() as folder:
                found = run_c(text, inputs, forms[FORMS[number % 2]], Path(folder))
            tally.counts["accepted files run under the sanitizers"] += 1
            expected = _run_apart(damaged, inputs)
            if expected is None:
                tally.counts["run files that the runtime refuses or dies on"] += 1
                continue
            compare(expected, found, [op.name for op in text.network.graph.ops for _ in op.outputs])
            tally.counts["run files equal to the runtime"] += 1
        except Exception as error:  # the study goes on, and says at the end what failed
            path = keep / f"damaged-{number}.tflite"
            path.write_bytes(damaged)
            tally.failures.append(
                f"file {number} ({how}), kept as {path}: {type(error).__name__}: {error}"[:1000]
            )
    tally.counts["files"] += len(numbers)
    return tally


def _chunks(n: int, size: int) -> list[range]:
    return [range(begin, min(begin + size, n)) for begin in range(0, n, size)]


def main() -> int:
    """Run both studies and write what they found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--graphs", type=int, default=2_100, help="random networks")
    parser.add_argument("--files", type=int, default=10_000, help="damaged files")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument(
        "--keep", type=Path, default=ROOT / "build" / "study", help="folder for failing files"
    )
    arguments = parser.parse_args()
    arguments.keep.mkdir(parents=True, exist_ok=True)
    begin, total = time.monotonic(), Tally()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(os.cpu_count()) as pool,
        Progress(*columns) as progress,
    ):
        forms = _build_forms(Path(folder))
        bars = {
            "graphs": progress.add_task("random networks", total=arguments.graphs),
            "files": progress.add_task("damaged files", total=arguments.files),
        }
        work = {}
        for chunk in _chunks(arguments.graphs, CHUNK_GRAPHS):
            work[pool.submit(check_graphs, chunk, forms)] = ("graphs", len(chunk))
        for chunk in _chunks(arguments.files, CHUNK_FILES):
            work[pool.submit(check_files, chunk, forms, arguments.keep)] = ("files", len(chunk))
        for done in as_completed(work):
            found = done.result()
            for line in found.failures:
                progress.console.print(line, style="red", markup=False)
            total.add(found)
            name, n = work[done]
            progress.advance(bars[name], n)
    counts = dict(sorted(total.counts.items()))
    peak_mib = max(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    content = {
        "how": f"benchmarks/study_network.py --graphs {arguments.graphs} --files {arguments.files}",
        "failures": total.failures,
        "networks_refused": total.refused,
        "counts": counts,
        "peak_process_mib": round(peak_mib / 1024),
    }
    write_json(arguments.out, content)
    for name, n in counts.items():
        print(f"{name:50} {n:>14,}")
    for line in total.refused:
        print(f"refused: {line}")
    n_wanted = arguments.graphs * (1 - MOST_REFUSED)
    if counts.get("networks", 0) < n_wanted:
        total.failures.append(f"only {counts.get('networks', 0)} networks of {arguments.graphs} ran")
    print(f"{len(total.failures)} failures, {(time.monotonic() - begin) / 60:.0f} min, {arguments.out}")
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
