"""What the C library's memcpy and memset run, counted from their loops, for the cost model.

How much of a copy goes by bytes depends on where its places lie. Calls that follow each other a fixed distance apart
take all four remainders of that distance in turn, so the counts are exact.
"""

from collections import Counter

Events = Counter[str]  # pieces of code, and how often each runs


def copy_events(
    n_bytes: int, times: int, source_step: int = 0, target_step: int = 0, target_start: int = 0
) -> Events:
    """Count what newlib's memcpy does: bytes up to an aligned target, turns of 64 and 16 bytes, words, the rest.

    Parameters
    ----------
    n_bytes, times
        Of each call, and calls.
    source_step, target_step
        Bytes from one call's place to the next: they decide how often the places are aligned.
    target_start
        Of the first call; its source is aligned.

    Returns
    -------
    collections.Counter
        Pieces by name.
    """
    found: Events = Counter()
    for phase in range(4 if times > 0 else 0):
        share = (times - phase + 3) // 4  # calls that begin so
        source, target = phase * source_step % 4, (target_start + phase * target_step) % 4
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
