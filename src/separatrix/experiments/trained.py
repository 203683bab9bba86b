"""Trained models taken back out of a store."""

from __future__ import annotations

import torch

from separatrix.errors import InputError
from separatrix.experiments.config import trial_config
from separatrix.experiments.store import Store
from separatrix.experiments.trainer import Trainer
from separatrix.models import SequenceModel


def load_trained(store: Store, identity: str, device: torch.device | str = "cpu") -> SequenceModel:
    """The model of a trial with the weights its training ended with (or has reached). Raises InputError without any."""
    config = store.read_json(f"trials/{identity}/config.json")
    checkpoint = store.read(f"trials/{identity}/checkpoint.safetensors")
    if config is None or checkpoint is None:
        raise InputError(f"{store.url} has no trained model {identity!r}: see `separatrix report` for the identities")
    trainer = Trainer(trial_config(config), device)
    trainer.resume(checkpoint)
    return trainer.model.eval()
