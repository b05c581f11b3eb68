"""How an armband sits: turned by some electrodes, or worn the other way round, found with or without labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_LEAST: Final = 1e-4  # probability below which a wrong guess costs no more
_SHARPNESS: Final = 2.0  # of an assignment: the inverse of its temperature, in units of a mean logarithm
_SINKHORN_ROUNDS: Final = 50


@dataclass(frozen=True)
class Turn:
    """Electrode ``c`` of the model is electrode ``c - steps`` of the arm, mirrored before the turn or not."""

    steps: int = 0
    mirrored: bool = False


STRAIGHT: Final = Turn()


def list_turns(n_channels: int) -> list[Turn]:
    """Return every way to wear a ring, straight first."""
    return [Turn(steps, mirrored) for mirrored in (False, True) for steps in range(n_channels)]


def turn_ring(x: Floats, turn: Turn, reach: NDArray[np.int64]) -> Floats:
    """Turn the features of a ring of electrodes.

    Parameters
    ----------
    x
        Shape (..., n_components, n_channels).
    turn
        How.
    reach
        Of each component, (n_components,): 0 where it is of electrode c alone, k where it is of the pair (c, c + k).

    Returns
    -------
    NDArray[np.float32]
        Same shape.
    """
    n = x.shape[-1]
    place = np.arange(n)
    if turn.mirrored:  # pair (c, c + k) becomes (-c, -c - k), which is kept at -c - k
        order = (-place[None, :] - reach[:, None]) % n
        x = np.take_along_axis(x, np.broadcast_to(order, x.shape), axis=-1)
    return np.roll(x, turn.steps, axis=-1) if turn.steps else x


def choose_turn(
    log_p: Iterable[tuple[Turn, NDArray[np.floating]]], labels: NDArray[np.int64], bonus: float = 0.05
) -> Turn:
    """Choose the turn under which labelled windows are likeliest, each class counting the same.

    Parameters
    ----------
    log_p
        Each turn with the logarithm of the windows' probabilities under it, (n_windows, n_classes).
    labels
        Class numbers, (n_windows,).
    bonus
        Logarithm by which wearing it straight is likelier than any other way.
    """

    def rate(turn: Turn, table: NDArray[np.floating]) -> float:
        own = table[np.arange(len(labels)), labels]
        return float(np.mean([own[labels == c].mean() for c in np.unique(labels)])) + bonus * (
            turn == STRAIGHT
        )

    return max(((rate(turn, table), turn) for turn, table in log_p), key=lambda rated: rated[0])[1]


def assign_once(log_p: NDArray[np.floating]) -> NDArray[np.float64]:
    """Share bouts out among classes where each class is made about as often as any other.

    Parameters
    ----------
    log_p
        Mean logarithm of each class's probability over each bout, (n_bouts, n_classes).

    Returns
    -------
    NDArray[np.float64]
        Probability of each class in each bout, rows summing to 1.

    Notes
    -----
    Rows and columns of the sharpened probabilities are scaled in turn: entropic optimal transport (Cuturi 2013, NIPS 26;
    Sinkhorn and Knopp 1967, Pacific J. Math. 21(2)).
    """
    shares = np.exp(_SHARPNESS * (np.asarray(log_p, np.float64) - np.max(log_p)))
    for _ in range(_SINKHORN_ROUNDS):
        shares /= shares.sum(axis=0, keepdims=True)
        shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares)


@dataclass(frozen=True)
class TurnPrior:
    """Logarithms by which each is less likely: a turn at all, by more than one electrode, and a mirrored band."""

    turned: float = 0.03
    far: float = 0.03
    mirrored: float = 0.1

    def cost(self, turn: Turn, n_channels: int, usual: Turn = STRAIGHT) -> float:
        """Return the logarithm by which a turn is less likely than ``usual``."""
        steps = (turn.steps - usual.steps) % n_channels
        steps = min(steps, n_channels - steps)
        is_other = turn.mirrored != usual.mirrored
        return self.turned * (steps > 0) + self.far * (steps > 1) + self.mirrored * is_other


def choose_turn_unlabelled(
    bouts: Iterable[tuple[Turn, NDArray[np.floating]]],
    n_channels: int,
    prior: TurnPrior,
    *,
    each_once: bool = True,
    usual: Turn = STRAIGHT,
) -> tuple[Turn, NDArray[np.float64]]:
    """Choose the turn under which unlabelled bouts are likeliest, and say what they would be then.

    Parameters
    ----------
    bouts
        Each turn with the mean logarithms of the bouts' probabilities under it, (n_bouts, n_classes).
    n_channels
        Electrodes of the ring.
    prior
        Of turns.
    each_once
        Whether each class is known to be made about as often as any other; else each bout is what it looks like.
    usual
        How the band was worn before.

    Returns
    -------
    tuple
        The turn, and the probability of each class in each bout.
    """
    best: tuple[float, Turn, NDArray[np.float64]] | None = None
    for turn, log_p in bouts:
        if each_once:
            shares = assign_once(log_p)
        else:
            sharp = np.exp(
                _SHARPNESS * (np.asarray(log_p, np.float64) - np.max(log_p, axis=1, keepdims=True))
            )
            shares = sharp / sharp.sum(axis=1, keepdims=True)
        value = float((shares * log_p).sum(axis=1).mean()) - prior.cost(turn, n_channels, usual)
        if best is None or value > best[0]:
            best = (value, turn, shares)
    if best is None:
        raise ValueError("no turns to choose from")
    return best[1], best[2]


def rate_bouts(p: Sequence[Floats], moving: slice) -> NDArray[np.float64]:
    """Mean logarithm over each bout of the classes ``moving``, as they are where it is known that something moves.

    Parameters
    ----------
    p
        Probabilities of each bout's windows, (n_windows, n_classes).
    moving
        The classes that a bout may be.
    """
    rows = []
    for bout in p:
        shares = np.asarray(bout[:, moving], np.float64)
        shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
        rows.append(np.log(shares + _LEAST).mean(axis=0))
    return np.stack(rows)
