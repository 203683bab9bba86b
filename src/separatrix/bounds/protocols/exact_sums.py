"""Attention with exact sums: weights and values as integers of a unit each, added up without rounding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from separatrix.bounds.arithmetic import FixedPointSums, FloatingPointSums
from separatrix.bounds.protocols.channel import Channel
from separatrix.bounds.protocols.one_layer import Attended, Mixed
from separatrix.errors import InputError


class ExactSums:
    """One layer's attention in fixed or floating point with exact sums. Integers are Python's, in object arrays.

    Weights are exponentials rounded to the format, of scores that are numbers of it in floating point; quotients are
    rounded once, to float64, and 0 where all weights are.
    """

    def __init__(self, arithmetic: FixedPointSums | FloatingPointSums, attended: Attended) -> None:
        self.arithmetic, self.attended = arithmetic, attended
        self.scores = attended.scores
        if isinstance(arithmetic, FloatingPointSums):
            self.scores = arithmetic.format.round(attended.scores)
        self.values, self.own_values = self._values(attended.values), self._values(attended.own)

    def alone(self) -> Mixed:
        """The quotients, all places in one pair of hands."""
        weights = self.weights(self.scores.amax(dim=-1))
        return self._quotients(*self._partial(weights, range(self.attended.length)), weights)

    def together(self, held: Sequence[int], channel: Channel) -> Mixed:
        """The quotients, from what Alice says of the places she holds and from Bob's own, added up apart."""
        rest = [i for i in range(self.attended.length) if i not in set(held)]
        weights = self.weights(self._maximum(held, rest, channel))
        sums, below = self._partial(weights, held)
        n, own = self.attended.length, self.arithmetic
        sums = channel.integers("Alice", sums, own.per_value(n), f"weighted sums over {len(held)} places", signed=True)
        below = channel.integers("Alice", below, own.per_sum(n), f"sums of weights over {len(held)} places")
        bobs_sums, bobs_below = self._partial(weights, rest)
        return self._quotients(sums + bobs_sums, below + bobs_below, weights)

    def weights(self, maximum: Tensor) -> np.ndarray:
        """Integers [B, H, Q, N + 1]: the weight of every place, the largest score subtracted where that is done."""
        own = self.arithmetic
        if isinstance(own, FixedPointSums):
            counted = torch.exp(self.scores) / own.unit
            return _integers(torch.round(counted).clamp(max=2.0**own.bits - 1))
        scores = own.format.round(self.scores - maximum[..., None]) if own.subtract else self.scores
        rounded = own.format.round(torch.exp(scores))
        if not bool(rounded.isfinite().all()):
            raise InputError(f"a weight overflows in {own.format}: this arithmetic assumes that none does")
        return _integers(rounded / own.format.smallest)

    def _maximum(self, held: Sequence[int], rest: list[int], channel: Channel) -> Tensor:
        """The largest score of each head and query; two messages where it is subtracted, and not needed otherwise."""
        own = self.arithmetic
        if isinstance(own, FixedPointSums) or not own.subtract:
            return self.scores[..., -1]
        lowest = self.scores.new_full((*self.scores.shape[:-1], 1), -own.format.largest)  # who holds nothing
        alices = torch.cat([self.scores[..., list(held)], lowest], dim=-1).amax(dim=-1)
        heard = channel.numbers("Alice", alices, own.format, "the largest score of each head she holds")
        bobs = torch.maximum(heard, self.scores[..., [*rest, -1]].amax(dim=-1))
        return channel.numbers("Bob", bobs, own.format, "the largest score of each head")

    def _values(self, values: Tensor) -> np.ndarray:
        own = self.arithmetic
        if isinstance(own, FixedPointSums):
            top = 2.0 ** (own.bits - 1)
            return _integers(torch.round(values / own.unit).clamp(-top, top - 1))
        rounded = own.format.round(values)
        if not bool(rounded.isfinite().all()):
            raise InputError(f"a value overflows in {own.format}: this arithmetic assumes that none does")
        return _integers(rounded / own.format.smallest)

    def _partial(self, weights: np.ndarray, places: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
        """(weighted sums [B, H, Q, K], sums of weights [B, H, Q]) over these places."""
        sums = np.zeros(self.own_values.shape, dtype=object)
        below = np.zeros(weights.shape[:-1], dtype=object)
        for i in places:
            sums = sums + weights[..., i, None] * self.values[:, :, None, i]
            below = below + weights[..., i]
        return sums, below

    def _quotients(self, sums: np.ndarray, below: np.ndarray, weights: np.ndarray) -> Mixed:
        """The public place of the query added; quotients in the unit of the values."""
        sums = sums + weights[..., -1, None] * self.own_values
        below = (below + weights[..., -1])[..., None] + np.zeros(sums.shape, dtype=object)
        divided = [a / b if b else 0.0 for a, b in zip(sums.ravel().tolist(), below.ravel().tolist(), strict=True)]
        unit = self.arithmetic.unit if isinstance(self.arithmetic, FixedPointSums) else self.arithmetic.format.smallest
        found = torch.tensor(divided, dtype=torch.float64, device=self.scores.device)
        return found.reshape(sums.shape) * unit


def _integers(x: Tensor) -> np.ndarray:
    """Whole numbers in float64, of any size, as Python's integers."""
    return np.array([int(number) for number in x.flatten().tolist()], dtype=object).reshape(x.shape)
