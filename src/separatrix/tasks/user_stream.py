"""A user's own stream: a plain Python function in a file that labels one, makes whole batches, or gives a data set."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from separatrix.errors import InputError
from separatrix.tasks.examples import UNLABELLED
from separatrix.tasks.user_batches import OwnStream, UserBatches
from separatrix.tasks.user_data import UserData

F = TypeVar("F", bound=Callable[..., Any])


def stream_task(vocabulary: int, answers: int | None = None, padding: int | None = None) -> Callable[[F], F]:
    """Decorate a function with what its stream needs to know, e.g. `@stream_task(vocabulary=3, answers=2)`.

    The function takes a tuple of tokens, which are uniform, and returns a label for each (None where nothing is
    asked); or it takes (count, length, seed) and returns a batch (inputs, labels) made by any generator; or it takes
    nothing and returns a data set of (inputs, labels), PyTorch's or any iterable (see `UserData`).

    vocabulary: tokens are 0 … vocabulary - 1
    answers:    labels are 0 … answers - 1; as many as tokens, unless it is given
    padding:    the token that pads batches: it has to stand on the right, where it changes nothing, and asks nothing

    >>> @sx.tasks.stream_task(vocabulary=10)
    ... def largest_so_far(tokens):
    ...     return [max(tokens[: t + 1]) for t in range(len(tokens))]
    ...
    >>> largest_so_far((3, 1, 4))
    [3, 3, 4]
    """

    def decorate(function: F) -> F:
        fields = {"alphabet": vocabulary, "answer_count": vocabulary if answers is None else answers}
        function.__separatrix__ = {"fields": fields, "stream": True, "padding": padding}  # type: ignore[attr-defined]
        return function

    return decorate


class UserStream(OwnStream):
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


def stream_base(name: str, function: Callable[..., Any]) -> type[OwnStream]:
    """The class for a decorated function, by its parameters. Raises InputError for any other number of them."""
    count = len(inspect.signature(function).parameters)
    if count not in (kinds := {0: UserData, 1: UserStream, 3: UserBatches}):
        said = inspect.signature(function)
        raise InputError(f"{name} must take (tokens), or (count, length, seed), or nothing for a data set, got {said}")
    return kinds[count]
