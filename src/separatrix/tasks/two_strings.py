"""What equality and disjointness share: decisions about two strings, laid out one after the other or interleaved."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.base import Batch, Task


class TwoStrings(Task):
    """A decision about two strings x and y of n = length / 2 symbols each; half of the answers are 1."""

    layout: Literal["concatenated", "interleaved"] = Field(
        "concatenated", description="x1 x2 … y1 y2 …, or x1 y1 x2 y2 …"
    )

    @model_validator(mode="after")
    def _even(self) -> TwoStrings:
        if self.length % 2:
            raise ValueError(f"{self.name}: length must be even (two strings of length / 2), got {self.length}")
        return self

    @property
    def answers(self) -> int:
        return 2

    @property
    def lengths(self) -> Sequence[int]:
        return range(2, self.length + 1, 2)

    @abstractmethod
    def pairs(
        self, batch_size: int, n: int, generator: torch.Generator
    ) -> tuple[Int[Tensor, "B n"], Int[Tensor, "B n"], Int[Tensor, " B"]]:
        """Draw two strings of n symbols, and the group each pair belongs to."""

    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Batch:
        count, total = self.check_request(batch_size, queries, length)
        first, second, group = self.pairs(batch_size, total // 2, generator)
        return self.decision(self.join(first, second), group, count)

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

    def show(self, context: Tensor) -> str:
        if self.layout == "interleaved":
            return "  ".join(super(TwoStrings, self).show(pair) for pair in context.split(2))
        first, second = context.chunk(2)
        return f"{super().show(first)} | {super().show(second)}"
