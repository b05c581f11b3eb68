"""A patch's budget: what the firmware will take of flash, RAM and time, and weights in the forms that fit.

Everything is predicted before anything is built. The network's share comes from the compiler's cost model; that of the
rest of the firmware from counts of built and validated patches, which stand beside the constants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from myo_export import calibration_cost, feature_cost, front_end_cost, motion_cost, quality_cost
from myo_export.aux_cost import (
    predict_aux_flash,
    predict_aux_instructions,
    predict_aux_ram,
)
from myo_export.aux_streams import ProvedAux
from myo_export.buffers import Buffers, list_buffers
from myo_export.feature_cost import predict_feature_flash, predict_feature_instructions
from myo_export.front_end import FrontEnd
from myo_export.front_end_cost import predict_front_end
from myo_export.motion import ProvedMotion
from myo_export.motion_cost import (
    predict_motion_instructions,
    predict_motion_ram,
)
from myo_export.network_report import LayerReport, NetworkReport, count_code
from myo_export.pack_dsp import Optimize
from myo_export.quality_cost import (
    count_quality_ram,
    predict_quality_flash,
    predict_quality_instructions,
)
from myo_pipeline.errors import ExportError
from myo_pipeline.feature_stage import FeatureStage
from myo_pipeline.quality_gate import compile_table
from myo_pipeline.spec import Budget, PatchSpec
from myo_pipeline.steps import BLOCK_FRAMES, Kind, Step

KB: Final = 1024

# Of patches built for virtual_m4 (without stages, with a cascade, with every kind of step), flash without the network
# and these settings is this within 100 bytes. tests/hil/test_budget_on_board.py says when it has changed.
_FIRMWARE_FLASH: Final = 12004
_PORT: Final = {
    "stm32f405": (1616, 276)
}  # flash and RAM of a board's port beyond virtual_m4's: clocks, converter, its words
_FLASH_PER_CHANNEL: Final = 8  # multiplier, shift, zero point
_FLASH_PER_STEP: Final = 16
_FLASH_OF_KIND: Final = {  # code, linked once where a step is of the kind
    Kind.SOS: 1992, Kind.MATRIX: 566, Kind.RECTIFY: 94, Kind.MEAN: 366, Kind.DECIMATE: 178, Kind.FIR: 1212, Kind.TKEO: 250,
    Kind.ECG: 1952, Kind.SOS_WIDE: 756,
}  # fmt: skip

# Of the flash limit, what wide weights leave free: an image may be as much larger than predicted.
_RESERVE: Final = 0.015
_STACK_BYTES: Final = 2560  # firmware/ports/virtual_m4/memory.ld
_OTHER_RAM: Final = 1776  # link, patch, rings' heads: what is left of the six images' RAM

# Instructions of a vote over a few classes, as validation counts them, and their cycles at what `myopatch profile` counts.
_DECISION: Final = 220.0
_DECISION_CYCLES_EACH: Final = 1.52
# Of the other methods, (a window, a class), as bench_decision.py counts them; and what a hold adds. Bytes are of their code.
_METHODS: Final = {"average": (70.0, 33.0), "bayes": (222.0, 55.0)}
_METHOD_FLASH: Final = {"majority": 0, "average": 160, "bayes": 540}
_HOLD, _HOLD_FLASH, _RULE_FLASH = 40.0, 100, 20


@dataclass(frozen=True)
class Prediction:
    """What a patch is predicted to take, by part.

    Attributes
    ----------
    flash, ram : mapping
        Bytes.
    instructions : mapping
        Of a decision.
    cycles : mapping
        Of a decision on a Cortex-M4F with zero wait states, estimated.
    clock_mhz : float
        The budget's, for which times are stated.
    is_modelled : bool
        Whether every layer has a formula.
    """

    flash: Mapping[str, int]
    ram: Mapping[str, int]
    instructions: Mapping[str, float]
    cycles: Mapping[str, float]
    clock_mhz: float
    is_modelled: bool

    @property
    def flash_bytes(self) -> int:
        """Flash of the whole firmware."""
        return sum(self.flash.values())

    @property
    def ram_bytes(self) -> int:
        """Static RAM of the whole firmware, with its stack."""
        return sum(self.ram.values())

    @property
    def latency_ms(self) -> Mapping[str, float]:
        """Time of a decision, by part."""
        return {part: cycles / (1000 * self.clock_mhz) for part, cycles in self.cycles.items()}

    @property
    def total_ms(self) -> float:
        """Time of a decision."""
        return sum(self.latency_ms.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the figures for ``budget.json``."""
        return {
            "flash_bytes": {**self.flash, "total": self.flash_bytes},
            "ram_bytes": {**self.ram, "total": self.ram_bytes},
            "instructions": {k: round(v) for k, v in self.instructions.items()}
            | {"total": round(sum(self.instructions.values()))},
            "cycles": {k: round(v) for k, v in self.cycles.items()}
            | {"total": round(sum(self.cycles.values()))},
            "latency_ms": {k: round(v, 4) for k, v in self.latency_ms.items()}
            | {"total": round(self.total_ms, 4)},
            "every_layer_modelled": self.is_modelled,
        }


