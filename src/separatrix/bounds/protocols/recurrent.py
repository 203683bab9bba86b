"""The recurrent protocol: the state is the message, in whatever arithmetic it was computed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from separatrix.bounds.protocols.channel import Message, Transcript, largest_difference, require_numbers
from separatrix.errors import InputError


@torch.no_grad()
def recurrent_protocol(
    model: Any, context: Tensor, queries: Tensor, cut: int, precision: int | None = None
) -> Transcript:
    """The recurrent protocol: Alice reads the first `cut` tokens and sends the state; Bob reads on and answers.

    precision: bits per scalar of the message: uniform quantisation of each tensor between its least and largest value,
               which are sent too, 32 bits each; None sends the state as it is stored
    The theorem behind it: an exact model's message takes at least log2 rows(prefix) values. Raises InputError when the
    cut lies outside the context, and for logits that are no numbers.

    >>> task = sx.tasks.create("index-lookup", length=8, alphabet=4)
    >>> batch = task.sample(2, torch.Generator().manual_seed(0))
    >>> model = sx.models.create("lstm", task, width=4)
    >>> run = sx.bounds.recurrent_protocol(model, batch.context, batch.queries, cut=5)
    >>> run.bits, run.difference  # 2 * 4 numbers of 32 bits
    (256, 0.0)
    """
    if not 0 < cut <= context.shape[1]:
        raise InputError(f"cut must be in 1 … {context.shape[1]}, got {cut}")
    state = model.prefill(context[:, :cut])
    sent, bits = quantise(state, precision)
    rest = context[:, cut:]
    after = model.prefill(rest, sent, start=cut) if rest.shape[1] else sent
    logits = model.decode(after, queries)
    own = model(context, queries)
    require_numbers(own, "the model's own format")
    stored = "as stored" if precision is None else f"{precision} bits a scalar"
    message = Message("Alice", bits, f"the state after {cut} tokens, {stored}")
    return Transcript((message,), logits, largest_difference(logits, own))


def quantise(state: Any, precision: int | None) -> tuple[Any, int]:
    """A state as Bob receives it, and the bits per example that took."""
    leaves, form = pytree.tree_flatten(state)
    if precision is None:
        return state, sum(leaf[0].numel() * leaf.dtype.itemsize * 8 for leaf in leaves)
    if not 1 <= precision <= 24:
        raise InputError(f"precision must be in 1 … 24 bits, got {precision}")
    received, bits = [], 0
    for leaf in leaves:
        if not leaf.is_floating_point():
            raise InputError(f"only real states are quantised, got {leaf.dtype}: send it as stored (precision None)")
        flat = leaf.flatten(1)
        low, high = flat.amin(dim=1, keepdim=True), flat.amax(dim=1, keepdim=True)
        step = ((high - low) / (2**precision - 1)).clamp(min=torch.finfo(leaf.dtype).tiny)
        received.append((low + ((flat - low) / step).round() * step).view_as(leaf))
        bits += leaf[0].numel() * precision + 64
    return pytree.tree_unflatten(received, form), bits
