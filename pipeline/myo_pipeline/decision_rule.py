"""How classes are decided beyond the majority: averages, a Bayesian filter, debounce and dwell; float and integer."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from myo_pipeline.reference import sum_last, vote_classes
from myo_pipeline.spec import Decision, PatchSpec

MAJORITY, AVERAGE, BAYES = 0, 1, 2  # methods, in the order of the spec's names
METHODS = ("majority", "average", "bayes")

SOFTMAX_SCALE, SOFTMAX_ZERO_POINT = 1 / 256, -128  # of an int8 softmax; what the Bayesian filter takes
# A Bayesian filter's delay is stated for windows that find the new class so many times as probable as each other class. On
# `myo_readings` it is then the median that changes of label wait (docs/decision.md).
STATED_ODDS = 4.0

_POSTERIOR_BITS = 30
_FLOOR = 1 / 512  # an output of zero stands for less than half a step


@dataclass(frozen=True)
class DecisionRule:
    """The integers of a rule.

    Attributes
    ----------
    method
        :data:`MAJORITY`, :data:`AVERAGE` or :data:`BAYES`.
    debounce
        Windows in a row that a class must win before it is told.
    dwell
        Windows that a class is told at least.
    gain_q32, leak_q32
        Bayes: s - l and l, with s the probability that a class stays and l that of each change; 0 elsewhere.
    """

    method: int
    debounce: int
    dwell: int
    gain_q32: int
    leak_q32: int

    @property
    def holds(self) -> bool:
        """Whether debounce or dwell do anything."""
        return self.debounce > 1 or self.dwell > 1

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of ``twin.npz``."""
        return {f"decision_{f.name}": np.asarray(getattr(self, f.name), np.int64) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_arrays` gave.

        Raises
        ------
        KeyError, ValueError
            If it is another version's.
        """
        rule = cls(**{f.name: int(arrays[f"decision_{f.name}"]) for f in fields(cls)})
        if not (0 <= rule.method < len(METHODS) and len(arrays) == len(fields(cls))):
            raise ValueError(f"method {rule.method} of {len(arrays)} fields")
        return rule


def make_rule(decision: Decision, n_classes: int) -> DecisionRule | None:
    """Return a decision's rule in integers; None for the majority alone, which needs none."""
    method = METHODS.index(decision.method)
    gain = leak = 0
    if method == BAYES:
        share = (1 - decision.stay) / (n_classes - 1)
        gain, leak = (round((x) * 2**32) for x in (decision.stay - share, share))
    rule = DecisionRule(method, decision.debounce, decision.dwell, gain, leak)
    return rule if method != MAJORITY or rule.holds else None


def bound_log_odds(stay: float, n_classes: int) -> float:
    r"""Bound what the integers of the Bayesian filter do to any log odds between two classes, after any windows.

    A step's words carry at most five units of error against an expected posterior of at least ``l 2^29`` units: two
    truncations, what the step before truncated off the class and, shared out by ``l``, off the sum (below 1 + n l, at most
    2), and the rounded constants. That is a relative error ``e`` a class and ``2 e`` between two. A step of
    the exact filter shrinks the distance of two posteriors (Hilbert's projective metric, the largest difference of log odds)
    by ``tanh(ln(s / l) / 2) = (s - l) / (s + l)``, and likelihoods leave it alone: errors add up to at most
    ``2 e (s + l) / 2 l``, and the truncation of the step itself comes on top, of words that are at least
    ``l 2^29 / 2^9 - 1``.

    Parameters
    ----------
    stay
        s.
    n_classes
        n; l = (1 - s) / (n - 1).

    Returns
    -------
    float
        Natural logarithm; infinite where a class's word can truncate to nothing.

    References
    ----------
    Seneta, Non-negative Matrices and Markov Chains, Springer 1981, section 3.1 (Birkhoff's contraction coefficient).
    """
    leak = (1 - stay) / (n_classes - 1)
    share = 5 / (leak * 2.0 ** (_POSTERIOR_BITS - 1))
    smallest = leak * 2.0 ** (_POSTERIOR_BITS - 1) / 2**9 - 1
    if smallest <= 1 or share >= 0.5:
        return float("inf")
    step = 2 * -np.log1p(-share)
    return float(step * (stay + leak) / (2 * leak) + 2 / smallest)


def filter_bayes(
    probabilities: NDArray[np.floating], stay: float, votes: NDArray[np.bool_], vote: int
) -> NDArray[np.float64]:
    """Return the posterior of each class after each window, of a hidden Markov chain that stays with probability ``stay``.

    Forward algorithm: what was is spread by the chain, then weighed by the window's softmax, which is proportional to the
    likelihood where training held classes equal. Windows that do not vote weigh nothing; after ``vote`` of them in a row,
    and before the first, all classes are equal.

    Parameters
    ----------
    probabilities
        Softmax outputs, (..., n_windows, n_classes), recordings in the first axes.
    stay
        Probability that the class of a window is that of the one before.
    votes
        Windows that vote, (..., n_windows).
    vote
        Windows that are remembered without a vote.

    Returns
    -------
    NDArray[np.float64]
        As probabilities, of sum 1 in the last axis.

    References
    ----------
    Rabiner, Proc. IEEE 77 (1989) 257-286, section III A, doi:10.1109/5.18626.
    """
    n_classes = probabilities.shape[-1]
    leak, equal = (1 - stay) / (n_classes - 1), 1 / n_classes
    weights = np.where(votes[..., None], np.maximum(probabilities, _FLOOR), 1.0).astype(np.float64)
    out = np.empty(weights.shape)
    posterior = np.full((*weights.shape[:-2], n_classes), equal)
    silent = np.full(weights.shape[:-2], vote)
    for k in range(weights.shape[-2]):
        silent = np.where(votes[..., k], 0, silent + 1)
        posterior = ((stay - leak) * posterior + leak) * weights[..., k, :]
        posterior = posterior / posterior.sum(axis=-1, keepdims=True)
        posterior = np.where((silent >= vote)[..., None], equal, posterior)
        out[..., k, :] = posterior
    return out


def hold_classes(decided: NDArray[np.int64], debounce: int, dwell: int) -> NDArray[np.int64]:
    """Return what is told of decided classes (-1: none), (n_windows,).

    It changes, to a class or to none, once ``debounce`` windows in a row decided the same and, where a class is told, it
    has been for ``dwell`` windows.
    """
    told = np.empty_like(decided)
    held = candidate = -1
    streak = stayed = 0
    for k, winner in enumerate(decided.tolist()):
        streak = streak + 1 if winner == candidate else 1
        candidate = winner
        if winner != held and streak >= debounce and (held < 0 or stayed >= dwell):
            held, stayed = winner, 0
        stayed += 1
        told[k] = held
    return told


def decide_classes(
    probabilities: NDArray[np.floating], decision: Decision, gated: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Decide classes from the network's outputs, window by window, as a spec's decision says.

    Parameters
    ----------
    probabilities
        Network outputs, (n_windows, n_classes), of one uninterrupted recording.
    decision
        The spec's decision.
    gated
        Windows that the signal quality keeps from voting, (n_windows,); None: no window.

    Returns
    -------
    tuple of NDArray[np.int64]
        Told class, -1 for none, and votes: for the majority's winner, or of the last ``vote`` windows; (n_windows,) each.
    """
    votes = probabilities.max(axis=1, initial=-np.inf) >= decision.reject_below
    votes = votes if gated is None else votes & ~gated
    posterior = None
    if decision.method == "bayes":
        posterior = filter_bayes(probabilities, decision.stay, votes, decision.vote)
    return _decide(probabilities, decision, votes, posterior)


def decide_recordings(
    recordings: Sequence[NDArray[np.floating]], decision: Decision
) -> list[NDArray[np.int64]]:
    """Return :func:`decide_classes` of several recordings; a Bayesian filter runs over all of them at once."""
    if decision.method != "bayes" or not recordings:
        return [decide_classes(outputs, decision)[0] for outputs in recordings]
    longest = max(map(len, recordings))
    padded = np.zeros((len(recordings), longest, recordings[0].shape[1]))
    for row, outputs in zip(padded, recordings, strict=True):
        row[: len(outputs)] = outputs
    votes = padded.max(axis=2) >= decision.reject_below
    posterior = filter_bayes(padded, decision.stay, votes, decision.vote)
    return [
        _decide(outputs, decision, cast[: len(outputs)], found[: len(outputs)])[0]
        for outputs, cast, found in zip(recordings, votes, posterior, strict=True)
    ]


def _decide(
    probabilities: NDArray[np.floating], decision: Decision, votes: NDArray[np.bool_],
    posterior: NDArray[np.float64] | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """Decide where it is known which windows vote, and the Bayesian posterior where the method has one."""
    if decision.method == "majority":
        decided, n_votes = vote_classes(probabilities, decision.vote, -np.inf, ~votes)
    else:
        n_votes = sum_last(votes.astype(np.int64)[:, None], decision.vote)[:, 0]
        scores = posterior
        if scores is None:
            scores = sum_last(np.where(votes[:, None], probabilities, 0).astype(np.float64), decision.vote)
        decided = np.where(n_votes > 0, scores.argmax(axis=1), -1)
    if decision.debounce > 1 or decision.dwell > 1:
        decided = hold_classes(decided, decision.debounce, decision.dwell)
    return decided, n_votes


class RuleTwin:
    """A rule in integers, window by window."""

    def __init__(self, rule: DecisionRule, vote: int, n_classes: int) -> None:
        self._rule, self._vote, self._n_classes = rule, vote, n_classes
        self.reset()

    def reset(self) -> None:
        """Forget earlier windows."""
        self._outputs: deque[NDArray[np.int8] | None] = deque(maxlen=self._vote)
        self._posterior = [1 << (_POSTERIOR_BITS - 1)] * self._n_classes
        self._held = self._candidate = -1
        self._streak = self._stayed = 0

    def settle(self, decided: int, n_votes: int, output: NDArray[np.int8] | None) -> tuple[int, int]:
        """Take a window and return the told class and its votes.

        Parameters
        ----------
        decided, n_votes
            The majority's.
        output
            The network's, int8 (n_classes,); None: the window casts no vote.
        """
        if self._rule.method != MAJORITY:
            self._outputs.append(output)
            n_votes = sum(kept is not None for kept in self._outputs)
            scores = self._add_up() if self._rule.method == AVERAGE else self._filter(output, n_votes)
            decided = scores.index(max(scores)) if n_votes else -1
        return (self._hold(decided) if self._rule.holds else decided), n_votes

    def _add_up(self) -> list[int]:
        kept = [output.astype(np.int64) for output in self._outputs if output is not None]
        return [int(value) for value in sum(kept, np.zeros(self._n_classes, np.int64))]

    def _filter(self, output: NDArray[np.int8] | None, n_votes: int) -> list[int]:
        if not n_votes:
            self._posterior = [1 << (_POSTERIOR_BITS - 1)] * self._n_classes
            return self._posterior
        leak = (sum(self._posterior) * self._rule.leak_q32) >> 32
        words = [-128] * self._n_classes if output is None else output.tolist()
        joint = [
            (((posterior * self._rule.gain_q32) >> 32) + leak) * (8 * (word + 128) or 4)
            for posterior, word in zip(self._posterior, words, strict=True)
        ]
        shift = max(joint).bit_length() - _POSTERIOR_BITS
        self._posterior = [value >> shift for value in joint]
        return self._posterior

    @property
    def posterior(self) -> list[int]:
        """Each class's posterior in units of no fixed size, the largest in 2^29 .. 2^30 - 1."""
        return list(self._posterior)

    def _hold(self, winner: int) -> int:
        if winner != self._candidate:
            self._candidate, self._streak = winner, 0
        self._streak += 1
        may_go = self._held < 0 or self._stayed >= self._rule.dwell
        if winner != self._held and self._streak >= self._rule.debounce and may_go:
            self._held, self._stayed = winner, 0
        self._stayed += 1
        return self._held


def count_delay(decision: Decision, n_classes: int) -> int:
    """Return the windows that the vote takes to follow a change, beyond the first window of the new class.

    For a majority and an average of equally sure windows: half of them. For the Bayesian filter: of windows with
    :data:`STATED_ODDS` for their class, after any number of such windows of another class, so many as it takes.
    """
    if decision.method != "bayes":
        return decision.vote // 2
    clear = np.ones((2, n_classes))
    clear[[0, 1], [0, 1]] = STATED_ODDS
    clear /= clear.sum(axis=1, keepdims=True)
    leak = (1 - decision.stay) / (n_classes - 1)
    posterior = filter_bayes(np.repeat(clear[:1], 200, axis=0), decision.stay, np.ones(200, bool), 1)[-1]
    for count in range(200):
        posterior = ((decision.stay - leak) * posterior + leak * posterior.sum()) * clear[1]
        if posterior.argmax() == 1:
            return count
    return 200


@dataclass(frozen=True)
class Latency:
    """From a change at the electrode to the decision that follows it, at the latest; milliseconds.

    Attributes
    ----------
    window_ms
        Until a window holds the new class alone.
    context_ms
        Until the windows before it, whose features the network takes as well, do so too.
    hop_ms
        A change comes at the worst just after a window.
    vote_ms
        Until the vote follows, see :func:`count_delay`.
    hold_ms
        What debounce and dwell add to that.
    """

    window_ms: float
    context_ms: float
    hop_ms: float
    vote_ms: float
    hold_ms: float

    @property
    def total_ms(self) -> float:
        """The sum: without the filters' delay and without computing, which the board adds."""
        return self.alone_ms + self.vote_ms + self.hold_ms

    @property
    def alone_ms(self) -> float:
        """The same of the network's output, before any vote."""
        return self.window_ms + self.context_ms + self.hop_ms

    def as_dict(self) -> dict[str, float]:
        """Return the parts and their sums."""
        sums = {"alone_ms": self.alone_ms, "total_ms": self.total_ms}
        return {f.name: float(getattr(self, f.name)) for f in fields(self)} | sums


def find_latency(spec: PatchSpec, decision: Decision | None = None) -> Latency:
    """Return the latency of a spec's decision, or of another one in its place.

    A class that was told just before the change stays for ``dwell`` windows: the wait that is longer counts.
    """
    decision = decision or spec.decision
    hop = spec.window.hop_ms
    vote = count_delay(decision, len(spec.output_names))
    held = max(vote + decision.debounce, decision.dwell) - 1
    context = (spec.context_windows - 1) * hop
    hold = (held - vote) * hop if held > vote else 0.0
    return Latency(spec.window.window_ms, context, hop, vote * hop, hold)
