"""The page and the table of ``myopatch front-end``."""

from __future__ import annotations

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


def summarize_front_end(found: Any) -> list[tuple[str, str]]:  # noqa: ANN401 - a FrontEndAnalysis of myo_export
    """Return labelled sentences: what the filters are, how exact, and what they cost."""
    stages = "; ".join(found.stages) or "none"
    rows = [("stages", stages)]
    rows += [
        ("", note) for note in found.front_end.notes[1 if found.steps else 0 :]
    ]  # the first lists the stages
    rows += [
        ("response", f"{r.text}: within {r.deviation_db:.2g} dB of the design where it passes") for r in found.responses
    ]  # fmt: skip
    if found.steps:
        rows += [
            ("group delay", f"{found.front_end.group_delay_ms:.1f} ms in mid-band"),
            ("SNR against float64", f"{found.snr_db:.1f} dB on noise of 20 to 450 Hz at 1/16 of full scale; largest error "
             f"{found.max_error_counts:.2g} counts, derived bound {found.bound_counts:.2g} for any input"),
            ("after the signal", f"{found.limit_cycle} (bound {found.limit_cycle_bound_counts:.2g})"),
        ]  # fmt: skip
    rows.append(
        ("cost, predicted", f"{found.instructions_per_sample:.1f} instructions a sample and channel on a Cortex-M4, "
         f"{100 * found.core_share:.2f} % of 64 MHz; {found.state_bytes} bytes of state")
    )  # fmt: skip
    if (motion := found.motion) is not None:
        rows += [
            ("motion", motion.note),
            ("", f"{motion.instructions_per_sample:.1f} instructions a sample and channel, {100 * motion.core_share:.2f} % of "
             f"64 MHz, on top; {motion.state_bytes} bytes of state"),
        ]  # fmt: skip
    return rows


def render_front_end(spec: PatchSpec, found: Any) -> str:  # noqa: ANN401 - a FrontEndAnalysis of myo_export
    """Return the page as HTML text: table, sentences and plots."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("myo_host", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template("front_end.html.j2").render(
        spec=spec,
        columns=SECTION_COLUMNS,
        rows=section_rows(found),
        summary=summarize_front_end(found),
        step_columns=STEP_COLUMNS,
        steps=step_rows(found),
        responses=[(r.text, figures.draw_response(r)) for r in found.responses],
    )
