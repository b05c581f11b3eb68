"""Columns of streamed tensors that a push computes, and those that live from push to push."""

from dataclasses import dataclass, replace

from myo_export.lowered import Network
from myo_export.stream_rules import Columns, Rule


@dataclass(frozen=True)
class StreamBuffer:
    """Columns of one tensor: first ones, then last ones, which together may be all.

    Attributes
    ----------
    columns : Columns
        The tensor.
    n_new : int
        Columns that a push adds, beside those at the ends that it computes again.
    n_left, n_right : int
        First and last columns of the window that have a place; the first ones are those that padding reaches into.
    offset : int
        Bytes from the arena's beginning.
    """

    columns: Columns
    n_new: int
    n_left: int
    n_right: int
    offset: int = 0

    @property
    def n_kept(self) -> int:
        """Columns in the buffer."""
        return self.n_left + self.n_right

    @property
    def n_old(self) -> int:
        """Columns that live from push to push; they stand behind the first ones."""
        return self.n_right - self.n_new - self.columns.right

    @property
    def first_new(self) -> int:
        """Column of the window that a push computes first, beside those at the left end."""
        return self.columns.width - self.columns.right - self.n_new

    def at(self, column: int) -> int:
        """Return the place of a column of the window, in columns."""
        return column if column < self.n_left else column - self.columns.width + self.n_kept

    def changing(self, before: bool) -> tuple[tuple[int, int], ...]:
        """Return what a push changes, as it stands before it or after: first column of each stretch, and columns."""
        c = self.columns
        n_left = c.left + self.n_new * before
        n_right = c.right + self.n_new * (not before)
        return tuple((first, n) for first, n in ((0, n_left), (c.width - n_right, n_right)) if n)


def size_buffers(
    network: Network, hop: int, columns: dict[int, Columns], rules: dict[int, Rule], root_of: dict[int, int]
) -> dict[int, StreamBuffer]:
    """Give each buffer the columns that a push computes and those that its readers look back to.

    Parameters
    ----------
    network : Network
        Lowered network.
    hop : int
        Time steps a push.
    columns : dict
        Streamed tensors as columns.
    rules : dict
        Of the steps that stream, by place in order.
    root_of : dict
        Streamed tensor to the tensor that names its buffer.

    Returns
    -------
    dict
        Root to buffer, not placed yet.
    """
    buffers = {}
    for root in root_of.values():
        c = columns[root]
        n_new = min(hop // c.pace, c.width)
        buffers[root] = StreamBuffer(c, n_new, c.left, n_new + c.right)

    def keep(tensor: int, from_column: int) -> None:
        buffer = buffers[root_of[tensor]]
        n_right = min(buffer.columns.width - max(from_column, buffer.n_left), buffer.columns.width)
        buffers[root_of[tensor]] = replace(buffer, n_right=max(buffer.n_right, n_right))

    for place_in_order, step in enumerate(network.steps):
        rule = rules.get(place_in_order)
        for tensor in step.inputs:
            if tensor not in root_of:
                continue
            if rule is None:
                keep(tensor, 0)
                continue
            source, target = columns[tensor], buffers[root_of[step.output]]
            n_last = target.columns.width - target.first_new
            keep(tensor, rule.reads(target.first_new, n_last, source.width)[0])
            # What the first columns see beyond the input's own first ones comes from the right, push by push.
            n_first = target.columns.left
            if n_first and rule.reads(0, n_first, source.width)[1] > source.left:
                keep(tensor, 0)
    if network.graph.output in root_of:
        keep(network.graph.output, 0)
    return buffers
