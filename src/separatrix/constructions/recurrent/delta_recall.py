"""Recall with overwriting by a DeltaNet of one head: every key a unit vector, every write beta = 1.

A value enters the convolution as its code, 0 or 1024 for each bit and its opposite, a key as its unit vector times
1024, and the taps pair them: the token before gives the key, the token itself the value, and a query its own key. What
comes out of the convolution's SiLU is what entered, or 0 where that was negative. The strength of writing is large,
positive for values and negative for keys and queries, so that the gate is 1 or 0. S' = S + k (v - S^T k)^T replaces one
row, then. The norm of what is read keeps its zeros, whatever rounding does to the size of the others.
"""

from __future__ import annotations

import math

import torch

from separatrix.constructions.basis import Space, linear
from separatrix.constructions.certificate import CertificateError
from separatrix.constructions.check.arguments import overwriting
from separatrix.constructions.codes.binary import binary_signs
from separatrix.constructions.construction import Construction, Options, assemble
from separatrix.constructions.recurrent.issue import issue
from separatrix.constructions.registry import Theorem
from separatrix.errors import InputError
from separatrix.models import SequenceModel
from separatrix.models.deltanet import DeltaNetConfig
from separatrix.numerics import parse
from separatrix.tasks.associative_recall import AssociativeRecall

SOURCE = "Schlag, Irie, Schmidhuber 2021, arXiv 2102.11174; Yang et al. 2024, arXiv 2406.06484"
GATE = 128.0
"""What the gate's logit is in size: fp32 rounds exp(-128) to 0."""


CODE = 1024.0
"""Size of what enters: SiLU keeps it, and its square is large beside what the norm adds to a mean square."""
LARGEST_KEYS = 2**12
"""Keys at most: their matrices take 200 MB then."""


def space_of(task: AssociativeRecall) -> Space:
    """The coordinates of an embedding: which key, the value's signs, a value (1) or a key (-1)."""
    b = max(1, (task.values - 1).bit_length())
    return Space(key=task.keys, code=b, writes=1, spare=max(0, b - task.keys - 1))


def weights(task: AssociativeRecall, settings: DeltaNetConfig) -> SequenceModel:
    """The model."""
    space = space_of(task)
    b = space.size("code")
    embed = space.vectors(task.vocabulary, writes=-1.0)
    embed[: task.keys, space["key"]] = torch.eye(task.keys)  # queries are keys as they stand in the context
    values, codes = slice(task.value_offset, task.alphabet_size), binary_signs(torch.arange(task.values), b)
    embed[values, space["code"]], embed[values, space["writes"]] = codes, 1.0
    entering = Space(query=task.keys, key=task.keys, value=space.width)
    bits = torch.zeros(space.width, b)
    bits[:b], bits[b : 2 * b] = CODE * torch.eye(b), -CODE * torch.eye(b)
    enter = linear(space, entering, {("key", "query"): CODE, ("key", "key"): CODE, ("code", "value"): bits})
    taps = torch.zeros(entering.width, 1, 2)
    taps[:, 0, 1] = 1.0
    taps[entering["key"], 0] = torch.tensor([1.0, 0.0])
    head = torch.zeros(task.answers, space.width)
    head[: task.values, : 2 * b] = torch.cat([codes, -codes], dim=1).clamp(min=0)
    bias = torch.zeros(task.answers)
    bias[task.values] = b - 0.5  # a value's logit is b where it is read, at most b - 1 where another is, 0 for none
    mixer = "blocks.0.mixer"
    return assemble(
        task,
        settings,
        {
            "embed.weight": embed,
            f"{mixer}.enter.weight": enter,
            f"{mixer}.conv.weight": taps,
            f"{mixer}.strength.weight": GATE * space.vectors(1, writes=1.0),
            f"{mixer}.norm": torch.full((space.width,), math.sqrt(b / space.width)),
            f"{mixer}.out.weight": torch.eye(space.width),
            "head.weight": head,
            "head.bias": bias,
        },
    )


def build(task: AssociativeRecall, options: Options) -> Construction:
    """Recall of any number of pairs in one state. Raises InputError where keys and values share their tokens."""
    if task.value_offset != task.keys:
        raise InputError("keys and values must be different tokens (shared=False): they tell when to write")
    number_format, space = parse(options.format), space_of(task)
    if task.keys > LARGEST_KEYS:
        raise CertificateError(f"{task.keys:,} keys need as many coordinates: at most {LARGEST_KEYS:,} are built")
    settings = DeltaNetConfig(width=space.width, key_width=task.keys, taps=2, norm="none", mlp=0, residual=False)
    made = weights(task, settings)
    return issue(
        NAME,
        made,
        options,
        claim=overwriting.claim(task),
        scope="all lengths",
        argument=overwriting.ARGUMENT,
        margin=overwriting.Memory(made, number_format).margin(),
        quantities={"width": space.width, "key_width": task.keys, "gate": GATE},
    )


NAME = "associative-recall-deltanet"

THEOREMS = {
    NAME: Theorem(
        NAME, "associative-recall", "a delta rule of key width |K| holds the last value of every key", SOURCE, build
    )
}
