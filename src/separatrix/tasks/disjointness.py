"""Disjointness: have two sets no element in common?"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.disjointness_ceiling import MOST, disjointness_ceiling
from separatrix.tasks.sampling import places
from separatrix.tasks.two_strings import TwoStrings


class Disjointness(TwoStrings):
    """Disjointness of two subsets of {1 … n}, n = length / 2, given by their indicator bits.

    Example: concatenated `1 0 1 | 0 1 0` is answered 1 (disjoint); `1 0 1 | 0 0 1` is answered 0 (both hold the third).

    Half of the pairs are disjoint; the others, drawn in equal parts from `negatives`, have exactly one common element
    (`one`, the hard kind) or two and more (`several`). Every element is in each set with chance `density` otherwise.
    """

    summary: ClassVar[str] = "have the two sets no common element?"
    name: Literal["disjointness"] = "disjointness"
    density: float = Field(1 / 3, gt=0, le=0.5, description="chance of an element to be in one set, and in the other")
    negatives: tuple[Literal["one", "several"], ...] = Field(("one", "several"), min_length=1)

    @model_validator(mode="after")
    def _negatives_fit(self) -> Disjointness:
        if len(set(self.negatives)) < len(self.negatives):
            raise ValueError(f"disjointness: negatives must not repeat a kind, got {list(self.negatives)}")
        if not self.lengths:
            raise ValueError(f"disjointness: several common elements need a length of 4 at least, got {self.length}")
        return self

    @property
    def alphabet_size(self) -> int:
        return 2

    @property
    def lengths(self) -> range:
        return range(2 if "one" in self.negatives else 4, self.length + 1, 2)

    @property
    def groups(self) -> tuple[str, ...]:
        return ("disjoint", *(f"{kind} in common" for kind in self.negatives))

    def pairs(
        self, batch_size: int, n: int, generator: torch.Generator
    ) -> tuple[Int[Tensor, "B n"], Int[Tensor, "B n"], Int[Tensor, " B"]]:
        device = generator.device
        draws = torch.rand(batch_size, n, dtype=torch.float32, generator=generator, device=device)
        first, second = draws < self.density, draws >= 1 - self.density  # never both: a disjoint pair
        kind = torch.randint(1, len(self.negatives) + 1, (batch_size,), generator=generator, device=device)
        group = torch.where(
            torch.rand(batch_size, dtype=torch.float32, generator=generator, device=device) < 0.5, 0, kind
        )
        several = torch.randint(2, self._most(n) + 1, (batch_size,), generator=generator, device=device)
        common = torch.zeros_like(group)
        for index, name in enumerate(self.negatives, start=1):
            common = torch.where(group == index, 1 if name == "one" else several.clamp(max=n), common)
        both = places(common, n, generator)
        if n == 1:  # one element cannot be common twice
            group = torch.where(common > 0, 1 + self.negatives.index("one"), group)
        return (first | both).long(), (second | both).long(), group

    def _most(self, n: int) -> int:
        """How many elements two of n-element sets have in common at most."""
        return max(2, round(n * self.density))

    def common(self, n: int) -> dict[int, float]:
        """How many elements the sets of an intersecting pair have in common → share of these pairs.

        Numbers above `MOST` count as MOST + 1, of which no ceiling speaks.
        """
        several, shares = range(2, self._most(n) + 1), dict[int, float]()
        for kind in self.negatives:
            drawn = {1: 1.0} if kind == "one" else {min(c, n): 1 / len(several) for c in several[:MOST]}
            if len(several) > MOST and kind == "several":
                drawn[several[MOST - 1]] += 1 - MOST / len(several)
            for count, share in drawn.items():
                shares[count] = shares.get(count, 0.0) + share / len(self.negatives)
        return shares

    def answer(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Int[Tensor, "B Q"]:
        first, second = self.split(context)
        return ((first & second) == 0).all(dim=1)[:, None].expand(queries.shape).long()

    def recurrent_bits(self) -> float:
        """Concatenated n; interleaved log2 3: met already, or whether the element is in the first set."""
        n = self.length // 2
        return float(n) if self.layout == "concatenated" else math.log2(3 if n > 1 else 2)

    def attention_bits(self) -> float:
        """The first set held, in either layout: n."""
        return float(self.length // 2)

    def two_way_bits(self, prefix: bool = False) -> float:
        """As many as one-way: each set stands with its complement, sets that have met already with anything."""
        return self.recurrent_bits() if prefix else self.attention_bits()

    def accuracy_ceiling(self, state_bits: int | float) -> float:
        """Concatenated: by what a message tells of one element, on the average over all, or by a norm."""
        if self.layout != "concatenated":
            return 1.0
        n = self.length // 2
        return disjointness_ceiling(n, self.density, self.common(n), state_bits)

    def show_answer(self, answer: int) -> str:
        return "disjoint" if answer else "in common"
