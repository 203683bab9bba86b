"""Titans' neural memory, linear: trained while it reads, with momentum and forgetting (Behrouz et al. 2025)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.config import SwiGLUBlocks
from separatrix.models.heads import check_heads, head_norm
from separatrix.models.mini_batch import MiniBatchMixer
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.surprise import surprise_memory, surprise_read


class TitansConfig(SwiGLUBlocks):
    """Blocks of RMS norm, memory, residual, RMS norm, SwiGLU MLP, residual."""

    name: Literal["titans"] = "titans"
    heads: int = Field(1, ge=1, description="heads H, each with a memory of its own")
    batch: int = Field(16, ge=1, description="tokens of a mini-batch, whose gradients are taken at one memory")

    @model_validator(mode="after")
    def _divisible(self) -> TitansConfig:
        check_heads(self.width, self.heads)
        return self


class TitansMixer(MiniBatchMixer):
    """M' = (1 - alpha) M + S', S' = eta S - theta k (M^T k - v)^T, read by q; alpha, eta and theta are of the token.

    State: M and S, 2 * width * width / heads numbers, and the tokens of the mini-batch that is not whole yet,
    2 * width + 3 * heads numbers each: keys, values, rates, and the logarithms of eta and 1 - alpha.
    """

    transitions = "nonlinear"

    def __init__(self, width: int, heads: int = 1, batch: int = 16) -> None:
        super().__init__(width, heads, batch)
        self.rates, self.gate = nn.Linear(width, 3 * heads), nn.Linear(width, width, bias=False)
        self.norm = nn.Parameter(torch.ones(width // heads))
        with torch.no_grad():  # theta starts at a half, momentum at 0.5, and 0.7 % is forgotten a token
            self.rates.bias.copy_(torch.tensor([0.0, 0.0, 5.0]).repeat_interleave(heads))

    def asked(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B H N K"]:
        return F.normalize(self.by_head(self.query(x)), dim=-1, eps=1e-6)

    def written(self, x: Float[Tensor, "B N D"]) -> tuple[Tensor, ...]:
        k = F.normalize(self.by_head(self.key(x)), dim=-1, eps=1e-6)
        rate, momentum, keep = self.rates(x).transpose(1, 2).chunk(3, dim=1)  # (B, H, N)
        return k, self.by_head(self.value(x)), torch.sigmoid(rate), F.logsigmoid(momentum), F.logsigmoid(keep)

    def begin(self, x: Float[Tensor, "B N D"]) -> tuple[Tensor, Tensor]:
        each = self.norm.shape[0]
        empty = x.new_zeros(x.shape[0], self.heads, each, each)
        return empty, empty

    def train_on(
        self, q: Float[Tensor, "B H N K"], written: tuple[Tensor, ...], model: tuple[Tensor, Tensor]
    ) -> tuple[Float[Tensor, "B H N K"], Tensor, Tensor]:
        k, v, rate, momentum, keep = written
        return surprise_memory(q, k, v, rate, momentum, keep, model[0], model[1], self.batch)

    def answer(self, q: Float[Tensor, "B H Q K"], own: tuple[Tensor, ...], state: State) -> Float[Tensor, "B H Q K"]:
        memory, surprise, *waiting = state
        return surprise_read(q, own, tuple(waiting), memory, surprise)

    def finish(self, y: Float[Tensor, "B H N K"], x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        y = (head_norm(y) * self.norm[None]).transpose(1, 2).flatten(-2)
        return self.out(y * F.silu(self.gate(x)))


class Titans(SequenceModel):
    """Titans' memory: a linear one that learns from its surprise, with momentum, and forgets."""

    Config = TitansConfig
    state_formula = "2 * width * width / heads + (N mod batch) * (2 * width + 3 * heads)"
    parallel = "chunks"
    source = "Behrouz et al. 2025, arXiv 2501.00663"

    @classmethod
    def build_mixer(cls, config: TitansConfig, layer: int) -> Mixer:
        return TitansMixer(config.width, config.heads, config.batch)
