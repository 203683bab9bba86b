"""Architectures by name, imported when first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from separatrix.errors import unknown
from separatrix.models.config import ModelConfig
from separatrix.models.sequence import SequenceModel
from separatrix.tasks.base import Task

_ARCHITECTURES = {
    "transformer": "transformer:Transformer",
    "elman": "elman:Elman",
    "gru": "gru:GRU",
    "lstm": "lstm:LSTM",
}


def names() -> list[str]:
    """The registered architecture names."""
    return list(_ARCHITECTURES)


def architecture(name: str) -> type[SequenceModel]:
    """The class of an architecture. Raises InputError naming the nearest valid name."""
    if name not in _ARCHITECTURES:
        raise unknown("model", name, _ARCHITECTURES)
    module, attribute = _ARCHITECTURES[name].split(":")
    return getattr(import_module(f"separatrix.models.{module}"), attribute)


def configure(name: str, **options: Any) -> ModelConfig:
    """The validated configuration of an architecture. Raises InputError for unknown or impossible options."""
    return architecture(name).Config(**options)


def create(name: str, task: Task, **options: Any) -> SequenceModel:
    """A freshly initialised model by name, e.g. `create("lstm", task, width=64, layers=1)`.

    Initialisation draws on torch's global generator. Raises InputError for unknown or impossible options.
    """
    return architecture(name).for_task(task, **options)
