"""The page and the table of ``myopatch front-end``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jinja2

from myo_host import figures
from myo_pipeline.spec import PatchSpec

SECTION_COLUMNS = (
    "section", "poles, Hz", "pole radius", "in Q31", "worst peak", "typical rms", "noise gain, dB",
)  # fmt: skip


STEP_COLUMNS = ("step", "", "ch.", "rate, Hz", "last bit", "worst peak", "typical", "error bound")


def step_rows(found: Any) -> list[list[str]]:  # noqa: ANN401 - a FrontEndAnalysis of myo_export
    """Return the table of the steps: peaks and rms as shares of the word's range."""
    return [
        [
            str(number), s.kind, str(s.channels), f"{s.rate_hz:g}", f"2^{-s.exponent}", f"{100 * s.worst_peak:.1f} %",
            f"{100 * s.typical_rms:.2f} %", f"{s.bound_counts:.2g}",
        ]
        for number, s in enumerate(found.steps)
    ]  # fmt: skip


def section_rows(found: Any) -> list[list[str]]:  # noqa: ANN401 - a FrontEndAnalysis of myo_export
    """Return the table's rows: peaks and rms as shares of the word's range."""
    return [
        [
            str(number), f"{s.frequency_hz:.1f}", f"{s.pole_radius:.6f}", f"{s.pole_radius_rounded:.6f}",
            f"{100 * s.worst_peak:.1f} %", f"{100 * s.typical_rms:.2f} %", f"{s.noise_gain_db:.1f}",
        ]
        for number, s in enumerate(found.sections)
    ]  # fmt: skip


def summarize_front_end(
    found: Any,  # noqa: ANN401 - a FrontEndAnalysis of myo_export
    motion: Any = None,  # noqa: ANN401 - its MotionFigures, or None
) -> list[tuple[str, str]]:
    """Return labelled sentences: what the filters are, how exact, and what they cost."""
    rows = _summarize_chain(found, "20 to 450 Hz")
    rows.append(
        ("cost, predicted", f"{found.instructions_per_sample:.1f} instructions a sample and channel on a Cortex-M4, "
         f"{100 * found.core_share:.2f} % of 64 MHz; {found.state_bytes} bytes of state")
    )  # fmt: skip
    if motion is not None:
        rows += [
            ("motion", motion.note),
            ("cost of it, predicted", f"{motion.instructions_per_sample:.1f} instructions a sample and channel, "
             f"{100 * motion.core_share:.2f} % of 64 MHz, on top; {motion.ram_bytes} bytes of RAM"),
        ]  # fmt: skip
    return rows


def summarize_aux(found: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - an AuxFigures of myo_export
    """Return labelled sentences of an auxiliary stream: its stages, its words beside the EMG's, and what it costs."""
    return [
        ("stream", f"{found.kind} {found.name!r}, {found.channels} channel{'s' * (found.channels != 1)} at {found.rate_hz:g} Hz, "
         f"{found.adc_bits} bit, full scale {found.full_scale:.4g} {found.unit}"),
        *_summarize_chain(found, "0.3 to 20 Hz"),
        ("beside the EMG", f"{found.note.partition(': ')[2]} At most {100 * found.worst_peak:.1f} % of 2^31, whatever the input"),
        ("on the window's frames", f"SNR {found.window_snr_db:.1f} dB against float64; largest error "
         f"{found.window_error_counts:.2g} of the EMG's counts, derived bound {found.window_bound_counts:.2g}"),
        ("delay", f"{found.delay_ms:.1f} ms: {found.front_end.group_delay_ms:.1f} in its stages in mid-band, "
         f"{found.resampling_ms:.1f} by resampling"),
        ("cost, predicted", f"{found.instructions_per_sample:.0f} instructions a sample and channel on a Cortex-M4, "
         f"{100 * found.core_share:.2f} % of 64 MHz; {found.ram_bytes} bytes of RAM"),
    ]  # fmt: skip


def _summarize_chain(found: Any, band: str) -> list[tuple[str, str]]:  # noqa: ANN401 - ChainFigures of myo_export
    rows = [("stages", "; ".join(found.stages) or "none")]
    rows += [
        ("", note) for note in found.front_end.notes[1 if found.steps else 0 :]
    ]  # the first lists the stages
    rows += [
        ("response", f"{r.text}: within {r.deviation_db:.2g} dB of the design where it passes") for r in found.responses
    ]  # fmt: skip
    if found.steps:
        rows += [
            ("group delay", f"{found.front_end.group_delay_ms:.1f} ms in mid-band"),
            ("SNR against float64", f"{found.snr_db:.1f} dB on noise of {band} at 1/16 of full scale; largest error "
             f"{found.max_error_counts:.2g} counts, derived bound {found.bound_counts:.2g} for any input"),
            ("after the signal", f"{found.limit_cycle} (bound {found.limit_cycle_bound_counts:.2g})"),
        ]  # fmt: skip
    return rows


def render_front_end(
    spec: PatchSpec,
    found: Any,  # noqa: ANN401 - a FrontEndAnalysis of myo_export
    streams: Sequence[Any] = (),
    motion: Any = None,  # noqa: ANN401 - its MotionFigures, or None
) -> str:
    """Return the page as HTML text: table, sentences and plots; of the EMG, and of auxiliary streams (AuxFigures)."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("myo_host", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    parts = [
        {
            "title": title,
            "summary": summary,
            "rows": section_rows(part),
            "steps": step_rows(part),
            "responses": [(r.text, figures.draw_response(r)) for r in part.responses],
            "band": band,
        }
        for title, part, summary, band in (
            ("", found, summarize_front_end(found, motion), "20 to 450 Hz"),
            *((f"auxiliary stream {s.name}", s, summarize_aux(s), "0.3 to 20 Hz") for s in streams),
        )
    ]
    return environment.get_template("front_end.html.j2").render(
        spec=spec, columns=SECTION_COLUMNS, step_columns=STEP_COLUMNS, parts=parts
    )
