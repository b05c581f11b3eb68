"""What a push runs beside layers, counted from its loops, for the cost model: running sums of a mean over time."""

from collections import Counter
from dataclasses import dataclass

from myo_export.cost_copies import Events

_MOST_COLUMNS = 255  # added in 16 bits, see running_sums.c


@dataclass(frozen=True)
class ColumnSums:
    """`myo_sums_add` or `myo_sums_subtract`: columns that go into running sums, or out of them."""

    n_columns: int
    n_channels: int


@dataclass(frozen=True)
class MeanOfSums:
    """`myo_mean_of_sums_run`: means from running sums."""

    n_channels: int


PushStep = ColumnSums | MeanOfSums


def column_sums_events(step: ColumnSums) -> Events:
    """Count `myo_sums_add`; subtracting costs the same."""
    n_blocks = -(-step.n_columns // _MOST_COLUMNS)
    n_fours, n_single = divmod(step.n_channels, 4)
    return Counter(
        {
            "sums.call": 1,
            "sums.block": n_blocks,
            "sums.tile": n_blocks * n_fours,
            "sums.tile_column": n_fours * step.n_columns,
            "sums.word": n_blocks * n_single,
            "sums.word_column": n_single * step.n_columns,
        }
    )
