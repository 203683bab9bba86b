"""One-layer ReLU Elman networks read from their weights: exact steps, and whether a format makes them exact."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from separatrix.constructions.certificate import CertificateError
from separatrix.models import SequenceModel
from separatrix.numerics import Arithmetic, FixedPoint, FloatingPoint, Format, Real, parse

CELL = "blocks.0.mixer.cell"
"""Where the recurrent weights are."""
DENSE = 2**12
"""Entries of a matrix from which sparse products are faster."""


class ReluNetwork:
    """h' = relu(W h + drive[token]), logits = H h' + b, in a number format; weights are rounded to it first.

    Where weights are whole numbers and every partial sum, in any order, is a whole number the format holds, no result
    is ever rounded: `exact` stays True and steps are taken in float64. Otherwise sums are rounded one by one.
    Raises CertificateError for other architectures.
    """

    slack = 0.0  # logits are what they are

    def __init__(self, model: SequenceModel, number_format: str | Format) -> None:
        config = model.config.model_dump()
        wanted = {"name": "elman", "nonlinearity": "relu", "layers": 1, "norm": "none", "residual": False, "mlp": 0}
        wrong = [f"{key}={config.get(key)}" for key, value in wanted.items() if config.get(key) != value]
        if wrong or config["positions"] != "none":
            raise CertificateError(f"the argument is about one plain layer of elman with relu, got {', '.join(wrong)}")
        self.model, self.format = model, parse(number_format)
        state = model.state_dict()
        self.weights = weights = {name: self.format.round(value.detach().double()) for name, value in state.items()}
        self.whole = all(bool((value == value.round()).all()) for value in weights.values())
        if isinstance(self.format, Real) and not self.whole:
            raise CertificateError("in real arithmetic, weights must be whole numbers: others are not added up exactly")
        self.integers = exact_integers(self.format)
        self.recurrent = Signed(weights[f"{CELL}.weight_hh_l0"])
        self.head = Signed(weights["head.weight"])
        drive = Signed(weights[f"{CELL}.weight_ih_l0"]).sums(weights["embed.weight"].numpy())
        for side in ("ih", "hh"):
            drive = drive.plus(weights[f"{CELL}.bias_{side}_l0"].numpy())
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

    def rounded(self, h: np.ndarray, token: int) -> np.ndarray:
        """States [B, D] after one more token, every product and sum rounded, coordinates in their order."""
        arithmetic, cell, weights = Arithmetic(self.format), CELL, self.weights
        bias = arithmetic.add(weights[f"{cell}.bias_ih_l0"], weights[f"{cell}.bias_hh_l0"])
        driven = arithmetic.linear(weights["embed.weight"][token], weights[f"{cell}.weight_ih_l0"], bias)
        heard = arithmetic.linear(torch.from_numpy(h), weights[f"{cell}.weight_hh_l0"])
        return torch.relu(arithmetic.add(driven, heard)).numpy()

    def require_whole(self, largest: float) -> None:
        """CertificateError unless weights are whole numbers, and the format holds all of them up to here."""
        if not self.whole or not largest <= self.integers:
            raise CertificateError(
                f"sums of up to {largest:g} are not held by {self.format}: whole numbers up to {self.integers:g} are"
            )

    def steps(self, h: np.ndarray, tokens: Iterable[int]) -> Iterator[np.ndarray]:
        """States [B, D] after one more token, for each of several tokens of the vocabulary."""
        mixed = self.recurrent.sums(h)
        total, highest = mixed.total, SignedSums(mixed.up.max(axis=0), mixed.down.max(axis=0))
        for token in tokens:
            if self._fits(highest, self.drive.row(token)):
                yield np.maximum(total + self.drive.row(token).total, 0)
            else:
                if isinstance(self.format, Real):
                    raise CertificateError(f"sums up to {self.largest:g} are more than the checker adds up exactly")
                yield self.rounded(h, token)

    def logits(self, h: np.ndarray, query: int) -> np.ndarray:
        """Logits [B, answers] of the answers to a query."""
        (after,) = self.steps(h, [query + self.model.query_offset])
        read = self.head.sums(after).plus(self.head_bias)
        if self._fits(read):
            return read.total
        if isinstance(self.format, Real):
            raise CertificateError(f"sums up to {self.largest:g} are more than the checker adds up exactly")
        arithmetic, weights = Arithmetic(self.format), self.weights
        return arithmetic.linear(torch.from_numpy(after), weights["head.weight"], weights["head.bias"]).numpy()

    def _fits(self, *terms: SignedSums) -> bool:
        """Whether no order of these sums leaves the whole numbers the format holds."""
        up, down = sum(each.up for each in terms), sum(each.down for each in terms)
        self.largest = max(float(np.max(up)), float(np.max(down)), self.largest)  # no number if one of them is none
        return self.exact


@dataclass(frozen=True)
class SignedSums:
    """Sums by their positive and their negative terms, both as numbers of at least 0."""

    up: np.ndarray
    down: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """The sums."""
        return self.up - self.down

    def plus(self, term: np.ndarray) -> SignedSums:
        """One term more."""
        return SignedSums(self.up + np.maximum(term, 0), self.down + np.maximum(-term, 0))

    def row(self, i: int) -> SignedSums:
        """The sums of one row."""
        return SignedSums(self.up[i], self.down[i])


class Signed:
    """A matrix, split by sign; sparse where it is large."""

    def __init__(self, weight: Tensor) -> None:
        parts = weight.clamp(min=0).numpy().T, weight.neg().clamp(min=0).numpy().T
        self.kind = np.asarray if weight.numel() <= DENSE else sparse.csr_array
        self.up, self.down = map(self.kind, parts)

    def weight(self) -> np.ndarray:
        """The matrix W."""
        return _dense(self.up - self.down).T

    def sums(self, x: np.ndarray) -> SignedSums:
        """X W^T, by the signs of its terms."""
        above = self.kind(np.maximum(x, 0))
        up, down = above @ self.up, above @ self.down
        if (x < 0).any():  # never of states, which ReLU made
            below = self.kind(np.maximum(-x, 0))
            up, down = up + below @ self.down, down + below @ self.up
        return SignedSums(_dense(up), _dense(down))


def _dense(matrix: Any) -> np.ndarray:
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


def exact_integers(found: Format) -> float:
    """The largest M such that a format holds every whole number from -M to M; 0 when it does not hold 1."""
    if isinstance(found, FloatingPoint):
        return min(2.0 ** (found.mantissa + 1), found.largest // 1)
    return found.largest // 1 if isinstance(found, FixedPoint) else 2.0**52  # reals: what float64 adds up exactly
