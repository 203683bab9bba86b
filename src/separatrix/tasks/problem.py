"""What both kinds of task share: a frozen configuration with a distribution over examples, and what is proved of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, TypeVar

import torch
from pydantic import ConfigDict, Field

from separatrix.config import Config
from separatrix.errors import InputError
from separatrix.notebook import bits, brief, facts
from separatrix.tasks.examples import Examples

P = TypeVar("P", bound="Problem")

LONGEST = 2**60
"""The longest context a task may have; bounds and number formats are searched up to here."""


class Problem(Config):
    """A task with answers after its context (`Task`) or on the way (`StreamTask`). Its fields are its identity.

    Models embed tokens 0 … vocabulary - 1, or vectors of `vector_size` numbers, and answer 0 … answers - 1.

    >>> [issubclass(sx.tasks.family(name), sx.tasks.Problem) for name in ("parity", "mqar")]
    [True, True]
    """

    model_config = ConfigDict(allow_inf_nan=False)

    name: str = Field(description="the task's registered name; each family fixes its own")
    summary: ClassVar[str]
    length: int = Field(description="context length N in tokens", ge=1, le=LONGEST)

    @property
    @abstractmethod
    def alphabet_size(self) -> int:
        """Number of distinct context tokens: contexts hold 0 … alphabet_size - 1."""

    @property
    @abstractmethod
    def vocabulary(self) -> int:
        """Number of tokens models embed: context tokens and query tokens."""

    @property
    @abstractmethod
    def answers(self) -> int:
        """Number of distinct answers: targets hold 0 … answers - 1."""

    @property
    @abstractmethod
    def query_offset(self) -> int:
        """What models add to a query to get its token. 0 where queries are context tokens."""

    @property
    def query_count(self) -> int:
        """Number of distinct queries, 0 … query_count - 1. Decision tasks have one: the end of the string."""
        return 1

    @property
    def query_values(self) -> range:
        """All queries there are. Vector tasks have none to list."""
        return range(self.query_count)

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

    def position_alphabet(self, position: int) -> range:
        """The tokens that may stand at a position (counted from 0) of a valid context."""
        return range(self.alphabet_size)

    @abstractmethod
    def sample(
        self,
        batch_size: int,
        generator: torch.Generator,
        queries: int | None = None,
        length: int | None = None,
    ) -> Examples:
        """Draw examples; vectorised, on the generator's device, the same for the same generator state everywhere."""

    def tokens_read(self, length: int | float, queries: int) -> int | float:
        """Tokens a model reads of one example at a length, asked so many queries."""
        return length + min(queries, self.query_count)

    def at_length(self: P, length: int) -> P:
        """The same task at another context length."""
        return self.replace(length=length)

    def recurrent_bits(self) -> float | None:
        """Proved lower bound, in bits, on the state of any exact recurrent model (the recurrent cut).

        None, unless a family says more: no closed form is known, and `separatrix analyze` enumerates.
        """
        return None

    def attention_bits(self) -> float | None:
        """Proved lower bound, in bits, on the one message that tells the answer, any part of the context held.

        The attention cut: log2 of its rows, the query public. None, unless a family says more.
        """
        return None

    def two_way_bits(self, prefix: bool = False) -> float | None:
        """Proved lower bound, in bits, on all messages, both ways, that tell the answer across an attention cut.

        prefix: only prefixes of the context are held, instead of any part of it
        log2 of a fooling set, the query public: pairs (held, rest) of which any two, exchanged, answer otherwise in the
        column of one of them. None where no closed form is known.
        """
        return None

    def accuracy_ceiling(self, state_bits: int | float) -> float:
        """Proved ceiling on the average accuracy, in [0, 1], of any model handing over `state_bits` bits.

        A state of so many bits after every prefix, for the task's own distribution. 1.0 where no ceiling is proved.
        """
        return 1.0

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

    def show_answer(self, answer: int) -> str:
        """One answer as a readable word."""
        return str(answer)

    def check_request(self, batch_size: int, queries: int | None, length: int | None) -> tuple[int, int]:
        """(Q, N) of a request to `sample`, or an InputError."""
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}")
        if queries is not None and queries < 1:
            raise InputError(f"queries must be at least 1, got {queries}")
        if length is not None and length not in self.lengths:
            raise InputError(f"{self.name} of length {self.length} cannot be sampled at length {length}")
        return queries or 1, length or self.length
