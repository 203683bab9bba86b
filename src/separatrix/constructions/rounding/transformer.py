"""Transformers evaluated with every weight and every intermediate result rounded to a number format."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from separatrix.constructions.rounding.recurrent import RoundedRecurrent
from separatrix.errors import InputError
from separatrix.models import SequenceModel
from separatrix.models.block import Block
from separatrix.models.recurrent import CellMixer
from separatrix.models.state import State
from separatrix.models.transformer import Attention
from separatrix.numerics import Arithmetic, Format, parse
from separatrix.numerics.arithmetic import Order

SCORES = 2**22
"""Scores held at a time, at most."""


class RoundedTransformer:
    """A Transformer without normalisation in a format. Results are float64 tensors holding values of the format.

    Example: `RoundedTransformer(model, "bf16").forward(context, queries)`.

    Sums over coordinates are taken in their order, biases last; sums over positions in `order`, the query's own place
    last. Softmax subtracts the largest score. Every product, sum, exponential and quotient is rounded by itself.
    Raises InputError for other mixers, norms, activations, and attention with positions of its own or a window.
    """

    def __init__(self, model: SequenceModel, number_format: str | Format, order: Order = "sequential") -> None:
        self.model, self.arithmetic = model, Arithmetic(parse(number_format), order)
        self.round = self.arithmetic.round
        for block in model.blocks:
            mixer = block.mixer
            if not isinstance(mixer, Attention) or mixer.relative != "none" or mixer.window is not None:
                raise InputError(f"{model.config.name} is not rounded here: expected plain attention in every layer")
        if model.config.norm != "none" or (model.config.mlp_width and model.config.activation != "relu"):
            raise InputError(
                f"expected norm='none' and activation='relu', got {model.config.norm!r} and {model.config.activation!r}"
            )

    @torch.no_grad()
    def prefill(self, context: Tensor) -> tuple[State, ...]:
        """The keys and values of every layer, as of `SequenceModel.prefill`."""
        x = self._embed(context)
        if self.model.positions is not None:
            x = self.arithmetic.add(x, self.round(self.model.positions(context.shape[1]).double()))
        states: list[State] = []
        for layer, block in enumerate(self.model.blocks, start=1):
            states.append((self._heads(block, "key", x), self._heads(block, "value", x)))
            if layer < len(self.model.blocks):
                x = self._finish(block, x, self._scan(block, x, states[-1]))
        return tuple(states)

    @torch.no_grad()
    def decode(self, state: tuple[State, ...], queries: Tensor) -> Float[Tensor, "B Q answers"]:
        """Logits of the answers to each query, all asked of the same state."""
        model = self.model
        at_once = max(1, SCORES // max(1, state[0][0][..., 0].numel()))
        logits = []
        for part in queries.split(at_once, dim=1):
            x = self._embed(part + model.query_offset if model.task.vector_size is None else part)
            for block, (keys, values) in zip(model.blocks, state, strict=True):
                x = self._finish(block, x, self._ask(block, x, keys, values))
            logits.append(self._linear(model.head, x))
        return torch.cat(logits, dim=1)

    def forward(self, context: Tensor, queries: Tensor) -> Float[Tensor, "B Q answers"]:
        """Logits of the answers to queries about a context."""
        return self.decode(self.prefill(context), queries)

    def _embed(self, tokens: Tensor) -> Float[Tensor, "B N D"]:
        if isinstance(self.model.embed, nn.Embedding):
            return self.round(self.model.embed(tokens).double())
        assert isinstance(self.model.embed, nn.Linear)
        return self._linear(self.model.embed, self.round(tokens.double()))

    def _linear(self, layer: nn.Linear, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B O"]:
        bias = None if layer.bias is None else self.round(layer.bias.double())
        return self.arithmetic.linear(x, self.round(layer.weight.double()), bias)

    def _heads(self, block: Block, name: str, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B H N K"]:
        mixer = block.mixer
        assert isinstance(mixer, Attention)
        return mixer.split(self._linear(getattr(mixer, name), x))

    def _scores(self, block: Block, queries: Tensor, keys: Tensor) -> Tensor:
        mixer = block.mixer
        assert isinstance(mixer, Attention)
        scale = self.arithmetic.format.round_number(mixer.scale)
        return self.arithmetic.multiply(self.arithmetic.dot(queries, keys), scale)

    def _scan(self, block: Block, x: Float[Tensor, "B N D"], state: State) -> Float[Tensor, "B N D"]:
        """What every token of the context fetches from those it sees."""
        keys, values = state
        mixer, mixed = block.mixer, []
        assert isinstance(mixer, Attention)
        for rows in self._rows(keys):
            end = int(rows[-1]) + 1 if mixer.causal else keys.shape[2]
            scores = self._scores(block, self._heads(block, "query", x[:, rows]), keys[:, :, :end])
            if mixer.causal:
                scores = scores.masked_fill(torch.arange(end, device=x.device) > rows[:, None], -torch.inf)
            mixed.append(self.arithmetic.average(self.arithmetic.softmax(scores), values[:, :, :end]))
        return self._merge(block, torch.cat(mixed, dim=2))

    def _rows(self, keys: Float[Tensor, "B H N K"]) -> Iterator[Tensor]:
        """Rows of the context, so many at a time that their scores fit."""
        tokens = keys.shape[2]
        at_once = max(1, SCORES // max(1, keys[..., 0].numel()))
        for start in range(0, tokens, at_once):
            yield torch.arange(start, min(start + at_once, tokens), device=keys.device)

    def _ask(
        self, block: Block, x: Float[Tensor, "B Q D"], keys: Float[Tensor, "B H N K"], values: Float[Tensor, "B H N K"]
    ) -> Float[Tensor, "B Q D"]:
        """What each query fetches from the context and, last, from itself."""
        query, key, value = (self._heads(block, name, x) for name in ("query", "key", "value"))
        own = self._scores(block, query[..., None, :], key[..., None, :])[..., 0]
        weights = self.arithmetic.softmax(torch.cat([self._scores(block, query, keys), own], dim=-1))
        past = self.arithmetic.average(weights[..., :-1], values)
        return self._merge(block, self.arithmetic.add(past, self.arithmetic.multiply(weights[..., -1:], value)))

    def _merge(self, block: Block, mixed: Float[Tensor, "B H N K"]) -> Float[Tensor, "B N D"]:
        mixer = block.mixer
        assert isinstance(mixer, Attention)
        return self._linear(mixer.out, mixed.transpose(1, 2).flatten(-2))

    def _finish(self, block: Block, x: Float[Tensor, "B N D"], mixed: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        x = self.arithmetic.add(x, mixed) if block.residual else mixed
        if block.mlp is None:
            return x
        _, enter, _, leave = block.mlp
        assert isinstance(enter, nn.Linear) and isinstance(leave, nn.Linear)
        return self.arithmetic.add(x, self._linear(leave, self._linear(enter, x).clamp(min=0)))


def rounded(model: SequenceModel, number_format: str | Format) -> RoundedTransformer | RoundedRecurrent:
    """A model evaluated in a format: `rounded(model, "bf16").forward(context, queries)` are its logits.

    Raises InputError for models that cannot be.
    """
    if all(isinstance(block.mixer, CellMixer) for block in model.blocks):
        return RoundedRecurrent(model, number_format)
    return RoundedTransformer(model, number_format)
