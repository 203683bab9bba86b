"""Modular arithmetic with brackets (Delétang et al. 2023): the value of every bracket when it closes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.streams.contract import StreamTask
from separatrix.tasks.streams.expressions import evaluated, expressions, well_formed


class ModularArithmetic(StreamTask):
    """One expression of n operations modulo m, with a bracket around each: its value is asked where it closes.

    Example: modulo 5, `( ( 1 - 3 ) * 4 )` is labelled `· · · · · 3 · · 2`.

    An expression is a digit, or two expressions with an operation between them in a bracket: 4 n + 1 tokens. Tokens
    are digits 0 … m - 1, then `+ - * ( )`. Expressions are uniform: all shapes of brackets alike, digits and operations
    independent. As published the last label is what is asked; the others are on the way to it.
    """

    summary: ClassVar[str] = "the value of each bracket when it closes, modulo m"
    name: Literal["modular-arithmetic"] = "modular-arithmetic"
    modulus: int = Field(5, ge=2, le=1024, description="modulus m")
    multiply: bool = Field(True, description="whether * is one of the operations, beside + and -")

    @model_validator(mode="after")
    def _fits(self) -> ModularArithmetic:
        if self.length % 4 != 1 or self.length < 5:
            raise ValueError(f"modular-arithmetic: n operations take 4 n + 1 tokens, 5 at least, got {self.length}")
        return self

    @property
    def operations(self) -> int:
        """Operations n of an expression."""
        return (self.length - 1) // 4

    @property
    def alphabet_size(self) -> int:
        return self.modulus + 5

    @property
    def answers(self) -> int:
        return self.modulus

    @property
    def lengths(self) -> Sequence[int]:
        return range(5, self.length + 1, 4)

    def position_alphabet(self, position: int) -> range:
        first, last = self.modulus + 3, self.modulus + 4
        return {0: range(first, first + 1), self.length - 1: range(last, last + 1)}.get(
            position, range(self.alphabet_size)
        )

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        return expressions(batch_size, (length - 1) // 4, self.modulus, 2 + self.multiply, generator), None

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        return evaluated(inputs, self.modulus)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        allowed = (inputs != self.modulus + 2).all(dim=1) if not self.multiply else True
        return well_formed(inputs, self.modulus) & allowed

    def recurrent_bits(self) -> float:
        """A lower bound, (n - 1) log2 F + log2 G, before the last operand of `( a . ( b . ( c . d ) ) )`.

        G is how many functions `a . x` there are for a digit and an operation, F how many of them are one-to-one: 2 m
        sums and differences (for m = 2 these are the same), and products by units. Stacks of such functions differ in
        an uppermost place, where the value that closes can be any, since those above are one-to-one: all but the
        outermost, above which nothing has to be told apart.
        """
        m, coprime = self.modulus, sum(math.gcd(a, self.modulus) == 1 for a in range(self.modulus))
        linear = 2 if m == 2 else 2 * m
        shared = 1 if m == 2 else 2  # products by 1 and -1 are a sum and a difference with 0
        one_to_one = linear + (coprime - shared) * self.multiply
        every = linear + (m - shared) * self.multiply
        return (self.operations - 1) * math.log2(one_to_one) + math.log2(every)

    def attention_bits(self) -> float:
        """log2 G: the outermost digit and operation are held, and the value of the rest is any."""
        return ModularArithmetic.recurrent_bits(self.at_length(5))

    def show(self, inputs: Int[Tensor, " T"]) -> str:
        return " ".join(str(t) if t < self.modulus else "+-*()"[t - self.modulus] for t in inputs.tolist())