@dataclass(frozen=True)
class Choice:
    """How the DSP kernels hold the weights of each layer, the rings around the patch, and what it then takes."""

    forms: tuple[Optimize, ...]
    prediction: Prediction
    buffers: Buffers

    def describe(self) -> str:
        """Say in a few words which layers are held how."""
        n_wide = self.forms.count("speed")
        if n_wide in (0, len(self.forms)):
            return "all weights wide" if n_wide else "all weights packed"
        wide = ", ".join(str(k) for k, form in enumerate(self.forms) if form == "speed")
        return f"weights wide in layers {wide}, packed in the others"


def _count_step(step: Step) -> int:
    """Return the flash of a step's settings."""
    words = {
        Kind.SOS: 2 + 5 * step.count, Kind.SOS_WIDE: 2 + 5 * step.count,
        Kind.MATRIX: 3 + step.count + -(-step.n_out // 2), Kind.MEAN: 2,
        Kind.FIR: 2 + step.count, Kind.TKEO: 1, Kind.ECG: 5,
    }  # fmt: skip
    return _FLASH_PER_STEP + 4 * words.get(step.kind, 0)


def predict_patch(
    spec: PatchSpec,
    layers: Sequence[LayerReport],
    arena_bytes: int,
    front_end: FrontEnd,
    push_share: float = 1.0,
    push_functions: Mapping[str, int] | None = None,
    features: FeatureStage | None = None,
    aux: Sequence[ProvedAux] = (),
    n_embedding: int = 0,
    motion: ProvedMotion | None = None,
    buffers: Buffers | None = None,
) -> Prediction:
    """Predict what a patch takes.

    Parameters
    ----------
    spec : PatchSpec
        The patch.
    layers : sequence of LayerReport
        Its network's layers, each in the form that it will have.
    arena_bytes : int
        The network's.
    front_end : FrontEnd
        In fixed point.
    push_share : float
        Cost of a push as a share of a run's; 1 where windows are run.
    push_functions : mapping, optional
        Bytes of what pushes add to the network's code, by function.
    features : FeatureStage or None
        What the network takes; None: the window itself.
    aux : sequence of ProvedAux
        Auxiliary streams.
    n_embedding : int
        Words that a person's head is made of; 0 without calibration.
    motion : ProvedMotion or None
        Removal of motion.
    buffers : Buffers, optional
        Rings of the line and the samples; the most generous if left out.

    Returns
    -------
    Prediction
        By part.
    """
    channels, n_outputs = spec.sensor.channels, len(spec.output_names)
    port_flash, port_ram = _PORT[spec.budget.board] if spec.budget.board else (0, 0)
    n_behind = spec.front_end_channels
    n_input = features.n_inputs if features else spec.window_samples * n_behind
    chains = (front_end, *(stream.front_end for stream in aux), *([motion.front_end] if motion else []))
    steps = [step for end in chains for step in end.device_steps]
    quality = compile_table(spec)
    flash = {
        "weights and tables": sum(layer.flash_bytes for layer in layers),
        "network code": count_code(layers, push_functions or {}),
        "front end settings": (0 if features else _FLASH_PER_CHANNEL * n_behind)
        + sum(map(_count_step, steps)),
        "front end code": sum(_FLASH_OF_KIND[kind] for kind in {step.kind for step in steps}),
        **({"features": predict_feature_flash(features)} if features else {}),
        **({"auxiliary streams": predict_aux_flash(aux)} if aux else {}),
        **({"motion": motion_cost.FLASH} if motion else {}),
        **({"signal quality": predict_quality_flash(quality)} if quality else {}),
        **(
            {"calibration": calibration_cost.count_calibration_flash(n_outputs, n_embedding)}
            if n_embedding
            else {}
        ),
        **({"decision": rule_flash} if (rule_flash := _count_rule_flash(spec)) else {}),
        "rest of the firmware": _FIRMWARE_FLASH + port_flash,
    }
    buffers = buffers or list_buffers(spec, aux)[0]
    ram = {
        "network arena": arena_bytes + n_input + n_outputs,
        "sample ring and window": buffers.ring_frames * (4 * channels + 4)
        + (0 if features else n_input)
        + 4 * BLOCK_FRAMES * max(front_end.widest, n_behind)
        + (spec.decision.vote + 4) * n_outputs,
        **(
            {
                "features": 4 * features.config.memory_words
                + 4 * features.n_words
                + 2 * BLOCK_FRAMES * n_behind
            }
            if features
            else {}
        ),
        **({"auxiliary streams": predict_aux_ram(aux)} if aux else {}),
        **({"motion": predict_motion_ram(motion)} if motion else {}),
        **({"signal quality": count_quality_ram(quality)} if quality else {}),
        **(
            {"calibration": calibration_cost.count_calibration_ram(n_outputs, n_embedding)}
            if n_embedding
            else {}
        ),
        "line buffers": buffers.line_bytes,
        "front end state": 4 * front_end.state_words + 4,
        "rest of the firmware": _OTHER_RAM + port_ram,
        "stack": _STACK_BYTES,
    }
    window = 0 if features else spec.window_samples
    filtering = predict_front_end(front_end.device_steps, channels, spec.hop_samples, window)
    filtering += predict_aux_instructions(aux, spec.hop_samples, window)
    filtering += predict_motion_instructions(motion, spec.hop_samples)
    watching = predict_quality_instructions(quality, spec.hop_samples * spec.decimation) if quality else 0.0
    in_quality = {"signal quality": watching} if quality else {}
    in_features = {"features": predict_feature_instructions(features)} if features else {}
    scoring = calibration_cost.predict_head_instructions(n_outputs, n_embedding) if n_embedding else 0.0
    instructions = {
        "front end": filtering,
        **in_quality,
        **in_features,
        "network": push_share * sum(layer.cost.instructions for layer in layers),
        "decision": _predict_decision(spec) + scoring,
    }
    cycles = {
        "front end": filtering * front_end_cost.CYCLES_PER_INSTRUCTION,
        **{k: v * quality_cost.CYCLES_PER_INSTRUCTION for k, v in in_quality.items()},
        **{k: v * feature_cost.CYCLES_PER_INSTRUCTION for k, v in in_features.items()},
        "network": push_share * sum(layer.cost.cycles for layer in layers),
        "decision": _DECISION_CYCLES_EACH * _predict_decision(spec)
        + scoring * calibration_cost.CYCLES_PER_INSTRUCTION,
    }
    is_modelled = all(layer.cost.is_modelled for layer in layers)
    return Prediction(flash, ram, instructions, cycles, spec.budget.clock_mhz, is_modelled)


def _is_held(spec: PatchSpec) -> bool:
    return spec.decision.debounce > 1 or spec.decision.dwell > 1


def _predict_decision(spec: PatchSpec) -> float:
    base, each = _METHODS.get(spec.decision.method, (_DECISION, 0.0))
    return base + each * len(spec.output_names) + _HOLD * _is_held(spec)


def _count_rule_flash(spec: PatchSpec) -> int:
    method = _METHOD_FLASH[spec.decision.method]
    return (method + _HOLD_FLASH * _is_held(spec) + _RULE_FLASH) if method or _is_held(spec) else 0


def _mix(fast: NetworkReport, small: NetworkReport, forms: Sequence[Optimize]) -> list[LayerReport]:
    pairs = zip(fast.layers, small.layers, forms, strict=True)
    return [wide if form == "speed" else packed for wide, packed, form in pairs]


def find_forms(
    spec: PatchSpec,
    fast: NetworkReport,
    small: NetworkReport,
    front_end: FrontEnd,
    features: FeatureStage | None = None,
    aux: Sequence[ProvedAux] = (),
    motion: ProvedMotion | None = None,
) -> tuple[Choice, ...]:
    """Find the fastest forms of weights whose flash fits, or the smallest where none do.

    Wide weights run faster and take twice the flash. Where not all of them fit, layers are widened in the order of
    cycles saved a byte, as long as there is room and 1.5 % of the limit stay free. The rings are the most generous that
    the RAM budget leaves.

    Parameters
    ----------
    spec : PatchSpec
        The patch and its budget.
    fast, small : NetworkReport
        The network with all weights wide, and packed.
    front_end : FrontEnd
        In fixed point.
    features : FeatureStage or None
        What the network takes; None: the window itself.
    aux : sequence of ProvedAux
        Auxiliary streams.
    motion : ProvedMotion or None
        Removal of motion.

    Returns
    -------
    tuple of Choice
        The one found, and those with all weights wide and packed.
    """

    def judge(forms: Sequence[Optimize], buffers: Buffers) -> Choice:
        layers = _mix(fast, small, forms)
        share = fast.push_cost.cycles / fast.cost.cycles if fast.push_cost else 1.0
        found = predict_patch(
            spec, layers, fast.arena_bytes, front_end, share, fast.push_functions, features, aux,
            fast.embedding.size if fast.embedding else 0, motion, buffers,
        )  # fmt: skip
        return Choice(tuple(forms), found, buffers)

    ram_limit = float("inf") if spec.budget.ram_kb is None else spec.budget.ram_kb * KB
    for buffers in list_buffers(spec, aux):
        fastest = judge(["speed"] * len(fast.layers), buffers)
        if fastest.prediction.ram_bytes <= ram_limit:
            break
    smallest = judge(["size"] * len(fast.layers), buffers)
    limit = float("inf") if spec.budget.flash_kb is None else spec.budget.flash_kb * KB * (1 - _RESERVE)
    best = fastest
    if fastest.prediction.flash_bytes > limit:
        # Packed weights have functions of their own, which a tiny network does not pay back.
        best = min(smallest, fastest, key=lambda choice: choice.prediction.flash_bytes)
        forms: list[Optimize] = list(smallest.forms)
        for place in _by_gain(fast, small):
            forms[place] = "speed"
            found = judge(forms, buffers)
            if found.prediction.flash_bytes > limit:
                forms[place] = "size"
            elif found.prediction.total_ms < best.prediction.total_ms:
                best = found
    return best, fastest, smallest


def choose_forms(
    spec: PatchSpec,
    fast: NetworkReport,
    small: NetworkReport,
    front_end: FrontEnd,
    features: FeatureStage | None = None,
    aux: Sequence[ProvedAux] = (),
    motion: ProvedMotion | None = None,
) -> Choice:
    """Choose the forms that :func:`find_forms` finds, if the patch is then within its budget.

    Raises
    ------
    ExportError
        If the budget cannot be met: which limit, by how much, and what the nearest choices take.
    """
    best, fastest, smallest = find_forms(spec, fast, small, front_end, features, aux, motion)
    p = best.prediction
    fault = find_excess(spec.budget, p.flash_bytes, p.ram_bytes, p.total_ms)
    if fault:
        known = {choice.forms: choice for choice in (fastest, best, smallest)}
        offers = "; ".join(_offer(choice) for choice in known.values())
        raise ExportError(
            f"budget: {fault}; the network can have: {offers}; raise the limit, or train a smaller network"
        )
    return best


def _by_gain(fast: NetworkReport, small: NetworkReport) -> list[int]:
    """Layers that wide weights make faster, the most cycles a byte first."""
    gains = {}
    for place, (wide, packed) in enumerate(zip(fast.layers, small.layers, strict=True)):
        n_bytes, cycles = wide.flash_bytes - packed.flash_bytes, packed.cost.cycles - wide.cost.cycles
        if cycles > 0:
            gains[place] = cycles / max(n_bytes, 1)
    return sorted(gains, key=lambda place: -gains[place])


def _offer(choice: Choice) -> str:
    p = choice.prediction
    return f"{choice.describe()}: flash {p.flash_bytes / KB:.1f} KB, RAM {p.ram_bytes / KB:.1f} KB, {p.total_ms:.3g} ms"


def find_excess(
    budget: Budget, flash_bytes: int | None, ram_bytes: int | None, latency_ms: float | None
) -> str:
    """Say which limits figures exceed, and by how much.

    Parameters
    ----------
    budget : Budget
        The limits.
    flash_bytes, ram_bytes, latency_ms : number or None
        Figures; None where not known.

    Returns
    -------
    str
        One line; empty if all is within.
    """
    faults = []
    for name, found, limit in (
        ("flash_kb", flash_bytes, budget.flash_kb),
        ("ram_kb", ram_bytes, budget.ram_kb),
    ):
        if found is not None and limit is not None and found > limit * KB:
            # More digits than a figure beside it, so that the difference never reads 0.0.
            faults.append(
                f"{name} is {limit:g} and the firmware takes {found / KB:.1f}, {found - limit * KB:.0f} bytes more"
            )
    if latency_ms is not None and budget.latency_ms is not None and latency_ms > budget.latency_ms:
        faults.append(
            f"latency_ms is {budget.latency_ms:g} and a decision takes {latency_ms:.3g} at {budget.clock_mhz:g} MHz, "
            f"{latency_ms - budget.latency_ms:.2g} more"
        )
    return ", and ".join(faults)


def describe_limits(budget: Budget) -> str:
    """Return the limits in words; empty where there is none."""
    found = []
    if budget.flash_kb is not None:
        found.append(f"flash {budget.flash_kb:g} KB")
    if budget.ram_kb is not None:
        found.append(f"RAM {budget.ram_kb:g} KB")
    if budget.latency_ms is not None:
        found.append(f"{budget.latency_ms:g} ms a decision at {budget.clock_mhz:g} MHz")
    return ", ".join(found)
