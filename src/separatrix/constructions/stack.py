"""Bounded Dyck with O(k log n) units: a stack of k slots, held in a ReLU Elman network (Hewitt et al. 2020).

A slot holds the code of a kind, b = ceil(log2(n + 1)) bits not all 0; an empty slot holds zeros, slot 0 is the top. The
stack is written to `pushed` by an opening bracket (every slot moves down, the code enters slot 0) and to `popped` by a closing
one (every slot moves up); the other half is silenced by the token, so that reading their sum reads the stack.
A closing bracket is compared with the top: `missing` holds the bits it has and the top has not, `surplus` the reverse, and an
opening one on a full stack turns `overflow` on. The end of the string closes "no kind": surplus is on unless the stack is empty.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions import alarm
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.elman import network
from separatrix.constructions.finite import certified
from separatrix.constructions.registry import Theorem
from separatrix.constructions.space import Space, linear
from separatrix.models.elman import Elman
from separatrix.tasks.bounded_dyck import BoundedDyck

SOURCE = (
    "Hewitt, Hahn, Ganguli, Liang, Manning 2020, RNNs can generate bounded hierarchical languages with optimal memory"
)


def units(kinds: int, depth: int) -> int:
    """Units of the network: (2 k + 2) b + 2 with b = ceil(log2(n + 1))."""
    return (2 * depth + 2) * kinds.bit_length() + 2


def codes(kinds: int) -> Float[Tensor, "kinds bits"]:
    """The bits of 1 … n: no kind is all zeros."""
    return (torch.arange(1, kinds + 1)[:, None] >> torch.arange(kinds.bit_length()) & 1).float()


def elman(task: BoundedDyck) -> Elman:
    """The network. Activations are 0 and 1 after every token."""
    n, k, b = task.kinds, task.depth, task.kinds.bit_length()
    space = Space(pushed=k * b, popped=(k - 1) * b, missing=b, surplus=b, overflow=b, **alarm.BLOCKS)
    top, last, code = torch.eye(b, k * b), torch.eye(k * b)[-b:], codes(n)
    down, up = torch.eye(k * b).roll(b, dims=0), torch.eye(k * b).roll(-b, dims=0)[: (k - 1) * b]
    down[:b] = 0
    actions = {}
    for half, part in (("pushed", k * b), ("popped", (k - 1) * b)):  # the last slot of `popped` is always empty
        actions |= {
            (half, "pushed"): down[:, :part],
            (half, "popped"): up[:, :part],
            (half, "missing"): -top[:, :part],
            (half, "surplus"): top[:, :part],
            (half, "overflow"): last[:, :part],
        }
    recurrent, bias = linear(space, space, actions), torch.zeros(space.width)
    alarm.install(space, recurrent, bias, "missing", "surplus", "overflow")
    first = torch.cat([code, torch.zeros(n, (k - 1) * b)], dim=1)
    opening = space.vectors(n, pushed=first, popped=-1.0, missing=-1.0, surplus=-1.0)
    closing = space.vectors(n, pushed=-1.0, missing=code, surplus=-code, overflow=-1.0)
    end = space.vectors(1, pushed=-1.0, overflow=-1.0)
    head, head_bias = alarm.accept(space, "surplus")
    return network(task, torch.cat([opening, closing, end]), recurrent, bias, head, head_bias)


def build(task: BoundedDyck, options: Options) -> Construction:
    """The stack network with its certificate."""
    claim = "the network accepts the strings of bounded-dyck, and no others, at every length"
    return certified(NAME, elman(task), options, claim, bits_per_slot=math.ceil(math.log2(task.kinds + 1)))


NAME = "bounded-dyck-stack"

THEOREMS = {NAME: Theorem(NAME, "bounded-dyck", "bounded Dyck-(n, k) needs O(k log n) recurrent units", SOURCE, build)}
