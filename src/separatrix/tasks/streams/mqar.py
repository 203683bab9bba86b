"""Multi-query associative recall as a stream, in the layout of Zoology (Arora et al. 2023), for published settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.sampling import distinct, repeated, weighted
from separatrix.tasks.streams.contract import StreamTask


class MultiQueryRecall(StreamTask):
    """Key-value pairs, then the keys again at power-law gaps, each to be answered with its value.

    Example: of 2 pairs in 8 tokens, keys 1 … 3, values 4 … 7: `1 6 3 4 3 0 1 2` is labelled `· · · · 4 · 6 ·`.

    Keys are tokens 1 … vocabulary/2 - 1, values vocabulary/2 … vocabulary - 1, both without repetition. The label
    stands at the place of the key, where the model is to say the value. The gap g before a query has weight
    g^(power - 1). Places that ask nothing hold uniform tokens, or token 0.
    """

    summary: ClassVar[str] = "which value stood beside this key, asked of many keys on the way?"
    name: Literal["mqar"] = "mqar"
    length: int = Field(64, ge=4, le=2**24, description="tokens of a stream, even")
    pairs: int = Field(8, ge=1, description="key-value pairs at its start; the rest has room for as many queries")
    vocabulary_size: int = Field(8192, ge=4, description="tokens: half of them keys and fillers, half of them values")
    power: float = Field(0.01, description="a: the gap g before a query has weight g^(a - 1)")
    random_non_queries: bool = Field(True, description="uniform tokens at the places that ask nothing, else token 0")

    @model_validator(mode="after")
    def _fits(self) -> MultiQueryRecall:
        if self.length % 2 or self.vocabulary_size % 2:
            raise ValueError(f"length and vocabulary_size must be even, got {self.length} and {self.vocabulary_size}")
        if self.length < 4 * self.pairs:
            raise ValueError(
                f"{self.pairs} pairs and as many queries need a length of {4 * self.pairs}, got {self.length}"
            )
        if self.vocabulary_size // 2 - 1 < self.pairs:
            raise ValueError(
                f"{self.pairs} distinct keys need a vocabulary_size of {2 * self.pairs + 2} at least, got "
                f"{self.vocabulary_size}"
            )
        return self

    @property
    def alphabet_size(self) -> int:
        return self.vocabulary_size

    @property
    def answers(self) -> int:
        return self.vocabulary_size

    @property
    def lengths(self) -> Sequence[int]:
        return range(4 * self.pairs, self.length + 1, 2)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
        half, device, pairs = self.vocabulary_size // 2, generator.device, self.pairs
        room = (length - 2 * pairs) // 2
        keys = 1 + distinct(half - 1, pairs, batch_size, generator)
        values = half + distinct(half, pairs, batch_size, generator)
        weights = torch.arange(1, room + 1, device=device, dtype=torch.float64) ** (self.power - 1)
        gaps = weighted(weights, pairs, batch_size, generator)
        shape = (batch_size, length)
        if self.random_non_queries:
            inputs = torch.randint(self.vocabulary_size, shape, generator=generator, device=device)
        else:
            inputs = torch.zeros(shape, dtype=torch.int64, device=device)
        inputs[:, 0 : 2 * pairs : 2], inputs[:, 1 : 2 * pairs : 2] = keys, values
        places = 2 * pairs + 2 * gaps
        asked = torch.zeros(shape, dtype=torch.bool, device=device)
        return inputs.scatter_(1, places, keys), asked.scatter_(1, places, True)

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        begin = 2 * self.pairs
        keys, order = inputs[:, 0:begin:2].sort(dim=1)  # (B, k)
        values = inputs[:, 1:begin:2].gather(1, order)
        later = inputs[:, begin:].contiguous()
        place = torch.searchsorted(keys, later).clamp(max=self.pairs - 1)
        found = torch.where(keys.gather(1, place) == later, values.gather(1, place), UNLABELLED)
        return torch.cat([torch.full_like(inputs[:, :begin], UNLABELLED), found], dim=1)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        begin, half = 2 * self.pairs, self.vocabulary_size // 2
        keys, values = inputs[:, 0:begin:2], inputs[:, 1:begin:2]
        apart = ~(repeated(keys) | repeated(values)).any(dim=1)
        return apart & ((keys >= 1) & (keys < half)).all(dim=1) & (values >= half).all(dim=1)

    def recurrent_bits(self) -> float:
        """log2 of V (V - 1) … (V - k + 1), V values and k pairs: of any two tables of the same keys one key tells."""
        half = self.vocabulary_size // 2
        return sum(math.log2(half - i) for i in range(self.pairs))

    def attention_bits(self) -> float:
        """The same number: the values are held, and where the asked key stands among the pairs is the rest's."""
        return self.recurrent_bits()
