"""Models with given weights, made once for a configuration: building one takes longer than checking it."""

from __future__ import annotations

import torch
from torch import Tensor

from separatrix.models import ModelConfig, SequenceModel, architecture
from separatrix.tasks import Task

_MADE: dict[tuple[str, str, str], SequenceModel] = {}


def filled(task: Task, config: ModelConfig, weights: dict[str, Tensor], use: str) -> SequenceModel:
    """A model with these weights, which are valid until the next model of the same configuration and `use`."""
    key = (repr(task), repr(config), use)
    if key not in _MADE:
        with torch.device("meta"):
            _MADE[key] = architecture(config.name)(task, config).eval()
    _MADE[key].load_state_dict(weights, assign=True)
    return _MADE[key]


def blank(task: Task, config: ModelConfig) -> dict[str, Tensor]:
    """Weights of 0 in the shapes of a configuration."""
    with torch.device("meta"):
        like = architecture(config.name)(task, config).state_dict()
    return {name: torch.zeros(each.shape) for name, each in like.items()}
