"""Gated DeltaNet: the delta rule with a decay (Yang, Kautz and Hatamizadeh 2025)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from separatrix.models.deltanet import DeltaConfig, DeltaMixer
from separatrix.models.heads import head_norm
from separatrix.models.mamba import inverse_softplus, log_uniform
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel


class GatedDeltaNetConfig(DeltaConfig):
    """Size of a Gated DeltaNet."""

    name: Literal["gated-deltanet"] = "gated-deltanet"
    expand: int = Field(2, ge=1, description="width of the values as a multiple of width")


class GatedDeltaMixer(DeltaMixer):
    """S' = alpha (S - beta k (S^T k)^T) + beta k v^T, with alpha = exp(-A softplus(W x + b)) as in Mamba-2."""

    transitions = "matrix"

    def __init__(
        self,
        width: int,
        heads: int,
        key_width: int | None,
        taps: int,
        chunk: int,
        expand: int,
        negative_eigenvalues: bool = False,
    ) -> None:
        super().__init__(width, heads, key_width, taps, chunk, expand, negative_eigenvalues)
        self.forget = nn.Linear(width, heads, bias=False)
        self.A_log = nn.Parameter(torch.log(torch.empty(heads).uniform_(0.1, 16)))
        self.dt_bias = nn.Parameter(inverse_softplus(log_uniform(heads)))
        self.gate = nn.Linear(width, self.values, bias=False)

    def log_decay(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B H"]:
        return -torch.exp(self.A_log) * F.softplus(self.forget(x) + self.dt_bias)

    def gates(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B I"]:
        return self.gate(x)

    prefill, alternatives = DeltaMixer.prefill, DeltaMixer.alternatives  # made of log_decay and gates, as above

    def finish(self, y: Float[Tensor, "*B H V"], x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return self.out((head_norm(y) * self.norm).flatten(-2) * F.silu(self.gates(x)))


class GatedDeltaNet(SequenceModel):
    """Gated DeltaNet: the delta rule, with a decay chosen by the token."""

    Config = GatedDeltaNetConfig
    state_formula = "expand * width * key_width + (taps - 1) * (2 * heads * key_width + expand * width)"
    parallel = "chunks"
    kernel = "native"
    source = "Yang, Kautz and Hatamizadeh 2025, arXiv 2412.06464"

    @classmethod
    def build_mixer(cls, config: GatedDeltaNetConfig, layer: int) -> Mixer:
        c = config
        return GatedDeltaMixer(c.width, c.heads, c.key_width, c.taps, c.chunk, c.expand, c.negative_eigenvalues)
