"""Associative recall with two layers of one head and width ceil(log2 N) + 2b, b = ceil(log2 of the alphabet).

Coordinates: the pair (signs of its number), the kind of the token (1 for a value, -1 for a key; -3 for a query until
the first MLP, then 0), the token, and the key beside it. First layer: every position asks for the key of its own
pair, so that keys and queries read themselves. Second layer: a query asks for a value whose key is its own: its
pair's value scores b + 1, itself b, any other position b - 1 at most. So it reads the value, or itself where the key
is absent.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.constructions.attention.layers import Unit, assemble, config, head
from separatrix.constructions.attention.one_hot import leak, require_exact, temperature
from separatrix.constructions.basis import Space
from separatrix.constructions.certificate import Certificate
from separatrix.constructions.check.arguments import recall
from separatrix.constructions.codes.binary import binary_signs
from separatrix.constructions.construction import Construction, Options
from separatrix.constructions.registry import Theorem
from separatrix.models import SequenceModel
from separatrix.models.transformer import TransformerConfig
from separatrix.numerics import Real, parse
from separatrix.tasks.associative_recall import AssociativeRecall

PAPER = "Bhattamishra, Hahn, Blunsom, Kanade 2024, arXiv 2406.09347, section 5"
QUERY = -3.0
"""The kind of a query, neither key nor value, before the first MLP: so far off that it attends to itself."""


def space_of(task: AssociativeRecall) -> Space:
    """The coordinates of the residual stream."""
    b = (task.alphabet_size - 1).bit_length()
    return Space(pair=(task.pairs - 1).bit_length(), kind=1, token=b, key=b)


def weights(task: AssociativeRecall, settings: TransformerConfig, copy: float, match: float) -> SequenceModel:
    """The model."""
    space = space_of(task)
    b, kind = space.size("token"), space["kind"].start
    embed = space.vectors(task.vocabulary, kind=QUERY, token=binary_signs(torch.arange(task.vocabulary), b))
    everywhere = torch.arange(task.length)
    parity = 2.0 * (everywhere % 2) - 1
    table = space.vectors(
        task.length, pair=binary_signs(everywhere // 2, space.size("pair")), kind=(parity - QUERY)[:, None]
    )
    inside = Space(pair=space.size("pair"), kind=1, code=b)
    copied = head(
        inside,
        query={("pair", "pair"): copy},
        query_bias={"kind": -copy},
        key={("pair", "pair"): 1.0, ("kind", "kind"): 1.0},
        value={("token", "code"): 1.0},
        out={("code", "key"): 1.0},
    )
    recognised = Unit({kind: -1.0}, QUERY + 1, {kind: -QUERY})
    matched = head(
        inside,
        query={("key", "code"): match},
        query_bias={"kind": match},
        key={("key", "code"): 1.0, ("kind", "kind"): 1.0},
        value={("token", "code"): 1.0, ("kind", "kind"): 1.0},
        out={("code", "key"): 1.0, ("kind", "kind"): 1.0},
    )
    output, bias = answers(task, space)
    layers = [([copied], [recognised]), ([matched], [])]
    return assemble(task, settings, space, {"weight": embed}, table, layers, output, bias)


def answers(task: AssociativeRecall, space: Space) -> tuple[Float[Tensor, "answers D"], Float[Tensor, " answers"]]:
    """What was read is `key` less the token; a value's code fits it by b, others by b - 2 at most, absence by b - 1.

    A query that read itself has kind 0 instead of 1: then absence is worth b + 1.
    """
    b, kind = space.size("token"), space["kind"].start
    codes = binary_signs(torch.arange(task.value_offset, task.value_offset + task.values), b)
    output = space.vectors(task.answers)
    output[: task.values, space["key"]], output[: task.values, space["token"]] = codes, -codes
    output[task.values, kind] = -2.0
    bias = torch.zeros(task.answers)
    bias[task.values] = b + 1.0
    return output, bias


def build(task: AssociativeRecall, options: Options) -> Construction:
    """Recall of any number of pairs up to k, every key asked, with one set of weights for all lengths."""
    number_format, space = parse(options.format), space_of(task)
    b = space.size("token")
    copy, match = temperature(2.0, number_format), temperature(1.0, number_format)
    require_exact(number_format, max(space.size("pair") + 1, 3), copy, "the scores of the first layer")
    require_exact(number_format, b + 1, match, "the scores of the second layer")
    require_exact(number_format, max(3 * b, b + 3, 9), 1.0, "the logits")
    settings = config(space.width, inside_width(space), heads=1, units=1)
    first = second = 0.0
    if isinstance(number_format, Real):
        first = leak(task.length, 2 * copy)
        second = leak(task.length, match * (1 - 16 * b * first))
    certificate = Certificate(
        construction=NAME,
        claim=recall.claim(task),
        scope="lengths up to N",
        argument=recall.ARGUMENT,
        number_format=options.format,
        margin=1 - 16 * (b + 1) * (first + second),
        quantities={
            "width": space.width,
            "copy_beta": copy,
            "match_beta": match,
            "copy_leak": first,
            "match_leak": second,
        },
        parameters=options.model_dump(),
        task=task.model_dump(mode="json"),
        model=settings.model_dump(mode="json"),
    )
    return Construction(task, settings, certificate, lambda: weights(task, settings, copy, match))


def inside_width(space: Space) -> int:
    """Width of the one head."""
    return space.size("pair") + 1 + space.size("token")


NAME = "associative-recall"

THEOREMS = {
    NAME: Theorem(NAME, "associative-recall", "2 layers of one head and width ceil(log2 N) + 2b suffice", PAPER, build)
}
