"""State tracking with a label at every place: what a machine's state is after each token."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.errors import InputError
from separatrix.tasks.groups import Table, check_group, named_group
from separatrix.tasks.streams.contract import StreamTask
from separatrix.tasks.streams.steps import states

REPORTED = 512
"""Positions whose accuracies are told apart."""

MOST_STEPS = 2**12
"""Tokens after which no new sets of an automaton's states are looked for: those found are a lower bound."""

Machine = Literal["parity", "counter", "S3", "A5", "S5", "table", "automaton"]


class RunningProduct(StreamTask):
    """The running state of a machine, asked at every place: the sum or product of all tokens so far, or any other.

    Example: parity of `1 0 1 1` is labelled `1 1 0 1`.

    Machines: parity and counters modulo `modulus` over tokens 0 and 1, words of S3, A5 or S5 (a token is an element,
    0 the identity), or of any group by its multiplication table; any automaton by its table of next states, from
    state 0. Tokens are uniform.
    """

    summary: ClassVar[str] = "the running sum or product, at every token"
    name: Literal["state-tracking"] = "state-tracking"
    machine: Machine = Field("S3", description="parity, counter, S3, A5, S5, table or automaton")
    modulus: int = Field(3, ge=2, le=2**20, description="of the counter")
    table: Table | None = Field(
        None, description="of a group: table[a][b] = a · b; of an automaton: table[state][token], the next state"
    )

    @model_validator(mode="after")
    def _is_machine(self) -> RunningProduct:
        if (self.machine in ("table", "automaton")) != (self.table is not None):
            raise ValueError(
                "state-tracking: a table goes with machine='table' or 'automaton', and the other way round"
            )
        if self.machine == "automaton" and self.table is not None:
            sizes = {len(row) for row in self.table}
            if len(sizes) != 1 or 0 in sizes:
                raise ValueError(f"state-tracking: a next state for each token in every state, got rows of {sizes}")
            if not all(0 <= after < len(self.table) for row in self.table for after in row):
                raise ValueError(f"state-tracking: next states must be 0 … {len(self.table) - 1}")
            return self
        try:
            check_group(self.table) if self.table is not None else None
        except InputError as error:
            raise ValueError(f"state-tracking: {error}") from None
        return self

    @property
    def elements(self) -> Table:
        """The table of the group or automaton. Raises InputError for counters, which need none."""
        return named_group(self.machine) if self.table is None else self.table

    @property
    def start(self) -> int:
        """The state before the first token: a group's identity, wherever its table has it."""
        if self.counts or self.machine == "automaton":
            return 0
        return next(e for e, row in enumerate(self.elements) if row == tuple(range(len(row))))

    @property
    def counts(self) -> int | None:
        """The modulus of a counter (2 for parity), None for other groups."""
        return {"parity": 2, "counter": self.modulus}.get(self.machine)

    @property
    def alphabet_size(self) -> int:
        return 2 if self.counts else len(self.elements[0])

    @property
    def answers(self) -> int:
        return self.counts or len(self.elements)

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(f"position {i}" for i in range(0, self.length, self._run))

    @property
    def _run(self) -> int:
        """Neighbouring positions whose accuracy is reported as one, so that there are at most `REPORTED`."""
        return -(-self.length // REPORTED)

    def group(self, inputs: Int[Tensor, "B T"], labels: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        return (torch.arange(inputs.shape[1], device=inputs.device) // self._run).expand_as(inputs)

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        shape = (batch_size, length)
        return torch.randint(self.alphabet_size, shape, generator=generator, device=generator.device), None

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        if self.counts:
            return inputs.cumsum(dim=1) % self.counts
        return states(inputs, torch.tensor(self.elements, device=inputs.device), self.start)

    def recurrent_bits(self) -> float:
        """log2 of the states that can be met before the last token: every one tells itself by the next label.

        Of an automaton, of those that differ in a next state.
        """
        if self.length == 1:
            return 0.0
        if self.counts:
            return math.log2(min(self.counts, self.length))
        if self.machine == "automaton":
            return math.log2(max(len({self.elements[s] for s in met}) for met in self._met()))
        return math.log2(len(self.elements))

    def _met(self) -> Iterator[frozenset[int]]:
        """The states in which an automaton may be after 0, 1, … tokens but the last; as often as they are new ones."""
        met, known = frozenset({0}), set()
        for _ in range(min(self.length, MOST_STEPS)):
            if met in known:
                return
            known.add(met)
            yield met
            met = frozenset(after for state in met for after in self.elements[state])

    def attention_bits(self) -> float:
        """log2 of the states: all earlier tokens are held, the last one is public.

        Of an automaton, of those to which one token leads.
        """
        if self.machine != "automaton":
            return self.recurrent_bits()
        after = (
            len({self.elements[s][token] for s in met}) for met in self._met() for token in range(self.alphabet_size)
        )
        return math.log2(max(after))
