"""The weights a trial begins with: random ones, or a construction's with noise on them."""

from __future__ import annotations

from typing import Any

import torch

from separatrix.constructions import create, theorem
from separatrix.errors import InputError
from separatrix.experiments.trial.config import Start, TrainingConfig, TrialConfig
from separatrix.models import SequenceModel, architecture, initialised
from separatrix.tasks.randomness import keyed_generator


def start(config: TrialConfig) -> SequenceModel:
    """The untrained model of a trial. Raises InputError for a construction of another task or model."""
    if config.start is None:
        return initialised(architecture(config.model.name), config.task, config.model, config.seed)
    built = create(config.start.construction, **config.task.model_dump(exclude={"name"}), **config.start.options)
    if built.task != config.task or built.config != config.model:
        raise InputError(f"{config.start.construction} constructs another model than this trial's: see `finetune`")
    return perturbed(built.model, config.start.noise, config.seed)


def perturbed(model: SequenceModel, noise: float, seed: int) -> SequenceModel:
    """The model with Gaussian noise on every weight, `noise` times the root mean square of the weight's tensor."""
    with torch.no_grad():
        for index, weight in enumerate(model.parameters()):
            drawn = torch.randn(weight.shape, generator=keyed_generator(f"separatrix/noise/{seed}/{index}"))
            weight.add_(drawn.to(weight), alpha=noise * float(weight.square().mean().sqrt()))
    return model


def finetuning(
    construction: str, parameters: dict[str, Any], noise: float, seed: int, training: dict[str, Any]
) -> TrialConfig:
    """The trial that trains a construction further.

    parameters: fields of the task and options of the construction, as `constructions.create` takes them
    """
    built = create(construction, **parameters)
    known = theorem(construction).options.model_fields
    options = {name: value for name, value in parameters.items() if name in known}
    return TrialConfig(
        task=built.task,
        model=built.config,
        training=TrainingConfig(**training),
        seed=seed,
        start=Start(construction=construction, options=options, noise=noise),
    )
