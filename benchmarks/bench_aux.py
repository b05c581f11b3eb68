"""Cost of auxiliary streams on a Cortex-M4F, whether every word is the twin's, and the cost model's constants.

usage: python benchmarks/bench_aux.py [--out FILE]

Streams of noise that keep their rate, with and without stages, resampled onto the window's frames hop by hop. Instructions are
counted by m4cost, as in bench_network.py. The constants of `myo_export.aux_cost` are fitted to every second configuration and
checked on the others.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from bench_filters import BIQUAD
from bench_network import C_FLAGS, COMPILER, CPU_FLAGS, MACHINE, count_instructions
from myo_export import cmsis_dsp
from myo_export.aux_cost import count_aux_terms, predict_aux_instructions, predict_own_stages
from myo_export.aux_streams import ProvedAux, quantize_aux
from myo_export.emit_aux import render_aux
from myo_export.emit_front_end import list_headers
from myo_export.front_end import quantize_front_end
from myo_pipeline.aux_stream import AuxSamples, AuxTwin
from myo_pipeline.bundle import write_json
from myo_pipeline.spec import PatchSpec, parse_spec
from myo_pipeline.steps import BLOCK_FRAMES
from window_image import CORE_DIR, begin, link_image, render_vector, run_comparison

HOP, N_HOPS = 50, 12
DC = '[[aux.stage]]\nkind = "dc"\ncutoff_hz = 0.3\n'
LOW = '[[aux.stage]]\nkind = "lowpass"\ncutoff_hz = 8.0\norder = 4\n'
SLOW = '[[aux.stage]]\nkind = "lowpass"\ncutoff_hz = 3.0\norder = 4\n[[aux.stage]]\nkind = "decimate"\nfactor = 4\n'
MEAN = '[[aux.stage]]\nkind = "moving_average"\nn = 8\n'


@dataclass(frozen=True)
class Case:
    """Streams beside an EMG: of each its rate, its channels and its stages; and the EMG's decimation."""

    name: str
    emg_hz: float
    streams: tuple[tuple[float, int, str], ...]
    decimation: int = 1


CASES = (
    Case("3 channels, 52 Hz beside 200", 200.0, ((52.0, 3, ""),)),
    Case("3 channels, 52 Hz beside 200, gravity out", 200.0, ((52.0, 3, DC),)),
    Case("3 channels, 104 Hz beside 1000", 1000.0, ((104.0, 3, ""),)),
    Case("3 channels, 104 Hz beside 1000, gravity out", 1000.0, ((104.0, 3, DC),)),
    Case("1 channel, 104 Hz beside 1000", 1000.0, ((104.0, 1, ""),)),
    Case("1 channel, 148 Hz beside 200, two sections and decimation", 200.0, ((148.0, 1, SLOW),)),
    Case("6 channels, 416 Hz beside 1000", 1000.0, ((416.0, 6, ""),)),
    Case("6 channels, 416 Hz beside 1000, two sections", 1000.0, ((416.0, 6, LOW),)),
    Case("6 channels, 104 Hz beside 2000, three sections", 2000.0, ((104.0, 6, DC + LOW),)),
    Case("3 channels, 200 Hz beside 200, gravity out", 200.0, ((200.0, 3, DC),)),
    Case("9 channels, 104 Hz beside 200", 200.0, ((104.0, 9, ""),)),
    Case("9 channels, 104 Hz beside 200, moving average", 200.0, ((104.0, 9, MEAN),)),
    Case("3 channels, 52 Hz beside 2000 by 10, gravity out", 2000.0, ((52.0, 3, DC),), 10),
    Case("3 channels, 52 Hz, and 1, 148 Hz, beside 200", 200.0, ((52.0, 3, ""), (148.0, 1, SLOW))),
    Case("3 channels, 104 Hz, and 3, 416 Hz, beside 1000", 1000.0, ((104.0, 3, DC), (416.0, 3, LOW))),
)  # fmt: skip


def make_spec(case: Case) -> PatchSpec:
    """Return a spec of one EMG channel with a case's streams."""
    tables = "".join(
        f'[[aux]]\nname = "s{k}"\nkind = "accelerometer"\nchannels = {channels}\nrate_hz = {rate}\n'
        f"lsb = 0.001\nadc_bits = 16\n{stages}"
        for k, (rate, channels, stages) in enumerate(case.streams)
    )
    less = f'[[stage]]\nkind = "decimate"\nfactor = {case.decimation}\nattenuation_db = 0\n' * (
        case.decimation > 1
    )
    frame_ms = 1000 * case.decimation / case.emg_hz
    return parse_spec(
        f'format = 1\nname = "bench"\n[sensor]\nchannels = 1\nrate_hz = {case.emg_hz}\nlsb_uv = 1.0\n'
        f"adc_bits = 16\n{less}{tables}"
        f"[window]\nwindow_ms = {4 * HOP * frame_ms}\nhop_ms = {HOP * frame_ms}\n"
        '[output]\nkind = "classes"\nlabels = ["a", "b"]\n[training]\ndata = "n"\n'
    )


