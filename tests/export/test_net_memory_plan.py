"""The arena: what lives at once never overlaps, and the figures are what they say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export.emit_net import render_network
from myo_export.memory_plan import ALIGNMENT, Lifetime, place

sys.path.insert(0, str(Path(__file__).parents[1] / "core"))
from nn_models import ModelBuilder, fill
from nn_moving_models import MovingNetwork

buffers = st.lists(
    st.tuples(st.integers(1, 5000), st.integers(0, 20), st.integers(0, 8)).map(
        lambda t: (t[0], t[1], t[1] + t[2])
    ),
    max_size=25,
)


@given(buffers)
def test_what_lives_at_once_never_overlaps(found):
    lifetimes = [Lifetime(i, *buffer) for i, buffer in enumerate(found)]
    plan = place(lifetimes)
    assert plan.lower_bound <= plan.size <= sum(b.size + ALIGNMENT - 1 for b in lifetimes)
    for a in lifetimes:
        assert plan.offsets[a.key] % ALIGNMENT == 0
        assert 0 <= plan.offsets[a.key] <= plan.size - a.size
        for b in lifetimes:
            if a.key < b.key and a.first <= b.last and b.first <= a.last:
                begin_a, begin_b = plan.offsets[a.key], plan.offsets[b.key]
                assert begin_a + a.size <= begin_b or begin_b + b.size <= begin_a


@given(buffers, st.randoms())
def test_order_does_not_matter(found, random):
    lifetimes = [Lifetime(i, *buffer) for i, buffer in enumerate(found)]
    shuffled = list(lifetimes)
    random.shuffle(shuffled)
    assert place(lifetimes) == place(shuffled)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["conv", "add", "reshape", "concatenation", "pad", "relu", "dense", "split", "slice", "unpack"]
        ),
        min_size=2,
        max_size=8,
    ),
    st.integers(0, 10**6),
)
def test_networks_live_as_long_as_they_are_read(kinds, seed):
    text = render_network(MovingNetwork(seed, kinds, (3, 5, 4)).pack(), "test")
    graph, plan = text.network.graph, text.plan
    live: dict[int, list[int]] = {}
    for i, step in enumerate(text.network.steps):
        for tensor in (*step.inputs, step.output):
            live.setdefault(plan.buffer_of[tensor], []).append(i)
            end = plan.begin_of.get(tensor, 0) + graph.tensors[tensor].size
            assert end <= graph.tensors[plan.buffer_of[tensor]].size
    for a, when_a in live.items():
        for b, when_b in live.items():
            caller = {plan.input_buffer, plan.output_buffer}
            if a < b and not {a, b} & caller and when_a[0] <= when_b[-1] and when_b[0] <= when_a[-1]:
                end_a, end_b = (
                    plan.offsets[a] + graph.tensors[a].size,
                    plan.offsets[b] + graph.tensors[b].size,
                )
                assert end_a <= plan.offsets[b] or end_b <= plan.offsets[a]
    assert plan.input_buffer != plan.output_buffer
    assert plan.input_buffer not in plan.offsets
    assert plan.output_buffer not in plan.offsets


def test_parts_that_are_one_stretch_are_places_in_their_inputs_buffer():
    """SPLIT over time and a single time step: no word moves, and the parts' buffer lives as long as they do."""
    b = ModelBuilder()
    a, wide, out = (
        b.activation((1, 8, 4), 0.1, 0),
        b.activation((1, 8, 4), 0.2, 0),
        b.activation((1, 3, 4), 0.2, 0),
    )
    halves = [b.activation((1, 4, 4), 0.2, 0) for _ in range(2)]
    other = [b.activation((1, 3, 4), 0.2, 0) for _ in range(2)]
    axis = b.tensor((), data=np.array(1, np.int32))
    size = b.tensor((3,), data=np.array([1, 3, 4], np.int32))
    b.op("QUANTIZE", [a], [wide], schema.QuantizeOptionsT())
    b.op("SPLIT", [axis, wide], halves, fill(schema.SplitOptionsT(), numSplits=2))
    for half, part in zip(halves, other, strict=True):
        begin = b.tensor((3,), data=np.array([0, 1, 0], np.int32))
        b.op("SLICE", [half, begin, size], [part], schema.SliceOptionsT())
    b.op("ADD", other, [out], schema.AddOptionsT())
    text = render_network(b.pack(a, out), "test")
    assert "memcpy" not in text.source
    assert "myo_copy_run" not in text.source
    assert f"t{wide} + 4, t{wide} + 20, output" in text.source
    assert text.plan.arena_size == 32


def test_a_part_that_is_the_networks_output_copies():
    b = ModelBuilder()
    a, wide, out = (
        b.activation((1, 8, 4), 0.1, 0),
        b.activation((1, 8, 4), 0.2, 0),
        b.activation((1, 1, 4), 0.2, 0),
    )
    begin, size = (b.tensor((3,), data=np.array(v, np.int32)) for v in ([0, 7, 0], [1, 1, 4]))
    b.op("QUANTIZE", [a], [wide], schema.QuantizeOptionsT())
    b.op("SLICE", [wide, begin, size], [out], schema.SliceOptionsT())
    text = render_network(b.pack(a, out), "test")
    assert f"memcpy(output, t{wide} + 28, 4);" in text.source
    assert text.plan.copies == (1,)


def test_reshape_from_input_to_output_copies():
    b = ModelBuilder()
    a, out = b.activation((1, 2, 4), 0.1, 0), b.activation((1, 8), 0.1, 0)
    b.op("SQUEEZE", [a], [out])
    text = render_network(b.pack(a, out), "test")
    assert "memcpy(output, input, 8);" in text.source
    assert text.plan.copies == (0,)
    assert text.plan.arena_size == 0
    assert "#define NET_ARENA_SIZE 16 " in text.header
