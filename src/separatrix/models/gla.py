"""Gated linear attention (Yang et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.config import SwiGLUBlocks
from separatrix.models.heads import check_heads, head_norm
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.gated_norm import gated_norm
from separatrix.ops.linear_attention import GATED_CHUNK, gated_attention, gated_state, gated_step
from separatrix.ops.memory_read import Layout, memory_read


class GLAConfig(SwiGLUBlocks):
    """Blocks as in the paper: RMS norm, mixer, residual, RMS norm, SwiGLU MLP, residual."""

    name: Literal["gla"] = "gla"
    heads: int = Field(4, ge=1, description="heads H")
    key_width: int | None = Field(None, ge=1, description="width of one head's keys; None for width / (2 * heads)")
    rank: int = Field(16, ge=1, description="rank of the gates' projection")
    chunk: int = Field(GATED_CHUNK, ge=1, le=GATED_CHUNK, description="tokens computed in parallel at a time")

    @model_validator(mode="after")
    def _divisible(self) -> GLAConfig:
        check_heads(self.width, self.heads)
        return self


class GLAMixer(SharedMixer):
    """S' = diag(alpha) S + k v^T, read by q. State: S, heads * key_width * (width / heads) numbers."""

    transitions = "nonnegative"

    def __init__(
        self, width: int, heads: int = 4, key_width: int | None = None, rank: int = 16, chunk: int = GATED_CHUNK
    ) -> None:
        super().__init__()
        self.heads, self.key_width, self.chunk = heads, key_width or max(1, width // (2 * heads)), chunk
        keys = heads * self.key_width
        self.query, self.key = nn.Linear(width, keys, bias=False), nn.Linear(width, keys, bias=False)
        self.value, self.gate = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.decay = nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, keys))
        self.norm = nn.Parameter(torch.ones(width // heads))
        self.out = nn.Linear(width, width, bias=False)
        for layer in (self.query, self.key, self.value, self.gate, self.out, *self.decay):
            nn.init.xavier_uniform_(layer.weight, gain=2**-2.5)

    def project(self, x: Float[Tensor, "*B D"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Queries, keys, values and log decays, one row of numbers a head."""
        return (self.query(x) * self.key_width**-0.5).unflatten(-1, (self.heads, -1)), *self.written(x)

    def written(self, x: Float[Tensor, "*B D"]) -> tuple[Tensor, Tensor, Tensor]:
        """Keys, values and log decays."""
        parts = self.key(x), self.value(x), F.logsigmoid(self.decay(x)) / 16
        k, v, log_decay = (part.unflatten(-1, (self.heads, -1)) for part in parts)
        return k, v, log_decay

    def finish(self, y: Float[Tensor, "*B H V"], x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Each head normalised, then the gate and the output projection."""
        return self.out((head_norm(y) * self.norm).flatten(-2) * F.silu(self.gate(x)))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        y, after = gated_attention(*self.project(x), None if state is None else state[0], self.chunk)
        return self.finish(y, x), (after,)

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        return (gated_state(*self.written(x), None if state is None else state[0], self.chunk),)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y, after = gated_step(*self.project(x), state[0])
        return self.finish(y, x), (after,)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        q, k, v, log_decay = self.project(x)
        own = (q * k).sum(-1, keepdim=True) * v
        rows = torch.cat([(q * torch.exp(log_decay)).flatten(-2), own.flatten(-2)], dim=-1)
        layout = Layout(groups=self.heads, q=0, k=0, v=self.heads * self.key_width, keyed=False)
        y = memory_read(rows, which, state[0], layout)
        return self.out(gated_norm(y, which, self.norm, self.gate(x)))


class GLA(SequenceModel):
    """Gated linear attention: a decay for every key coordinate, chosen by the token."""

    Config = GLAConfig
    state_formula = "width * key_width"
    parallel = "chunks"
    kernel = "native"
    source = "Yang et al. 2024, arXiv 2312.06635"

    @classmethod
    def build_mixer(cls, config: GLAConfig, layer: int) -> Mixer:
        return GLAMixer(config.width, config.heads, config.key_width, config.rank, config.chunk)
