"""What DSS and S4D share: fixed diagonal complex state spaces behind every channel."""

from __future__ import annotations

from abc import abstractmethod

import torch
from jaxtyping import Complex, Float
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.mixer import Mixer
from separatrix.models.state import State, as_complex, as_real
from separatrix.ops.precision import full


class DiagonalMixer(Mixer):
    """h' = rate h + x in each of `state` complex states of a channel, y = Re(weight · h) + D x.

    State: h, 2 * width * state numbers (real and imaginary parts).
    """

    transitions = "rotating"

    skip: nn.Parameter

    @abstractmethod
    def dynamics(self) -> tuple[Complex[Tensor, "D S"], Complex[Tensor, "D S"]]:
        """(rate, weight) of the discretised system."""

    @abstractmethod
    def mix(self, y: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """What follows the state space: nonlinearity and projection between channels."""

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        y, after = ops.diagonal_scan(x, *self.dynamics(), None if state is None else as_complex(state[0]))
        return self.mix(y + self.skip * x), (as_real(after).to(x.dtype),)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        rate, weight = self.dynamics()
        h = rate * as_complex(state[0]) + full(x)[..., None]
        return self.mix((weight * h).real.sum(-1).to(x.dtype) + self.skip * x), (as_real(h).to(x.dtype),)

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        rate, weight = self.dynamics()
        past = (weight * rate * as_complex(state[0])).real.sum(-1)  # (B, D): the same for every query
        return self.mix((past[:, None] + (weight.real.sum(-1) + self.skip) * x).to(x.dtype))


def zero_order_hold(
    eigenvalues: Complex[Tensor, "#D S"], step: Float[Tensor, " D"]
) -> tuple[Complex[Tensor, "D S"], Complex[Tensor, "D S"]]:
    """Discretisation: (exp(lambda dt), (exp(lambda dt) - 1) / lambda)."""
    exponent = eigenvalues * step[:, None]
    return torch.exp(exponent), torch.expm1(exponent) / eigenvalues
