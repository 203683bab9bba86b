"""Cascades of bits as Mamba layers: counters that stop at 0 and at k, and the flip-flop language.

A layer holds one bit, which tokens set or leave. Whether they do may depend on the bits of the layers before it, now or
one token ago (a convolution of two taps). Steps are 256 (w - 3/2) for w of 0, 1 or 2, so that a softplus of them is 0,
or 128 and all that was held is forgotten.

A counter of 0 … k is k bits of which so many are on: a step up turns the first bit on that is off, a step down the
first off that is on. So bit i + 1 hears a step up just where the first i are all on before it, a step down where all
are off. Their number s is itself a counter of 0 … i: a step up that left s at i found it there, so that
s + s' = 2 i, s' of one token ago, or s + s' = 0, says it; never where the token steps the other way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.construction import assemble
from separatrix.constructions.recurrent.moore_machine import Machine
from separatrix.models import SequenceModel, configure
from separatrix.tasks import Problem

STEP, CODE = 128.0, 1024.0
"""Steps that forget everything; the size of what enters, which SiLU keeps."""
SOURCE = "after Krohn and Rhodes 1965 and Sarrof, Veitsman and Hahn 2024, arXiv 2405.17394; gates that round to 0 and 1"
LARGEST = 64
"""Layers at most."""


@dataclass(frozen=True)
class Condition:
    """1 where sign (the first `bits` bits' sum, and that of one token ago if `before`) + bias is positive, else 0."""

    bits: int
    sign: float
    bias: float
    before: bool = True


@dataclass(frozen=True)
class Bit:
    """A layer: the bit becomes value[token] where weight[token] and the conditions that hold add up to 2."""

    weight: Tensor
    value: Tensor
    conditions: tuple[Condition, ...] = ()


def cascade(task: Problem, layers: Sequence[Bit], head: Tensor, bias: Tensor) -> SequenceModel:
    """The network. head: [answers, layers], what a bit adds to the answers after it was set or left."""
    vocabulary, most = task.vocabulary, max(len(layer.conditions) for layer in layers)
    width = vocabulary + max(len(layers), most + 1)
    made = {"embed.weight": torch.eye(vocabulary, width), "head.weight": torch.zeros(task.answers, width)}
    made["head.weight"][:, vocabulary : vocabulary + len(layers)] = head
    made["head.bias"] = bias
    for number, layer in enumerate(layers):
        mixer = f"blocks.{number}.mixer"
        made |= {f"{mixer}.{name}": weight for name, weight in _mixer(layer, vocabulary, width, number).items()}
    settings = configure(
        "mamba", layers=len(layers), width=width, state=1, expand=1, taps=2, rank=1, norm="none", mlp=0, residual=True
    )
    return assemble(task, settings, made)


def _mixer(layer: Bit, vocabulary: int, width: int, number: int) -> dict[str, Tensor]:
    """Channels: a token each, then the conditions, the last for the bit itself, whose gate is always open."""
    enter, taps, bias = torch.zeros(2 * width, width), torch.zeros(width, 1, 2), torch.zeros(width)
    taps[:, 0, 1] = 1.0
    select, bit = torch.zeros(3, width), width - 1
    enter[:vocabulary, :vocabulary] = CODE * torch.eye(vocabulary)
    select[0, :vocabulary] = 2 * STEP / CODE * layer.weight
    for channel, each in enumerate(layer.conditions, start=vocabulary):
        enter[channel, vocabulary : vocabulary + each.bits] = CODE * each.sign
        bias[channel], taps[channel, 0, 0] = CODE * each.bias, float(each.before)
        select[0, channel] = 2 * STEP / CODE
    enter[bit, :vocabulary] = CODE * layer.value
    enter[width + bit, :vocabulary] = CODE
    select[1:, :vocabulary] = 1 / CODE
    step, out = torch.zeros(width, 1), torch.zeros(width, width)
    step[bit] = 1.0
    shut = torch.full((width,), -STEP)
    shut[bit] = -3 * STEP
    out[vocabulary + number, bit] = 1 / (STEP * CODE * CODE)
    return {
        "in_proj.weight": enter, "conv1d.weight": taps, "conv1d.bias": bias, "x_proj.weight": select,
        "dt_proj.weight": step, "dt_proj.bias": shut, "out_proj.weight": out,
    }  # fmt: skip


def flip_flop(task: Problem) -> SequenceModel:
    """Bits 0 and 1, then write, read, ignore: whether the last instruction was to write, and the bit written last."""
    instruction = torch.tensor([0.0, 0, 1, 1, 1])
    writes = Bit(2 * instruction, torch.tensor([0.0, 0, 1, 0, 0]))
    held = Bit(1 - instruction, torch.tensor([0.0, 1, 0, 0, 0]), (Condition(1, 1.0, 0.0, before=False),))
    return cascade(task, [writes, held], torch.tensor([[0.0, 0.0], [0.0, 1.0]]), torch.tensor([0.5, 0.0]))


def counter(task: Problem, machine: Machine) -> SequenceModel:
    """The network of a machine that counts 0 … k, a layer for each. CertificateError for machines that do not."""
    order = counted(machine)
    place = np.argsort(order)
    weight, value, resets = torch.zeros(task.vocabulary), torch.zeros(task.vocabulary), torch.zeros(task.vocabulary)
    for token, after in enumerate(place[machine.transitions[order]].T):
        match _step(after):
            case "up":
                weight[token] = value[token] = 1.0
            case "down":
                weight[token] = 1.0
            case "reset":
                resets[token] = 2.0
            case None:
                raise CertificateError(
                    f"a mamba is built for automata whose tokens leave the state or set it, or count up, down or from "
                    f"the start again between two bounds: token {token} does neither"
                )
    layers = [Bit(2 * weight + resets, value)]
    layers += [
        Bit(weight + resets, value, (Condition(i, 1.0, 1.0 - 2 * i), Condition(i, -1.0, 1.0)))
        for i in range(1, machine.states - 1)
    ]
    slopes, bias = _intervals(machine.outputs[order], task.answers)
    return cascade(task, layers, slopes[:, None].expand(-1, len(layers)), bias)


def counted(machine: Machine) -> list[int]:
    """States in the order in which some token counts through them, from the start to one that it leaves no more."""
    for after in machine.transitions.T:
        order = [0]
        while (following := int(after[order[-1]])) not in order:
            order.append(following)
        if len(order) == machine.states and after[order[-1]] == order[-1]:
            if machine.states > LARGEST + 1:
                raise CertificateError(f"a counter takes a layer for each count, at most {LARGEST} are built")
            return order
    raise CertificateError(
        "a mamba is built for automata whose tokens leave the state or set it, or count between two bounds: no token "
        "counts through all states"
    )


def _step(after: np.ndarray) -> str | None:
    """What a token does to counts 0 … k; None for anything else."""
    counts = np.arange(len(after))
    steps = {"up": np.minimum(counts + 1, counts[-1]), "down": np.maximum(counts - 1, 0), "reset": 0 * counts}
    found = next((name for name, there in steps.items() if (after == there).all()), None)
    return "keep" if (after == counts).all() else found


def _intervals(outputs: np.ndarray, answers: int) -> tuple[Tensor, Tensor]:
    """Slopes and biases of lines of which that of outputs[s] is highest at s, by 1/2 at least."""
    starts = [0, *(np.flatnonzero(np.diff(outputs)) + 1).tolist()]
    said = [int(outputs[start]) for start in starts]
    if len(set(said)) < len(said):
        raise CertificateError("a counter's answers must be those of intervals of its count")
    slopes, bias, crossed = torch.zeros(answers), torch.full((answers,), -1.0), 0.0
    for slope, (start, answer) in enumerate(zip(starts, said, strict=True)):
        crossed += start - 0.5 if slope else 0.0
        slopes[answer], bias[answer] = float(slope), -crossed
    return slopes, bias
