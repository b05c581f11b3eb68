"""What the C library's memcpy and memset run, counted from their loops, for the cost model.

How much of a copy goes by bytes depends on where its places lie. Calls that follow each other a fixed distance apart
take all four remainders of that distance in turn, so the counts are exact.
"""

from collections import Counter
from math import prod

from myo_export.lowered import Copy, CopyPart

Events = Counter[str]  # pieces of code, and how often each runs


def copy_events(
    n_bytes: int,
    times: int,
    source_step: int = 0,
    target_step: int = 0,
    target_start: int = 0,
    source_start: int = 0,
) -> Events:
    """Count what newlib's memcpy does: bytes up to an aligned target, turns of 64 and 16 bytes, words, the rest.

    Parameters
    ----------
    n_bytes, times
        Of each call, and calls.
    source_step, target_step
        Bytes from one call's place to the next: they decide how often the places are aligned.
    target_start, source_start
        Of the first call, from an aligned place.

    Returns
    -------
    collections.Counter
        Pieces by name.
    """
    return _copies(n_bytes, _places([(times, source_step, target_step)], source_start, target_start))


def _places(
    axes: list[tuple[int, int, int]], source_start: int, target_start: int
) -> Counter[tuple[int, int]]:
    """Count how often source and target lie how many bytes behind an aligned place, over axes of (size, steps)."""
    found = Counter({(source_start % 4, target_start % 4): 1})
    for size, source_step, target_step in axes:
        moved: Counter[tuple[int, int]] = Counter()
        for (source, target), times in found.items():
            for phase in range(min(size, 4)):
                place = (source + phase * source_step) % 4, (target + phase * target_step) % 4
                moved[place] += times * ((size - phase + 3) // 4)  # calls that begin so
        found = moved
    return found


def _copies(n_bytes: int, places: Counter[tuple[int, int]]) -> Events:
    found: Events = Counter()
    for (source, target), share in places.items():
        left = n_bytes
        found["memcpy.call"] += share
        if source or target:
            found["memcpy.unaligned"] += share
            if n_bytes < 8:
                found["memcpy.small_byte"] += share * n_bytes
                continue
            if source and target:
                found["memcpy.head"] += share
                left -= 4 - target
        for name, size in (("64_bytes", 64), ("16_bytes", 16), ("word", 4)):
            found[f"memcpy.{name}"] += share * (left // size)
            left %= size
        found["memcpy.rest"] += share * (left > 0)
    return +found


def rearrange_events(layer: Copy) -> Events:
    """Count what the parts of a copy run: memcpy, or `myo_copy_run` in rows.

    Parameters
    ----------
    layer : Copy
        All of its parts are counted: leave out those whose words are in their places already.

    Returns
    -------
    collections.Counter
        Pieces by name.
    """
    found: Events = Counter()
    for part in layer.parts:
        found += _part_events(part)
    return found


def _part_events(part: CopyPart) -> Events:
    if part.is_run:
        return copy_events(part.sizes[0], 1, source_start=part.source_begin, target_start=part.target_begin)
    axes = list(zip(part.sizes, part.source_strides, part.target_strides, strict=True))
    row, *strides = axes[-1]
    n_rows = prod(part.sizes[:-1])
    n_planes = prod(part.sizes[:-2])
    found: Events = Counter({"copy.call": 1, "copy.plane": n_planes, "copy.row": n_rows})
    if strides == [1, 1]:
        found["copy.run"] = n_rows
        return found + _copies(row, _places(axes[:-1], part.source_begin, part.target_begin))
    found["copy.word"] = n_rows * row
    return found


def fill_events(n_bytes: int, times: int, target_step: int = 0) -> Events:
    """Count what newlib's memset does: bytes up to an aligned place, turns of 16 bytes, words, bytes.

    Parameters
    ----------
    n_bytes, times
        Of each call, and calls.
    target_step
        Bytes from one call's place to the next.

    Returns
    -------
    collections.Counter
        Pieces by name.
    """
    found: Events = Counter()
    for phase in range(4 if times > 0 else 0):
        share = (times - phase + 3) // 4  # calls that begin so
        head = min(-(phase * target_step) % 4, n_bytes)
        left = n_bytes - head
        pieces = {
            "call": 1,
            "byte": head + left % 4,
            "16_bytes": left // 16,
            "word": left % 16 // 4,
            "long": left >= 4,
        }
        for name, n in pieces.items():
            found[f"memset.{name}"] += share * n
    return +found
