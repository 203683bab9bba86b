"""What a model does with one input: attention weights, hidden states, margins, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.errors import InputError
from separatrix.models.sequence import Block, SequenceModel
from separatrix.models.state import tensors
from separatrix.models.transformer import Attention

DRAWABLE = 512
"""Contexts up to this many tokens are traced token by token; of longer ones only the query is."""


@dataclass(frozen=True)
class Layer:
    """One layer, at every row that is computed: the context's tokens (not in the last layer), then the query.

    attention: Float[H, rows, N + 1], the weight each row gives to each place, the query's own last; None without
               attention
    state:     Float[N, numbers], what is handed over after each token; None with attention, whose state is its past
    hidden:    Float[rows, D], the block's output
    """

    attention: Float[Tensor, "H rows places"] | None
    state: Float[Tensor, "N numbers"] | None
    hidden: Float[Tensor, "rows D"]

    def looks_at(self, most: int = 5) -> list[list[tuple[int, float]]]:
        """For each head, the places the query attends to most, with their weights. Place N is the query itself."""
        if self.attention is None:
            return []
        weights, places = self.attention[:, -1].topk(min(most, self.attention.shape[2]), dim=1)
        return [list(zip(p, w, strict=True)) for p, w in zip(places.tolist(), weights.tolist(), strict=True)]


@dataclass(frozen=True)
class Trace:
    """One input's way through a model. `margin` is the answer's logit less the best other one's."""

    layers: tuple[Layer, ...]
    logits: Float[Tensor, " answers"]

    @property
    def answer(self) -> int:
        """The answer with the largest logit."""
        return int(self.logits.argmax())

    @property
    def margin(self) -> float:
        """How far the answer's logit is above the next."""
        best = self.logits.topk(2).values
        return float(best[0] - best[1])


@torch.no_grad()
def trace(model: SequenceModel, context: Tensor, query: Tensor) -> Trace:
    """Run a model on one context and one query, keeping what happens inside.

    context: Int[N] or Float[N, d]; query: Int[] or Float[d]
    Raises InputError for attention with positions of its own (rope, alibi) or a window.
    """
    whole = len(context) <= DRAWABLE
    state = model.prefill(context[None])
    x = (
        model.embed(context[None])
        if model.positions is None
        else model.embed(context[None]) + model.positions(len(context))
    )
    q = model.embed((query + model.query_offset if model.task.vector_size is None else query)[None, None])
    layers = []
    for index, block in enumerate(model.blocks):
        last = index == len(model.blocks) - 1
        read = x[:, :0] if last or not whole else x  # the last layer's outputs on the context are never computed
        weights = attention(block, read, q, state[index]) if isinstance(block.mixer, Attention) else None
        states = _states(block, x) if weights is None and whole else None
        x = x if last else block.scan(x, None)[0]
        q = block.decode(state[index], q)
        rows = torch.cat([x[:, : read.shape[1]], q], dim=1)[0]
        layers.append(Layer(weights, states, rows))
    return Trace(tuple(layers), model.decode(state, query[None, None])[0, 0])


def attention(
    block: Block, x: Float[Tensor, "1 T D"], q: Float[Tensor, "1 1 D"], state: tuple[Tensor, Tensor]
) -> Float[Tensor, "H rows places"]:
    """The weights of the first T places and of the query, over all places and the query itself."""
    mixer = block.mixer
    assert isinstance(mixer, Attention)
    if mixer.relative != "none" or mixer.window is not None:
        raise InputError("attention weights are shown for plain attention, not for rope, alibi or a window")
    rows = block.norm(torch.cat([x, q], dim=1))
    keys = torch.cat([state[0], mixer.split(mixer.key(rows[:, -1:]))], dim=2)
    scores = mixer.split(mixer.query(rows)) @ keys.transpose(-1, -2) * mixer.scale
    places = torch.arange(keys.shape[2], device=x.device)
    own = torch.arange(rows.shape[1], device=x.device)
    own[-1] = keys.shape[2] - 1
    return scores.masked_fill(places > own[:, None], -torch.inf).softmax(dim=-1)[0]


def _states(block: Block, x: Float[Tensor, "1 N D"]) -> Float[Tensor, "N numbers"]:
    """The state after each token, flattened."""
    after, state = [], block.mixer.scan(block.norm(x[:, :0]), None)[1]
    for token in block.norm(x).unbind(dim=1):
        _, state = block.mixer.step(state, token)
        after.append(torch.cat([part.flatten() for part in tensors(state)]))
    return torch.stack(after)