def write_sources(streams: tuple[ProvedAux, ...], decimation: int, folder: Path) -> int:
    """Write streams' config and their vectors; give the number of words."""
    n_frames = HOP * N_HOPS
    rng = np.random.default_rng(7)
    lines = ['#include "stream/myo_aux.h"']
    lines += [f'#include "{header}"' for header in list_headers(*(s.front_end for s in streams))]
    lines += render_aux(streams)
    words, names = [], []
    for number, stream in enumerate(streams):
        timing = stream.config.timing
        stamps = timing.stamp_samples(timing.count_samples(n_frames * decimation))
        noise = np.round(rng.normal(0, 3000, (len(stamps), stream.config.n_channels))).astype(np.int32)
        twin = AuxTwin(stream.config)
        twin.feed(AuxSamples(noise, stamps))
        words.append(twin.resample(n_frames)[0])
        lines.append(render_vector("int32_t", f"counts{number}", noise.ravel().tolist()))
        lines.append(render_vector("uint32_t", f"stamps{number}", stamps.tolist()))
        names.append(len(stamps))
    joined = np.concatenate(words, axis=1)
    listed = range(len(streams))
    lines += [
        f"static const int32_t *const counts[] = {{{', '.join(f'counts{k}' for k in listed)}}};",
        f"static const uint32_t *const stamps[] = {{{', '.join(f'stamps{k}' for k in listed)}}};",
        f"static const uint32_t n_samples[] = {{{', '.join(map(str, names))}}};",
        render_vector("int32_t", "vector_words", joined.ravel().tolist()),
        f"#define N_HOPS {N_HOPS}u", f"#define HOP {HOP}u", f"#define FRAME {decimation}u",
        f"#define N_CHANNELS {joined.shape[1]}u",
        f"#define MEMORY_WORDS {sum(s.config.memory_words for s in streams)}u",
        "",
    ]  # fmt: skip
    (folder / "streams.h").write_text("\n".join(lines).replace("-2147483648", "INT32_MIN"))
    return joined.size


def build_image(folder: Path, machine: str = MACHINE) -> Path:
    """Compile the sources that :func:`write_sources` wrote to an image for a machine.

    Raises
    ------
    BuildError
        If the C cannot be compiled.
    """
    cmsis = cmsis_dsp.locate()
    names = ("front_end", "scale", "sos", "sos_wide", "decimate", "moving_average")
    steps = [CORE_DIR / "dsp" / f"myo_{name}.c" for name in names]
    steps += [CORE_DIR / "dsp" / "sos_section_arm.c", cmsis / BIQUAD]
    streams = [CORE_DIR / "stream" / name for name in ("myo_aux.c", "myo_aux_samples.c", "myo_ring.c")]
    main = Path(__file__).resolve().parent / "aux_bench" / "main.c"
    flags = [
        "-isystem",
        str(cmsis / "Include"),
        f"-I{cmsis / 'PrivateInclude'}",
        f"-I{CORE_DIR.parent / 'ports'}",
        "-w",
    ]
    return link_image([*steps, *streams, main], folder, machine, flags)


def main() -> int:
    """Count every case, compare its words, fit, print a table, write the results."""
    begun = begin("bench_aux", "Cost of auxiliary streams on a Cortex-M4F.")
    if begun is None:
        return 2
    out, counter = begun
    rows, terms, left, n_differing = [], [], [], 0
    for case in CASES:
        spec = make_spec(case)
        streams = quantize_aux(spec, quantize_front_end(spec))
        with tempfile.TemporaryDirectory() as folder:
            n_words = write_sources(streams, case.decimation, Path(folder))
            image = build_image(Path(folder))
            wrong, of, memory = run_comparison(image)
            n_differing += wrong + (of != n_words)
            # A region is a block; of a hop there are two.
            counted = count_instructions(image, counter) if counter else (np.nan, np.nan)
        instructions, cycles = (value * -(-HOP // BLOCK_FRAMES) for value in counted)
        predicted = predict_aux_instructions(streams, HOP)
        n_samples = sum(
            HOP * s.config.timing.frame * s.config.timing.step / s.config.timing.unit for s in streams
        )
        terms.append(np.sum([count_aux_terms(stream.config, HOP) for stream in streams], axis=0))
        left.append(instructions - sum(predict_own_stages(stream.config, HOP) for stream in streams))
        rows.append(
            {
                "name": case.name, "frames": HOP, "samples": n_samples, "instructions": instructions, "cycles": cycles,
                "predicted": round(predicted), "memory_bytes": memory,
            }
        )  # fmt: skip
        print(
            f"{case.name:60} {instructions:8.0f} instructions of {HOP} frames and {n_samples:5.1f} samples, predicted "
            f"{predicted:8.0f}, {100 * (predicted / instructions - 1):+5.1f} %; {memory} bytes; {wrong} of {of} words differ"
        )
    if counter:
        took = np.array([row["instructions"] for row in rows])
        a = np.array(terms) / took[:, None]
        half = np.arange(len(rows)) % 2 == 0
        for name, chosen in (("half", half), ("all", half | True)):
            fitted = np.linalg.lstsq(a[chosen], (np.array(left) / took)[chosen], rcond=None)[0]
            off = np.abs(a @ fitted - np.array(left) / took)
            print(
                f"fitted to {name}: {', '.join(f'{c:.1f}' for c in fitted)}; off by {100 * off.mean():.1f} % on average, "
                f"{100 * off.max():.1f} % at most; on the others {100 * off[~half].max():.1f} %"
            )
        old = json.loads(out.read_text()) if out.exists() else {}
        how = f"mps2-an386 under QEMU, {COMPILER}, {' '.join([*CPU_FLAGS, *C_FLAGS])}; mean of {N_HOPS} hops"
        write_json(out, {**old, "auxiliary streams": {"how": how, "cases": rows}})
    return 1 if n_differing else 0


if __name__ == "__main__":
    sys.exit(main())
