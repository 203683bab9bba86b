"""A one-layer Transformer taken apart: scores and values, each of one place alone, and what follows the quotients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from separatrix.errors import InputError
from separatrix.numerics import Arithmetic, Format

Mixed = Float[Tensor, "B H Q K"]
"""What attention hands on: a weighted average of values for each head and query."""


@dataclass(frozen=True)
class Attended:
    """What one layer's attention adds up, in float64. A query's own place stands last and is public.

    scores: Float[B, H, Q, N + 1]
    values: Float[B, H, N, K], the context's; own: Float[B, H, Q, K]
    """

    scores: Float[Tensor, "B H Q places"]
    values: Float[Tensor, "B H N K"]
    own: Float[Tensor, "B H Q K"]

    @property
    def length(self) -> int:
        """N, places of the context."""
        return self.values.shape[2]


class OneLayer:
    """The local parts of a one-layer Transformer, every result rounded to a format (not at all in `real`).

    Linear maps are summed coordinate by coordinate, biases last; norms and activations are PyTorch's, their results
    rounded. Raises InputError for models of another form.
    """

    def __init__(self, model: Any, number_format: Format) -> None:
        mixer = getattr(model.blocks[0], "mixer", None) if len(getattr(model, "blocks", [])) == 1 else None
        if mixer is None or not all(hasattr(mixer, name) for name in ("query", "key", "value", "out", "heads")):
            raise InputError("the attention protocol runs on one-layer Transformers of this library")
        if getattr(model.config, "positions", "none") in ("rope", "alibi") or getattr(model.config, "window", None):
            raise InputError("the attention protocol needs plain attention: no rope, alibi or window")
        _require_as_written(model)
        self.model, self.block, self.mixer = model, model.blocks[0], mixer
        self.arithmetic = Arithmetic(number_format)
        self.round = self.arithmetic.round

    def read(self, context: Tensor, queries: Tensor) -> Attended:
        """Scores and values of every place of a context, and of the queries themselves."""
        x = self._embed(context)
        if self.model.positions is not None:
            x = self.arithmetic.add(x, self.round(self.model.positions(context.shape[1]).double()))
        asked = self._local(self.block.norm, self._query(queries))
        seen = self._local(self.block.norm, x)
        query, key, own_key = (self._heads(n, at) for n, at in (("query", asked), ("key", seen), ("key", asked)))
        scale = self.arithmetic.format.round_number(self.mixer.scale)
        own = self.arithmetic.dot(query[..., None, :], own_key[..., None, :])[..., 0]  # (B, H, Q, 1)
        scores = self.arithmetic.multiply(torch.cat([self.arithmetic.dot(query, key), own], dim=-1), scale)
        return Attended(scores, self._heads("value", seen), self._heads("value", asked))

    def finish(self, queries: Tensor, mixed: Mixed) -> Float[Tensor, "B Q answers"]:
        """Logits, from the quotients and the queries."""
        x, merged = self._query(queries), self._linear(self.mixer.out, mixed.transpose(1, 2).flatten(-2))
        x = self.arithmetic.add(x, merged) if self.block.residual else merged
        if self.block.mlp is not None:
            inner = x
            for part in self.block.mlp:
                inner = self._local(part, inner)
            x = self.arithmetic.add(x, inner)
        return self._linear(self.model.head, self._local(self.model.norm, x))

    def _query(self, queries: Tensor) -> Tensor:
        return self._embed(queries + self.model.query_offset if self.model.task.vector_size is None else queries)

    def _embed(self, tokens: Tensor) -> Tensor:
        if isinstance(self.model.embed, nn.Embedding):
            return self.round(self.model.embed(tokens).double())
        return self._linear(self.model.embed, self.round(tokens.double()))

    def _heads(self, name: str, x: Tensor) -> Float[Tensor, "B H N K"]:
        return self.mixer.split(self._linear(getattr(self.mixer, name), x))

    def _local(self, part: nn.Module, x: Tensor) -> Tensor:
        if isinstance(part, nn.Linear):
            return self._linear(part, x)
        if isinstance(part, nn.Identity):
            return x
        kind = next((parameter.dtype for parameter in part.parameters()), torch.float32)
        return x.clamp(min=0) if isinstance(part, nn.ReLU) else self.round(part(x.to(kind)).double())

    def _linear(self, layer: nn.Linear, x: Tensor) -> Tensor:
        bias = None if layer.bias is None else self.round(layer.bias.double())
        return self.arithmetic.linear(x, self.round(layer.weight.double()), bias)


def _require_as_written(model: nn.Module) -> None:
    """InputError unless every module computes what its class and weights say, as they are read here."""
    for name, module in model.named_modules():
        known = type(module).__module__.startswith(("separatrix.models.", "torch.nn.modules."))
        hooked = module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
        if hooked or not known:
            what = "has hooks, or a forward of its own" if hooked else f"is a {type(module).__name__}"
            raise InputError(
                f"the attention protocol reads the weights of this library's Transformers: {name or 'the model'} {what}"
            )
