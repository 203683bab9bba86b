"""What mixers share whose state is a model trained while reading, one mini-batch of tokens after another."""

from __future__ import annotations

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from separatrix.models.mixer import Mixer
from separatrix.models.state import State


class MiniBatchMixer(Mixer):
    """Each token's gradient is taken at the model that the last whole mini-batch has left.

    State: two tensors that make up the model, and what has been written of the mini-batch that is not whole yet:
    keys, values and rates of N mod batch tokens.
    """

    def __init__(self, width: int, heads: int, batch: int) -> None:
        super().__init__()
        self.heads, self.batch = heads, batch
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))

    @abstractmethod
    def asked(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B H N K"]:
        """Queries."""

    @abstractmethod
    def written(self, x: Float[Tensor, "B N D"]) -> tuple[Tensor, ...]:
        """Keys and values, (B, H, N, ·), and rates, (B, H, N)."""

    @abstractmethod
    def begin(self, x: Float[Tensor, "B N D"]) -> tuple[Tensor, Tensor]:
        """The model before the first token."""

    @abstractmethod
    def train_on(
        self, q: Float[Tensor, "B H N K"], written: tuple[Tensor, ...], model: tuple[Tensor, Tensor]
    ) -> tuple[Float[Tensor, "B H N K"], Tensor, Tensor]:
        """What is answered at each token, from the beginning of a mini-batch on, and the model after the whole ones."""

    @abstractmethod
    def answer(self, q: Float[Tensor, "B H Q K"], own: tuple[Tensor, ...], state: State) -> Float[Tensor, "B H Q K"]:
        """What is answered to alternative next tokens, each written as `own` says, from one state."""

    @abstractmethod
    def finish(self, y: Float[Tensor, "B H N K"], x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Norms, gates and the output projection."""

    def by_head(self, x: Float[Tensor, "B N HK"]) -> Float[Tensor, "B H N K"]:
        """One row of numbers a head."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        model, waiting = (self.begin(x), None) if state is None else (state[:2], state[2:])
        written, early = self.written(x), 0
        if waiting is not None:
            early = waiting[0].shape[2]
            written = tuple(torch.cat(pair, dim=2) for pair in zip(waiting, written, strict=True))
        q = self.asked(x)
        q = torch.cat([q.new_zeros(*q.shape[:2], early, q.shape[3]), q], dim=2)  # those waiting are not asked again
        y, *after = self.train_on(q, written, model)
        whole = written[0].shape[2] // self.batch * self.batch
        rest = (part[:, :, whole:].clone() for part in written)  # a view would keep the whole text in memory
        return self.finish(y[:, :, early:], x), (*(part.clone() for part in after), *rest)

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        return self.finish(self.answer(self.asked(x), self.written(x), state), x)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y, after = self.scan(x[:, None], state)
        return y[:, 0], after
