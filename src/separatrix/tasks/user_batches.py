"""Streams that a user's function makes in whole batches, of any generator's making."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Int
from pydantic import Field
from torch import Tensor

from separatrix.errors import InputError
from separatrix.tasks.examples import UNLABELLED, Stream
from separatrix.tasks.streams.contract import StreamTask


class OwnStream(StreamTask):
    """A stream from a user's function."""

    function: ClassVar[Callable[..., Any]]
    alphabet: int = Field(ge=1, description="tokens are 0 … alphabet - 1")
    answer_count: int = Field(ge=1, description="labels are 0 … answer_count - 1")

    @property
    def alphabet_size(self) -> int:
        return self.alphabet

    @property
    def answers(self) -> int:
        return self.answer_count

    def call(self, what: str, *arguments: Any) -> Any:
        """What the user's function returns. Raises InputError, with what it was called with, when it raises."""
        try:
            return type(self).function(*arguments)
        except Exception as error:
            raise InputError(f"{self.name} on {what} raised {type(error).__name__}: {error}") from error


class UserBatches(OwnStream):
    """Batches of a user's own making, each from a seed of its own: a pure function of (count, length, seed)."""

    summary: ClassVar[str] = "streams from a generator of your own"

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        return self.sample(batch_size, generator, length=length).inputs, None

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        """Raises InputError: labels come with the batches, and there is no oracle for other streams."""
        raise InputError(
            f"{self.name} makes whole batches and has no oracle: label tokens by a function of them instead"
        )

    def sample(
        self, batch_size: int, generator: torch.Generator, queries: int | None = None, length: int | None = None
    ) -> Stream:
        _, length = self.check_request(batch_size, queries, length)
        seed = int(torch.randint(2**31 - 1, (), generator=generator, device=generator.device))
        made = self.call(f"count {batch_size}, length {length}, seed {seed}", batch_size, length, seed)
        if not isinstance(made, tuple | list) or len(made) != 2:
            raise InputError(f"{self.name}: expected a batch (inputs, labels), got {type(made).__name__}")
        inputs, labels = made
        return self.checked_stream(inputs, labels, batch_size, length, generator.device)

    def checked_stream(self, made: Any, labelled: Any, count: int, length: int, device: torch.device) -> Stream:
        """The batch on a device. Raises InputError for shapes, kinds and ranges that are not the task's."""
        inputs, labels = self._checked(made, "inputs", count, length), self._checked(labelled, "labels", count, length)
        self._check_padding(inputs, labels)
        asked = labels != UNLABELLED
        if not bool(asked.any()):
            raise InputError(f"{self.name}: a batch asks nothing: all of its labels are {UNLABELLED}")
        for tensor, most, what in ((inputs, self.alphabet, "inputs"), (labels[asked], self.answer_count, "labels")):
            if int(tensor.min()) < 0 or int(tensor.max()) >= most:
                least, largest = int(tensor.min()), int(tensor.max())
                raise InputError(f"{self.name}: expected {what} from 0 to {most - 1}, got {least} to {largest}")
        return Stream(inputs.to(device), labels.to(device), torch.zeros_like(labels, device=device))

    def _check_padding(self, inputs: Int[Tensor, "B T"], labels: Int[Tensor, "B T"]) -> None:
        """Raises InputError for padding that an earlier answer would see, and for labels on it."""
        if (token := getattr(type(self).function, "__separatrix__", {}).get("padding")) is None:
            return
        pads = inputs == token
        if (early := pads[:, :-1] & ~pads[:, 1:]).any():
            row, place = early.nonzero()[0].tolist()
            raise InputError(
                f"{self.name}: padding (token {token}) stands at place {place} of stream {row} with tokens after it: "
                "put padding on the right, where it changes no answer"
            )
        if (labels[pads] != UNLABELLED).any():
            raise InputError(f"{self.name}: padding (token {token}) is labelled: expected {UNLABELLED} there")

    def _checked(self, made: Any, what: str, count: int, length: int) -> Int[Tensor, "B T"]:
        tensor = torch.as_tensor(made)
        if tensor.shape != (count, length) or tensor.is_floating_point() or tensor.is_complex():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise InputError(
                f"{self.name}: expected {what} as integers of shape ({count}, {length}), got {kind} of shape "
                f"{tuple(tensor.shape)}"
            )
        return tensor.long()
