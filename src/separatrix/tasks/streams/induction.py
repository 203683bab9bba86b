"""Induction heads and n-gram copying: say what stood behind this string of tokens when it was met before."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.streams.contract import StreamTask


class Induction(StreamTask):
    """Uniform tokens, among them one special token; the special token again at the end: what stood behind the first?

    Example: over 4 tokens, special token 4: `2 4 3 0 1 4` is labelled `· · · · · 3` (Olsson et al. 2022).

    Tokens are 0 … S - 1, the special token S. Where it stands is uniform among the places but the last two.
    """

    summary: ClassVar[str] = "what stood behind the special token?"
    name: Literal["induction"] = "induction"
    length: int = Field(16, ge=3, le=2**24, description="tokens of a stream")
    alphabet: int = Field(16, ge=2, description="alphabet size S")

    @property
    def alphabet_size(self) -> int:
        return self.alphabet + 1

    @property
    def answers(self) -> int:
        return self.alphabet

    @property
    def lengths(self) -> range:
        return range(3, self.length + 1)

    def position_alphabet(self, position: int) -> range:
        if position == self.length - 1:
            return range(self.alphabet, self.alphabet + 1)
        return range(self.alphabet + 1) if position < self.length - 2 else range(self.alphabet)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        device = generator.device
        inputs = torch.randint(self.alphabet, (batch_size, length), generator=generator, device=device)
        place = torch.randint(length - 2, (batch_size, 1), generator=generator, device=device)
        inputs[:, -1] = self.alphabet
        return inputs.scatter_(1, place, self.alphabet), None

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        special = (inputs[:, :-2] == self.alphabet).to(torch.uint8)
        behind = inputs.gather(1, special.argmax(dim=1, keepdim=True) + 1).clamp(max=self.alphabet - 1)
        return torch.cat([torch.full_like(inputs[:, :-1], UNLABELLED), behind], dim=1)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        special = inputs == self.alphabet
        return (special.sum(dim=1) == 2) & special[:, -1] & ~special[:, -2]

    def recurrent_bits(self) -> float:
        """log2 of S + 1: the token behind the special one, or that it is to come; log2 S in 3 tokens.

        Prefixes that have not met the special token have no ending in common with these, and need no state of their
        own where only such streams are read.
        """
        return math.log2(self.alphabet + (self.length > 3))

    def attention_bits(self) -> float:
        """Every second place held, ⌊(T - 1) / 2⌋ of them: the rest says by the special token which is asked for.

        The special token stands before the held place that is asked: as many strings as there are, all told apart.
        """
        return ((self.length - 1) // 2) * math.log2(self.alphabet)
