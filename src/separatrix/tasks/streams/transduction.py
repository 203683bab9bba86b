"""Strings to be said again after a separator: copied, reversed, sorted or doubled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.logarithms import log2_binomial
from separatrix.tasks.streams.contract import StreamTask


class Transduction(StreamTask):
    """A string of n tokens, a separator, and then what is to be made of it, said token by token.

    Example: copying `2 0 1` over 3 tokens, answers fed: `2 0 1 | 2 0` is labelled `· · · 2 0 1`.

    Tokens are 0 … S - 1, the separator token S, blanks token S + 1. After the separator a model is fed what it should
    have said, as a language model is (`fed="answers"`), or blanks (`fed="blanks"`).
    """

    summary: ClassVar[str] = "say the string again: copied, reversed, sorted or every token twice"
    name: Literal["transduction"] = "transduction"
    alphabet: int = Field(16, ge=2, description="alphabet size S")
    rule: Literal["copy", "reverse", "sort", "duplicate"] = Field("copy", description="what to make of the string")
    fed: Literal["answers", "blanks"] = Field("answers", description="what is read while answering")

    @model_validator(mode="after")
    def _fits(self) -> Transduction:
        if self.length % self.factor:
            raise ValueError(
                f"transduction: {self.rule} of n tokens takes {self.factor} n tokens: length must be a multiple of "
                f"{self.factor}, got {self.length}"
            )
        return self

    @property
    def factor(self) -> int:
        """Tokens of the stream for every token of the string."""
        return 3 if self.rule == "duplicate" else 2

    @property
    def alphabet_size(self) -> int:
        return self.alphabet + 2

    @property
    def answers(self) -> int:
        return self.alphabet

    @property
    def lengths(self) -> Sequence[int]:
        return range(self.factor, self.length + 1, self.factor)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        shape = (batch_size, length // self.factor)
        return self.around(torch.randint(self.alphabet, shape, generator=generator, device=generator.device)), None

    def around(self, string: Int[Tensor, "B n"]) -> Int[Tensor, "B T"]:
        """The stream of a string."""
        said = self.said(string)  # (B, T - n)
        read = said[:, :-1] if self.fed == "answers" else torch.full_like(said[:, :-1], self.alphabet + 1)
        return torch.cat([string, torch.full_like(string[:, :1], self.alphabet), read], dim=1)

    def said(self, string: Int[Tensor, "B n"]) -> Int[Tensor, "B M"]:
        """What the rule makes of strings."""
        match self.rule:
            case "copy":
                return string
            case "reverse":
                return string.flip(1)
            case "sort":
                return string.sort(dim=1).values
            case "duplicate":
                return string.repeat_interleave(2, dim=1)

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        string = inputs[:, : inputs.shape[1] // self.factor]
        return torch.cat([torch.full_like(string, UNLABELLED), self.said(string)], dim=1)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        string = inputs[:, : inputs.shape[1] // self.factor]
        return (string < self.alphabet).all(dim=1) & (inputs == self.around(string)).all(dim=1)

    def position_alphabet(self, position: int) -> range:
        n = self.length // self.factor
        if position < n:
            return range(self.alphabet)
        if position == n:
            return range(self.alphabet, self.alphabet + 1)
        return range(self.alphabet) if self.fed == "answers" else range(self.alphabet + 1, self.alphabet + 2)

    def recurrent_bits(self) -> float:
        """N log2 S, or log2 of the multisets C(n + S - 1, n) for sorting: strings said differently differ somewhere.

        Up to the first place where they differ what is fed is the same, so one state cannot serve both.
        """
        n = self.length // self.factor
        if self.rule == "sort":
            return log2_binomial(n + self.alphabet - 1, n)
        return n * math.log2(self.alphabet)

    def attention_bits(self) -> float:
        """log2 S: at the separator the first answer is any token."""
        return math.log2(self.alphabet)
