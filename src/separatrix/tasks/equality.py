"""Equality: are two strings the same?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.base import Batch, Task


class Equality(Task):
    """Equality of two strings of n = length / 2 symbols, one after the other or symbol by symbol.

    Example: concatenated `0 1 1 | 0 1 0` is answered 0 (not equal); interleaved `0 0 1 1` is answered 1 (equal).

    Half of the pairs are equal; the others differ in a Hamming distance drawn uniformly from `distances` (None: 1, 2,
    3, ... doubling up to n, so that the hard distance 1 is always among them), at uniformly random places.
    """

    summary: ClassVar[str] = "are the two strings equal?"
    name: Literal["equality"] = "equality"
    alphabet: int = Field(2, ge=2, description="alphabet size")
    layout: Literal["concatenated", "interleaved"] = Field(
        "concatenated", description="x1 x2 … y1 y2 … or x1 y1 x2 y2 …"
    )
    distances: tuple[int, ...] | None = Field(None, min_length=1, description="Hamming distances of unequal pairs")

    @model_validator(mode="after")
    def _fits(self) -> Equality:
        if self.length % 2:
            raise ValueError(f"equality: length must be even (two strings of length / 2 symbols), got {self.length}")
        if self.distances is not None and not all(1 <= d <= self.length // 2 for d in self.distances):
            raise ValueError(f"equality: distances must be in 1 … {self.length // 2}, got {list(self.distances)}")
        return self

    @property
    def alphabet_size(self) -> int:
        return self.alphabet

    @property
    def answers(self) -> int:
        return 2

    @property
    def lengths(self) -> Sequence[int]:
        return range(2, self.length + 1, 2)

    @property
    def groups(self) -> tuple[str, ...]:
        return ("equal", *(f"distance {d}" for d in self.admissible_distances(self.length)))

    def admissible_distances(self, length: int) -> list[int]:
        """The distances unequal pairs are drawn with at a context length: all that fit, at least one."""
        n = self.length // 2
        wanted = self.distances or sorted({min(2**i, n) for i in range(n.bit_length() + 1)})
        return [d for d in wanted if d <= length // 2] or [length // 2]

    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Batch:
        count, total = self.check_request(batch_size, queries, length)
        n, device = total // 2, generator.device
        first = torch.randint(self.alphabet, (batch_size, n), generator=generator, device=device)
        distances = torch.tensor(self.admissible_distances(total), device=device)
        drawn = torch.randint(len(distances), (batch_size,), generator=generator, device=device)
        equal = torch.rand(batch_size, generator=generator, device=device) < 0.5
        distance = torch.where(equal, 0, distances[drawn])
        order = torch.rand(batch_size, n, generator=generator, device=device).argsort(dim=1).argsort(dim=1)
        shift = torch.randint(1, self.alphabet, (batch_size, n), generator=generator, device=device)
        second = torch.where(order < distance[:, None], (first + shift) % self.alphabet, first)
        context = self.join(first, second)
        asked = torch.zeros(batch_size, count, dtype=torch.int64, device=device)
        named = torch.tensor([self.groups.index(f"distance {d}") for d in distances.tolist()], device=device)
        groups = torch.where(equal, 0, named[drawn])[:, None].expand(batch_size, count)
        return Batch(context, asked, self.answer(context, asked), groups)

    def join(self, first: Int[Tensor, "B n"], second: Int[Tensor, "B n"]) -> Int[Tensor, "B N"]:
        """The context that holds two strings in this layout."""
        if self.layout == "concatenated":
            return torch.cat([first, second], dim=1)
        return torch.stack([first, second], dim=2).flatten(1)

    def split(self, context: Int[Tensor, "B N"]) -> tuple[Int[Tensor, "B n"], Int[Tensor, "B n"]]:
        """The two strings a context holds."""
        if self.layout == "concatenated":
            first, second = context.chunk(2, dim=1)
            return first, second
        return context[:, 0::2], context[:, 1::2]

    def answer(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Int[Tensor, "B Q"]:
        first, second = self.split(context)
        equal = (first == second).all(dim=1)
        return equal[:, None].expand(queries.shape).long()

    def recurrent_bits(self) -> float:
        if self.layout == "concatenated":
            return self.length // 2 * math.log2(self.alphabet)
        return math.log2(self.alphabet + 1)  # equal so far and one symbol of the next pair read, or not equal

    def attention_bits(self) -> float:
        return self.length // 2 * math.log2(self.alphabet)
