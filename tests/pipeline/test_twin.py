"""The integer twin: block sizes change nothing, windows are where the firmware has them, votes follow the rules."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from myo_export.cascade import quantize_coefficients
from myo_export.tflite_reader import read_graph
from myo_pipeline.errors import BundleError
from myo_pipeline.reference import cut_windows, mean_values, vote_classes, window_ends
from myo_pipeline.steps import Kind, Step, pack_steps
from myo_pipeline.twin import DecisionTwin, Twin
from myo_pipeline.twin_config import CLASSES, VALUES, TwinConfig
from nn_models import RandomNetwork

CHANNELS, WINDOW = 4, 9
NETWORK = RandomNetwork(3, ["conv", "flatten", "dense"], (1, WINDOW, CHANNELS)).pack()


def make_config(**changes: object) -> TwinConfig:
    graph = read_graph(NETWORK)
    coefficients, post_shift = quantize_coefficients(signal.butter(4, 20, "highpass", fs=200, output="sos"))
    step = Step(Kind.SOS, CHANNELS, CHANNELS, 0, post_shift, len(coefficients), coefficients.ravel())
    table, words = pack_steps([step])
    values: dict[str, object] = {
        "n_channels": CHANNELS, "window_samples": WINDOW, "hop_samples": 4, "n_outputs": graph.tensors[graph.output].size,
        "full_scale_counts": 128, "input_shift": 20, "step_table": table, "step_words": words, "exponent": 20,
        "multiplier": np.full(CHANNELS, 1_300_000_000), "shift": np.array([50, 51, 50, 52]), "zero_point": 3,
        "output_scale": 1.0, "output_zero_point": 0, "output_kind": CLASSES, "vote": 3, "reject_below": -128,
        "layer_tensors": np.array([op.outputs[0] for op in graph.ops]),
    }  # fmt: skip
    return TwinConfig(**(values | changes))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_block_sizes_change_no_word(data: st.DataObject) -> None:
    hop = data.draw(st.integers(1, 15))
    twin = Twin(make_config(hop_samples=hop), NETWORK)
    n = data.draw(st.integers(0, 60))
    counts = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))).integers(-128, 128, (n, CHANNELS))
    filtered, windows = twin.push(counts)
    cuts = sorted(data.draw(st.sets(st.integers(0, n), max_size=8)))
    twin.reset()
    parts = [twin.push(counts[a:b]) for a, b in itertools.pairwise([0, *cuts, n])]
    np.testing.assert_array_equal(np.concatenate([f for f, _ in parts]), filtered)
    again = [w for _, ws in parts for w in ws]
    assert [w.end_sample for w in again] == window_ends(n, WINDOW, hop).tolist()
    for one, other in zip(windows, again, strict=True):
        np.testing.assert_array_equal(one.network_input, other.network_input)
        for a, b in zip(one.layers, other.layers, strict=True):
            np.testing.assert_array_equal(a, b)
        assert one.decision.decided == other.decision.decided
    expected = cut_windows(twin.front_end.quantize(filtered), WINDOW, hop)
    for window, words in zip(windows, expected, strict=True):
        np.testing.assert_array_equal(window.network_input, words)


@given(st.lists(st.integers(-128, 127).flatmap(lambda a: st.tuples(st.just(a), st.integers(-128, 127), st.integers(-128, 127))),
                max_size=40), st.integers(1, 7), st.integers(-128, 127))  # fmt: skip
def test_vote_follows_the_rule(outputs: list[tuple[int, ...]], vote: int, reject_below: int) -> None:
    """Against a second, independent statement of the rule: count, then latest among the tied."""
    twin = DecisionTwin(make_config(vote=vote, reject_below=reject_below))
    ballots: list[int | None] = []
    for output in outputs:
        decision = twin.decide(np.array(output, np.int8))
        best = max(output)
        ballots.append(output.index(best) if best >= reject_below else None)
        counts = Counter(b for b in ballots[-vote:] if b is not None)
        most = max(counts.values(), default=0)
        tied = [b for b in ballots[-vote:] if b is not None and counts[b] == most]
        assert (decision.decided, decision.n_votes) == ((tied[-1], most) if tied else (-1, 0))
        assert (decision.raw, decision.confidence) == (output.index(best), best)


@given(st.integers(1, 6), st.integers(1, 20))
def test_float_vote_is_the_integer_vote(vote: int, n: int) -> None:
    outputs = np.random.default_rng(n).integers(-128, 128, (n, 4)).astype(np.int8)
    twin = DecisionTwin(make_config(vote=vote, reject_below=20))
    found = [twin.decide(output) for output in outputs]
    decided, votes = vote_classes(outputs.astype(np.float64), vote, 20.0)
    assert [d.decided for d in found] == decided.tolist()
    assert [d.n_votes for d in found] == votes.tolist()


def test_values_are_exact_sums_and_their_float_form_is_the_mean() -> None:
    outputs = np.random.default_rng(0).integers(-128, 128, (20, 3)).astype(np.int8)
    twin = DecisionTwin(make_config(vote=5, output_kind=VALUES))
    found = [twin.decide(output) for output in outputs]
    means = np.array([d.sums / d.n_votes for d in found])
    np.testing.assert_allclose(means, mean_values(outputs.astype(np.float64), 5), rtol=1e-12)
    assert all(d.decided == -1 for d in found)


def test_quantize_rounds_half_up_and_saturates() -> None:
    twin = Twin(
        make_config(multiplier=np.full(CHANNELS, 2**30), shift=np.full(CHANNELS, 31), zero_point=0), NETWORK
    )
    words = np.array([[1, -1, 3, -3], [254, 255, 400, -400]], np.int32)  # multiplies by 1/2
    np.testing.assert_array_equal(twin.front_end.quantize(words), [[1, 0, 2, -1], [127, 127, 127, -128]])


def test_config_round_trips_to_the_same_bytes(tmp_path: Path) -> None:
    config = make_config()
    config.save(tmp_path / "a.npz")
    loaded = TwinConfig.load(tmp_path / "a.npz")
    loaded.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert isinstance(loaded.n_channels, int)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x00" * 100])
def test_damaged_config_is_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "twin.npz").write_bytes(content)
    with pytest.raises(BundleError, match="export the bundle again") as caught:
        TwinConfig.load(tmp_path / "twin.npz")
    assert "\n" not in str(caught.value)
