"""Examples: what a task draws and a model is asked, with the right answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from separatrix.errors import InputError

E = TypeVar("E", bound="Examples")


@dataclass(frozen=True)
class Asked:
    """A model's logits for everything a batch asks, one row an answer.

    logits:  Float[M, answers]
    targets: Int[M] right answers
    groups:  Int[M] index into the task's `groups`

    >>> task = sx.tasks.create("state-tracking", length=8)
    >>> asked = task.sample(2, torch.Generator().manual_seed(0)).ask(sx.models.create("lstm", task, width=8))
    >>> asked.logits.shape, asked.targets.shape
    (torch.Size([16, 6]), torch.Size([16]))
    """

    logits: Float[Tensor, "M answers"]
    targets: Int[Tensor, " M"]
    groups: Int[Tensor, " M"]


class Examples(ABC):
    """A batch of either kind of task. Trainers and measurements know no more of it than this.

    >>> tasks = [sx.tasks.create(name, length=8) for name in ("parity", "induction")]
    >>> drawn = [task.sample(2, sx.tasks.stream(0, "train")) for task in tasks]
    >>> [(type(examples).__name__, examples.tokens) for examples in drawn]
    [('Batch', 18), ('Stream', 16)]
    """

    @abstractmethod
    def ask(self, model: Any) -> Asked:
        """What a model answers, in one pass."""

    @property
    @abstractmethod
    def past(self) -> Tensor:
        """What a model's state is measured after: the contexts, or the whole streams."""

    @property
    @abstractmethod
    def tokens(self) -> int:
        """Tokens a model reads to answer: contexts and queries, or the whole stream."""

    def to(self: E, device: torch.device | str) -> E:
        """The same batch on another device."""
        return replace(self, **{name: tensor.to(device) for name, tensor in vars(self).items()})  # type: ignore[type-var]


@dataclass(frozen=True)
class Batch(Examples):
    """Contexts and queries. Every query of a row is asked of the same context, independently of the others.

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

    def ask(self, model: Any) -> Asked:
        logits = model(self.context, self.queries)  # (B, Q, answers)
        return Asked(logits.flatten(0, 1), self.targets.flatten(), self.groups.flatten())

    @property
    def past(self) -> Tensor:
        return self.context

    @property
    def tokens(self) -> int:
        return self.context.shape[0] * (self.context.shape[1] + self.queries.shape[1])


UNLABELLED = -100
"""The label of a place where nothing is asked, as `torch.nn.functional.cross_entropy` ignores it."""


@dataclass(frozen=True)
class Stream(Examples):
    """Sequences with answers on the way: the label of a place is what to say once its token has been read.

    inputs: Int[B, T] tokens; shorter sequences are padded on the right, where no causal model's earlier answers see it
    labels: Int[B, T] answers, UNLABELLED (-100) where nothing is asked
    groups: Int[B, T] index into `task.groups`, of no meaning where nothing is asked

    >>> task = sx.tasks.create("induction", length=6, alphabet=4)
    >>> drawn = task.sample(1, torch.Generator().manual_seed(0))
    >>> task.show(drawn.inputs[0]), task.show_labels(drawn.labels[0])
    ('0 3 1 4 3 4', '· · · · · 3')
    """

    inputs: Int[Tensor, "B T"]
    labels: Int[Tensor, "B T"]
    groups: Int[Tensor, "B T"]

    def ask(self, model: Any) -> Asked:
        """Raises InputError for labels of another shape than the inputs', or that are none of the model's answers."""
        if self.labels.shape != self.inputs.shape:
            shapes = f"{tuple(self.inputs.shape)}, got {tuple(self.labels.shape)}"
            raise InputError(f"labels must have the shape of the inputs, {shapes}")
        where = self.labels != UNLABELLED
        logits, targets = model.read(self.inputs, where), self.labels[where]
        if targets.numel():
            least, largest = (int(label) for label in targets.aminmax())
            if least < 0 or largest >= logits.shape[-1]:
                known = f"0 to {logits.shape[-1] - 1}, or {UNLABELLED} where nothing is asked"
                raise InputError(f"labels must be answers of the model, {known}, got {least} to {largest}")
        return Asked(logits, targets, self.groups[where])

    @property
    def past(self) -> Tensor:
        return self.inputs

    @property
    def tokens(self) -> int:
        return self.inputs.numel()
