"""Diagonal state space, DSS-exp (Gupta, Gu and Berant 2022)."""

from __future__ import annotations

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


class DSSConfig(ModelConfig):
    """Blocks as in the paper: layer norm, state space, GELU, linear, residual."""

    name: Literal["dss"] = "dss"
    state: int = Field(64, ge=1, description="complex states behind each channel")


class DSSMixer(DiagonalMixer):
    """Eigenvalues shared by the channels, -exp(a) + i b, started at those of the skew HiPPO matrix."""

    transitions = "rotating"

    def __init__(self, width: int, state: int = 64) -> None:
        super().__init__()
        eigenvalues = skew_hippo(state)
        self.log_decay = nn.Parameter(torch.log(-eigenvalues.real))
        self.frequency = nn.Parameter(eigenvalues.imag.clone())
        self.log_step = nn.Parameter(torch.log(log_uniform(width)))
        self.weight = nn.Parameter(torch.randn(2, width, state))  # real and imaginary parts
        self.skip = nn.Parameter(torch.randn(width))
        self.out = nn.Linear(width, width)

    def dynamics(self) -> tuple[Complex[Tensor, "D S"], Complex[Tensor, "D S"]]:
        eigenvalues = torch.complex(-torch.exp(full(self.log_decay)), full(self.frequency))[None]
        rate, gain = zero_order_hold(eigenvalues, torch.exp(full(self.log_step)))
        return rate, torch.complex(full(self.weight[0]), full(self.weight[1])) * gain

    def mix(self, y: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return self.out(F.gelu(y))


def skew_hippo(states: int) -> Complex[Tensor, " {states}"]:
    """The eigenvalues with positive imaginary part of the normal part of the 2S x 2S HiPPO-LegS matrix."""
    scale = torch.sqrt(2.0 * torch.arange(2 * states, dtype=torch.float64) + 1)
    lower = torch.tril(torch.outer(scale, scale), diagonal=-1)
    skew = (lower.T - lower) / 2  # HiPPO = skew - 1/2 - a rank-one matrix
    frequencies = torch.linalg.eigvalsh(torch.complex(torch.zeros_like(skew), -skew))  # ascending, in pairs of +-
    positive = frequencies[states:].float().to(torch.get_default_dtype())
    return torch.complex(torch.full_like(positive, -0.5), positive)


class DSS(SequenceModel):
    """Diagonal state space (DSS-exp), the kernel learned and the recurrence linear and time-invariant."""

    Config = DSSConfig
    state_formula = "2 * width * state"
    parallel = "scan"
    kernel = "native"
    source = "Gupta, Gu and Berant 2022, arXiv 2203.14343"

    @classmethod
    def build_mixer(cls, config: DSSConfig, layer: int) -> Mixer:
        return DSSMixer(config.width, config.state)
