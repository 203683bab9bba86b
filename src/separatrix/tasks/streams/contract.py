"""The stream contract: sequences with answers on the way, as a sampler and an exact oracle."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeVar

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from separatrix.errors import InputError
from separatrix.tasks.examples import UNLABELLED, Stream
from separatrix.tasks.problem import Problem

S = TypeVar("S", bound="StreamTask")


class StreamTask(Problem):
    """A function of every prefix of a stream, asked at some of its places.

    The answer at place t is what to say after tokens 0 … t have been read. Its fields are its identity. A family
    gives `alphabet_size`, `answers`, `draw` and `answer`. Where no answer is defined, the oracle says UNLABELLED
    (-100); what is asked of a drawn stream may be less than what could be.

    >>> task = sx.tasks.create("state-tracking", length=4, machine="parity")
    >>> task.answer(torch.tensor([[1, 0, 1, 1]])).tolist(), task.recurrent_bits()
    ([[1, 1, 0, 1]], 1.0)
    """

    @property
    def vocabulary(self) -> int:
        return self.alphabet_size

    @property
    def query_offset(self) -> int:
        return 0

    @property
    def query_count(self) -> int:
        return self.alphabet_size

    def tokens_read(self, length: int | float, queries: int) -> int | float:
        return length

    @abstractmethod
    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        """Inputs of a length and the places that are asked (None: wherever an answer is defined); vectorised."""

    @abstractmethod
    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        """The exact oracle: the answer at every place that has one, UNLABELLED at the others."""

    def answer_where(self, asked: Bool[Tensor, "B T"], inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        """The oracle's answers at the places that are asked, UNLABELLED elsewhere.

        For families whose oracle can leave out the others, and save time.
        """
        return self.answer(inputs).masked_fill(~asked, UNLABELLED)

    def group(self, inputs: Int[Tensor, "B T"], labels: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        """Index into `groups` of every place that asks (all of them 0, unless a family tells kinds apart)."""
        return labels.new_zeros(()).expand_as(labels)

    def valid(self, inputs: Int[Tensor, "B T"]) -> Bool[Tensor, " B"]:
        """Which streams belong to the task's domain (all of them, unless it promises less)."""
        return torch.ones(len(inputs), dtype=torch.bool, device=inputs.device)

    def sample(
        self,
        batch_size: int,
        generator: torch.Generator,
        queries: int | None = None,
        length: int | None = None,
    ) -> Stream:
        """Draw streams, with the oracle's labels.

        batch_size: B, streams to draw
        queries:    of no effect: a stream asks what it asks
        length:     tokens of a stream, one of `lengths` (default: the task's own)
        Raises InputError when a number is out of range.
        """
        _, length = self.check_request(batch_size, queries, length)
        inputs, asked = self.draw(batch_size, generator, length)
        labels = self.answer(inputs) if asked is None else self.answer_where(asked, inputs)
        return Stream(inputs, labels, self.group(inputs, labels))

    def show(self, inputs: Int[Tensor, " T"]) -> str:
        """One stream as a readable line."""
        return " ".join(str(token) for token in inputs.tolist())

    def show_labels(self, labels: Int[Tensor, " T"]) -> str:
        """The labels of one stream as a readable line; · where nothing is asked."""
        return " ".join("·" if label == UNLABELLED else self.show_answer(label) for label in labels.tolist())


def pad(streams: list[Stream]) -> Stream:
    """Streams of different lengths as one batch, padded on the right with token 0 that asks nothing.

    A causal model's answers before the padding do not depend on it. Raises InputError for no streams.

    >>> task = sx.tasks.create("state-tracking", length=4, machine="parity")
    >>> drawn = [task.sample(1, torch.Generator().manual_seed(0), length=length) for length in (2, 4)]
    >>> sx.tasks.pad(drawn).labels.shape
    torch.Size([2, 4])
    """
    if not streams:
        raise InputError("pad: expected one stream at least, got none")
    longest = max(each.inputs.shape[1] for each in streams)

    def widened(tensor: Tensor, value: int) -> Tensor:
        return torch.nn.functional.pad(tensor, (0, longest - tensor.shape[1]), value=value)

    return Stream(
        torch.cat([widened(each.inputs, 0) for each in streams]),
        torch.cat([widened(each.labels, UNLABELLED) for each in streams]),
        torch.cat([widened(each.groups, 0) for each in streams]),
    )
