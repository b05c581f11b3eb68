"""Fitting a network to one person and one donning: from a warm-up without labels, or from one bout of each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.feature_stage import FeatureScale
from myo_training.armband import (
    STRAIGHT,
    Turn,
    TurnPrior,
    choose_turn,
    choose_turn_unlabelled,
    list_turns,
    rate_bouts,
    turn_ring,
)
from myo_training.dense_net import Augment, DenseNet, FitSettings, fit_classes

Floats = NDArray[np.float32]

_LEAST: Final = 1e-3  # probability below which a wrong label costs no more in the search for a turn

#: Weak and short: a network that knew many persons is moved towards one.
SELF_TRAINING: Final = FitSettings(
    epochs=15, batch_size=128, learning_rate=5e-4, dropout=0.1, smoothing=0.1, decay=0.0
)
CALIBRATION: Final = FitSettings(
    epochs=15, batch_size=128, learning_rate=1e-3, dropout=0.1, smoothing=0.05, decay=0.0
)


@dataclass(frozen=True)
class Fitted:
    """A network, how the band is worn, and the scale of the features before the turn."""

    net: DenseNet
    scale: FeatureScale
    turn: Turn = STRAIGHT

    def prepare(self, features: NDArray[np.floating], reach: NDArray[np.int64]) -> Floats:
        """Return the network's inputs of features (n_windows, n_components, n_channels), same shape."""
        return turn_ring(self.scale.apply(features).astype(np.float32), self.turn, reach)


def measure_scale(features: NDArray[np.floating], *, by_channel: bool) -> FeatureScale:
    """Measure mean and deviation of features (n_windows, n_components, n_channels), over channels as well or of each."""
    if by_channel:
        mean, deviation = features.mean(axis=0), features.std(axis=0)
    else:
        shape = features.shape[1:]
        mean = np.broadcast_to(features.mean(axis=(0, 2))[:, None], shape)
        deviation = np.broadcast_to(features.std(axis=(0, 2))[:, None], shape)
    return FeatureScale(0, np.asarray(mean, np.float64), np.asarray(deviation, np.float64) + 1e-6)


