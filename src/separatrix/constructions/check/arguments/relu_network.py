"""One-layer ReLU Elman networks read from their weights: exact steps, and whether a format makes them exact."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.rounding.recurrent import RoundedRecurrent
from separatrix.models import SequenceModel
from separatrix.numerics import FixedPoint, FloatingPoint, Format, parse


class ReluNetwork:
    """h' = relu(W h + drive[token]), logits = H h' + b, in a number format; weights are rounded to it first.

    Where weights are whole numbers and every partial sum, in any order, is a whole number the format holds, no result
    is ever rounded: `exact` stays True and steps are taken in float64. Otherwise sums are rounded one by one.
    Raises CertificateError for other architectures.
    """

    def __init__(self, model: SequenceModel, number_format: str | Format) -> None:
        config = model.config.model_dump()
        wanted = {"name": "elman", "nonlinearity": "relu", "layers": 1, "norm": "none", "residual": False, "mlp": 0}
        wrong = [f"{key}={config.get(key)}" for key, value in wanted.items() if config.get(key) != value]
        if wrong or config["positions"] != "none":
            raise CertificateError(f"the argument is about one plain layer of elman with relu, got {', '.join(wrong)}")
        self.model, self.format = model, parse(number_format)
        weights = {name: self.format.round(value.detach().double()) for name, value in model.state_dict().items()}
        self.whole = all(bool((value == value.round()).all()) for value in weights.values())
        self.integers = exact_integers(self.format)
        cell = "blocks.0.mixer.cell"
        self.recurrent = Signed(weights[f"{cell}.weight_hh_l0"])
        self.head = Signed(weights["head.weight"])
        drive = Signed(weights[f"{cell}.weight_ih_l0"]).sums(weights["embed.weight"].numpy())
        for side in ("ih", "hh"):
            drive = drive.plus(weights[f"{cell}.bias_{side}_l0"].numpy())
        self.drive = drive
        self.head_bias = weights["head.bias"].numpy()
        self.largest = 0.0  # partial sum met so far

    @property
    def units(self) -> int:
        """Number of units D."""
        return self.drive.up.shape[1]

    @property
    def exact(self) -> bool:
        """Whether nothing met so far is ever rounded, in any order of the sums."""
        return self.whole and self.largest <= self.integers

    @cached_property
    def rounded(self) -> RoundedRecurrent:
        """The same network, rounded one by one."""
        return RoundedRecurrent(self.model, self.format)

    def steps(self, h: np.ndarray, tokens: Iterable[int]) -> Iterator[np.ndarray]:
        """States [B, D] after one more token, for each of several tokens of the vocabulary."""
        mixed = self.recurrent.sums(h)
        total, highest = mixed.total, Sums(mixed.up.max(axis=0), mixed.down.max(axis=0))
        for token in tokens:
            if self._fits(highest, self.drive.row(token)):
                yield np.maximum(total + self.drive.row(token).total, 0)
            else:
                state = ((torch.from_numpy(h),),)
                yield self.rounded.step(state, torch.full((len(h),), token))[0].numpy()

    def logits(self, h: np.ndarray, query: int) -> np.ndarray:
        """Logits [B, answers] of the answers to a query."""
        (after,) = self.steps(h, [query + self.model.query_offset])
        read = self.head.sums(after).plus(self.head_bias)
        if self._fits(read):
            return read.total
        return self.rounded.decode(((torch.from_numpy(h),),), torch.full((len(h), 1), query))[:, 0].numpy()

    def _fits(self, *terms: Sums) -> bool:
        """Whether no order of these sums leaves the whole numbers the format holds."""
        up, down = sum(each.up for each in terms), sum(each.down for each in terms)
        self.largest = max(self.largest, float(np.max(up)), float(np.max(down)))
        return self.exact


@dataclass(frozen=True)
class Sums:
    """Sums by their positive and their negative terms, both as numbers of at least 0."""

    up: np.ndarray
    down: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """The sums."""
        return self.up - self.down

    def plus(self, term: np.ndarray) -> Sums:
        """One term more."""
        return Sums(self.up + np.maximum(term, 0), self.down + np.maximum(-term, 0))

    def row(self, i: int) -> Sums:
        """The sums of one row."""
        return Sums(self.up[i], self.down[i])


class Signed:
    """A sparse matrix, split by sign."""

    def __init__(self, weight: Tensor) -> None:
        self.up = sparse.csc_array(weight.clamp(min=0).numpy().T)
        self.down = sparse.csc_array(weight.neg().clamp(min=0).numpy().T)

    def weight(self) -> np.ndarray:
        """The matrix W."""
        return (self.up - self.down).toarray().T

    def sums(self, x: np.ndarray) -> Sums:
        """X W^T, by the signs of its terms."""
        above, below = (sparse.csr_array(np.maximum(part, 0)) for part in (x, -x))
        up, down = above @ self.up + below @ self.down, above @ self.down + below @ self.up
        return Sums(up.toarray(), down.toarray())


def exact_integers(found: Format) -> float:
    """The largest M such that a format holds every whole number from -M to M; 0 when it does not hold 1."""
    if isinstance(found, FloatingPoint):
        return min(2.0 ** (found.mantissa + 1), found.largest // 1)
    return found.largest // 1 if isinstance(found, FixedPoint) else math.inf
