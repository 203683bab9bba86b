"""What a model does with one input: attention weights, hidden states, margins, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from separatrix.models.block import Block
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import tensors
from separatrix.models.transformer import Attention

DRAWABLE = 512
"""Contexts up to this many tokens are traced token by token; of longer ones only the query is."""


@dataclass(frozen=True)
class Layer:
    """One layer, at every row that is computed: the context's tokens (not in the last layer), then the query.

    attention: Float[H, seen, N + 1], the weight each row gives to each place, the query's own last; the query's row
               alone with a window or positions of its own; None without attention
    state:     Float[N, numbers], what is handed over after each token; None with attention, whose state is its past
    hidden:    Float[rows, D], the block's output
    """

    attention: Float[Tensor, "H seen places"] | None
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
    """
    whole = len(context) <= DRAWABLE
    state = model.prefill(context[None])
    x = model.embed(context[None])
    if model.positions is not None:
        x = x + model.positions(len(context))
    q = embed_queries(model, query[None, None])
    layers = []
    for index, block in enumerate(model.blocks):
        last = index == len(model.blocks) - 1
        read = x[:, :0] if last or not whole else x  # the last layer's outputs on the context are never computed
        weights = _attention(block, read, q, state[index]) if isinstance(block.mixer, Attention) else None
        states = _states(block, x) if weights is None and whole else None
        x = x if last else block.scan(x, None)[0]
        q = block.decode(state[index], q)
        rows = torch.cat([x[:, : read.shape[1]], q], dim=1)[0]
        layers.append(Layer(weights, states, rows))
    return Trace(tuple(layers), model.decode(state, query[None, None])[0, 0])


@torch.no_grad()
def query_attention(model: SequenceModel, context: Tensor, queries: Tensor) -> list[Float[Tensor, "B H Q places"]]:
    """The weights the queries give to every place and to themselves (last), for each attention layer."""
    state, q = model.prefill(context), embed_queries(model, queries)
    found = []
    for block, past in zip(model.blocks, state, strict=True):
        if isinstance(block.mixer, Attention):
            found.append(block.mixer.attend(past, block.norm(q)))
        q = block.decode(past, q)
    return found


def embed_queries(model: SequenceModel, queries: Tensor) -> Float[Tensor, "B Q D"]:
    """The queries as the first layer gets them."""
    return model.embed(queries + model.query_offset if model.task.vector_size is None else queries)


def _attention(
    block: Block, x: Float[Tensor, "1 T D"], q: Float[Tensor, "1 1 D"], state: tuple[Tensor, Tensor]
) -> Float[Tensor, "H rows places"]:
    """The weights of the first T places, where attention is plain, and of the query, over all places and itself."""
    mixer = block.mixer
    assert isinstance(mixer, Attention)
    asked = mixer.attend(state, block.norm(q))[0]
    if not x.shape[1] or mixer.relative != "none" or mixer.window is not None:
        return asked
    scores = mixer.split(mixer.query(block.norm(x))) @ state[0].transpose(-1, -2) * mixer.scale
    if mixer.causal:
        places = torch.arange(state[0].shape[2], device=x.device)
        scores = scores.masked_fill(places > places[: x.shape[1], None], -torch.inf)
    weights = scores.softmax(dim=-1)[0]
    return torch.cat([torch.cat([weights, torch.zeros_like(weights[..., :1])], dim=-1), asked], dim=1)


def _states(block: Block, x: Float[Tensor, "1 N D"]) -> Float[Tensor, "N numbers"]:
    """The state after each token, flattened."""
    after, state = [], block.mixer.scan(block.norm(x[:, :0]), None)[1]
    for token in block.norm(x).unbind(dim=1):
        _, state = block.mixer.step(state, token)
        after.append(torch.cat([part.flatten() for part in tensors(state)]))
    return torch.stack(after)
