"""State tracking: parity, counting and word problems of groups. Here the recurrent side wins.

Not in the paper. They belong beside bounded Dyck: a recurrent model needs a constant number of bits, but linear
recurrences with diagonal, input-independent or non-negative transitions cannot follow them at every length (parity:
Sarrof et al. 2024), and products in a non-solvable group (A5, S5) are NC1-complete (Barrington 1989), beyond constant
depth attention unless TC0 = NC1 (Merrill et al. 2024).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar, Literal

import torch
from jaxtyping import Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.errors import InputError
from separatrix.tasks.base import Batch, Task
from separatrix.tasks.groups import Table, centre_order, check_group, named_group, words


class StateTracking(Task):
    """A fold of the tokens, from left to right, with uniform tokens."""

    @abstractmethod
    def fold(self, context: Int[Tensor, "B N"]) -> Int[Tensor, " B"]:
        """The state after all tokens."""

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(f"answer {i}" for i in range(self.answers))

    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Batch:
        count, n = self.check_request(batch_size, queries, length)
        device = generator.device
        context = torch.randint(self.alphabet_size, (batch_size, n), generator=generator, device=device)
        asked = torch.zeros(batch_size, count, dtype=torch.int64, device=device)
        targets = self.answer(context, asked)
        return Batch(context, asked, targets, targets)

    def answer(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Int[Tensor, "B Q"]:
        return self.fold(context)[:, None].expand(queries.shape)


class Parity(StateTracking):
    """Parity of the number of ones.

    Example: `1 0 1 1` is answered 1.
    """

    summary: ClassVar[str] = "is the number of ones odd?"
    name: Literal["parity"] = "parity"

    @property
    def alphabet_size(self) -> int:
        return 2

    @property
    def answers(self) -> int:
        return 2

    def fold(self, context: Int[Tensor, "B N"]) -> Int[Tensor, " B"]:
        return context.sum(dim=1) % 2

    def recurrent_bits(self) -> float:
        return 1.0

    def attention_bits(self) -> float:
        return 1.0

    def two_way_bits(self, prefix: bool = False) -> float:
        """1, the whole context held."""
        return 1.0


class ModularCounter(StateTracking):
    """The number of ones modulo m.

    Example: with modulus 3, `1 1 0 1 1` is answered 1.
    """

    summary: ClassVar[str] = "how many ones, modulo m?"
    name: Literal["modular-counter"] = "modular-counter"
    modulus: int = Field(3, ge=2, description="modulus m")

    @property
    def alphabet_size(self) -> int:
        return 2

    @property
    def answers(self) -> int:
        return self.modulus

    def fold(self, context: Int[Tensor, "B N"]) -> Int[Tensor, " B"]:
        return context.sum(dim=1) % self.modulus

    def recurrent_bits(self) -> float:
        """log2 of the counts that can occur: min(m, N + 1)."""
        return math.log2(min(self.modulus, self.length + 1))

    def attention_bits(self) -> float:
        """The whole context held: min(m, N + 1) counts."""
        return math.log2(min(self.modulus, self.length + 1))

    def two_way_bits(self, prefix: bool = False) -> float:
        """As many: the whole context held, one for each count."""
        return self.attention_bits()


class GroupWord(StateTracking):
    """The word problem of a finite group: the product of the tokens, each an element.

    Example: in S3, where 0 is the identity and element 1 swaps two points, `1 1` is answered 0.
    """

    summary: ClassVar[str] = "what is the product of these group elements?"
    name: Literal["group-word"] = "group-word"
    group: str = Field("S5", description="S3, A5 or S5; ignored when a table is given")
    table: Table | None = Field(None, description="multiplication table of a group: table[a][b] = a · b")

    @model_validator(mode="after")
    def _is_group(self) -> GroupWord:
        try:
            check_group(self.table) if self.table is not None else named_group(self.group)
        except InputError as error:
            raise ValueError(f"group-word: {error}") from None
        return self

    @property
    def elements(self) -> Table:
        """The multiplication table."""
        return named_group(self.group) if self.table is None else self.table

    @property
    def alphabet_size(self) -> int:
        return len(self.elements)

    @property
    def answers(self) -> int:
        return len(self.elements)

    def fold(self, context: Int[Tensor, "B N"]) -> Int[Tensor, " B"]:
        return words(torch.tensor(self.elements, device=context.device), context)

    def recurrent_bits(self) -> float:
        return math.log2(len(self.elements))

    def attention_bits(self) -> float:
        """Every second element held: |G|^c / |Z|^(c - 1) rows for c = ceil(N / 2) held ones, Z the centre."""
        held = (self.length + 1) // 2
        return held * math.log2(len(self.elements)) - (held - 1) * math.log2(centre_order(self.elements))

    def two_way_bits(self, prefix: bool = False) -> float:
        """log2 |G|: the whole context held, one for each product."""
        return math.log2(len(self.elements))
