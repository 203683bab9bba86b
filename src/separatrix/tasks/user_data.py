"""A finite data set of a user's own as a stream: a PyTorch data set, or any iterable of (inputs, labels), as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from separatrix.errors import InputError
from separatrix.tasks.examples import Stream
from separatrix.tasks.randomness import SplitGenerator
from separatrix.tasks.user_batches import UserBatches

PARTS = {"train": range(8), "validation": range(8, 9), "test": range(9, 10)}
"""The share of each split, in tenths."""


class DataRows:
    """All examples of a data set as two tensors, and the split that each belongs to."""

    def __init__(self, inputs: Int[Tensor, "M T"], labels: Int[Tensor, "M T"]) -> None:
        self.inputs, self.labels = inputs, labels

    @cached_property
    def part(self) -> Int[Tensor, " M"]:
        """The tenth of each example, by a hash of its inputs: equal ones are never on both sides of a split."""
        digests = [hashlib.sha256(row.numpy().tobytes()).digest() for row in self.inputs]
        return torch.tensor([int.from_bytes(digest[:8], "big") % 10 for digest in digests])

    def of(self, split: str) -> Int[Tensor, " m"]:
        """The places of the examples of a split."""
        tenths = PARTS[split]
        return torch.nonzero((self.part >= tenths.start) & (self.part < tenths.stop))[:, 0]


class UserData(UserBatches):
    """Streams from a data set of your own: eight tenths train, one validates, one tests.

    The function takes nothing and returns a data set (`len` and `[i]` give `(inputs, labels)`), or an iterable of
    examples or batches of them, a `DataLoader` for one. It is called once and kept in memory; rows are drawn from
    it with repetition.
    """

    summary: ClassVar[str] = "streams from a data set of your own"
    kept: ClassVar[dict[Any, DataRows]] = {}

    @property
    def rows(self) -> DataRows:
        """All examples. Raises InputError when they are not (inputs, labels) of one length, or none."""
        function = type(self).function
        if function not in self.kept:
            self.kept[function] = self._read(self.call("no arguments"))
        return self.kept[function]

    @property
    def lengths(self) -> range:
        return range(self.length, self.length + 1)

    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Stream:
        _, length = self.check_request(batch_size, queries, length)
        split, rows = getattr(generator, "split", None), self.rows
        if not isinstance(generator, SplitGenerator) or split is None:
            raise InputError(f"{self.name} has parts: draw with sx.tasks.stream(seed, 'train'), 'validation' or 'test'")
        places = rows.of(split)
        if not len(places):
            raise InputError(f"{self.name}: none of its {len(rows.inputs)} examples falls to {split}: give more")
        drawn = places[torch.randint(len(places), (batch_size,), generator=generator)]
        return self.checked_stream(rows.inputs[drawn], rows.labels[drawn], batch_size, length, generator.device)

    def _read(self, data: Any) -> DataRows:
        parts: tuple[list[Tensor], list[Tensor]] = ([], [])
        for example in _examples(data):
            if not isinstance(example, tuple | list) or len(example) != 2:
                raise InputError(
                    f"{self.name}: expected (inputs, labels) of its data set, got {type(example).__name__}"
                )
            for part, given in zip(parts, example, strict=True):
                tensor = torch.as_tensor(given)
                part.append(tensor[None] if tensor.dim() == 1 else tensor)
        if not parts[0]:
            raise InputError(f"{self.name}: its data set is empty")
        try:
            return DataRows(torch.cat(parts[0]), torch.cat(parts[1]))
        except RuntimeError:
            shapes = {tuple(tensor.shape[1:]) for part in parts for tensor in part}
            raise InputError(f"{self.name}: expected examples of one length, got {sorted(shapes)}") from None


def _examples(data: Any) -> Iterator[Any]:
    """What a data set or an iterable gives; data sets need not end in IndexError."""
    if hasattr(data, "__getitem__") and hasattr(data, "__len__"):
        return (data[i] for i in range(len(data)))
    return iter(data)
