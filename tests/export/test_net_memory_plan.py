"""The arena: what lives at once never overlaps, and the figures are what they say."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tflite_micro.tensorflow.lite.micro.python import schema_py_generated as schema

from myo_export.emit_net import render_network
from myo_export.lowered import Add, Alias, Copy, Mul, Part, Softmax, Table
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


@given(buffers)
def test_close_to_the_bound(found):
    """Few buffers: five percent, or the grain of the alignment, as for the bench models."""
    plan = place([Lifetime(i, *buffer) for i, buffer in enumerate(found[:6])])
    assert plan.size <= 1.25 * plan.lower_bound


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "conv",
                    "add",
                    "mul",
                    "reshape",
                    "concatenation",
                    "pad",
                    "relu",
                    "dense",
                    "softmax",
                    "tanh",
                ),
                *("split", "slice", "unpack"),
            ]
        ),
        min_size=2,
        max_size=9,
    ),
    st.integers(0, 10**6),
)
def test_no_word_is_overwritten_before_it_is_read(kinds, seed):
    """Follow every byte: when a step reads a tensor, its bytes still hold what was written as that tensor."""
    text = render_network(MovingNetwork(seed, kinds, (1, 5, 4)).pack(), "test")
    graph, plan = text.network.graph, text.plan
    callers = {plan.input_buffer: -(1 << 40), plan.output_buffer: -(1 << 30)}

    def begin(tensor: int) -> int:
        home = plan.homes[tensor]
        return callers.get(home.buffer, plan.offsets.get(home.buffer, 0)) + home.begin

    def expect(tensor: int) -> None:
        for i, word in enumerate(words[tensor]):
            assert memory[begin(tensor) + i] == word

    words = {graph.input: [(graph.input, i) for i in range(graph.tensors[graph.input].size)]}
    memory = {begin(graph.input) + i: word for i, word in enumerate(words[graph.input])}
    for step in text.network.steps:
        size = graph.tensors[step.output].size
        for tensor in step.inputs:
            expect(tensor)
            if isinstance(step.layer, Alias | Part | Copy):
                continue
            at, n = begin(tensor), graph.tensors[tensor].size
            if begin(step.output) < at + n and at < begin(step.output) + size:  # word by word or row by row
                assert isinstance(step.layer, Table | Softmax | Add | Mul)
                assert (at, n) == (begin(step.output), size)
        if isinstance(step.layer, Alias):
            words[step.output] = words[step.inputs[0]]
        elif isinstance(step.layer, Part):
            words[step.output] = words[step.inputs[0]][step.layer.begin : step.layer.begin + size]
        elif isinstance(step.layer, Copy) and all(part.is_run for part in step.layer.parts):
            found = dict.fromkeys(range(size))
            for tensor, part in zip(step.inputs, step.layer.parts, strict=True):
                for i in range(part.sizes[0]):
                    found[part.target_begin + i] = words[tensor][part.source_begin + i]
            words[step.output] = list(found.values())
        else:
            words[step.output] = [(step.output, i) for i in range(size)]
        memory |= {begin(step.output) + i: word for i, word in enumerate(words[step.output])}
        expect(step.output)
    expect(graph.output)
    expect(graph.input)  # the caller's input is left as it is
    assert plan.input_buffer != plan.output_buffer
    assert not {plan.input_buffer, plan.output_buffer} & set(plan.offsets)
    assert plan.sizes[plan.output_buffer] == graph.tensors[graph.output].size
    assert plan.lower_bound <= plan.arena_size


def test_in_place():
    """A chain of what works word by word needs one buffer, which may be the caller's."""
    text = render_network(MovingNetwork(3, ["conv", "tanh", "softmax"], (1, 40, 4)).pack(), "test", "plain")
    assert text.plan.arena_size == 0
    network = MovingNetwork(4, ["conv", "softmax", "conv"], (1, 40, 4))
    text = render_network(network.pack(), "test", "plain")
    between = text.network.steps[1]
    assert text.plan.homes[between.output] == text.plan.homes[between.inputs[0]]


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
