"""Log-linear attention: linear attention whose state grows with the logarithm of the text (Guo et al. 2025)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from separatrix.models.config import SwiGLUBlocks
from separatrix.models.heads import check_heads, head_norm
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.fenwick import CHUNK, level, log_linear_attention, log_linear_step


class LogLinearConfig(SwiGLUBlocks):
    """Blocks of RMS norm, mixer, residual, RMS norm, SwiGLU MLP, residual."""

    name: Literal["log-linear"] = "log-linear"
    heads: int = Field(1, ge=1, description="heads H, each with a decay of its own")
    key_width: int | None = Field(None, ge=1, description="width of one head's keys; None for width / heads")
    levels: int = Field(16, ge=2, description="levels with weights of their own; those beyond share the last's")
    chunk: int = Field(CHUNK, ge=1, description="tokens computed in parallel at a time, a power of two")

    @field_validator("chunk")
    @classmethod
    def _power(cls, chunk: int) -> int:
        if chunk & (chunk - 1):
            raise ValueError(f"chunk must be a power of two, got {chunk}")
        return chunk

    @model_validator(mode="after")
    def _divisible(self) -> LogLinearConfig:
        check_heads(self.width, self.heads)
        return self


class LogLinearMixer(Mixer):
    """y = sum over levels l of weight_l q^T S_l; S_l are memories of 1, 2, 4 … tokens, fading as in Mamba-2.

    State: the memories, heads * key_width * (width / heads) numbers for each 1 among the binary digits of N.
    """

    transitions = "unknown"

    def __init__(
        self, width: int, heads: int = 1, key_width: int | None = None, levels: int = 16, chunk: int = CHUNK
    ) -> None:
        super().__init__()
        self.heads, self.key_width, self.chunk = heads, key_width or width // heads, chunk
        keys = heads * self.key_width
        self.query, self.key = nn.Linear(width, keys, bias=False), nn.Linear(width, keys, bias=False)
        self.value, self.gate = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)
        self.decay, self.weigh = nn.Linear(width, heads), nn.Linear(width, heads * levels)
        self.norm, self.out = nn.Parameter(torch.ones(width // heads)), nn.Linear(width, width, bias=False)
        with torch.no_grad():
            self.decay.bias.copy_(torch.linspace(3, 6, heads))  # decays start between 0.95 and 0.998
            self.weigh.bias.fill_(0.5413)  # softplus of it is 1: all levels alike

    def parts(self, x: Float[Tensor, "*B D"]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Queries, keys, values, log decays and the weights of levels, one row of numbers a head."""
        q, k, v, weights = (
            f(x).unflatten(-1, (self.heads, -1)) for f in (self.query, self.key, self.value, self.weigh)
        )
        return q * self.key_width**-0.5, k, v, F.logsigmoid(self.decay(x)), F.softplus(weights)

    def finish(self, y: Float[Tensor, "*B H V"], x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Each head normalised, then the gate and the output projection."""
        return self.out((head_norm(y) * self.norm).flatten(-2) * F.silu(self.gate(x)))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        y, after = log_linear_attention(*self.parts(x), () if state is None else state, self.chunk)
        return self.finish(y, x), after

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y, after = log_linear_step(*self.parts(x), state)
        return self.finish(y, x), after

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        q, k, v, log_decay, weights = self.parts(x)
        y = ((q * k).sum(-1) * level(weights, 0))[..., None] * v
        asked = q * torch.exp(log_decay)[..., None]
        for digit, memory in enumerate(state):
            if memory.shape[1]:
                read = torch.einsum("bqhk,bhkv->bqhv", asked, memory[:, 0].to(asked.dtype))
                y = y + level(weights, digit + 1)[..., None] * read
        return self.finish(y, x)


class LogLinear(SequenceModel):
    """Log-linear attention: a memory for every power of two of tokens, merged as a counter counts."""

    Config = LogLinearConfig
    state_formula = "width * key_width for each 1 among N's binary digits, at most log2(N + 1)"
    parallel = "chunks"
    source = "Guo et al. 2025, arXiv 2506.04761"

    @classmethod
    def build_mixer(cls, config: LogLinearConfig, layer: int) -> Mixer:
        c = config
        return LogLinearMixer(c.width, c.heads, c.key_width, c.levels, c.chunk)
