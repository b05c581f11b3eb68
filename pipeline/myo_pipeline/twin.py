"""The integer twin: what the firmware computes, word for word.

The front end's steps stand in :mod:`myo_pipeline.step_twin`, the network runs through the ``tflite_micro`` runtime; what
remains (input shift, quantization to the network's input, vote) is integer NumPy here. Blocks of any size give the same
words as one block.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.aux_stream import AuxSamples, AuxTwin
from myo_pipeline.calibration import CalibrationTwin
from myo_pipeline.decision_rule import RuleTwin
from myo_pipeline.motion_twin import MotionTwin
from myo_pipeline.quality_gate import GateTwin
from myo_pipeline.step_twin import AlignedStep
from myo_pipeline.twin_config import VALUES, TwinConfig
from myo_pipeline.word_network import WordNetworkTwin, is_word_network, unpack_word_network

# The runtime's own estimate is too small where every tensor is preserved, and it then ends the process. Only touched
# pages cost memory.
_ARENA_BYTES = 16 << 20


class FrontEndTwin:
    """Counts to the front end's words and to the network's int8 input, in blocks of any size."""

    def __init__(self, config: TwinConfig) -> None:
        self._config = config
        self.reset()

    def reset(self) -> None:
        """Return to zero state, as START does on the device."""
        self._steps = [AlignedStep(step) for step in self._config.steps]

    def filter(self, counts: NDArray[np.integer]) -> NDArray[np.int32]:
        """Filter a block.

        Parameters
        ----------
        counts
            Integer counts, shape (n_samples, n_channels).

        Returns
        -------
        NDArray[np.int32]
            Words behind the front end, shape (n_frames, front_end_channels): a frame for every ``decimation`` frames that
            have come since the start.
        """
        config = self._config
        x = np.clip(counts.astype(np.int64), -config.full_scale_counts, config.full_scale_counts - 1)
        x = x << config.input_shift if config.input_shift >= 0 else x >> -config.input_shift
        for step in self._steps:
            x = step.run(x)
        return x.astype(np.int32)

    def quantize(self, filtered_words: NDArray[np.int32]) -> NDArray[np.int8]:
        """Bring filtered samples to the network's input: one multiplication, round half up, saturate."""
        config = self._config
        product = filtered_words.astype(np.int64) * config.multiplier
        rounded = (product + (np.int64(1) << (config.shift - 1))) >> config.shift
        words: NDArray[np.int8] = np.clip(rounded + config.zero_point, -128, 127).astype(np.int8)
        return words


class NetworkTwin:
    """The network, layer by layer, in the ``tflite_micro`` runtime."""

    def __init__(self, model: bytes, layer_tensors: NDArray[np.int64]) -> None:
        from tflite_micro import runtime  # a native library: only where a network really runs

        self._interpreter = runtime.Interpreter.from_bytes(
            model, arena_size=_ARENA_BYTES, intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors
        )
        self._tensors = [int(tensor) for tensor in layer_tensors]
        self._shape = tuple(self._interpreter.get_input_details(0)["shape"])

    def run(self, window: NDArray[Any]) -> list[NDArray[Any]]:
        """Run one window.

        Parameters
        ----------
        window
            Network input; int8 for the quantized model, float32 for the float one; any shape of the right size.

        Returns
        -------
        list of NDArray
            Each layer's output, flattened, in the model's order; the last is the network's output.
        """
        self._interpreter.reset()  # an LSTM's state would live on: every window stands for itself, as in training
        self._interpreter.set_input(np.ascontiguousarray(window).reshape(self._shape), 0)
        self._interpreter.invoke()
        return [
            np.array(self._interpreter.GetTensor(tensor, 0)["tensor_data"]).ravel()
            for tensor in self._tensors
        ]


def make_network_twin(model: bytes, layer_tensors: NDArray[np.int64]) -> NetworkTwin | WordNetworkTwin:
    """Return what runs a bundle's model: a ``.tflite``, or the ``.npz`` of trees or quadratic forms."""
    if is_word_network(model):
        return WordNetworkTwin(unpack_word_network(model))
    return NetworkTwin(model, layer_tensors)


@dataclass(frozen=True)
class Decision:
    """One window's decision, as the device's DECISION message tells it."""

    decided: int
    raw: int
    confidence: int
    n_votes: int
    sums: NDArray[np.int32]


