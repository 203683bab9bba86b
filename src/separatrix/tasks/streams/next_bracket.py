"""Bounded Dyck with an answer at every place: which brackets may come next (Hewitt et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.bounded_dyck import BRACKETS
from separatrix.tasks.bounded_walks import sample_walks
from separatrix.tasks.brackets import heights, pairs
from separatrix.tasks.streams.contract import StreamTask
from separatrix.tasks.streams.steps import tops


class NextBracket(StreamTask):
    """The set of brackets that may follow each prefix of a member of bounded Dyck-(n, k), as one answer.

    Example: with 2 kinds and depth 2, `( [ ] )` is labelled `(+) ] (+) (+end`.

    Opening bracket i is token i, its closing bracket token n + i. An answer says two things: which kind may be closed
    (0 … n - 1, or n when nothing is open), and whether another bracket may be opened: kind + (n + 1) · may open.
    Strings are uniform among the members of their length.
    """

    summary: ClassVar[str] = "which brackets may come next, at every token"
    name: Literal["next-bracket"] = "next-bracket"
    kinds: int = Field(2, ge=1, description="kinds of brackets n")
    depth: int = Field(2, ge=1, description="greatest depth k")

    @model_validator(mode="after")
    def _fits(self) -> NextBracket:
        if self.length % 2:
            raise ValueError(f"next-bracket: length must be even (every bracket has a partner), got {self.length}")
        return self

    @property
    def alphabet_size(self) -> int:
        return 2 * self.kinds

    @property
    def answers(self) -> int:
        return 2 * (self.kinds + 1)

    @property
    def lengths(self) -> Sequence[int]:
        return range(2, self.length + 1, 2)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        device = generator.device
        none = torch.zeros(batch_size, dtype=torch.bool, device=device)
        opening = sample_walks(length, self.depth, none, generator, longest=self.length)
        kinds = torch.randint(self.kinds, (batch_size, length // 2), generator=generator, device=device)
        opens, closes = pairs(opening)
        tokens = torch.empty(opening.shape, dtype=torch.int64, device=device)
        return tokens.scatter_(1, opens, kinds).scatter_(1, closes, kinds + self.kinds), None

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        opening = inputs < self.kinds
        may_open = (heights(opening) < self.depth).to(torch.int32).mul_(self.kinds + 1)
        return tops(inputs, opening, empty=self.kinds) + may_open

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        """Members of the language: checked by their brackets' partners."""
        opening = inputs < self.kinds
        height = heights(opening)
        inside = (height.amin(dim=1) >= 0) & (height.amax(dim=1) <= self.depth) & (height[:, -1] == 0)
        found = torch.zeros_like(inside)
        if bool(inside.any()):
            rows = inputs[inside]
            opens, closes = pairs(opening[inside])
            found[inside] = (rows.gather(1, opens) + self.kinds == rows.gather(1, closes)).all(dim=1)
        return found

    def recurrent_bits(self) -> float:
        """log2 of the most stacks that one prefix length can leave and some ending tells apart by a later answer.

        Closing what two stacks have in common bares where they differ, and the next answer says it. Where they differ
        at the top, a bracket must be opened and closed first: that takes two more tokens and a height below k. Stacks
        of height k are told apart below their top alone, and from lower ones of the same top.
        """
        half = self.length // 2
        near = range(max(0, half - self.depth - 2), min(self.length, half + self.depth + 2) + 1)
        return math.log2(max(self._told_apart(t) for t in near))

    def _told_apart(self, prefix: int) -> int:
        left = self.length - prefix
        below = sum(self.kinds**h for h in range(prefix % 2, min(prefix, left - 2, self.depth - 1) + 1, 2))
        if self.depth % 2 != prefix % 2 or self.depth > min(prefix, left):
            return max(1, below)
        same_top = sum(self.kinds ** (h - 1) for h in range(self.depth, 0, -2))
        return max(1, below, same_top)

    def attention_bits(self) -> float:
        """log2 of the kinds that can be bared by closing a bracket of depth 2, which is public: a weak lower bound."""
        return math.log2(self.kinds) if self.length > 2 and self.depth > 1 else 0.0

    def show(self, inputs: Int[Tensor, " T"]) -> str:
        if self.kinds > len(BRACKETS):
            return super().show(inputs)
        return " ".join(BRACKETS[token % self.kinds][token // self.kinds] for token in inputs.tolist())
