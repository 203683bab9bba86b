"""Bounded Dyck with O(k log n) units: a stack of k slots, held in a ReLU Elman network (Hewitt et al. 2020).

A slot holds the code of a kind, b = ceil(log2(n + 1)) bits not all 0; an empty slot holds zeros, slot 0 is the top. The
stack is written to `pushed` by an opening bracket (every slot moves down, the code enters slot 0) and to `popped` by a
closing one (every slot moves up); the other half is silenced by the token, so that reading their sum reads the stack. A
closing bracket is compared with the top: `missing` holds the bits it has and the top has not, `surplus` the reverse,
and an opening one on a full stack turns `overflow` on. The end of the string closes "no kind": surplus is on unless the
stack is empty.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions.basis import Action, Space, linear
from separatrix.constructions.check.arguments import product, stack_rules
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.recurrent import violation_flag as alarm
from separatrix.constructions.recurrent.finite import certified, sizes
from separatrix.constructions.recurrent.issue import issue, proved
from separatrix.constructions.recurrent.network import config, network
from separatrix.constructions.registry import Theorem
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


def coordinates(task: BoundedDyck) -> Space:
    """The units by name."""
    k, b = task.depth, task.kinds.bit_length()
    return Space(pushed=k * b, popped=(k - 1) * b, missing=b, surplus=b, overflow=b, **alarm.BLOCKS)


def elman(task: BoundedDyck) -> Elman:
    """The network. Activations are 0 and 1 after every token."""
    n, k, b = task.kinds, task.depth, task.kinds.bit_length()
    config(units(n, k))
    space, code = coordinates(task), codes(n)
    top, last = torch.eye(b, k * b), torch.eye(k * b)[-b:]
    down, up = torch.eye(k * b).roll(b, dims=0), torch.eye(k * b).roll(-b, dims=0)[: (k - 1) * b]
    down[:b] = 0
    actions: dict[tuple[str, str], Action] = {}
    for half, part in (("pushed", k * b), ("popped", (k - 1) * b)):  # the last slot of `popped` is always empty
        actions |= {
            (half, "pushed"): down[:, :part],
            (half, "popped"): up[:, :part],
            (half, "missing"): -top[:, :part],
            (half, "surplus"): top[:, :part],
            (half, "overflow"): last[:, :part],
        }
    recurrent, bias = linear(space, space, actions), torch.zeros(space.width)
    alarm.install(space, recurrent, bias, *VIOLATIONS)
    first = torch.cat([code, torch.zeros(n, (k - 1) * b)], dim=1)
    opening = space.vectors(n, pushed=first, popped=-1.0, missing=-1.0, surplus=-1.0)
    closing = space.vectors(n, pushed=-1.0, missing=code, surplus=-code, overflow=-1.0)
    end = space.vectors(1, pushed=-1.0, overflow=-1.0)
    head, head_bias = alarm.accept(space, "surplus")
    return network(task, torch.cat([opening, closing, end]), recurrent, bias, head, head_bias)


def layout(task: BoundedDyck) -> dict[str, Any]:
    """Which units hold which bit, for the argument by rules."""
    space, k, b = coordinates(task), task.depth, task.kinds.bit_length()
    halves = [range(space.width)[space[half]] for half in ("pushed", "popped")]
    slots = [[[half[i * b + j] for half in halves if i * b + j < len(half)] for j in range(b)] for i in range(k)]
    violations = [unit for name in VIOLATIONS for unit in range(space.width)[space[name]]]
    return {"slots": slots, "violations": violations, **{name: space[name].start for name in alarm.BLOCKS}}


def build(task: BoundedDyck, options: Options) -> Construction:
    """The stack network with its certificate: by visiting all states where these are few, by local rules otherwise."""
    model = elman(task)
    if task.depth <= DEEPEST and task.kinds ** (task.depth + 1) <= FEW:
        return certified(NAME, model, options)
    found = proved(lambda: stack_rules.read(model, options.format, layout(task)), model, options)
    return issue(
        NAME,
        model,
        options,
        claim=product.claim(task, NAME),
        scope="all lengths",
        argument=stack_rules.ARGUMENT,
        margin=found.margin,
        quantities=sizes(model) | {"largest_sum": found.largest_sum},
        layout=layout(task),
    )


VIOLATIONS = ("missing", "surplus", "overflow")
FEW, DEEPEST = 2**10, 32
"""Networks whose states are visited one by one: full stacks times kinds, and the depth."""

NAME = "bounded-dyck-stack"

THEOREMS = {NAME: Theorem(NAME, "bounded-dyck", "bounded Dyck-(n, k) needs O(k log n) recurrent units", SOURCE, build)}
