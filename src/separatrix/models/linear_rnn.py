"""Linear RNN: a diagonal complex recurrence, the linear recurrent unit of Orvieto et al. 2023."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State, as_complex, as_real
from separatrix.ops.precision import full


class LinearRNNConfig(ModelConfig):
    """Blocks as in the paper: layer norm, recurrence, GELU, gated linear unit, residual."""

    name: Literal["linear-rnn"] = "linear-rnn"
    state: int | None = Field(None, ge=1, description="complex states; None for width")
    slowest: float = Field(1.0, gt=0, le=1, description="largest absolute eigenvalue at the start")
    fastest: float = Field(0.0, ge=0, lt=1, description="smallest absolute eigenvalue at the start")
    phase: float = Field(2 * math.pi, gt=0, description="largest phase of an eigenvalue at the start, in radians")

    @model_validator(mode="after")
    def _ring(self) -> LinearRNNConfig:
        if self.fastest >= self.slowest:
            raise ValueError(f"fastest must be less than slowest, got {self.fastest} and {self.slowest}")
        return self


class LinearRNNMixer(Mixer):
    """h' = lambda h + gamma B x, y = Re(C h) + D x. State: h, 2 * `state` numbers (real and imaginary parts)."""

    transitions = "rotating"

    def __init__(
        self,
        width: int,
        state: int | None = None,
        slowest: float = 1.0,
        fastest: float = 0.0,
        phase: float = 2 * math.pi,
    ) -> None:
        super().__init__()
        states = state or width
        radius = torch.sqrt(torch.rand(states) * (slowest**2 - fastest**2) + fastest**2).clamp(1e-4, 1 - 1e-6)
        self.log_rate = nn.Parameter(torch.log(-torch.log(radius)))  # |lambda| = exp(-exp(log_rate))
        self.log_phase = nn.Parameter(torch.log(phase * torch.rand(states).clamp_min(1e-4)))
        self.log_gain = nn.Parameter(torch.log(torch.sqrt(1 - radius**2)))  # keeps the states' variance at 1
        self.enter = nn.Parameter(torch.randn(2, states, width) / math.sqrt(2 * width))  # real and imaginary B
        self.leave = nn.Parameter(torch.randn(2, width, states) / math.sqrt(states))  # real and imaginary C
        self.skip = nn.Parameter(torch.randn(width))
        self.out = nn.Linear(width, 2 * width)

    def rate(self) -> Complex[Tensor, " S"]:
        """The eigenvalues lambda."""
        return torch.polar(torch.exp(-torch.exp(full(self.log_rate))), torch.exp(full(self.log_phase)))

    def drive(self, x: Float[Tensor, "*B D"]) -> Complex[Tensor, "*B S"]:
        """Gamma B x."""
        gain = torch.exp(self.log_gain)[:, None]
        return torch.complex(full(F.linear(x, gain * self.enter[0])), full(F.linear(x, gain * self.enter[1])))

    def read(self, h: Complex[Tensor, "*B S"], x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """The output from the state and the token."""
        real, imaginary = as_real(h).to(x.dtype).unbind(-1)
        y = F.linear(real, self.leave[0]) - F.linear(imaginary, self.leave[1]) + self.skip * x
        return F.glu(self.out(F.gelu(y)), dim=-1)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        drive = self.drive(x)
        before = drive.new_zeros(drive.shape[0], drive.shape[2]) if state is None else as_complex(state[0])
        h = ops.linear_recurrence(self.rate(), drive, before)
        return self.read(h, x), (as_real(h[:, -1].clone() if x.shape[1] else before).to(x.dtype),)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        h = self.rate() * as_complex(state[0]) + self.drive(x)
        return self.read(h, x), (as_real(h).to(x.dtype),)


class LinearRNN(SequenceModel):
    """Linear RNN: diagonal complex recurrence (linear recurrent unit)."""

    Config = LinearRNNConfig
    state_formula = "2 * state"
    parallel = "scan"
    kernel = "native"
    source = "Orvieto et al. 2023, arXiv 2303.06349"

    @classmethod
    def build_mixer(cls, config: LinearRNNConfig, layer: int) -> Mixer:
        c = config
        return LinearRNNMixer(c.width, c.state, c.slowest, c.fastest, c.phase)
