"""The attention protocols, one for each model of arithmetic: what two parties tell each other to attend together.

Alice holds some places of the context, Bob the others; the query, and its own place, are public. Each protocol forms
the quotients that the model itself forms in that arithmetic, from messages of exactly the bits that the bound counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from separatrix.bounds.arithmetic import ArithmeticModel, FixedPointSums, FloatingPointSums, RoundedSums
from separatrix.bounds.protocols.channel import Channel, Transcript, largest_difference, require_numbers
from separatrix.bounds.protocols.exact_sums import ExactSums
from separatrix.bounds.protocols.one_layer import Attended, OneLayer
from separatrix.bounds.protocols.rounded_sums import RoundedInOrder
from separatrix.errors import InputError
from separatrix.numerics import FORMATS, Format


@torch.no_grad()
def attention_protocol(
    model: Any,
    context: torch.Tensor,
    queries: torch.Tensor,
    held: Sequence[int],
    arithmetic: ArithmeticModel | None = None,
) -> Transcript:
    """The attention protocol of a one-layer Transformer, run in a model of arithmetic.

    held:       positions that Alice holds; with every result rounded a prefix 0 … t - 1, 0 < t <= N
    arithmetic: None for every result rounded to fp32
    The messages are those that `arithmetic.capacity` counts, for each query. Raises InputError for a model of another
    form, or one that computes anything but what its weights say (hooks, a `forward` of its own), positions outside the
    context, other cuts than prefixes where only these are protocols, and logits that are no numbers.

    >>> task = sx.tasks.create("index-lookup", length=8, alphabet=4)
    >>> batch = task.sample(2, torch.Generator().manual_seed(0))
    >>> model = sx.models.create("transformer", task, width=8)
    >>> arithmetic = sx.bounds.RoundedSums(16, sx.numerics.parse("bf16"))
    >>> run = sx.bounds.attention_protocol(model, batch.context, batch.queries, range(4), arithmetic)
    >>> run.exact, run.bits == arithmetic.capacity(width=8, heads=1, length=8)
    (True, True)
    """
    arithmetic = RoundedSums(32, FORMATS["fp32"]) if arithmetic is None else arithmetic
    n, places = context.shape[1], sorted(set(held))
    if not set(places) <= set(range(n)):
        raise InputError(f"held must be positions in 0 … {n - 1}, got {places[0]} … {places[-1]}")
    layer = OneLayer(model, local_format(arithmetic))
    attention, channel = attend(arithmetic, layer.read(context, queries)), Channel()
    logits = layer.finish(queries, attention.together(places, channel))
    own, computed = layer.finish(queries, attention.alone()), model(context, queries)
    require_numbers(own, arithmetic.words)
    require_numbers(computed, "the model's own format")
    return Transcript(tuple(channel.messages), logits, largest_difference(logits, computed), torch.equal(logits, own))


@torch.no_grad()
def evaluate(model: Any, context: torch.Tensor, queries: torch.Tensor, arithmetic: ArithmeticModel) -> torch.Tensor:
    """Logits of a one-layer Transformer computed in a model of arithmetic: Float64[B, Q, answers]."""
    layer = OneLayer(model, local_format(arithmetic))
    return layer.finish(queries, attend(arithmetic, layer.read(context, queries)).alone())


def attend(arithmetic: ArithmeticModel, attended: Attended) -> ExactSums | RoundedInOrder:
    """Attention over these scores and values, in this arithmetic: alone, or by two parties together."""
    if isinstance(arithmetic, RoundedSums):
        return RoundedInOrder(local_format(arithmetic), attended)
    assert isinstance(arithmetic, FixedPointSums | FloatingPointSums)
    return ExactSums(arithmetic, attended)


def local_format(arithmetic: ArithmeticModel) -> Format:
    """How the local parts are computed: rounded with everything else, or as they are."""
    if not isinstance(arithmetic, RoundedSums):
        return FORMATS["real"]
    if arithmetic.format is None:
        raise InputError(f"rounding to {arithmetic.bits} bits is executed in a format: name one, such as bf16")
    return arithmetic.format
