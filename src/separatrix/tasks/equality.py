"""Equality: are two strings the same?"""

from __future__ import annotations

import math
from functools import cache
from typing import ClassVar, Literal

import torch
from jaxtyping import Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.decision_ceiling import decision_ceiling, difference_norm
from separatrix.tasks.sampling import places
from separatrix.tasks.two_strings import TwoStrings

CEILING = 64
"""Symbols of each string up to which the ceiling is computed; it is 1 for states of more than one bit anyway."""


class Equality(TwoStrings):
    """Equality of two strings of n = length / 2 symbols.

    Example: concatenated `0 1 1 | 0 1 0` is answered 0 (not equal); interleaved `0 0 1 1` is answered 1 (equal).

    Half of the pairs are equal; the others differ in a Hamming distance drawn uniformly from `distances` (None: 1, 2,
    4, … and n, so that the hard distance 1 is always among them), at uniformly random places.
    """

    summary: ClassVar[str] = "are the two strings equal?"
    name: Literal["equality"] = "equality"
    alphabet: int = Field(2, ge=2, description="alphabet size")
    distances: tuple[int, ...] | None = Field(None, min_length=1, description="Hamming distances of unequal pairs")

    @model_validator(mode="after")
    def _distances_fit(self) -> Equality:
        if self.distances is not None and not all(1 <= d <= self.length // 2 for d in self.distances):
            raise ValueError(f"equality: distances must be in 1 … {self.length // 2}, got {list(self.distances)}")
        if self.distances is not None and len(set(self.distances)) < len(self.distances):
            raise ValueError(f"equality: distances must not repeat one, got {list(self.distances)}")
        return self

    @property
    def alphabet_size(self) -> int:
        return self.alphabet

    @property
    def lengths(self) -> range:
        return range(2 * min(self._distances(self.length // 2)), self.length + 1, 2)

    @property
    def groups(self) -> tuple[str, ...]:
        return ("equal", *(f"distance {d}" for d in self._distances(self.length // 2)))

    def _distances(self, n: int) -> list[int]:
        """The distances unequal pairs of n symbols are drawn with: those that fit."""
        whole = self.length // 2
        wanted = self.distances or sorted({min(2**i, whole) for i in range(whole.bit_length() + 1)})
        return [d for d in wanted if d <= n]

    def pairs(
        self, batch_size: int, n: int, generator: torch.Generator
    ) -> tuple[Int[Tensor, "B n"], Int[Tensor, "B n"], Int[Tensor, " B"]]:
        device = generator.device
        first = torch.randint(self.alphabet, (batch_size, n), generator=generator, device=device)
        wanted = self._distances(n)
        drawn = torch.randint(len(wanted), (batch_size,), generator=generator, device=device)
        equal = torch.rand(batch_size, dtype=torch.float32, generator=generator, device=device) < 0.5
        distance = torch.where(equal, 0, torch.tensor(wanted, device=device)[drawn])
        changed = places(distance, n, generator)
        if self.alphabet == 2:
            second = first ^ changed
        else:
            shift = torch.randint(1, self.alphabet, (batch_size, n), generator=generator, device=device)
            second = torch.where(changed, (first + shift) % self.alphabet, first)
        named = torch.tensor([self.groups.index(f"distance {d}") for d in wanted], device=device)
        return first, second, torch.where(equal, 0, named[drawn])

    def answer(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Int[Tensor, "B Q"]:
        first, second = self.split(context)
        return (first == second).all(dim=1)[:, None].expand(queries.shape).long()

    def recurrent_bits(self) -> float:
        """Concatenated n log2 S; interleaved log2(S + 1) at least: unequal, or the symbol that must come again."""
        n = self.length // 2
        return n * math.log2(self.alphabet) if self.layout == "concatenated" else math.log2(self._interleaved_classes())

    def _interleaved_classes(self) -> int:
        return self.alphabet + (self.length > 2)  # "unequal" can be known before the end only after a first pair

    def attention_bits(self) -> float:
        """The first string held, in either layout: n log2 S."""
        return self.length // 2 * math.log2(self.alphabet)

    def two_way_bits(self, prefix: bool = False) -> float:
        """As many as one-way: each string stands with itself, what is unequal already with anything."""
        return self.recurrent_bits() if prefix else self.attention_bits()

    def accuracy_ceiling(self, state_bits: int | float) -> float:
        """Concatenated, by Krawtchouk sums: weak, because a few random bits of a string nearly decide equality."""
        n = self.length // 2
        if self.layout != "concatenated" or n > CEILING:
            return 1.0
        return float(decision_ceiling(_norm(n, tuple(self._distances(n)), self.alphabet), state_bits))

    def show_answer(self, answer: int) -> str:
        return "equal" if answer else "not equal"


@cache
def _norm(n: int, distances: tuple[int, ...], alphabet: int) -> float:
    """||B|| of half equal pairs and half unequal ones of these distances, in equal parts."""
    signed = {0: 0.5} | {d: -0.5 / len(distances) for d in distances}
    return difference_norm(n, signed, alphabet)
