"""Associative recall: which value stood beside this key?"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.tasks.base import Batch
from separatrix.tasks.ceiling import accuracy_ceiling
from separatrix.tasks.logarithms import log2_binomial
from separatrix.tasks.pairs import Pairs
from separatrix.tasks.sampling import distinct, several, sort_rows


class AssociativeRecall(Pairs):
    """Associative recall from k key-value pairs, k = length / 2, the keys distinct.

    Example: with 4 keys and 3 values, the pairs 2→1, 0→2 are the context `2 5 0 6`; query `0` is answered 2.

    Tokens are keys 0 … K - 1 and values K … K + V - 1 (`shared`: values are tokens 0 … V - 1, the same as keys).
    Queries are key tokens, as they stand in the context; answers are values 0 … V - 1, or V for an absent key. A share
    `absent` of the queries asks for absent keys. Queries of one context are distinct as far as there are keys.
    `length` or `pairs` may be given.
    """

    summary: ClassVar[str] = "which value stood beside this key?"
    counted: ClassVar[str] = "pairs"
    name: Literal["associative-recall"] = "associative-recall"
    pairs: int = Field(ge=1, description="key-value pairs k")
    keys: int = Field(64, ge=1, description="key alphabet size K")
    values: int = Field(64, ge=2, description="value alphabet size V")
    shared: bool = Field(False, description="keys and values share one alphabet")
    absent: float = Field(0.0, ge=0, lt=1, description="share of queries that ask for a key that is not there")

    @model_validator(mode="after")
    def _fits(self) -> AssociativeRecall:
        if self.pairs > self.keys:
            raise ValueError(f"associative-recall: {self.pairs} distinct keys do not fit in {self.keys}: add keys")
        if self.absent and self.pairs == self.keys:
            raise ValueError("associative-recall: with pairs = keys no key is ever absent: set absent to 0")
        return self

    @property
    def alphabet_size(self) -> int:
        return max(self.keys, self.values) if self.shared else self.keys + self.values

    @property
    def value_offset(self) -> int:
        """The token of value 0."""
        return 0 if self.shared else self.keys

    @property
    def query_count(self) -> int:
        return self.keys

    @property
    def query_offset(self) -> int:
        return 0

    @property
    def answers(self) -> int:
        return self.values + 1

    @property
    def groups(self) -> tuple[str, ...]:
        return (*(f"pair {i}" for i in range(self.pairs)), "absent")

    def position_alphabet(self, position: int) -> range:
        return range(self.keys) if position % 2 == 0 else range(self.value_offset, self.value_offset + self.values)

    def valid(self, context: Int[Tensor, "B N"]) -> Bool[Tensor, " B"]:
        keys = context[:, 0::2]
        values = context[:, 1::2] - self.value_offset
        distinct = (keys.sort(dim=1).values.diff(dim=1) > 0).all(dim=1)
        return distinct & (keys < self.keys).all(dim=1) & ((values >= 0) & (values < self.values)).all(dim=1)

    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Batch:
        count, n = self.check_request(batch_size, queries, length)
        k, device = n // 2, generator.device
        keys = distinct(self.keys, k, batch_size, generator)
        values = torch.randint(self.values, (batch_size, k), generator=generator, device=device)
        context = torch.stack([keys, values + self.value_offset], dim=2).flatten(1)
        place = several(k, count, batch_size, generator)
        asked, groups = keys.gather(1, place), place
        if self.absent and k < self.keys:
            lost = torch.rand(batch_size, count, dtype=torch.float32, generator=generator, device=device) < self.absent
            asked = torch.where(lost, self._others(keys, count, generator), asked)
            groups = groups.masked_fill(lost, self.pairs)
        return Batch(context, asked, self.answer(context, asked), groups)

    def _others(self, keys: Int[Tensor, "B k"], count: int, generator: torch.Generator) -> Int[Tensor, "B Q"]:
        """Keys that are not there, drawn as `several` does: the r-th of them is r plus the number of keys before it."""
        k = keys.shape[1]
        rank = several(self.keys - k, count, len(keys), generator)
        return rank + torch.searchsorted(sort_rows(keys) - torch.arange(k, device=keys.device), rank, right=True)

    def answer(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Int[Tensor, "B Q"]:
        keys, values = context[:, 0::2], context[:, 1::2] - self.value_offset
        if queries.shape[1] * keys.shape[1] <= 4 * (self.keys + keys.shape[1]):
            found = queries[:, :, None] == keys[:, None, :]
            value = values.gather(1, found.to(torch.uint8).argmax(dim=2))
            return torch.where(found.any(dim=2), value, self.values)
        book = torch.full((len(context), self.keys), self.values, dtype=torch.int64, device=context.device)
        return book.scatter_(1, keys, values).gather(1, queries)

    def asked(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Bool[Tensor, "B Q"]:
        if self.absent:
            return super().asked(context, queries)
        return (queries[:, :, None] == context[:, None, 0::2]).any(dim=2)

    def recurrent_bits(self) -> float:
        """log2 of C(K, k) V^(k - 1) max(V, k) where absent keys are asked too; else V^(k - 1) max(V, min(2k - 1, K)).

        Proof: after the whole context every table is a class of its own, and so are the V^k tables of the same keys
        when only those are asked. One token earlier there is a table of k - 1 pairs and a last key. Let 2k - 1 keys (or
        all K) stand in a circle, each the last key after any values of k - 1 keys that follow it: of any two, one has
        the other's last key in its table, and when the value to come is another one, asking for it tells them apart.
        The first number is exact. The second is what pairwise contradictions give: at most log2(k ln(K V) + 1) + 1.5
        bits short of what random functions that agree with a table at its keys achieve.
        """
        if self.absent:
            return self.table_bits()
        most = max(self.values, min(2 * self.pairs - 1, self.keys))
        return (self.pairs - 1) * math.log2(self.values) + math.log2(most)

    def table_bits(self) -> float:
        """log2 of C(K, k) V^(k - 1) max(V, k): the tables there are, which suffice whichever keys are asked."""
        rest = log2_binomial(self.keys, self.pairs) + (self.pairs - 1) * math.log2(self.values)
        return rest + math.log2(max(self.values, self.pairs))

    def attention_bits(self) -> float:
        """A lower bound, k log2 V: the values held, one fixed key asked; log2(V + 1) for one pair and absent keys."""
        return max(self.pairs * math.log2(self.values), math.log2(self.values + 1) if self.absent else 0.0)

    def two_way_bits(self, prefix: bool = False) -> float:
        """Of a prefix log2 V, one answer more where keys may be absent; of any cut log2(k V).

        That is far from `attention_bits`: two parties that may talk both ways need no more, as who holds the keys says
        at which place the one asked for stands. Proof: the values held, place i of the key stands with the values a
        from there on and a + 1 before it, for each a. Of two places i < i' with a and a' no exchange tells them apart
        only if a = a' + 1 and a = a'.
        """
        answers = math.log2(self.values + (self.absent > 0))
        return answers if prefix else max(answers, math.log2(self.pairs) + math.log2(self.values))

    def accuracy_ceiling(self, state_bits: int | float) -> float:
        """The rate–distortion ceiling on the values; none is proved where absent keys are asked too."""
        return 1.0 if self.absent else accuracy_ceiling(self.pairs, self.values, state_bits)

    def show(self, context: Tensor) -> str:
        words = [
            f"→{token - self.value_offset}" if (place % 2 if self.shared else token >= self.keys) else str(token)
            for place, token in enumerate(context.tolist())
        ]
        return " ".join(words).replace(" →", "→")

    def read(self, text: str) -> Tensor:
        """As `Task.read`; a value may also stand behind an arrow, → or ->, by its number."""
        words = text.replace("->", "→").replace("→", " →").split()
        tokens = (str(self._number(word[1:]) + self.value_offset) if word[0] == "→" else word for word in words)
        return super().read(" ".join(tokens))

    def show_answer(self, answer: int) -> str:
        return "absent" if answer == self.values else str(answer)
