"""Auxiliary streams in fixed point: their stages proved as the EMG's are, and their words beside the EMG's."""

from __future__ import annotations

from dataclasses import dataclass

from myo_export.cascade import PROOF_LIMIT, Q31
from myo_export.front_end import FrontEnd, quantize_stages
from myo_pipeline.aux_reference import bound_resampling, choose_gain_bits, time_aux
from myo_pipeline.aux_sensor import AuxSensor
from myo_pipeline.aux_stream import WEIGHT_BITS, AuxConfig
from myo_pipeline.errors import ExportError
from myo_pipeline.spec import PatchSpec


@dataclass(frozen=True)
class ProvedAux:
    """A stream in fixed point, with its proof.

    Attributes
    ----------
    sensor
        As the spec has it.
    front_end
        Its own stages.
    config
        The integers of device and twin.
    gain_bits
        A count of the stream stands as ``2^gain_bits`` beside the EMG's counts.
    error_bound
        Largest ``|twin - float|`` on the window's frames, in the EMG's counts.
    delay_ms
        Of the resampling, from a sample's time to where it stands in the window.
    """

    sensor: AuxSensor
    front_end: FrontEnd
    config: AuxConfig
    gain_bits: int
    error_bound: float
    delay_ms: float

    @property
    def note(self) -> str:
        """What was chosen and why."""
        timing = self.config.timing
        return (
            f"{self.sensor.kind} {self.sensor.name!r}: a frame of the EMG is {timing.step} / {timing.unit} of its samples, for "
            f"ever; linear interpolation, {self.delay_ms:.4g} ms behind; a sample may be {timing.lag} frames late. "
            f"One of its counts stands as 2^{self.gain_bits} beside the EMG's, twin within {self.error_bound:.3g} of float."
        )


def quantize_aux(spec: PatchSpec, front_end: FrontEnd) -> tuple[ProvedAux, ...]:
    """Bring a spec's auxiliary streams to fixed point.

    Parameters
    ----------
    spec
        A validated spec.
    front_end
        The EMG's, whose words the streams' have to be like.

    Returns
    -------
    tuple of ProvedAux
        A stream each, in the spec's order.

    Raises
    ------
    ExportError, SpecError
        As :func:`~myo_export.front_end.quantize_stages`; or if a stream's words cannot be brought beside the EMG's.
    """
    return tuple(_quantize(spec, number, front_end.exponent) for number in range(len(spec.aux)))


def _quantize(spec: PatchSpec, number: int, exponent: int) -> ProvedAux:
    sensor = spec.aux[number]
    own = quantize_stages(
        sensor.stage, sensor.channels, sensor.rate_hz, sensor.adc_bits, f"aux[{number}].stage"
    )
    gain_bits = choose_gain_bits(spec, number)
    peak, error = float(sensor.full_scale_counts), own.error_bound_counts(float(sensor.full_scale_counts))
    for proved in own.steps:
        peak, _ = proved.propagate(peak, 0.0)
    largest = (peak + error) * 2.0 ** (gain_bits + exponent) + 0.5
    shift = WEIGHT_BITS + own.exponent - gain_bits - exponent
    if largest > PROOF_LIMIT * Q31 or not 1 <= shift <= 61:
        raise ExportError(
            f"aux[{number}]: words of up to {largest:.3g} beside the EMG's, by a shift of {shift}, expected at most 2^31 and "
            "1 .. 61: lower its stages' gain, or match its adc_bits to the EMG's"
        )
    timing = time_aux(spec, sensor)
    config = AuxConfig(
        timing,
        sensor.channels,
        sensor.full_scale_counts,
        own.input_shift,
        own.device_steps,
        own.exponent,
        shift,
    )
    bound = bound_resampling(peak, error, gain_bits, exponent)
    return ProvedAux(sensor, own, config, gain_bits, bound, timing.delay_frames / spec.sensor.rate_hz * 1000)
