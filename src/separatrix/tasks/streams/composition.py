"""Function composition: h hops through one table, for what depth buys (Peng et al. 2024, Sanford et al. 2024)."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.streams.contract import StreamTask


class Composition(StreamTask):
    """A function of m values as its table, then places to start from: each is answered h applications later.

    Example: with m = 3 and 2 hops, the table `1 2 0` and the start `0` are labelled `· · · 2`.

    The first m tokens are f(0) … f(m - 1), uniform; the others are starts, uniform.
    """

    summary: ClassVar[str] = "where do h hops through this table lead?"
    name: Literal["composition"] = "composition"
    values: int = Field(8, ge=2, description="arguments and values m of the function")
    hops: int = Field(2, ge=1, description="applications h")

    @model_validator(mode="after")
    def _fits(self) -> Composition:
        if self.length <= self.values:
            raise ValueError(
                f"composition: a table of {self.values} values and a start need a length of {self.values + 1}, got "
                f"{self.length}"
            )
        return self

    @property
    def alphabet_size(self) -> int:
        return self.values

    @property
    def answers(self) -> int:
        return self.values

    @property
    def lengths(self) -> range:
        return range(self.values + 1, self.length + 1)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        shape = (batch_size, length)
        return torch.randint(self.values, shape, generator=generator, device=generator.device), None

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        table, place = inputs[:, : self.values], inputs[:, self.values :]
        for _ in range(self.hops):
            place = table.gather(1, place)
        return torch.cat([torch.full_like(table, UNLABELLED), place], dim=1)

    def recurrent_bits(self) -> float:
        """A lower bound, log2 of the functions that differ in f^h: exact for one hop, m log2 m.

        For h hops let all but h - 1 arguments be free: the others are a chain 0 → 1 → … → h - 2 → j whose last link
        the rest would have to choose; so m^(m - h + 1) tables at the prefix that ends before that link, of which the
        chain is the last h - 1 tokens. 0 where the chain is longer than the table.
        """
        return max(0, self.values - self.hops + 1) * math.log2(self.values)

    def attention_bits(self) -> float:
        """log2 m for one hop; else the table but h - 1 links is held, which the rest aims at any of: as recurrent."""
        return math.log2(self.values) if self.hops == 1 else self.recurrent_bits()
