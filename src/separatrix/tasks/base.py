"""The Task contract: what must be remembered, as a sampler and an exact oracle."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Bool, Int
from pydantic import ConfigDict, Field
from torch import Tensor

from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.notebook import bits, brief, facts

T = TypeVar("T", bound="Task")

LONGEST = 2**60
"""The longest context a task may have; bounds and number formats are searched up to here."""

END = "end"
"""How the only query of a decision is shown: the end of the string."""


@dataclass(frozen=True)
class Batch:
    """Examples of a task. Every query of a row is asked of the same context, independently of the others.

    context: Int[B, N] tokens, or Float[B, N, d] for vector tasks
    queries: Int[B, Q], or Float[B, Q, d] for vector tasks
    targets: Int[B, Q] answers
    groups:  Int[B, Q] index into `task.groups`: the kind of example or the position, for separate reports

    >>> batch = sx.tasks.create("parity", length=4).sample(2, torch.Generator().manual_seed(0))
    >>> [tuple(tensor.shape) for tensor in (batch.context, batch.queries, batch.targets)]
    [(2, 4), (2, 1), (2, 1)]
    """

    context: Tensor
    queries: Tensor
    targets: Int[Tensor, "B Q"]
    groups: Int[Tensor, "B Q"]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device."""
        moved = {name: tensor.to(device) for name, tensor in vars(self).items()}
        return replace(self, **moved)


class Task(Config):
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

    model_config = ConfigDict(allow_inf_nan=False)

    name: str = Field(description="the task's registered name; each family fixes its own")
    summary: ClassVar[str]
    length: int = Field(description="context length N in tokens", ge=1, le=LONGEST)

    # what models need ------------------------------------------------------------------------------------------------
    @property
    @abstractmethod
    def alphabet_size(self) -> int:
        """Number of distinct context tokens: contexts hold 0 … alphabet_size - 1."""

    @property
    def query_count(self) -> int:
        """Number of distinct queries, 0 … query_count - 1. Decision tasks have one: the end of the string."""
        return 1

    @property
    def query_values(self) -> range:
        """All queries there are. Vector tasks have none to list."""
        return range(self.query_count)

    def position_alphabet(self, position: int) -> range:
        """The tokens that may stand at a position (counted from 0) of a valid context."""
        return range(self.alphabet_size)

    @property
    def query_offset(self) -> int:
        """What models add to a query to get its token. 0 where queries are context tokens."""
        return self.alphabet_size

    @property
    def vocabulary(self) -> int:
        """Number of tokens models embed: context tokens and query tokens."""
        return max(self.alphabet_size, self.query_offset + self.query_count)

    @property
    @abstractmethod
    def answers(self) -> int:
        """Number of distinct answers: targets hold 0 … answers - 1."""

    @property
    def vector_size(self) -> int | None:
        """D for tasks whose contexts and queries are vectors, None for tokens."""
        return None

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups accuracy is reported by: kinds of example, or positions."""
        return ("all",)

    @property
    def lengths(self) -> Sequence[int]:
        """The context lengths this task can be sampled at, ascending, ending with `length`."""
        return range(1, self.length + 1)

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

    def at_length(self: T, length: int) -> T:
        """The same task at another context length."""
        return self.replace(length=length)

    # theory ----------------------------------------------------------------------------------------------------------
    @abstractmethod
    def recurrent_bits(self) -> float | None:
        """Proved lower bound, in bits, on the state of any exact recurrent model (the recurrent cut).

        None where no closed form is known (`separatrix analyze` enumerates).
        """

    @abstractmethod
    def attention_bits(self) -> float | None:
        """Proved lower bound, in bits, on the one message that tells the answer, any part of the context held.

        The attention cut: log2 of its rows, the query public. None where no closed form is known.
        """

    def two_way_bits(self, prefix: bool = False) -> float | None:
        """Proved lower bound, in bits, on all messages, both ways, that tell the answer across an attention cut.

        prefix: only prefixes of the context are held, instead of any part of it
        log2 of a fooling set, the query public: pairs (held, rest) of which any two, exchanged, answer otherwise in the
        column of one of them. None where no closed form is known.
        """
        return None

    def accuracy_ceiling(self, state_bits: int | float) -> float:
        """Proved ceiling on the average accuracy, in [0, 1], of any model handing over `state_bits` bits.

        1.0 where no ceiling is proved for the task's distribution.
        """
        return 1.0

    # people ----------------------------------------------------------------------------------------------------------
    def _repr_html_(self) -> str:
        """What a notebook shows: the parameters, and what is proved of every exact model."""
        own = {name: brief(value) for name, value in self if name != "name"}
        return facts(
            self.name,
            own
            | {
                "chance": f"{1 / self.answers:.1%}",
                "an exact recurrent state needs (proved)": bits(self.recurrent_bits()),
                "one message across a cut of attention needs (proved)": bits(self.attention_bits()),
            },
        )

    def show(self, context: Tensor) -> str:
        """One context (N tokens) as a readable line."""
        return " ".join(str(token) for token in context.tolist())

    def show_query(self, query: Tensor) -> str:
        """One query as a readable word; the only one there is of a decision is `end`."""
        return END if self.query_values == range(1) else str(query.item())

    def show_answer(self, answer: int) -> str:
        """One answer as a readable word."""
        return str(answer)

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

    def check_request(self, batch_size: int, queries: int | None, length: int | None) -> tuple[int, int]:
        """(Q, N) of a request to `sample`, or an InputError."""
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        if queries is not None and queries < 1:
            raise InputError(f"queries must be at least 1, got {queries}")
        if length is not None and length not in self.lengths:
            raise InputError(f"{self.name} of length {self.length} cannot be sampled at length {length}")
        return queries or 1, length or self.length