class DecisionTwin:
    """The vote over classes and the rule that may stand in its place, or the sums over values."""

    def __init__(self, config: TwinConfig) -> None:
        self._config = config
        self.rule = RuleTwin(config.rule, config.vote, config.n_outputs) if config.rule else None
        self.reset()

    def reset(self) -> None:
        """Forget earlier windows."""
        if self.rule:
            self.rule.reset()
        self._ballots: deque[int] = deque(maxlen=self._config.vote)
        self._outputs: deque[NDArray[np.int32] | None] = deque(maxlen=self._config.vote)

    def decide(self, output: NDArray[np.int8], is_gated: bool = False) -> Decision:
        """Take one window's network output, int8 (n_outputs,), and return the decision; a gated window casts no vote."""
        if self._config.output_kind == VALUES:
            self._outputs.append(None if is_gated else output.astype(np.int32))
            counted = [values for values in self._outputs if values is not None]
            sums = np.zeros(len(output), np.int32)
            for values in counted:
                sums = sums + values
            return Decision(-1, -1, 0, len(counted), sums)
        raw = -1 if is_gated else int(output.argmax())
        confidence = 0 if is_gated else int(output[raw])
        is_cast = not is_gated and confidence >= self._config.reject_below
        self._ballots.append(raw if is_cast else -1)
        cast = [ballot for ballot in self._ballots if ballot >= 0]
        most = max((cast.count(ballot) for ballot in cast), default=0)
        decided = next((ballot for ballot in reversed(cast) if cast.count(ballot) == most), -1)
        if self.rule:
            decided, most = self.rule.settle(decided, most, output if is_cast else None)
        return Decision(decided, raw, confidence, most, np.zeros(0, np.int32))


@dataclass(frozen=True)
class WindowResult:
    """Everything the twin computed for one window; ``end_sample`` counts frames of the sensor."""

    window: int
    end_sample: int
    feature_words: NDArray[
        np.int32
    ]  # of the newest window, (n_components, front_end_channels); empty where the network takes the window
    network_input: NDArray[
        np.int8
    ]  # (window_samples, front_end_channels); features (windows, *feature_words.shape)
    layers: list[NDArray[np.int8]]
    decision: Decision
    aux_marks: int  # bit k: auxiliary stream k lacked or left out a sample that the window sees
    scores: NDArray[np.int8] | None = None  # of a calibrated head, (n_outputs,): what was decided by

    @property
    def output(self) -> NDArray[np.int8]:
        """The network's output, (n_outputs,)."""
        return self.layers[-1]


