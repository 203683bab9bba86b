"""Automata whose tokens either leave the state as it is or set it, flip-flops, as a Mamba of one layer.

A diagonal recurrence h' = a h + b keeps with a = 1, b = 0, and sets with a = 0. Mamba's a is exp(-delta) and its b has
the factor delta, a softplus: of -128 it is 0 in fp32, so that nothing is forgotten and nothing added; of 128 it is 128,
and exp(-128) rounds to 0. A token that sets state j enters channel j alone, a token that leaves the state enters none.
"""

from __future__ import annotations

import numpy as np
import torch

from separatrix.constructions.construction import assemble
from separatrix.constructions.recurrent.moore_machine import Machine
from separatrix.models import SequenceModel, configure
from separatrix.tasks import Problem, StreamTask

STEP, CODE = 128.0, 1024.0
"""Steps that forget everything; the size of what enters, which SiLU keeps."""
MIXER = "blocks.0.mixer"


def overwrites(machine: Machine) -> bool:
    """Whether every token leaves the state as it is, or sets it."""
    kept = np.arange(machine.states)
    return all((after == after[0]).all() or (after == kept).all() for after in machine.transitions.T)


def overwriting(task: Problem, machine: Machine) -> SequenceModel:
    """The network of a machine that overwrites, a channel for every state, and one that asks."""
    states = machine.states
    width, asked = states + 1, slice(None) if isinstance(task, StreamTask) else task.query_offset
    embed = torch.zeros(task.vocabulary, width)
    for token, after in enumerate(machine.transitions.T):
        if (after == after[0]).all():
            embed[token, after[0]] = 1.0
    embed[asked, states] = 1.0
    enter, select, step = torch.zeros(2 * width, width), torch.zeros(3, width), torch.ones(width, 1)
    enter[:width] = CODE * torch.eye(width)
    enter[width:, states] = CODE  # gates open where it is asked
    select[0, :states], select[1, :states], select[2, states] = 2 * STEP / CODE, 1 / CODE, 1 / CODE
    head, bias = torch.zeros(task.answers, width), torch.zeros(task.answers)
    head[torch.from_numpy(machine.outputs), torch.arange(states)] = 1.0
    bias[int(machine.outputs[0])] = 0.5  # before anything is set
    made = {
        "embed.weight": embed,
        f"{MIXER}.in_proj.weight": enter,
        f"{MIXER}.conv1d.weight": torch.ones(width, 1, 1),
        f"{MIXER}.x_proj.weight": select,
        f"{MIXER}.dt_proj.weight": step,
        f"{MIXER}.dt_proj.bias": torch.full((width,), -STEP),
        f"{MIXER}.out_proj.weight": torch.eye(width) / (STEP * CODE * CODE),
        "head.weight": head,
        "head.bias": bias,
    }
    settings = configure("mamba", width=width, state=1, expand=1, taps=1, rank=1, norm="none", mlp=0, residual=False)
    return assemble(task, settings, made)