def turn_neighbours(share: float) -> Augment:
    """Return an augmentation that turns a ``share`` of the windows (n, n_components, n_channels) by one electrode.

    A pair (c, c + k) that is kept at c turns with c.
    """

    def augment(x: Floats, targets: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        n = x.shape[-1]
        steps = np.where(rng.random(len(x)) < share, rng.choice([-1, 1], len(x)), 0)
        order = (np.arange(n)[None] + steps[:, None]) % n
        return np.take_along_axis(x, order.reshape(-1, *[1] * (x.ndim - 2), n), axis=-1), targets

    return augment


def weigh(labels: NDArray[np.int64], n_classes: int, power: float) -> NDArray[np.float64]:
    """Return a weight a window, the share of its class to the power of ``-power``."""
    counts = np.maximum(np.bincount(labels, minlength=n_classes), 1).astype(np.float64)
    return np.asarray((counts**-power)[labels])


@dataclass(frozen=True)
class WarmUp:
    """Scaled features of a warm-up without labels.

    Attributes
    ----------
    bouts
        Windows of each bout of movement, (n_windows, n_components, n_channels).
    still
        Windows between them.
    n_still
        Classes from 0 that are no movement: 1 where class 0 is rest, 0 where rest is a bout like any other.
    """

    bouts: Sequence[Floats]
    still: Floats
    n_still: int


@dataclass(frozen=True)
class WarmUpSettings:
    """How an unlabelled warm-up is used.

    Attributes
    ----------
    each_once
        Whether every movement is known to be made once, in an order that nobody tells.
    search
        Whether the band may be turned.
    rounds
        Of self-training; 0 leaves the network as it is.
    """

    each_once: bool = True
    search: bool = True
    rounds: int = 2
    prior: TurnPrior = field(default_factory=TurnPrior)
    fit: FitSettings = SELF_TRAINING


def adapt(
    net: DenseNet,
    warm_up: WarmUp,
    reach: NDArray[np.int64],
    settings: WarmUpSettings,
    rng: np.random.Generator,
    usual: Turn = STRAIGHT,
) -> tuple[DenseNet, Turn]:
    """Adapt a network to a donning from its unlabelled signal.

    The turn is chosen under which the bouts are likeliest. The network is then fitted to what it takes the bouts for, which the
    prior that each movement is made once has corrected.

    Returns
    -------
    tuple
        A new network, and the turn.
    """
    bouts = [bout for bout in warm_up.bouts if len(bout)]
    if not bouts:
        return net, usual
    n_channels, n_still = bouts[0].shape[-1], warm_up.n_still
    moving = slice(n_still, None)

    def rate(current: DenseNet, turn: Turn) -> NDArray[np.float64]:
        return rate_bouts([current.predict(turn_ring(bout, turn, reach)) for bout in bouts], moving)

    turns = list_turns(n_channels) if settings.search else [usual]
    turn, shares = choose_turn_unlabelled(
        ((turn, rate(net, turn)) for turn in turns),
        n_channels,
        settings.prior,
        each_once=settings.each_once,
        usual=usual,
    )
    x = turn_ring(np.concatenate([*bouts, warm_up.still]), turn, reach)
    lengths, n_moving = [len(bout) for bout in bouts], sum(len(bout) for bout in bouts)
    adapted = net
    for number in range(settings.rounds):
        if number:
            _, shares = choose_turn_unlabelled(
                [(turn, rate(adapted, turn))],
                n_channels,
                settings.prior,
                each_once=settings.each_once,
                usual=turn,
            )
        targets = np.zeros((len(x), net.offsets[-1].size), np.float32)
        targets[:n_moving, moving] = np.repeat(shares, lengths, axis=0)
        weights = np.ones(len(x))
        if n_still:
            targets[n_moving:, 0] = 1.0
            weights[n_moving:] = 1 / len(bouts)
        adapted = fit_classes(net.copy(), x, targets, settings.fit, rng, weights=weights)
    return adapted, turn


def find_turn(
    predict: Callable[[Floats], Floats], x: Floats, labels: NDArray[np.int64], reach: NDArray[np.int64]
) -> Turn:
    """Find how the band is worn from labelled windows (n_windows, n_components, n_channels), scaled."""
    tables = ((turn, np.log(predict(turn_ring(x, turn, reach)) + _LEAST)) for turn in list_turns(x.shape[-1]))
    return choose_turn(tables, labels)


def calibrate(
    net: DenseNet,
    x: Floats,
    labels: NDArray[np.int64],
    reach: NDArray[np.int64],
    settings: FitSettings,
    rng: np.random.Generator,
    *,
    search: bool = True,
    n_still: int = 1,
    balance: float = 0.75,
    augment: Augment | None = None,
) -> tuple[DenseNet, Turn]:
    """Fit a network to labelled windows of one person.

    Parameters
    ----------
    net
        Trained on others.
    x, labels
        Scaled features (n_windows, n_components, n_channels), and classes.
    reach
        See :func:`~myo_training.armband.turn_ring`.
    settings
        Of the fit; 0 epochs leave the network as it is.
    rng
        Generator of everything random.
    search
        Whether the band may be turned.
    n_still
        Classes from 0 that say nothing about how the band is worn.
    balance
        See :func:`weigh`.
    augment
        Of the windows, after the turn.

    Returns
    -------
    tuple
        A new network, and the turn.
    """
    turn = STRAIGHT
    if search:
        moving = labels >= n_still
        turn = find_turn(net.predict, x[moving], labels[moving], reach)
    if settings.epochs == 0:
        return net, turn
    turned = turn_ring(x, turn, reach)
    weights = weigh(labels, net.offsets[-1].size, balance)
    return fit_classes(net.copy(), turned, labels, settings, rng, weights=weights, augment=augment), turn