class Twin:
    """A whole patch in integers, fed with counts in blocks of any size.

    Attributes
    ----------
    config
        Its integers.
    motion
        What removes motion artefacts; None without ``[motion]``.
    calibration
        What it knows of a person; it outlives :meth:`reset`. None without ``[calibration]``.
    """

    def __init__(self, config: TwinConfig, model: bytes, keeps_motion_weights: bool = False) -> None:
        self.config = config
        self.calibration = CalibrationTwin(config.calibration) if config.calibration else None
        self.front_end = FrontEndTwin(config)
        self._gate = GateTwin(config.quality) if config.quality else None
        self._aux = [AuxTwin(stream) for stream in config.aux]
        self.motion = MotionTwin(config.motion, keeps_motion_weights) if config.motion else None
        self._network = make_network_twin(model, config.layer_tensors)
        self._decision = DecisionTwin(config)
        self.reset()

    def reset(self) -> None:
        """Return to the state after START."""
        self.front_end.reset()
        self._decision.reset()
        if self._gate:
            self._gate.reset()
        for stream in self._aux:
            stream.reset()
        if self.motion:
            self.motion.reset()
        if self.calibration:
            self.calibration.reset()
        self._marks = np.zeros(0, np.uint8)  # of the frames in _recent
        dtype = np.int16 if self.config.features else np.int8
        self._recent: NDArray[np.signedinteger[Any]] = np.zeros((0, self.config.front_end_channels), dtype)
        n_together = self.config.features.n_windows if self.config.features else 1
        self._inputs: deque[tuple[NDArray[np.int8], bool]] = deque(
            maxlen=n_together
        )  # and whether they are gated
        self._n_samples = 0
        self._n_windows = 0  # that have ended

    def push(
        self, counts: NDArray[np.integer], aux: Sequence[AuxSamples] = ()
    ) -> tuple[NDArray[np.int32], list[WindowResult]]:
        """Feed a block of counts.

        Parameters
        ----------
        counts
            Shape (n_samples, n_channels), any number of samples.
        aux
            Of each auxiliary stream the samples that came since the block before; none of any where it is empty.

        Returns
        -------
        tuple
            The block behind the front end, and the windows that it completed.
        """
        filtered, marks = self.filter(counts, aux)
        self._marks = np.concatenate([self._marks, marks])
        stage, gate = self.config.features, self.config.quality
        words = stage.to_words(filtered) if stage else self.front_end.quantize(filtered)
        if gate and self._gate:
            full_scale = self.config.full_scale_counts
            self._gate.push(np.clip(counts, -full_scale, full_scale - 1))
            if not stage:
                masked = gate.mask_frames(self._gate.rows, self._n_samples, len(words))
                words = np.where(masked, np.int8(self.config.zero_point), words)
        return filtered, list(self._take(words))

    def filter(
        self, counts: NDArray[np.integer], aux: Sequence[AuxSamples] = ()
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """Take a block up to the filtered signal alone, as :meth:`push` does; and of each frame, the streams that mark it."""
        filtered, marks = self._append_aux(self.front_end.filter(counts), aux)
        if self.motion:
            filtered = self.motion.run(filtered, (marks >> self.motion.config.stream & 1).astype(bool))
        return filtered, marks

    def _append_aux(
        self, filtered: NDArray[np.int32], aux: Sequence[AuxSamples]
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """Put the auxiliary streams' words behind the EMG's; and of each frame, the streams that mark it."""
        columns, marks = [filtered], np.zeros(len(filtered), np.uint8)
        for number, stream in enumerate(self._aux):
            if aux:
                stream.feed(aux[number])
            words, marked = stream.resample(len(filtered))
            columns.append(words)
            marks |= marked.astype(np.uint8) << number
        return np.concatenate(columns, axis=1), marks

    @property
    def quality(self) -> NDArray[np.int32]:
        """What the gate said of each period since the start, see :meth:`QualityGate.judge`; empty without one."""
        return self._gate.rows.astype(np.int32) if self._gate else np.zeros((0, 0), np.int32)

    def _calibrate(
        self, network_input: NDArray[np.int8], layers: list[NDArray[np.int8]], end: int, is_gated: bool
    ) -> NDArray[np.int8] | None:
        """Hand a window to the calibration; return what decides in the network's place, if anything does."""
        head = self.config.calibration
        if head is None or self.calibration is None:
            return None
        embedding = network_input.ravel() if head.layer < 0 else layers[head.layer]
        first_sample = (end - self.config.window_samples) * self.config.decimation
        return self.calibration.take(embedding, first_sample, is_gated)

    def _take(self, words: NDArray[np.signedinteger[Any]]) -> Iterator[WindowResult]:
        config, stage = self.config, self.config.features
        n_seen, n_window = config.window_samples, stage.config.window if stage else config.window_samples
        self._recent = np.concatenate([self._recent, words])
        first = self._n_samples + len(words) - len(self._recent)  # sample number of self._recent[0]
        self._n_samples += len(words)
        while (end := n_window + self._n_windows * config.hop_samples) <= self._n_samples:
            window = self._recent[end - n_window - first : end - first]
            features = stage.compute(window.astype(np.int16)) if stage else np.zeros((0, 0), np.int32)
            network_input = stage.normalize(features) if stage else window.astype(np.int8)
            is_gated = False
            if config.quality and self._gate:
                (masked,) = config.quality.mask_windows(self._gate.rows, np.array([end]))
                is_gated = int(masked.sum()) > config.quality.max_masked
                if stage:
                    network_input[:, masked] = config.zero_point
            self._inputs.append((network_input, is_gated))
            self._n_windows += 1
            if end < n_seen:
                continue
            if stage:
                network_input = np.stack([one for one, _ in self._inputs])
            is_gated = any(gated for _, gated in self._inputs)
            layers = self._network.run(network_input)
            scores = self._calibrate(network_input, layers, end, is_gated)
            decision = self._decision.decide(layers[-1] if scores is None else scores, is_gated)
            first_mark = self._n_samples - len(self._marks)
            marks = int(np.bitwise_or.reduce(self._marks[end - n_seen - first_mark : end - first_mark]))
            yield WindowResult(
                self._n_windows - len(self._inputs), end * config.decimation, features, network_input, layers, decision,
                marks, scores,
            )  # fmt: skip
        # What is older can be in no later window.
        self._recent = self._recent[max(0, len(self._recent) - (n_window - 1)) :]
        self._marks = self._marks[max(0, len(self._marks) - (n_seen - 1)) :]
