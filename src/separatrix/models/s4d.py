"""S4D: diagonal structured state space (Gu, Gupta, Goel and Ré 2022)."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float
from pydantic import Field
from torch import Tensor, nn

from separatrix.models.config import ModelConfig
from separatrix.models.diagonal import DiagonalMixer, zero_order_hold
from separatrix.models.mamba import log_uniform
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel
from separatrix.ops.precision import full


class S4DConfig(ModelConfig):
    """Blocks as in the paper: layer norm, state space, GELU, gated linear unit, residual."""

    name: Literal["s4d"] = "s4d"
    state: int = Field(32, ge=1, description="conjugate pairs of states behind each channel")
    init: Literal["lin", "inv"] = Field("lin", description="S4D-Lin or S4D-Inv eigenvalues at the start")


class S4DMixer(DiagonalMixer):
    """Eigenvalues of every channel's own, of which one of each conjugate pair is kept."""

    transitions = "rotating"

    def __init__(self, width: int, state: int = 32, init: Literal["lin", "inv"] = "lin") -> None:
        super().__init__()
        n = torch.arange(state, dtype=torch.float32)
        full = 2 * state
        frequency = math.pi * n if init == "lin" else full / math.pi * (full / (2 * n + 1) - 1)
        self.log_decay = nn.Parameter(torch.full((width, state), math.log(0.5)))
        self.frequency = nn.Parameter(frequency.to(torch.get_default_dtype()).repeat(width, 1))
        self.log_step = nn.Parameter(torch.log(log_uniform(width)))
        self.weight = nn.Parameter(torch.randn(2, width, state) * 0.5**0.5)  # real and imaginary parts
        self.skip = nn.Parameter(torch.randn(width))
        self.out = nn.Linear(width, 2 * width)

    def dynamics(self) -> tuple[Complex[Tensor, "D S"], Complex[Tensor, "D S"]]:
        eigenvalues = torch.complex(-torch.exp(full(self.log_decay)), full(self.frequency))
        rate, gain = zero_order_hold(eigenvalues, torch.exp(full(self.log_step)))
        return rate, 2 * torch.complex(full(self.weight[0]), full(self.weight[1])) * gain

    def mix(self, y: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return F.glu(self.out(F.gelu(y)), dim=-1)


class S4D(SequenceModel):
    """S4D: diagonal structured state space, linear and time-invariant."""

    Config = S4DConfig
    state_formula = "2 * width * state"
    parallel = "scan"
    kernel = "native"
    source = "Gu, Gupta, Goel and Ré 2022, arXiv 2206.11893"

    @classmethod
    def build_mixer(cls, config: S4DConfig, layer: int) -> Mixer:
        return S4DMixer(config.width, config.state, config.init)
