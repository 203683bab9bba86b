"""The Task contract: what must be remembered, as a sampler and an exact oracle."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from separatrix.errors import InputError
from separatrix.tasks.examples import Batch
from separatrix.tasks.problem import LONGEST, Problem

__all__ = ["END", "LONGEST", "Batch", "Task"]

T = TypeVar("T", bound="Task")

END = "end"
"""How the only query of a decision is shown: the end of the string."""


class Task(Problem):
    """A function of (context, query) with a distribution over its inputs.

    A task is a frozen configuration: its fields are its identity. Context tokens are 0 … vocabulary - 1; a query `q`
    is embedded by models as token `q + query_offset` of the same vocabulary, so that a task whose queries are context
    tokens (recall) shares their embedding and one whose queries are positions (index lookup) does not.

    >>> task = sx.tasks.create("index-lookup", length=4, alphabet=8)
    >>> task.answer(torch.tensor([[5, 2, 7, 2]]), torch.tensor([[0, 2]])).tolist()  # the symbols at places 0 and 2
    [[5, 7]]
    >>> task.vocabulary, task.recurrent_bits(), task.at_length(100).recurrent_bits()
    (12, 12.0, 300.0)
    """

    # what models need ------------------------------------------------------------------------------------------------
    @property
    def query_offset(self) -> int:
        """What models add to a query to get its token. 0 where queries are context tokens."""
        return self.alphabet_size

    @property
    def vocabulary(self) -> int:
        """Number of tokens models embed: context tokens and query tokens."""
        return max(self.alphabet_size, self.query_offset + self.query_count)

    # data ------------------------------------------------------------------------------------------------------------
    @abstractmethod
    def sample(
        self,
        batch_size: int,
        generator: torch.Generator,
        queries: int | None = None,
        length: int | None = None,
    ) -> Batch:
        """Draw examples; vectorised, on the generator's device, the same for the same generator state everywhere.

        batch_size: B, contexts to draw
        queries: Q, queries per context (default: 1)
        length: context length, one of `lengths` (default: the task's own)
        Raises InputError when a number is out of range.
        """

    @abstractmethod
    def answer(self, context: Tensor, queries: Tensor) -> Int[Tensor, "B Q"]:
        """The exact oracle: the answer to every query of every context, at any admissible context length."""

    def valid(self, context: Int[Tensor, "B N"]) -> Bool[Tensor, " B"]:
        """Which contexts belong to the task's domain (all of them, unless the task is a promise problem)."""
        return torch.ones(len(context), dtype=torch.bool, device=context.device)

    def asked(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Bool[Tensor, "B Q"]:
        """Which queries of the task's domain may be asked of which contexts (all of all, unless it promises less)."""
        return torch.ones(queries.shape[:2], dtype=torch.bool, device=context.device)

    # people ----------------------------------------------------------------------------------------------------------
    def show(self, context: Tensor) -> str:
        """One context (N tokens) as a readable line."""
        return " ".join(str(token) for token in context.tolist())

    def show_query(self, query: Tensor) -> str:
        """One query as a readable word; the only one there is of a decision is `end`."""
        return END if self.query_values == range(1) else str(query.item())

    def read(self, text: str) -> Tensor:
        """The context a person typed, as `show` prints it: Int[N], or Float[N, d] for vector tasks.

        Raises InputError for words that are no tokens and contexts that are none of the task's.
        """
        parts = [part.replace(",", " ").split() for part in text.split("|")]
        if self.alphabet_size <= 10:  # 0110, or 01|10
            parts = [list(part[0]) if len(part) == 1 and part[0].isdigit() else part for part in parts]
        words = [word for part in parts for word in part]
        return self.check_context(torch.tensor([self._number(word) for word in words], dtype=torch.int64))

    def read_query(self, text: str) -> Tensor:
        """The query a person typed, as `show_query` prints it: Int[], or Float[d] for vector tasks."""
        query = torch.tensor(0 if text == END and self.query_values == range(1) else self._number(text))
        if int(query) not in self.query_values:
            first, last = self.query_values[0], self.query_values[-1]
            raise InputError(f"{self.name}: expected a query from {first} to {last}, got {text}")
        return query

    def _number(self, word: str) -> int:
        try:
            return int(word)
        except ValueError:
            raise InputError(f"{self.name}: expected tokens as numbers, got {word!r}") from None

    def check_context(self, context: Int[Tensor, " N"]) -> Int[Tensor, " N"]:
        """The context itself, or an InputError saying why it is none of the task's."""
        if len(context) not in self.lengths:
            raise InputError(f"{self.name} of length {self.length} takes no context of {len(context)} tokens")
        for place, token in enumerate(context.tolist()):
            if token not in (allowed := self.position_alphabet(place)):
                raise InputError(
                    f"{self.name}: expected a token from {allowed[0]} to {allowed[-1]} at position {place}, got {token}"
                )
        if not bool(self.valid(context[None])):
            raise InputError(f"{self.name}: {self.show(context)!r} is not a context of this task")
        return context

    # shared by the families ------------------------------------------------------------------------------------------
    def decision(self, context: Tensor, group: Int[Tensor, " B"], queries: int) -> Batch:
        """The batch that asks so many times for the end of each string, with the group of each."""
        asked = torch.zeros(len(context), queries, dtype=torch.int64, device=context.device)
        return Batch(context, asked, self.answer(context, asked), group[:, None].expand(asked.shape))


def context_task(problem: Problem) -> Task:
    """The problem itself where its answers come after its context. Raises InputError where they come on the way."""
    if not isinstance(problem, Task):
        raise InputError(f"{problem.name} answers on the way; this needs a task with answers after its context")
    return problem
