"""A user's own stream: a plain Python function in a file that labels a stream, or that makes whole batches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Bool, Int
from pydantic import Field
from torch import Tensor

from separatrix.errors import InputError
from separatrix.tasks.examples import UNLABELLED, Stream
from separatrix.tasks.streams.contract import StreamTask

F = TypeVar("F", bound=Callable[..., Any])


def stream_task(vocabulary: int, answers: int | None = None) -> Callable[[F], F]:
    """Decorate a function with what its stream needs to know, e.g. `@stream_task(vocabulary=3, answers=2)`.

    The function takes a tuple of tokens, which are uniform, and returns a label for each (None where nothing is
    asked); or it takes (count, length, seed) and returns a batch (inputs, labels) made by any generator.

    vocabulary: tokens are 0 … vocabulary - 1
    answers:    labels are 0 … answers - 1; as many as tokens, unless it is given

    >>> @sx.tasks.stream_task(vocabulary=10)
    ... def largest_so_far(tokens):
    ...     return [max(tokens[: t + 1]) for t in range(len(tokens))]
    ...
    >>> largest_so_far((3, 1, 4))
    [3, 3, 4]
    """

    def decorate(function: F) -> F:
        fields = {"alphabet": vocabulary, "answer_count": vocabulary if answers is None else answers}
        function.__separatrix__ = {"fields": fields, "stream": True}  # type: ignore[attr-defined]
        return function

    return decorate


class _Own(StreamTask):
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


class UserStream(_Own):
    """A stream labelled by a user's function of its tokens, which are uniform."""

    summary: ClassVar[str] = "a stream labelled by a function of your own"

    def draw(
        self, batch_size: int, generator: torch.Generator, length: int
    ) -> tuple[Int[Tensor, "B T"], Bool[Tensor, "B T"] | None]:
        shape = (batch_size, length)
        return torch.randint(self.alphabet, shape, generator=generator, device=generator.device), None

    def answer(self, inputs: Int[Tensor, "B T"]) -> Int[Tensor, "B T"]:
        rows = [self.label(tuple(tokens)) for tokens in inputs.tolist()]
        return torch.tensor(rows, dtype=torch.int64, device=inputs.device).reshape(inputs.shape)

    def label(self, tokens: tuple[int, ...]) -> list[int]:
        """The function's labels of one stream, checked."""
        said = self.call(f"tokens {list(tokens)}", tokens)
        if not isinstance(said, Sequence | Tensor) or len(said) != len(tokens):
            raise InputError(f"{self.name} on tokens {list(tokens)}: expected {len(tokens)} labels, got {said!r}")
        labels = [UNLABELLED if label is None else int(label) for label in said]
        for label in labels:
            if label != UNLABELLED and not 0 <= label < self.answer_count:
                raise InputError(
                    f"{self.name} on tokens {list(tokens)}: expected labels from 0 to {self.answer_count - 1}, or "
                    f"None, got {label}"
                )
        return labels


class UserBatches(_Own):
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
        inputs, labels = (self._checked(each, what, batch_size, length) for each, what in zip(made, _WHAT, strict=True))
        asked = labels != UNLABELLED
        if not bool(asked.any()):
            raise InputError(f"{self.name}: a batch asks nothing: all of its labels are {UNLABELLED}")
        for tensor, most, what in ((inputs, self.alphabet, "inputs"), (labels[asked], self.answer_count, "labels")):
            if int(tensor.min()) < 0 or int(tensor.max()) >= most:
                least, largest = int(tensor.min()), int(tensor.max())
                raise InputError(f"{self.name}: expected {what} from 0 to {most - 1}, got {least} to {largest}")
        device = generator.device
        return Stream(inputs.to(device), labels.to(device), torch.zeros_like(labels, device=device))

    def _checked(self, made: Any, what: str, count: int, length: int) -> Int[Tensor, "B T"]:
        tensor = torch.as_tensor(made)
        if tensor.shape != (count, length) or tensor.is_floating_point() or tensor.is_complex():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise InputError(
                f"{self.name}: expected {what} as integers of shape ({count}, {length}), got {kind} of shape "
                f"{tuple(tensor.shape)}"
            )
        return tensor.long()


_WHAT = ("inputs", "labels")


def stream_base(name: str, function: Callable[..., Any]) -> type[_Own]:
    """The class for a decorated function, by its parameters. Raises InputError for any other number of them."""
    count = len(inspect.signature(function).parameters)
    if count not in (1, 3):
        raise InputError(f"{name} must take (tokens), or (count, length, seed), got {inspect.signature(function)}")
    return UserStream if count == 1 else UserBatches
