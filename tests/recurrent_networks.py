"""What the tests of recurrent constructions share: every string, long strings, tampered weights."""

from __future__ import annotations

from itertools import product

import torch

from separatrix.constructions import Construction
from separatrix.models import SequenceModel
from separatrix.tasks import Task


def strings(alphabet: int, length: int) -> torch.Tensor:
    """All strings of a length."""
    return torch.tensor(list(product(range(alphabet), repeat=length)))


def wrong(model: SequenceModel, task: Task, context: torch.Tensor) -> int:
    """How many of these contexts, asked for the end of the string, are answered wrongly."""
    queries = torch.zeros(len(context), 1, dtype=torch.int64)
    with torch.no_grad():
        said = model(context, queries).argmax(dim=-1)
    return int((said != task.answer(context, queries)).sum())


def right_on_every_string(built: Construction, most: int = 3000, even: bool = False) -> bool:
    """Whether all strings of the lengths that have at most so many of them are answered right."""
    size, length = built.task.alphabet_size, 2 if even else 1
    while size**length <= most and length <= 12:
        if wrong(built.model, built.task, strings(size, length)):
            return False
        length += 2 if even else 1
    return True


def tampered(built: Construction, name: str, index: tuple[int, ...], value: float) -> SequenceModel:
    """A copy of the model with one weight changed."""
    copy = type(built.model)(built.task, built.config)
    copy.load_state_dict(built.model.state_dict())
    with torch.no_grad():
        copy.state_dict()[name][index] = value
    return copy
