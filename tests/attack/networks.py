"""Models with given weights, made once for a configuration: building one takes longer than checking it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

from separatrix.models import ModelConfig, SequenceModel, architecture
from separatrix.tasks import Task

_MADE: dict[tuple[str, str, str], tuple[SequenceModel, dict[str, Parameter]]] = {}


def filled(task: Task, config: ModelConfig, weights: dict[str, Tensor], use: str) -> SequenceModel:
    """A model with these weights, which are valid until the next model of the same configuration and `use`.

    Weights are put in by hand: `load_state_dict` takes as long as the check of a small model.
    """
    key = (repr(task), repr(config), use)
    if key not in _MADE:
        with torch.device("meta"):
            made = architecture(config.name)(task, config).eval().requires_grad_(False)
        made.load_state_dict(weights, assign=True)
        if set(made.state_dict()) != {name for name, _ in made.named_parameters()}:
            raise ValueError(f"{config.name} has buffers, which are not put in here")
        _MADE[key] = made, dict(made.named_parameters())
    made, places = _MADE[key]
    if places.keys() != weights.keys():
        raise ValueError(f"weights of another model: {sorted(places.keys() ^ weights.keys())}")
    for name, place in places.items():
        if place.shape != weights[name].shape:
            raise ValueError(f"{name} has shape {tuple(place.shape)}, got {tuple(weights[name].shape)}")
        place.data = weights[name]
    return made


def blank(task: Task, config: ModelConfig) -> dict[str, Tensor]:
    """Weights of 0 in the shapes of a configuration."""
    with torch.device("meta"):
        like = architecture(config.name)(task, config).state_dict()
    return {name: torch.zeros(each.shape) for name, each in like.items()}
