"""The stages of the front end as ``patch.toml`` has them: what each takes, and what it makes of channels and rate."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from myo_pipeline.ecg import EcgSettings

MAX_CHANNELS = 64
MAX_TAPS = 512  # of a FIR filter
MAX_ECG_WINDOW = 4096  # samples of a beat, two words of RAM and channel each; MYO_ECG_MAX_WINDOW
MAX_MEAN = 4096  # samples of a moving average, each a word of RAM and channel


class Table(BaseModel):
    """A table of the spec: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class StageTable(Table):
    """A stage: words in, words out, sample by sample."""

    def count_outputs(self, n_channels: int) -> int:
        """Return the channels that it gives for ``n_channels``."""
        return n_channels

    @property
    def decimation(self) -> int:
        """Frames that it takes for one that it gives."""
        return 1

    @property
    def edges_of_response(self) -> dict[str, float]:
        """Frequencies in hertz by key, each to be below Nyquist."""
        keys = ("cutoff_hz", "low_hz", "high_hz", "frequency_hz")
        return {key: value for key in keys if (value := getattr(self, key, None)) is not None}

    def check(self, n_channels: int, rate_hz: float) -> None:
        """Refuse what does not fit the signal at its place.

        Raises
        ------
        ValueError
            With the key, what was found and what to do.
        """
        for key, edge in self.edges_of_response.items():
            if edge >= rate_hz / 2:
                raise ValueError(
                    f"{key}: {edge:g} Hz is not below Nyquist, {rate_hz / 2:g} Hz at the stage's rate of "
                    f"{rate_hz:g} Hz: lower it or remove the stage"
                )


class _Filter(StageTable):
    order: int = Field(
        default=4, ge=1, le=12, description="order of the design (band-pass and band-stop double it)"
    )
    design: Literal["butterworth", "bessel", "chebyshev1", "chebyshev2", "elliptic"] = Field(
        default="butterworth",
        description="butterworth, bessel (group delay), chebyshev1, chebyshev2 or elliptic",
    )
    ripple_db: float | None = Field(
        default=None, gt=0, le=6, description="pass-band ripple of chebyshev1 and elliptic; 0.5 if not given"
    )
    attenuation_db: float | None = Field(
        default=None,
        ge=10,
        le=120,
        description="stop-band attenuation of chebyshev2 and elliptic; 40 if not given",
    )

    @model_validator(mode="after")
    def _check_design(self) -> Self:
        for key, designs in (
            ("ripple_db", ("chebyshev1", "elliptic")),
            ("attenuation_db", ("chebyshev2", "elliptic")),
        ):
            if getattr(self, key) is not None and self.design not in designs:
                raise ValueError(
                    f"{key} means nothing to design {self.design!r}: remove it, or use {' or '.join(designs)}"
                )
        return self


class HighPass(_Filter):
    """High-pass: removes electrode drift and motion."""

    kind: Literal["highpass"]
    cutoff_hz: float = Field(
        gt=0,
        description="edge: -3 dB; of chebyshev1 and elliptic the ripple's end, of chebyshev2 the stop band's",
    )


class LowPass(_Filter):
    """Low-pass."""

    kind: Literal["lowpass"]
    cutoff_hz: float = Field(gt=0, description="edge, as of the high-pass")


class _Band(_Filter):
    low_hz: float = Field(gt=0, description="lower edge, as of the high-pass")
    high_hz: float = Field(gt=0, description="upper edge")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low_hz >= self.high_hz:
            raise ValueError(
                f"low_hz {self.low_hz:g} is not below high_hz {self.high_hz:g}: swap or correct them"
            )
        return self


class BandPass(_Band):
    """Band-pass."""

    kind: Literal["bandpass"]


class BandStop(_Band):
    """Band-stop."""

    kind: Literal["bandstop"]


class Notch(StageTable):
    """Second-order notches at the mains frequency and its harmonics below Nyquist, all of one q."""

    kind: Literal["notch"]
    frequency_hz: float = Field(gt=0, description="mains frequency: 50 or 60")
    harmonics: int = Field(default=1, ge=1, le=20, description="notches at 1 .. n times the frequency")
    q: float = Field(
        default=30.0, ge=0.5, le=500, description="frequency over -3 dB bandwidth, of each notch"
    )


class Comb(StageTable):
    """Second-order notches at a frequency and at all its multiples below Nyquist, all of one bandwidth."""

    kind: Literal["comb"]
    frequency_hz: float = Field(gt=0, description="distance of the teeth: 50 or 60")
    q: float = Field(default=30.0, ge=0.5, le=500, description="frequency over -3 dB bandwidth of the teeth")


class DcRemoval(StageTable):
    """First-order DC removal, one multiplication: y[n] = x[n] - x[n-1] + r y[n-1], scaled to a gain of 1 at Nyquist."""

    kind: Literal["dc"]
    cutoff_hz: float = Field(gt=0, description="-3 dB frequency")


