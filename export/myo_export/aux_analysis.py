"""What auxiliary streams do before anything is flashed: their stages as the EMG's, and what stands beside the EMG."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from myo_export.aux_cost import predict_aux_instructions, predict_aux_ram
from myo_export.aux_streams import ProvedAux, quantize_aux
from myo_export.front_end import FrontEnd
from myo_export.front_end_analysis import (
    CLOCK_HZ,
    SIGNAL_S,
    ChainFigures,
    analyse_chain,
    find_snr_db,
    make_typical_signal,
)
from myo_pipeline.aux_reference import AuxReference
from myo_pipeline.aux_stream import AuxSamples, AuxTwin
from myo_pipeline.spec import PatchSpec

BAND_HZ: Final = (0.3, 20.0)  # of the typical signal: movement


@dataclass(frozen=True)
class AuxFigures(ChainFigures):
    """Figures of a stream: of its own stages, and of its words on the window's frames.

    Attributes
    ----------
    name, kind, unit, channels, rate_hz, adc_bits
        As the spec has them.
    full_scale
        What its largest count is worth, in ``unit``.
    note
        What was chosen for its words and its time, and why.
    resampling_ms
        Delay from a sample's time to where it stands in the window, without the stages'.
    worst_peak
        Largest magnitude beside the EMG's words for any full-scale input, as a fraction of 2^31.
    window_snr_db, window_error_counts
        Twin against float64 on the window's frames, on the typical signal; in the EMG's counts.
    window_bound_counts
        Largest ``|twin - float|`` there for any full-scale input.
    instructions_per_sample
        Predicted, of one count of the stream, Cortex-M4, from its ring to the network's input.
    core_share
        Of a 64 MHz core.
    ram_bytes
        Its ring, its block and its state.
    """

    name: str
    kind: str
    unit: str
    channels: int
    rate_hz: float
    adc_bits: int
    full_scale: float
    note: str
    resampling_ms: float
    worst_peak: float
    window_snr_db: float
    window_error_counts: float
    window_bound_counts: float
    instructions_per_sample: float
    core_share: float
    ram_bytes: int

    @property
    def delay_ms(self) -> float:
        """Of stages, in mid-band, and resampling."""
        return self.front_end.group_delay_ms + self.resampling_ms


def analyse_aux(spec: PatchSpec, front_end: FrontEnd) -> tuple[AuxFigures, ...]:
    """Quantize a spec's auxiliary streams and measure what they do to noise of movement's band.

    Parameters
    ----------
    spec
        A validated spec.
    front_end
        The EMG's, in fixed point.

    Returns
    -------
    tuple of AuxFigures
        A stream each, in the spec's order; none where the spec has none.

    Raises
    ------
    ExportError, SpecError
        As :func:`~myo_export.aux_streams.quantize_aux`.
    """
    streams = quantize_aux(spec, front_end)
    return tuple(_analyse(spec, number, stream, front_end.exponent) for number, stream in enumerate(streams))


def _analyse(spec: PatchSpec, number: int, stream: ProvedAux, exponent: int) -> AuxFigures:
    sensor = stream.sensor
    chain = analyse_chain(
        sensor.stage, sensor.channels, sensor.rate_hz, sensor.adc_bits, f"aux[{number}].stage", BAND_HZ
    )
    counts = make_typical_signal(sensor.channels, sensor.rate_hz, sensor.full_scale_counts, BAND_HZ)
    counts = counts[: round(SIGNAL_S * sensor.rate_hz)]
    samples = AuxSamples(counts.astype(np.int32), stream.config.timing.stamp_samples(len(counts)))
    n_frames = round(SIGNAL_S * spec.sensor.rate_hz) // spec.decimation
    alone = spec.model_copy(update={"aux": [sensor]})
    exact = AuxReference(alone).resample([samples], n_frames)
    twin = AuxTwin(stream.config)
    twin.feed(samples)
    error = twin.resample(n_frames)[0] * 2.0**-exponent - exact
    peak = float(sensor.full_scale_counts)
    for proved in stream.front_end.steps:
        peak, _ = proved.propagate(peak, 0.0)
    window = 0 if spec.features else spec.window_samples
    instructions = predict_aux_instructions([stream], spec.hop_samples, window)
    hop_s = spec.hop_samples * spec.decimation / spec.sensor.rate_hz
    return AuxFigures(
        **{field.name: getattr(chain, field.name) for field in fields(chain)},
        name=sensor.name,
        kind=sensor.kind,
        unit=sensor.unit,
        channels=sensor.channels,
        rate_hz=sensor.rate_hz,
        adc_bits=sensor.adc_bits,
        full_scale=sensor.full_scale_counts * sensor.lsb,
        note=stream.note,
        resampling_ms=stream.delay_ms,
        worst_peak=(peak * 2.0**stream.gain_bits + stream.error_bound) * 2.0 ** (exponent - 31),
        window_snr_db=find_snr_db(exact, error),
        window_error_counts=float(np.abs(error).max()),
        window_bound_counts=stream.error_bound,
        instructions_per_sample=instructions / (hop_s * sensor.rate_hz * sensor.channels),
        core_share=instructions / hop_s / CLOCK_HZ,
        ram_bytes=predict_aux_ram([stream]),
    )
