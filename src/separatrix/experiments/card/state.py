"""How the state grows with the context: measured, by reading contexts of several lengths."""

from __future__ import annotations

import time

import torch

from separatrix.errors import InputError
from separatrix.experiments.card.card import Growth, State
from separatrix.experiments.trial.config import TrialConfig
from separatrix.models import SequenceModel, architecture, initialised, state_bits
from separatrix.models.measure import measured_size
from separatrix.models.own import keeps_whole_past
from separatrix.tasks import Task
from separatrix.tasks.base import context_task
from separatrix.tasks.randomness import stream

LENGTHS = (16, 32, 64, 128, 256, 512)


def measure_state(config: TrialConfig, seconds: float = 20.0) -> State:
    """Read contexts of `LENGTHS`, as far as the model goes and `seconds` last, and count what is handed over.

    Raises InputError when the model fails on the shortest one.
    """
    task = context_task(config.task)
    model = initialised(architecture(config.model.name), task, config.model, seed=0)
    lengths: list[int] = []
    bits: list[int] = []
    begun = time.perf_counter()
    for length in (n for n in LENGTHS if n <= task.length):
        if 4 * (time.perf_counter() - begun) > seconds:
            break
        context = task.sample(1, stream(0, "test"), length=length).context
        try:
            with torch.no_grad():
                bits.append(state_bits(model.prefill(context)))
        except (RuntimeError, ValueError) as error:
            if not lengths:
                raise InputError(f"{config.model.name}: failed on a context of {length} tokens: {error}") from error
            break
        lengths.append(length)
    per_token = (bits[-1] - bits[-2]) / (lengths[-1] - lengths[-2]) if len(bits) > 1 else 0.0
    return State(
        lengths=lengths,
        bits=bits,
        growth=_growth(model, task.at_length(lengths[-1]), bits),
        bits_per_token=per_token,
        whole_past=keeps_whole_past(model),
    )


def _growth(model: SequenceModel, task: Task, bits: list[int]) -> Growth:
    try:
        at_the_end = measured_size(model, task).growth
    except InputError:
        return "irregular"
    return "windowed" if at_the_end == "constant" and bits[0] != bits[-1] else at_the_end
