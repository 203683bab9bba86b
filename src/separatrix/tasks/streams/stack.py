"""Stack manipulation (Joulin and Mikolov 2015; Delétang et al. 2023): push and pop, and say what lies on top."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field
from torch import Tensor

from separatrix.tasks.streams.contract import StreamTask
from separatrix.tasks.streams.steps import tops


class StackManipulation(StreamTask):
    """Pushes and pops on a stack that is empty at first; after each the token on top is asked, or that it is empty.

    Example: over 2 tokens, `1 0 pop pop pop` is labelled `1 0 1 empty empty`.

    Token i < S pushes i, token S pops; popping an empty stack leaves it empty. A pop has probability `pops`, what is
    pushed is uniform. Answer S says that the stack is empty.
    """

    summary: ClassVar[str] = "what lies on top of the stack, after each push and pop"
    name: Literal["stack-manipulation"] = "stack-manipulation"
    alphabet: int = Field(2, ge=1, description="tokens S that can be pushed")
    pops: float = Field(0.5, ge=0, le=1, description="share of operations that pop")

    @property
    def alphabet_size(self) -> int:
        return self.alphabet + 1

    @property
    def answers(self) -> int:
        return self.alphabet + 1

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        shape, device = (batch_size, length), generator.device
        pushed = torch.randint(self.alphabet, shape, generator=generator, device=device)
        popped = torch.rand(shape, generator=generator, device=device) < self.pops
        return pushed.masked_fill(popped, self.alphabet), None

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        return tops(inputs, inputs < self.alphabet, empty=self.alphabet)

    def recurrent_bits(self) -> float:
        """log2 of the stacks that one prefix length can leave and L more operations tell apart.

        L pops tell the L tokens below the top; the top itself, whose label came before, by a push and a pop. So stacks
        are told apart by their L + 1 uppermost tokens (for L = 1 by the second alone), and every one that is no higher
        than its prefix is long can stand there: it may have begun with pops of the empty stack.
        """
        return math.log2(max(self._told_apart(t) for t in range(self.length + 1)))

    def _told_apart(self, prefix: int) -> int:
        left = self.length - prefix
        if left == 0 or prefix == 0:
            return 1
        if left == 1:
            return 1 + (self.alphabet if prefix > 1 else 0)
        return sum(self.alphabet**height for height in range(min(prefix, left + 1) + 1))

    def attention_bits(self) -> float:
        """log2 of S + 1: what is bared by a pop, the pop public and everything before it held."""
        return math.log2(self.alphabet + 1) if self.length > 2 else 0.0

    def show(self, inputs: Int[Tensor, " T"]) -> str:
        return " ".join("pop" if token == self.alphabet else str(token) for token in inputs.tolist())

    def show_answer(self, answer: int) -> str:
        return "empty" if answer == self.alphabet else str(answer)
