"""Multi-query recall at several lengths and numbers of pairs in one run, as it is trained where it was published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Int
from pydantic import Field, model_validator
from torch import Tensor

from separatrix.errors import InputError
from separatrix.tasks.examples import UNLABELLED, Stream
from separatrix.tasks.streams.contract import StreamTask
from separatrix.tasks.streams.mqar import MultiQueryRecall


class MixedRecall(StreamTask):
    """Streams of `mqar` at several lengths with several numbers of pairs, each stream of one of these cells.

    Example: of cells (6, 1) and (8, 2), keys 1 … 3, values 4 … 7: `1 6 0 0 1 0 0 0` and `1 6 3 4 3 0 1 0` are labelled
    `· · · · 6 · · ·` and `· · · · 4 · 6 ·`.

    The cell of a stream is uniform, what is drawn of it is as `mqar` draws it, and shorter streams are padded on the
    right with token 0. Accuracy is reported by cell. At a shorter length the cells that fit there are left, so that
    `training.longest` trains on some cells and tests on all.
    """

    summary: ClassVar[str] = "which value stood beside this key, at several lengths and numbers of pairs?"
    name: Literal["mqar-mixture"] = "mqar-mixture"
    length: int = Field(256, ge=4, le=2**24, description="tokens of a stream, those of the longest cell")
    cells: tuple[tuple[int, int], ...] = Field(
        ((64, 4), (128, 8), (256, 16)), min_length=1, description="(length, pairs) of the streams, e.g. [[64, 4]]"
    )
    vocabulary_size: int = Field(8192, ge=4, description="tokens: half of them keys and fillers, half of them values")
    passes: int = Field(1, ge=1, description="times that all pairs are shown, in the same order")
    power: float = Field(0.01, ge=-16, le=16, description="a: the gap g before a query has weight g^(a - 1)")
    random_non_queries: bool = Field(True, description="uniform tokens at the places that ask nothing, else token 0")

    @model_validator(mode="after")
    def _fits(self) -> MixedRecall:
        if self.length != (longest := max(length for length, _ in self.cells)):
            raise ValueError(f"length must be that of the longest cell, {longest}, got {self.length}")
        if len(set(self.cells)) < len(self.cells):
            raise ValueError(f"cells must be distinct, got {[list(cell) for cell in self.cells]}")
        for length, pairs in self.cells:
            try:
                self._recall(length, pairs)
            except InputError as error:
                raise ValueError(f"cell [{length}, {pairs}]: {error}") from None
        return self

    def _recall(self, length: int, pairs: int) -> MultiQueryRecall:
        return MultiQueryRecall(
            length=length,
            pairs=pairs,
            vocabulary_size=self.vocabulary_size,
            passes=self.passes,
            power=self.power,
            random_non_queries=self.random_non_queries,
        )

    @property
    def tasks(self) -> list[MultiQueryRecall]:
        """The task of every cell."""
        return [self._recall(*cell) for cell in self.cells]

    @property
    def alphabet_size(self) -> int:
        return self.vocabulary_size

    @property
    def answers(self) -> int:
        return self.vocabulary_size

    @property
    def lengths(self) -> Sequence[int]:
        return sorted({length for length, _ in self.cells})

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(f"{length} tokens, {pairs} pair{'s' * (pairs > 1)}" for length, pairs in self.cells)

    def at_length(self, length: int) -> MixedRecall:
        fitting = tuple(cell for cell in self.cells if cell[0] <= length)
        if length not in self.lengths:
            raise InputError(f"mqar-mixture: expected a length of its cells, {list(self.lengths)}, got {length}")
        return self.replace(length=length, cells=fitting)

    def sample(
        self,
        batch_size: int,
        generator: torch.Generator,
        queries: int | None = None,
        length: int | None = None,
    ) -> Stream:
        _, length = self.check_request(batch_size, queries, length)
        return self.at_length(length)._mixed(batch_size, generator)

    def _mixed(self, batch_size: int, generator: torch.Generator) -> Stream:
        """Streams of all cells, in random order, each labelled by its own cell's oracle."""
        device, shape = generator.device, (batch_size, self.length)
        cell = torch.randint(len(self.cells), (batch_size,), generator=generator, device=device)
        inputs = torch.zeros(shape, dtype=torch.int64, device=device)
        labels = torch.full_like(inputs, UNLABELLED)
        for index, task in enumerate(self.tasks):
            rows = (cell == index).nonzero()[:, 0]
            if len(rows):
                drawn = task.sample(len(rows), generator)
                inputs[rows, : task.length], labels[rows, : task.length] = drawn.inputs, drawn.labels
        return Stream(inputs, labels, cell[:, None].expand(shape))

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"]]:
        drawn = self.at_length(length)._mixed(batch_size, generator)
        return drawn.inputs, drawn.labels != UNLABELLED

    def _belongs(self, task: MultiQueryRecall, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        """Which streams may be of this cell: some may be of two, which then say the same."""
        return task.valid(inputs[:, : task.length]) & (inputs[:, task.length :] == 0).all(dim=1)

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        """What the cells that a stream may be of say: the pairs of the smaller one are the first of the larger."""
        labels = torch.full_like(inputs, UNLABELLED)
        for task in self.tasks:
            said = torch.nn.functional.pad(
                task.answer(inputs[:, : task.length]), (0, self.length - task.length), value=UNLABELLED
            )
            labels = torch.where(self._belongs(task, inputs)[:, None] & (said != UNLABELLED), said, labels)
        return labels

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        return torch.stack([self._belongs(task, inputs) for task in self.tasks]).any(dim=0)

    def recurrent_bits(self) -> float:
        """The most that a cell needs: who is right on all streams is right on those."""
        return max(task.recurrent_bits() for task in self.tasks)

    def attention_bits(self) -> float:
        """The same number, as for the cell."""
        return self.recurrent_bits()
