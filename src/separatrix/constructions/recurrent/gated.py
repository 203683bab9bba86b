"""Any finite automaton as an LSTM or a GRU with saturated gates: Minsky's units, one per state and token.

Unit (q, a) is on when the last token was a, read in state q. With s = [a unit on leads to q'] and t = [the token is b],
what unit (q', b) is driven by is 256 (s + t - 3/2), 128 or at most -128: a sigmoid of it is 1 or 0 in fp32, a tanh ±1.
LSTM: on is c = 1, off c = 0; the input gate is that sigmoid, the new value 1, nothing is kept and the output gate open.
GRU: on is h = 1, off -1, and before the first token 0; the update gate is shut, the reset gate open. Of D units one is
on, so that units say f = -(sum of h) / (D - 2), 1 after any token and 0 before.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.construction import assemble
from separatrix.constructions.recurrent.moore_machine import Machine, Transducer, minsky_units
from separatrix.models import SequenceModel, configure
from separatrix.tasks import Problem

BETA = 256.0
LARGEST_WIDTH = 2**11
"""Units at most: an LSTM's matrices take 128 MB then."""
CELL = "blocks.0.mixer.cell"


def gated(task: Problem, machine: Machine | Transducer, cell: str) -> SequenceModel:
    """The network of a machine, width |Q| |alphabet|. The end of the string is embedded as token 0."""
    width = machine.states * machine.alphabet
    if not 4 <= width <= LARGEST_WIDTH:
        raise CertificateError(
            f"the {cell} has a unit for every state and token, 4 to {LARGEST_WIDTH:,} units, not {width:,}"
        )
    wired, made = minsky_units(machine, task.answers), _lstm if cell == "lstm" else _gru
    weights, answers = made(wired.arriving, machine.alphabet, wired.head)
    config = configure(cell, width=width)
    return assemble(task, config, {"embed.weight": wired.embed, **weights, "head.bias": answers})


def _lstm(arriving: Tensor, tokens: int, head: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Gates in PyTorch's order: input, forget, new value, output. What is heard of a unit that is on is tanh(1)."""
    states, width = arriving.shape
    hear, enter = torch.zeros(4, width, width), torch.zeros(4, width, width)
    first = torch.zeros(states, 1)
    first[0] = 1  # the start state is arrived in when nothing is on
    hear[0] = ((arriving - first) * BETA / math.tanh(1)).repeat_interleave(tokens, dim=0)
    enter[0] = BETA * torch.eye(width)
    bias = torch.tensor([-1.5, -0.5, 0.5, 0.5])[:, None].repeat(1, width)
    bias[0] += first.repeat_interleave(tokens, dim=0)[:, 0]
    return _named(enter, hear, BETA * bias, head), torch.zeros(len(head))


def _gru(arriving: Tensor, tokens: int, head: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """Gates in PyTorch's order: reset, update, new value. With f as above, s is (sum of h + f count) / 2."""
    width = arriving.shape[1]
    hear, enter = torch.zeros(3, width, width), torch.zeros(3, width, width)
    begun = -torch.ones(width) / (width - 2)
    came = (arriving + arriving.sum(dim=1, keepdim=True) * begun) / 2
    came[0] -= begun  # the start state is arrived in before any token: 1 - f
    hear[2] = BETA * came.repeat_interleave(tokens, dim=0)
    enter[2] = BETA * torch.eye(width)
    bias = torch.tensor([0.5, -0.5, -1.5])[:, None].repeat(1, width)
    bias[2, :tokens] += 1
    return _named(enter, hear, BETA * bias, head / 2), head.sum(dim=1) / 2


def _named(enter: Tensor, hear: Tensor, bias: Tensor, head: Tensor) -> dict[str, Tensor]:
    return {
        f"{CELL}.weight_ih_l0": enter.flatten(0, 1),
        f"{CELL}.weight_hh_l0": hear.flatten(0, 1),
        f"{CELL}.bias_ih_l0": bias.flatten(),
        "head.weight": head,
    }
