"""State tracking with a label at every place: what a machine's state is after each token."""

from __future__ import annotations

import math
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

Machine = Literal["parity", "counter", "S3", "A5", "S5", "table"]


class RunningProduct(StreamTask):
    """The running state of a group: the sum or product of all tokens so far, asked at every place.

    Example: parity of `1 0 1 1` is labelled `1 1 0 1`.

    Machines: parity and counters modulo `modulus` over tokens 0 and 1, words of S3, A5 or S5 (a token is an element,
    0 the identity), or of any group by its multiplication table. Tokens are uniform.
    """

    summary: ClassVar[str] = "the running sum or product, at every token"
    name: Literal["state-tracking"] = "state-tracking"
    machine: Machine = Field("S3", description="parity, counter, S3, A5, S5, or table")
    modulus: int = Field(3, ge=2, le=2**20, description="of the counter")
    table: Table | None = Field(None, description="multiplication table of a group: table[a][b] = a · b")

    @model_validator(mode="after")
    def _is_group(self) -> RunningProduct:
        if (self.machine == "table") != (self.table is not None):
            raise ValueError("state-tracking: a table goes with machine='table', and the other way round")
        try:
            check_group(self.table) if self.table is not None else None
        except InputError as error:
            raise ValueError(f"state-tracking: {error}") from None
        return self

    @property
    def elements(self) -> Table:
        """The group's multiplication table. Raises InputError for counters, which need none."""
        return named_group(self.machine) if self.table is None else self.table

    @property
    def counts(self) -> int | None:
        """The modulus of a counter (2 for parity), None for other groups."""
        return {"parity": 2, "counter": self.modulus}.get(self.machine)

    @property
    def alphabet_size(self) -> int:
        return 2 if self.counts else len(self.elements)

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
        return states(inputs, torch.tensor(self.elements, device=inputs.device))

    def recurrent_bits(self) -> float:
        """log2 of the states that can be met before the last token: every one tells itself by the next label."""
        if self.length == 1:
            return 0.0
        if self.counts:
            return math.log2(min(self.counts, self.length))
        return math.log2(len(self.elements))

    def attention_bits(self) -> float:
        """log2 of the states: all earlier tokens are held, the last one is public."""
        return self.recurrent_bits()
