"""The Q31 cascade and the quantization in C against cmsisdsp and Python's integers, for any blocks."""

from __future__ import annotations

import struct

import cmsisdsp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from device_line import Harness

WORD = st.integers(-(2**31), 2**31 - 1)
SECTIONS = st.lists(st.lists(WORD, min_size=5, max_size=5), max_size=4)
COUNTS = hnp.arrays(np.int32, st.integers(0, 120), elements=WORD)


def run_filter(
    parts: Harness, sections: list[list[int]], shift: int, post: int, blocks: list[int], counts: np.ndarray
) -> np.ndarray:
    flat = [c for section in sections for c in section]
    head = struct.pack(f"<IiII{len(blocks)}I", len(sections), shift, post, len(blocks), *blocks)
    answer = parts.ask("s", head + struct.pack(f"<{len(flat)}i", *flat) + counts.astype("<i4").tobytes())
    assert answer[:4] == b"\0\0\0\0"
    return np.frombuffer(answer[4:], "<i4")


def scale(counts: np.ndarray, shift: int) -> np.ndarray:
    """Shift and drop what leaves the word; the harness takes even words as one channel and odd ones as another."""
    wide = np.concatenate([counts[::2], counts[1::2]]).astype(np.int64)
    scaled = wide >> -shift if shift < 0 else wide << shift
    return (scaled & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


@settings(max_examples=200)
@given(SECTIONS, st.integers(-31, 31), st.integers(0, 4), COUNTS, st.data())
def test_cascade_is_cmsisdsps_for_any_blocks(
    parts: Harness, sections: list[list[int]], shift: int, post: int, counts: np.ndarray, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(counts)), max_size=6)))
    blocks = [int(n) for n in np.diff([0, *cuts, len(counts)])]
    got = run_filter(parts, sections, shift, post, blocks, counts)
    x = scale(counts, shift)
    if sections and len(x):
        state = np.zeros(4 * len(sections), np.int32)
        instance = cmsisdsp.arm_biquad_casd_df1_inst_q31()
        coefficients = np.array(sections, np.int32).ravel()
        cmsisdsp.arm_biquad_cascade_df1_init_q31(instance, len(sections), coefficients, state, post)
        x = cmsisdsp.arm_biquad_cascade_df1_q31(instance, x)
    np.testing.assert_array_equal(got, x)


@pytest.mark.parametrize(("n_sections", "shift", "post"), [(33, 0, 0), (1, 0, 32)])
def test_cascade_refuses_a_config_out_of_range(
    parts: Harness, n_sections: int, shift: int, post: int
) -> None:
    request = struct.pack("<IiII", n_sections, shift, post, 0) + bytes(20 * n_sections)
    assert parts.ask("s", request) == struct.pack("<I", 2)


@given(
    WORD, st.integers(1, 62), st.integers(-128, 127), hnp.arrays(np.int32, st.integers(0, 50), elements=WORD)
)
def test_quantization_is_exact(
    parts: Harness, multiplier: int, shift: int, zero_point: int, x: np.ndarray
) -> None:
    answer = parts.ask("q", struct.pack("<iIi", multiplier, shift, zero_point) + x.astype("<i4").tobytes())
    exact = [((int(v) * multiplier + (1 << (shift - 1))) >> shift) + zero_point for v in x]
    expected = [min(max(v, -128), 127) for v in exact]
    assert np.frombuffer(answer, np.int8).reshape(-1, 2).T.tolist() == [expected, expected]
