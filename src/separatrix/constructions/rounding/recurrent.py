"""Recurrent networks evaluated with every intermediate result rounded to a number format."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from separatrix.errors import InputError
from separatrix.models import SequenceModel
from separatrix.models.block import Block
from separatrix.models.recurrent import CellMixer
from separatrix.models.state import State, repeat_queries
from separatrix.numerics import Arithmetic, Format, parse
from separatrix.ops.cells import Kind


def cell_step(
    arithmetic: Arithmetic,
    kind: Kind,
    gates: Float[Tensor, "B GH"],
    weight: Float[Tensor, "GH H"],
    h: Float[Tensor, "B H"],
    c: Float[Tensor, "B H"] | None = None,
    bias_new: Float[Tensor, " H"] | None = None,
) -> tuple[Tensor, Tensor | None]:
    """`ops.cell_step` with every product, sum, sigmoid and tanh rounded: the new hidden and cell state."""
    add, multiply = arithmetic.add, arithmetic.multiply

    def sigmoid(x: Tensor) -> Tensor:
        return arithmetic.round(torch.sigmoid(x))

    def tanh(x: Tensor) -> Tensor:
        return arithmetic.round(torch.tanh(x))

    hidden = arithmetic.linear(h, weight)
    if c is not None:  # LSTM
        enter, forget, new, leave = add(gates, hidden).chunk(4, dim=-1)
        c = add(multiply(sigmoid(forget), c), multiply(sigmoid(enter), tanh(new)))
        return multiply(sigmoid(leave), tanh(c)), c
    if bias_new is not None:  # GRU
        reset_x, update_x, new_x = gates.chunk(3, dim=-1)
        reset_h, update_h, new_h = hidden.chunk(3, dim=-1)
        update = sigmoid(add(update_x, update_h))
        new = tanh(add(new_x, multiply(sigmoid(add(reset_x, reset_h)), add(new_h, bias_new))))
        return add(new, multiply(update, add(h, -new))), None
    return (tanh if kind == "elman_tanh" else torch.relu)(add(gates, hidden)), None


class RoundedRecurrent:
    """A stack of Elman, GRU or LSTM cells in a format; weights are rounded to it first.

    Example: `RoundedRecurrent(model, "bf16").forward(context, queries)`, logits in float64 holding values of bf16.
    Raises InputError for models with norms, or mixers that are no cells.
    """

    def __init__(self, model: SequenceModel, number_format: str | Format) -> None:
        self.model, self.arithmetic = model, Arithmetic(parse(number_format))
        self.rounded: dict[int, Tensor] = {}
        if model.config.norm != "none" or not all(isinstance(block.mixer, CellMixer) for block in model.blocks):
            raise InputError(
                f"rounded cells are stacks of elman, gru or lstm layers without norms, got {model.config.name} with "
                f"norm {model.config.norm!r}"
            )

    def weight(self, parameter: Tensor) -> Tensor:
        """A weight rounded to the format."""
        key = id(parameter)
        if key not in self.rounded:
            self.rounded[key] = self.arithmetic.round(parameter.detach().double())
        return self.rounded[key]

    def embed(self, tokens: Int[Tensor, "*B"]) -> Float[Tensor, "*B D"]:
        """The rounded embeddings of tokens (queries with their offset added)."""
        table = self.model.embed.weight
        assert isinstance(table, Tensor)
        return self.weight(table)[tokens]

    def gates(self, mixer: CellMixer, x: Float[Tensor, "B D"]) -> Float[Tensor, "B GH"]:
        """The gates' share of the input, its two biases added up first."""
        weight, _, bias, hidden = (self.weight(each) for each in mixer.cell.all_weights[0])
        if mixer.kind == "gru":
            hidden = torch.cat([hidden[: -mixer.cell.hidden_size], hidden.new_zeros(mixer.cell.hidden_size)])
        return self.arithmetic.linear(x, weight, self.arithmetic.add(bias, hidden))

    def start(self, batch: int) -> tuple[State, ...]:
        """The state before the first token."""
        like = torch.zeros(batch, 1, self.model.config.width, dtype=torch.float64)
        return tuple(block.mixer.start(like) for block in self.model.blocks)  # type: ignore[operator]

    def layer(self, block: Block, state: State, x: Float[Tensor, "B D"]) -> tuple[Tensor, State]:
        """One layer's output and new state."""
        mixer, linear, add = block.mixer, self.arithmetic.linear, self.arithmetic.add
        assert isinstance(mixer, CellMixer)
        cell = state[1] if mixer.kind == "lstm" else None
        _, recurrent, _, hidden = (self.weight(each) for each in mixer.cell.all_weights[0])
        new = hidden[-mixer.cell.hidden_size :] if mixer.kind == "gru" else None
        h, c = cell_step(self.arithmetic, mixer.kind, self.gates(mixer, x), recurrent, state[0], cell, new)
        y = add(x, h) if block.residual else h
        if block.mlp is not None:
            _, enter, activation, leave = block.mlp
            assert isinstance(enter, nn.Linear)
            assert isinstance(leave, nn.Linear)
            inner = self.arithmetic.round(activation(linear(y, self.weight(enter.weight), self.weight(enter.bias))))
            y = add(y, linear(inner, self.weight(leave.weight), self.weight(leave.bias)))
        return y, (h,) if c is None else (h, c)

    def step(
        self, state: tuple[State, ...], tokens: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B D"], tuple[State, ...]]:
        """Output and new state for one more token."""
        x, after = self.embed(tokens), []
        for block, before in zip(self.model.blocks, state, strict=True):
            x, new = self.layer(block, before, x)
            after.append(new)
        return x, tuple(after)

    def decode(self, state: tuple[State, ...], queries: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q answers"]:
        """Logits of the answers to each query, all asked of the same state."""
        asked = (queries + self.model.query_offset).flatten()
        y, _ = self.step(tuple(repeat_queries(each, queries.shape[1]) for each in state), asked)
        head = self.model.head
        return self.arithmetic.linear(y, self.weight(head.weight), self.weight(head.bias)).unflatten(0, queries.shape)

    def forward(self, context: Int[Tensor, "B N"], queries: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q answers"]:
        """Logits of the answers to queries about a context."""
        state = self.start(len(context))
        for t in range(context.shape[1]):
            state = self.step(state, context[:, t])[1]
        return self.decode(state, queries)
