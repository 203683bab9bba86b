"""Selective copying (Gu and Dao 2023): say the tokens that matter again, and ignore the noise between them."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.sampling import places
from separatrix.tasks.streams.contract import StreamTask


class SelectiveCopying(StreamTask):
    """Tokens among noise, a separator, and then the n tokens again in their order.

    Example: 2 tokens of 3 in 7 places: `· 2 · 0 · | 2` is labelled `· · · · · 2 0`.

    Tokens are 0 … S - 1, noise token S, the separator token S + 1. Where the tokens stand is uniform. After the
    separator a model is fed what it should have said.
    """

    summary: ClassVar[str] = "say the tokens again, without the noise between them"
    name: Literal["selective-copying"] = "selective-copying"
    kept: int = Field(4, ge=1, description="tokens n to say again; the others are noise")
    alphabet: int = Field(16, ge=2, description="alphabet size S")

    @model_validator(mode="after")
    def _fits(self) -> SelectiveCopying:
        if self.length < 2 * self.kept:
            raise ValueError(
                f"selective-copying: {self.kept} tokens and saying them again need a length of {2 * self.kept}, "
                f"got {self.length}"
            )
        return self

    @property
    def alphabet_size(self) -> int:
        return self.alphabet + 2

    @property
    def answers(self) -> int:
        return self.alphabet

    @property
    def lengths(self) -> range:
        return range(2 * self.kept, self.length + 1)

    def position_alphabet(self, position: int) -> range:
        shown = self.length - self.kept
        if position < shown:
            return range(self.alphabet + 1)
        return range(self.alphabet + 1, self.alphabet + 2) if position == shown else range(self.alphabet)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        device = generator.device
        string = torch.randint(self.alphabet, (batch_size, self.kept), generator=generator, device=device)
        count = torch.full((batch_size,), self.kept, device=device)
        where = places(count, length - self.kept, generator)  # (B, T - n)
        shown = torch.full(where.shape, self.alphabet, dtype=torch.int64, device=device)
        shown[where] = string.flatten()
        return torch.cat([shown, torch.full_like(string[:, :1], self.alphabet + 1), string[:, :-1]], dim=1), None

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        shown = inputs[:, : inputs.shape[1] - self.kept]
        last = (shown >= self.alphabet).to(torch.int8).sort(dim=1, stable=True).indices[:, : self.kept]
        string = shown.gather(1, last)  # the first n that are no noise, in order
        return torch.cat([torch.full_like(shown, UNLABELLED), string.clamp(max=self.alphabet - 1)], dim=1)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        shown, read = inputs[:, : -self.kept], inputs[:, -self.kept :]
        said = self.answer(inputs)[:, -self.kept :]
        fed = (read[:, 0] == self.alphabet + 1) & (read[:, 1:] == said[:, :-1]).all(dim=1)
        return ((shown < self.alphabet).sum(dim=1) == self.kept) & (shown <= self.alphabet).all(dim=1) & fed

    def recurrent_bits(self) -> float:
        """N log2 S, at the separator: prefixes that have shown different numbers of tokens have no common ending."""
        return self.kept * math.log2(self.alphabet)

    def attention_bits(self) -> float:
        """log2 S: at the separator the first answer is any token."""
        return math.log2(self.alphabet)

    def show(self, inputs: Int[Tensor, " T"]) -> str:
        names = {self.alphabet: "·", self.alphabet + 1: "|"}
        return " ".join(names.get(token, str(token)) for token in inputs.tolist())
