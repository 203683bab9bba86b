"""The Mixer contract: one layer's way of carrying the past."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from separatrix.models.state import State, repeat_queries


class Mixer(nn.Module, ABC):
    """Carries information along a sequence. `scan` and `step` are two forms of one function and agree to rounding.

    The state is everything a later token can see of the earlier ones. Subclasses give `scan` and `step`; they
    override `prefill` and `decode` where these can be had for less than the whole outputs.
    """

    @abstractmethod
    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        """Outputs at every token and the state after the last one; goes on from `state` when given."""

    @abstractmethod
    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        """Output and new state for one more token."""

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        """The state after the last token, without the outputs."""
        return self.scan(x, state)[1]

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        """The outputs of `step` for each of Q alternative next tokens, all from the same state."""
        batch, queries, width = x.shape
        y, _ = self.step(repeat_queries(state, queries), x.reshape(batch * queries, width))
        return y.reshape(batch, queries, width)
