"""Index lookup: given s_1 … s_N and a position p, answer s_p."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Int
from pydantic import Field
from torch import Tensor

from separatrix.tasks.base import Batch, Task


class IndexLookup(Task):
    """Index lookup over an alphabet of S tokens: the query is a position, the answer the token that stands there.

    Example: context `2 0 1 3`, query `2`, answer `1` (positions count from 0).

    Contexts are uniform; queries of one context are distinct positions when Q <= N, uniform otherwise.
    Any context length up to N is admissible (Theorem 1 of Bhattamishra et al. 2024 speaks of all of them).
    """

    summary: ClassVar[str] = "which token stands at the queried position?"
    name: Literal["index-lookup"] = "index-lookup"
    alphabet: int = Field(64, ge=2, description="alphabet size S")

    @property
    def alphabet_size(self) -> int:
        return self.alphabet

    @property
    def query_count(self) -> int:
        return self.length

    @property
    def answers(self) -> int:
        return self.alphabet

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(f"position {i}" for i in range(self.length))

    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Batch:
        count, n = self.check_request(batch_size, queries, length)
        device = generator.device
        context = torch.randint(self.alphabet, (batch_size, n), generator=generator, device=device)
        if count == n:
            asked = torch.arange(n, device=device).expand(batch_size, n)
        elif count < n:
            asked = torch.rand(batch_size, n, generator=generator, device=device).topk(count, dim=1).indices
        else:
            asked = torch.randint(n, (batch_size, count), generator=generator, device=device)
        return Batch(context, asked, self.answer(context, asked), asked)

    def answer(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Int[Tensor, "B Q"]:
        return context.gather(1, queries)

    def recurrent_bits(self) -> float:
        return self.length * math.log2(self.alphabet)

    def attention_bits(self) -> float:
        return math.log2(self.alphabet)
