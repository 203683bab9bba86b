"""Compression (Poli et al. 2024): read a string to its end, then say any of its tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.sampling import distinct
from separatrix.tasks.streams.contract import StreamTask


class Compression(StreamTask):
    """A string of n tokens, then each of its places once, in a random order: the token that stood there.

    Example: over 3 tokens, `2 0 1 @1 @2 @0` is labelled `· · · 0 1 2`.

    Tokens are 0 … S - 1, uniform; place i (from 0) is token S + i. What is asked comes in an order that nobody knows
    beforehand, so that the whole string has to be held when it ends.
    """

    summary: ClassVar[str] = "the token at each place of the string, in any order"
    name: Literal["compression"] = "compression"
    alphabet: int = Field(16, ge=2, description="alphabet size S")

    @model_validator(mode="after")
    def _fits(self) -> Compression:
        if self.length % 2:
            raise ValueError(f"compression: length must be even, a place for every token, got {self.length}")
        return self

    @property
    def places(self) -> int:
        """Tokens of the string, n."""
        return self.length // 2

    @property
    def alphabet_size(self) -> int:
        return self.alphabet + self.places

    @property
    def answers(self) -> int:
        return self.alphabet

    @property
    def lengths(self) -> Sequence[int]:
        return range(2, self.length + 1, 2)

    def position_alphabet(self, position: int) -> range:
        return range(self.alphabet) if position < self.places else range(self.alphabet, self.alphabet_size)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        n = length // 2
        string = torch.randint(self.alphabet, (batch_size, n), generator=generator, device=generator.device)
        return torch.cat([string, self.alphabet + distinct(n, n, batch_size, generator)], dim=1), None

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        string, asked = inputs.chunk(2, dim=1)
        said = string.gather(1, (asked - self.alphabet).clamp(0, string.shape[1] - 1))
        return torch.cat([torch.full_like(string, UNLABELLED), said], dim=1)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        string, asked = inputs.chunk(2, dim=1)
        every = torch.arange(string.shape[1], device=inputs.device) + self.alphabet
        return (string < self.alphabet).all(dim=1) & (asked.sort(dim=1).values == every).all(dim=1)

    def recurrent_bits(self) -> float:
        """N log2 S for a string of N tokens: two of them differ at a place, which is asked."""
        return self.places * math.log2(self.alphabet)

    def attention_bits(self) -> float:
        """log2 S: the place is public, and the token that stood there is held."""
        return math.log2(self.alphabet)

    def show(self, inputs: Int[Tensor, " T"]) -> str:
        return " ".join(str(t) if t < self.alphabet else f"@{t - self.alphabet}" for t in inputs.tolist())
