"""Based: linear attention with the exponential's Taylor series as features, and sliding windows (Arora et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.config import SwiGLUBlocks
from separatrix.models.heads import check_heads
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.models.transformer import Attention
from separatrix.ops.linear_attention import CHUNK, decayed_attention, decayed_state, decayed_step
from separatrix.ops.memory_read import Layout, memory_read

Features = Literal["taylor", "elu"]


class BasedConfig(SwiGLUBlocks):
    """Blocks of RMS norm, mixer, residual, RMS norm, SwiGLU MLP, residual; every second mixer a sliding window."""

    name: Literal["based"] = "based"
    heads: int = Field(1, ge=1, description="heads H of linear attention and of windows")
    key_width: int = Field(16, ge=1, description="width K of one head's queries and keys, before their features")
    features: Features = Field("taylor", description="1 + x + x²/2 of q · k (Based), or elu + 1 of each coordinate")
    window: int | None = Field(
        64,
        ge=1,
        description="window of every second layer, the present token included; None for linear ones alone",
    )
    chunk: int = Field(CHUNK, ge=1, description="tokens computed in parallel at a time")

    @model_validator(mode="after")
    def _divisible(self) -> BasedConfig:
        check_heads(self.width, self.heads)
        if self.window is not None and (self.width // self.heads) % 2:
            raise ValueError(f"width / heads must be even for the windows' rope, got {self.width // self.heads}")
        return self


def taylor_features(x: Float[Tensor, "*B K"]) -> Float[Tensor, "*B F"]:
    """Features whose inner product is 1 + s + s²/2, s = q · k / sqrt(K): F = 1 + K + K (K + 1) / 2.

    Each product x_i x_j is kept once, weighted by the square root of how often it occurs.
    """
    width = x.shape[-1]
    i, j = torch.triu_indices(width, width, device=x.device)
    once = torch.where(i == j, 0.5, 1.0).to(x.dtype).sqrt() / width**0.5
    return torch.cat([torch.ones_like(x[..., :1]), x * width**-0.25, x[..., i] * x[..., j] * once], dim=-1)


def elu_features(x: Float[Tensor, "*B K"]) -> Float[Tensor, "*B K"]:
    """Features above 0, as in Katharopoulos et al. 2020."""
    return F.elu(x) + 1


FEATURES = {"taylor": taylor_features, "elu": elu_features}


class LinearAttention(SharedMixer):
    """S' = S + f(k) [v, 1]^T, read by f(q) and divided by what the 1 came to: the weights of each token add up to 1.

    State: S, heads * F * (width / heads + 1) numbers, F = 1 + K + K (K + 1) / 2 features of K = key_width (K of elu).
    """

    transitions = "nonnegative"

    def __init__(
        self, width: int, heads: int = 1, key_width: int = 16, features: Features = "taylor", chunk: int = CHUNK
    ) -> None:
        super().__init__()
        self.heads, self.features, self.chunk = heads, features, chunk
        keys = heads * key_width
        self.query, self.key = nn.Linear(width, keys, bias=False), nn.Linear(width, keys, bias=False)
        self.value, self.out = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)

    def asked(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B H F"]:
        """Features of queries."""
        return FEATURES[self.features](self.query(x).unflatten(-1, (self.heads, -1)))

    def written(self, x: Float[Tensor, "*B D"]) -> tuple[Float[Tensor, "*B H F"], Float[Tensor, "*B H W"], Tensor]:
        """Features of keys; values with a 1 at the end; log decays, all 0."""
        k, v = (f(x).unflatten(-1, (self.heads, -1)) for f in (self.key, self.value))
        v = torch.cat([v, torch.ones_like(v[..., :1])], dim=-1)
        return FEATURES[self.features](k), v, v.new_zeros(v.shape[:-1])

    def finish(self, y: Float[Tensor, "*B H W"]) -> Float[Tensor, "*B D"]:
        """Sums divided by their weights, then the output projection."""
        return self.out((y[..., :-1] / y[..., -1:]).flatten(-2))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        before = None if state is None else state[0]
        y, after = decayed_attention(self.asked(x), *self.written(x), before, self.chunk)
        return self.finish(y), (after,)

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        return (decayed_state(*self.written(x), None if state is None else state[0], self.chunk),)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y, after = decayed_step(self.asked(x), *self.written(x), state[0])
        return self.finish(y), (after,)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        q, (k, v, _) = self.asked(x), self.written(x)
        own = (q * k).sum(-1, keepdim=True) * v
        rows = torch.cat([q.flatten(-2), own.flatten(-2)], dim=-1)
        layout = Layout(groups=self.heads, q=0, k=0, v=q.shape[1] * q.shape[2], keyed=False)
        return self.finish(memory_read(rows, which, state[0], layout))


class Based(SequenceModel):
    """Based: linear attention that expands softmax to second order; every second layer a sliding window."""

    Config = BasedConfig
    state_formula = "heads * (1 + K + K * (K + 1) / 2) * (width / heads + 1), K = key_width; 2 * width * N of a window"
    parallel = "chunks"
    kernel = "native"
    source = "Arora et al. 2024, arXiv 2402.18668"

    @classmethod
    def build_mixer(cls, config: BasedConfig, layer: int) -> Mixer:
        c = config
        if layer % 2 and c.window is not None:
            return Attention(c.width, c.heads, relative="rope", window=c.window)
        return LinearAttention(c.width, c.heads, c.key_width, c.features, c.chunk)