class Fir(StageTable):
    """Finite impulse response: linear phase where the taps are designed here (SciPy's ``firwin``), or taps as given."""

    kind: Literal["fir"]
    shape: Literal["lowpass", "highpass", "bandpass", "bandstop"] = Field(
        default="lowpass", description="what it passes; lowpass, highpass, bandpass or bandstop"
    )
    edges_hz: list[Annotated[float, Field(gt=0)]] | None = Field(
        default=None, description="-6 dB edges: one of lowpass and highpass, two of bandpass and bandstop"
    )
    n_taps: int | None = Field(
        default=None, ge=2, le=MAX_TAPS, description="taps of the design; odd where it passes Nyquist"
    )
    window: Literal["hamming", "hann", "blackman", "boxcar"] = Field(
        default="hamming", description="window of the design: hamming, hann, blackman or boxcar"
    )
    taps: list[float] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_TAPS,
        description="coefficients, newest sample first, in place of a design",
    )

    @property
    def edges_of_response(self) -> dict[str, float]:
        """Frequencies in hertz by key, each to be below Nyquist."""
        return {"edges_hz": max(self.edges_hz)} if self.edges_hz else {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.taps is not None:
            if self.edges_hz is not None or self.n_taps is not None:
                raise ValueError("taps leave nothing to design: remove edges_hz and n_taps, or remove taps")
            if not any(self.taps):
                raise ValueError("taps are all zero, nothing would pass: give at least one that is not")
            return self
        n_edges = 1 if self.shape in ("lowpass", "highpass") else 2
        if self.n_taps is None or self.edges_hz is None or len(self.edges_hz) != n_edges:
            raise ValueError(f"a {self.shape} wants n_taps and {n_edges} edges_hz, or taps: give them")
        if sorted(set(self.edges_hz)) != self.edges_hz:
            raise ValueError(f"edges_hz {self.edges_hz} do not ascend: order them")
        if self.shape in ("highpass", "bandstop") and self.n_taps % 2 == 0:
            raise ValueError(
                f"n_taps {self.n_taps}: a {self.shape} passes Nyquist, which wants an odd number: add one"
            )
        return self


class MovingAverage(StageTable):
    """Mean of the last samples, from an exact running sum."""

    kind: Literal["moving_average"]
    n: int | None = Field(default=None, ge=2, le=MAX_MEAN, description="samples; or give ms")
    ms: float | None = Field(
        default=None, gt=0, description="milliseconds, a whole number of samples; or give n"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.n is None) == (self.ms is None):
            raise ValueError("give either n (samples) or ms (milliseconds), and not both")
        return self

    def count_samples(self, rate_hz: float) -> int:
        """Return the samples that it averages."""
        return self.n if self.n is not None else round((self.ms or 0.0) * rate_hz / 1000)

    def check(self, n_channels: int, rate_hz: float) -> None:
        """Refuse a length that is no whole number of samples, or out of range."""
        if self.ms is None:
            return
        samples = self.ms * rate_hz / 1000
        if abs(samples - round(samples)) > 1e-6 or not 2 <= round(samples) <= MAX_MEAN:
            raise ValueError(
                f"ms: {self.ms:g} ms is {samples:g} samples at {rate_hz:g} Hz, expected a whole number from 2 to "
                f"{MAX_MEAN}: use a multiple of {1000 / rate_hz:g} ms"
            )


class Rectify(StageTable):
    """Magnitude of each sample: full-wave rectification."""

    kind: Literal["rectify"]


class Envelope(StageTable):
    """Linear envelope: magnitude of each sample, then a Butterworth low-pass."""

    kind: Literal["envelope"]
    cutoff_hz: float = Field(gt=0, description="-3 dB frequency of the low-pass")
    order: int = Field(default=2, ge=1, le=12, description="order of the low-pass")


class Tkeo(StageTable):
    """Teager-Kaiser energy: ``y[n] = x[n-1]^2 - x[n] x[n-2]``, in squared counts; the energy of the sample before."""

    kind: Literal["tkeo"]


class Decimate(StageTable):
    """Keeps the last of every ``factor`` frames; a low-pass before it has to keep aliases out."""

    kind: Literal["decimate"]
    factor: int = Field(ge=2, le=64, description="frames for one")
    attenuation_db: float = Field(
        default=20.0,
        ge=0,
        le=200,
        description="least attenuation from the new Nyquist upwards by the filters before it; 0 takes any",
    )

    @property
    def decimation(self) -> int:
        """Frames that it takes for one that it gives."""
        return self.factor


class Spatial(StageTable):
    """Sums over electrodes, the same at every sample: one matrix of weights."""

    kind: Literal["spatial"]
    mode: Literal[
        "single_differential", "double_differential", "common_average", "matrix", "remap", "rotate"
    ] = Field(
        description="single_differential: x[i+1] - x[i]; double_differential: -x[i] + 2 x[i+1] - x[i+2]; "
        "common_average: less the mean of all; matrix: weights; remap: channels; rotate: by"
    )
    ring: bool = Field(
        default=False, description="differentials: the electrodes close a ring, and every one has a next"
    )
    weights: list[list[float]] | None = Field(
        default=None, description="matrix: a row a new channel, a weight an old one; kept in 16 bits"
    )
    channels: list[Annotated[int, Field(ge=0)]] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_CHANNELS,
        description="remap: old channels in the new order, from 0",
    )
    by: int | None = Field(
        default=None, description="rotate: channel i becomes what channel i + by of the ring was"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        wanted = {"matrix": "weights", "remap": "channels", "rotate": "by"}
        for mode, key in wanted.items():
            if (getattr(self, key) is not None) != (mode == self.mode):
                if mode == self.mode:
                    raise ValueError(f"mode {mode!r} wants {key}: add it")
                raise ValueError(
                    f"{key} means nothing to mode {self.mode!r}: remove it, or use mode {mode!r}"
                )
        if self.ring and not self.mode.endswith("differential"):
            raise ValueError(f"ring means nothing to mode {self.mode!r}: remove it")
        return self

    def count_outputs(self, n_channels: int) -> int:
        """Return the channels that it gives for ``n_channels``."""
        match self.mode:
            case "single_differential":
                return n_channels - (0 if self.ring else 1)
            case "double_differential":
                return n_channels - (0 if self.ring else 2)
            case "matrix":
                return len(self.weights or [])
            case "remap":
                return len(self.channels or [])
            case _:
                return n_channels

    def check(self, n_channels: int, rate_hz: float) -> None:
        """Refuse a matrix that does not fit the channels before it."""
        least = {"single_differential": 2, "double_differential": 3, "common_average": 2}.get(self.mode, 1)
        if n_channels < least:
            raise ValueError(
                f"mode: {self.mode} wants {least} channels or more, {n_channels} come in: remove the stage"
            )
        for row in self.weights or []:
            if len(row) != n_channels or not any(row):
                raise ValueError(
                    f"weights: a row of {len(row)}, expected {n_channels} (a weight a channel), not all zero: correct it"
                )
        if self.mode == "matrix" and not 1 <= len(self.weights or []) <= MAX_CHANNELS:
            raise ValueError(
                f"weights: {len(self.weights or [])} rows, expected 1 to {MAX_CHANNELS}: correct it"
            )
        beyond = [c for c in self.channels or [] if c >= n_channels]
        if beyond:
            raise ValueError(
                f"channels: {beyond[0]} does not exist, {n_channels} come in, counted from 0: correct it"
            )


class Ecg(StageTable):
    """Removes the heart: beats found in one channel, each channel's running mean beat subtracted; behind a high-pass."""

    kind: Literal["ecg"]
    reference: int = Field(
        ge=0,
        description="channel, from 0, that shows the heart best; beats are found in it, and it stays a channel",
    )
    before_ms: float = Field(
        default=70.0, gt=0, le=100, description="window of a beat before its largest sample"
    )
    after_ms: float = Field(
        default=90.0, gt=0, le=150, description="and behind it; both together are the delay"
    )
    beats: Literal[8, 16, 32, 64, 128] = Field(
        default=32, description="beats of the running mean: 8, 16, 32, 64 or 128"
    )

    def settle(self, rate_hz: float) -> EcgSettings:
        """Return the settings in samples."""
        return EcgSettings(
            self.reference, round(self.before_ms * rate_hz / 1000), round(self.after_ms * rate_hz / 1000),
            self.beats.bit_length() - 1, round(0.25 * rate_hz), round(2.0 * rate_hz),
        )  # fmt: skip

    def check(self, n_channels: int, rate_hz: float) -> None:
        """Refuse a reference that does not exist, and a window that is too short or too long."""
        if self.reference >= n_channels:
            raise ValueError(
                f"reference: {self.reference} does not exist, {n_channels} channels come in, counted from 0: correct it"
            )
        settings = self.settle(rate_hz)
        if settings.before < 1 or settings.after < 5 or settings.window > MAX_ECG_WINDOW:
            raise ValueError(
                f"after_ms: a beat of {settings.before} and {settings.after} samples at {rate_hz:g} Hz, expected 1 and 5 or "
                f"more, {MAX_ECG_WINDOW} at most together: change before_ms or after_ms"
            )


LinearStage = HighPass | LowPass | BandPass | BandStop | Notch | Comb | DcRemoval
Stage = Annotated[
    LinearStage | Fir | MovingAverage | Rectify | Envelope | Tkeo | Decimate | Spatial | Ecg,
    Field(discriminator="kind"),
]
STAGE_TABLES: dict[str, type[StageTable]] = {
    "highpass": HighPass, "lowpass": LowPass, "bandpass": BandPass, "bandstop": BandStop, "notch": Notch, "comb": Comb,
    "dc": DcRemoval, "fir": Fir, "moving_average": MovingAverage, "rectify": Rectify, "envelope": Envelope, "tkeo": Tkeo,
    "decimate": Decimate, "spatial": Spatial, "ecg": Ecg,
}  # fmt: skip
