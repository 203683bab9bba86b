"""Attention with every result rounded, sums over the places one by one in their order."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from separatrix.bounds.protocols.channel import Channel
from separatrix.bounds.protocols.one_layer import Attended, Mixed
from separatrix.errors import InputError
from separatrix.numerics import Arithmetic, Format


class RoundedInOrder:
    """One layer's attention in a format: exp(score - maximum) over its running sum, times the values, added up."""

    def __init__(self, number_format: Format, attended: Attended) -> None:
        self.arithmetic, self.attended = Arithmetic(number_format), attended

    def alone(self) -> Mixed:
        """What the model itself computes."""
        weights = self.arithmetic.softmax(self.attended.scores)
        past = self.arithmetic.average(weights[..., :-1], self.attended.values)
        return self.arithmetic.add(past, self.arithmetic.multiply(weights[..., -1:], self.attended.own))

    def together(self, held: Sequence[int], channel: Channel) -> Mixed:
        """The same by two parties, of whom Alice holds a prefix: five messages of one number a head or value."""
        cut, own, form = len(held), self.attended, self.arithmetic.format
        if list(held) != list(range(cut)) or not cut:
            raise InputError("sums rounded in order are a protocol for a prefix alone: hold places 0 … t - 1")
        alices, bobs = own.scores[..., :cut], own.scores[..., cut:]
        heard = channel.numbers("Alice", alices.amax(dim=-1), form, "the largest score of each head she holds")
        largest = torch.maximum(heard, bobs.amax(dim=-1))
        largest = channel.numbers("Bob", largest, form, "the largest score of each head")
        first, second = (self._exponentials(part, largest) for part in (alices, bobs))
        below = self._added(torch.zeros_like(largest), first)
        below = channel.numbers("Alice", below, form, "the running sum of weights of each head")
        below = channel.numbers("Bob", self._added(below, second), form, "the whole sum of weights of each head")
        first, second = (self.arithmetic.round(part / below[..., None]) for part in (first, second))
        sums = self._averaged(torch.zeros_like(own.own), first, own.values[:, :, :cut])
        sums = channel.numbers("Alice", sums, form, "the running sums of the values")
        sums = self._averaged(sums, second[..., :-1], own.values[:, :, cut:])
        return self.arithmetic.add(sums, self.arithmetic.multiply(second[..., -1:], own.own))

    def _exponentials(self, scores: Tensor, largest: Tensor) -> Tensor:
        found = self.arithmetic.round(torch.exp(self.arithmetic.add(scores, -largest[..., None])))
        return found.masked_fill(scores == -torch.inf, 0.0)

    def _added(self, running: Tensor, terms: Tensor) -> Tensor:
        for i in range(terms.shape[-1]):
            running = self.arithmetic.add(running, terms[..., i])
        return running

    def _averaged(self, running: Tensor, weights: Tensor, values: Tensor) -> Tensor:
        for i in range(weights.shape[-1]):
            running = self.arithmetic.add(
                running, self.arithmetic.multiply(weights[..., i, None], values[:, :, None, i])
            )
        return running
