"""Arithmetic in a number format: every product, sum, exponential and quotient rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.numerics.formats import Format

Order = Literal["sequential", "pairwise"]


@dataclass(frozen=True)
class Arithmetic:
    """The operations of a network in a format. Tensors are float64 holding values of the format.

    order: how sums over positions are taken: one by one, or as a balanced tree. Sums over coordinates, in linear maps
           and inner products, are taken one by one in the order of the coordinates, biases last.

    >>> arithmetic = sx.numerics.Arithmetic(sx.numerics.parse("bf16"))
    >>> arithmetic.format.name, arithmetic.order
    ('bf16', 'sequential')
    """

    format: Format
    order: Order = "sequential"

    def round(self, x: Float[Tensor, "*B"]) -> Float[Tensor, "*B"]:
        """The nearest values of the format."""
        return self.format.round(x)

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """fl(a + b)"""
        return self.round(a + b)

    def multiply(self, a: Tensor, b: Tensor | float) -> Tensor:
        """fl(a * b)"""
        return self.round(a * b)

    def total(self, x: Float[Tensor, "*B N"]) -> Float[Tensor, "*B"]:
        """The sum over the last dimension, in the order of this arithmetic. One by one, zeros are passed over."""
        if self.order == "sequential":
            total = x.new_zeros(x.shape[:-1])
            for i in _used(x):
                total = self.add(total, x[..., i])
            return total
        while x.shape[-1] > 1:
            even = x.shape[-1] // 2 * 2
            paired = self.add(x[..., 0:even:2], x[..., 1:even:2])
            x = torch.cat([paired, x[..., even:]], dim=-1)
        return x[..., 0]

    def linear(
        self, x: Float[Tensor, "*B D"], weight: Float[Tensor, "O D"], bias: Float[Tensor, " O"] | None = None
    ) -> Float[Tensor, "*B O"]:
        """X W^T + b, coordinate by coordinate. Coordinates without weights are passed over: adding 0 rounds nothing."""
        y = x.new_zeros(*x.shape[:-1], weight.shape[0])
        for i in torch.nonzero(weight.any(dim=0)).flatten().tolist():
            y = self.add(y, self.multiply(x[..., i, None], weight[:, i]))
        return y if bias is None else self.add(y, bias)

    def dot(self, a: Float[Tensor, "*B N D"], b: Float[Tensor, "*B M D"]) -> Float[Tensor, "*B N M"]:
        """Inner products of all pairs, coordinate by coordinate."""
        y = a.new_zeros(*a.shape[:-1], b.shape[-2])
        for i in range(a.shape[-1]):
            y = self.add(y, self.multiply(a[..., :, None, i], b[..., None, :, i]))
        return y

    def softmax(self, scores: Float[Tensor, "*B N"]) -> Float[Tensor, "*B N"]:
        """exp(s - max) over their sum. Scores of -inf get weight 0."""
        exponentials = self.round(torch.exp(self.add(scores, -scores.amax(dim=-1, keepdim=True))))
        exponentials = exponentials.masked_fill(scores == -torch.inf, 0.0)  # fixed point has no -inf: it saturates
        return self.round(exponentials / self.total(exponentials)[..., None])

    def average(self, weights: Float[Tensor, "*B Q N"], values: Float[Tensor, "*B N D"]) -> Float[Tensor, "*B Q D"]:
        """Values added up with weights. One by one, weights of 0 are passed over."""
        if self.order == "pairwise":
            return self.total(self.multiply(weights[..., :, None, :], values.transpose(-1, -2)[..., None, :, :]))
        y = weights.new_zeros(*weights.shape[:-1], values.shape[-1])
        for i in _used(weights):
            y = self.add(y, self.multiply(weights[..., i, None], values[..., None, i, :]))
        return y


def _used(x: Float[Tensor, "*B N"]) -> list[int]:
    """Where along the last dimension there is anything but zeros."""
    return torch.nonzero((x != 0).reshape(-1, x.shape[-1]).any(dim=0)).flatten().tolist()
