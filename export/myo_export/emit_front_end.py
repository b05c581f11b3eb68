"""Generated C of the front end: coefficients and settings of each step, as the twin has them."""

from __future__ import annotations

from collections.abc import Sequence

from myo_export.front_end import FrontEnd, ProvedStep
from myo_export.front_end_notes import describe_step
from myo_pipeline.ecg import EcgSettings
from myo_pipeline.steps import Kind

_HEADERS = {
    Kind.SOS: "myo_sos", Kind.MATRIX: "myo_matrix", Kind.RECTIFY: "myo_rectify", Kind.MEAN: "myo_moving_average",
    Kind.DECIMATE: "myo_decimate", Kind.FIR: "myo_fir", Kind.TKEO: "myo_tkeo", Kind.ECG: "myo_ecg",
    Kind.SOS_WIDE: "myo_sos_wide",
}  # fmt: skip
_PER_LINE = 8


def _integers(values: Sequence[int]) -> list[str]:
    shown = ["INT32_MIN" if v == -(2**31) else str(v) for v in values]
    return [f"    {', '.join(shown[i : i + _PER_LINE])}," for i in range(0, len(shown), _PER_LINE)]


def _render_sections(proved: ProvedStep, name: str) -> list[str]:
    step = proved.step
    radii = proved.cascade.pole_radius[:, 1].tolist() if proved.cascade else []
    out = [
        f"/* b0, b1, b2, -a1, -a2 of each section, times 2^{31 - step.shift}. */",
        f"static const int32_t {name}_coefficients[{len(step.words)}] = {{",
    ]
    for number, row in enumerate(step.words.reshape(-1, 5).tolist()):
        values = ", ".join("INT32_MIN" if v == -(2**31) else str(v) for v in row)
        out.append(f"    {values}, /* section {number}: pole radius {radii[number]:.9f} */")
    return [
        *out, "};",
        f"static const myo_sos_config_t {name} = {{",
        f"    .n_sections = {step.count}, .post_shift = {step.shift}, .coefficients = {name}_coefficients}};",
    ]  # fmt: skip


def _render_matrix(proved: ProvedStep, name: str) -> list[str]:
    step = proved.step
    rows = step.words.reshape(step.n_out, step.n_in)
    out = [
        f"/* Weight, channel: a line a row. */\nstatic const myo_matrix_term_t {name}_terms[{step.count}] = {{"
    ]
    out += [
        f"    {', '.join(f'{{{int(row[c])}, {c}}}' for c in range(step.n_in) if row[c])}," for row in rows
    ]
    out += ["};", f"static const uint16_t {name}_n_terms[{step.n_out}] = {{"]
    out += _integers([int((row != 0).sum()) for row in rows])
    return [
        *out, "};",
        f"static const myo_matrix_config_t {name} = {{",
        f"    .n_terms = {name}_n_terms, .terms = {name}_terms, .shift = {step.shift}}};",
    ]  # fmt: skip


def _render_settings(proved: ProvedStep, name: str) -> list[str]:
    """Return a step's own constants; nothing where its kind has none."""
    step = proved.step
    match step.kind:
        case Kind.SOS | Kind.SOS_WIDE:
            return _render_sections(proved, name)
        case Kind.MATRIX:
            return _render_matrix(proved, name)
        case Kind.FIR:
            return [
                "/* That of the newest sample first. */",
                f"static const int32_t {name}_taps[{step.count}] = {{", *_integers(step.words.tolist()), "};",
                f"static const myo_fir_config_t {name} = {{",
                f"    .taps = {name}_taps, .n_taps = {step.count}, .shift = {step.shift}}};",
            ]  # fmt: skip
        case Kind.MEAN:
            return [
                f"static const myo_moving_average_config_t {name} = {{",
                f"    .n = {step.count}, .before = {step.before}, .shift = {step.shift}, "
                f".multiplier = {int(step.words[0])}}};",
            ]
        case Kind.TKEO:
            return [f"static const myo_tkeo_config_t {name} = {{.shift = {step.shift}}};"]
        case Kind.ECG:
            settings = EcgSettings.from_values(step.words)
            return [
                f"static const myo_ecg_config_t {name} = {{",
                f"    .refractory = {settings.refractory}, .learn = {settings.learn}, .reference = {settings.reference},",
                f"    .before = {settings.before}, .after = {settings.after}, .log2_beats = {settings.log2_beats},",
                f"    .magnitude_shift = {settings.magnitude_shift}}};",
            ]
        case _:
            return []


def list_headers(front_end: FrontEnd) -> list[str]:
    """Return the headers that the generated source includes for its steps."""
    return sorted({f"dsp/{_HEADERS[step.kind]}.h" for step in front_end.device_steps})


def render_steps(front_end: FrontEnd) -> list[str]:
    """Return the lines that define the steps' constants and their table ``steps``; none where there is no step."""
    if not front_end.steps:
        return []
    out, rows = [], []
    for number, proved in enumerate(front_end.steps):
        step, name = proved.step, f"step{number}"
        settings = _render_settings(proved, name)
        out += [f"/* Step {number}: {describe_step(proved)}. */", *settings, ""]
        rows += [
            f"    {{.kind = &{_HEADERS[step.kind]}_kind,",
            f"     .config = {f'&{name}' if settings else 'NULL'},",
            f"     .n_in = {step.n_in},",
            f"     .n_out = {step.n_out},",
            f"     .decimation = {step.decimation},",
            f"     .align = {step.align}}}, /* a word is 2^{-proved.exponent} */",
        ]
    return [*out, f"static const myo_step_t steps[{len(front_end.steps)}] = {{", *rows, "};", ""]
