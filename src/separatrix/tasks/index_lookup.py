"""Index lookup: given s_1 … s_N and a position p, answer s_p."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field
from torch import Tensor

from separatrix.tasks.base import Batch, Task
from separatrix.tasks.ceiling import accuracy_ceiling
from separatrix.tasks.sampling import several

PADDING = "·"
"""How padding is shown."""


class IndexLookup(Task):
    """Index lookup over an alphabet of S tokens: the query is a position, the answer the token that stands there.

    Example: context `2 0 1 3`, query `2`, answer `1` (positions count from 0).

    Contexts are uniform; queries of one context are distinct positions when Q <= N, uniform otherwise. Any context
    length up to N is admissible (Theorem 1 of Bhattamishra et al. 2024 speaks of all of them). With `mixed_lengths`
    every row has a length of its own, uniform in 1 … N; the places behind it hold the padding token S, an ordinary
    token of the vocabulary that models learn to pass over, and are not asked for.
    """

    summary: ClassVar[str] = "which token stands at the queried position?"
    name: Literal["index-lookup"] = "index-lookup"
    alphabet: int = Field(64, ge=2, description="alphabet size S")
    offset: int = Field(0, ge=0, description="number of the first position")
    mixed_lengths: bool = Field(False, description="rows of different lengths in one batch, padded with token S")

    @property
    def alphabet_size(self) -> int:
        return self.alphabet + self.mixed_lengths

    @property
    def query_count(self) -> int:
        return self.length

    @property
    def query_values(self) -> range:
        return range(self.offset, self.offset + self.length)

    @property
    def query_offset(self) -> int:
        return self.alphabet_size - self.offset

    @property
    def vocabulary(self) -> int:
        return self.alphabet_size + self.length

    @property
    def answers(self) -> int:
        return self.alphabet

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(f"position {i}" for i in self.query_values)

    def valid(self, context: Int[Tensor, "B N"]) -> Bool[Tensor, " B"]:
        padding = context == self.alphabet
        return ~padding[:, 0] & (padding.long().diff(dim=1) >= 0).all(dim=1)

    def asked(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Bool[Tensor, "B Q"]:
        return self.answer(context, queries) != self.alphabet

    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Batch:
        count, n = self.check_request(batch_size, queries, length)
        device = generator.device
        context = torch.randint(self.alphabet, (batch_size, n), generator=generator, device=device)
        if self.mixed_lengths:
            lengths = torch.randint(1, n + 1, (batch_size, 1), generator=generator, device=device)
            context[torch.arange(n, device=device) >= lengths] = self.alphabet
            place = (
                torch.rand(batch_size, count, dtype=torch.float32, generator=generator, device=device) * lengths
            ).long()
        elif count == n:
            place = torch.arange(n, device=device).expand(batch_size, n)
        else:
            place = several(n, count, batch_size, generator)
        asked = place + self.offset
        return Batch(context, asked, self.answer(context, asked), place)

    def answer(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Int[Tensor, "B Q"]:
        return context.gather(1, queries - self.offset)

    def recurrent_bits(self) -> float:
        """N log2 S: after the whole context every token may still be asked for."""
        return self.length * math.log2(self.alphabet)

    def attention_bits(self) -> float:
        """log2 S: the position is public, so its holder sends one token."""
        return math.log2(self.alphabet)

    def two_way_bits(self, prefix: bool = False) -> float:
        """log2 S, in either case: the whole context held, one for each token at the place asked for."""
        return math.log2(self.alphabet)

    def accuracy_ceiling(self, state_bits: int | float) -> float:
        """The rate–distortion ceiling; none is proved for mixed lengths."""
        return 1.0 if self.mixed_lengths else accuracy_ceiling(self.length, self.alphabet, state_bits)

    def show(self, context: Tensor) -> str:
        return " ".join(PADDING if token == self.alphabet else str(token) for token in context.tolist())

    def read(self, text: str) -> Tensor:
        return super().read(text.replace(PADDING, f" {self.alphabet} ") if self.mixed_lengths else text)
