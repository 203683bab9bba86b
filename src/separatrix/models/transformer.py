"""Transformer: causal softmax attention (Vaswani et al. 2017), pre-norm as in GPT-2."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State


class TransformerConfig(ModelConfig):
    """A `head_width` of None means width / heads."""

    name: Literal["transformer"] = "transformer"
    heads: int = Field(1, ge=1, description="attention heads H")
    head_width: int | None = Field(None, ge=1, description="width of keys, queries and values of one head")
    mlp: int | None = Field(None, ge=0, description="hidden width of each MLP; 0 for no MLP, None for 4 * width")
    positions: Literal["none", "learned", "sinusoidal"] = "learned"
    embedding_std: float = Field(0.02, gt=0, description="as in GPT-2: with 1.0, brackets were not learned at N = 50")
    bias: bool = Field(False, description="biases in the attention projections")

    @model_validator(mode="after")
    def _divisible(self) -> TransformerConfig:
        if self.head_width is None and self.width % self.heads:
            raise ValueError(f"width must be divisible by heads, got width {self.width} and {self.heads} heads")
        return self


class Attention(Mixer):
    """Multi-head causal softmax attention. State: the key-value cache, 2 * heads * head_width numbers a token."""

    def __init__(self, width: int, heads: int = 1, head_width: int | None = None, bias: bool = False) -> None:
        super().__init__()
        self.heads, self.head_width = heads, head_width or width // heads
        inner = self.heads * self.head_width
        self.query = nn.Linear(width, inner, bias=bias)
        self.key = nn.Linear(width, inner, bias=bias)
        self.value = nn.Linear(width, inner, bias=bias)
        self.out = nn.Linear(inner, width, bias=bias)

    def split(self, x: Float[Tensor, "B N HK"]) -> Float[Tensor, "B H N K"]:
        """One row of numbers per head."""
        return x.unflatten(-1, (self.heads, self.head_width)).transpose(1, 2)

    def merge(self, x: Float[Tensor, "B H N K"]) -> Float[Tensor, "B N D"]:
        """The heads' outputs, projected back to the residual stream."""
        return self.out(x.transpose(1, 2).flatten(-2))

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        keys, values = self.split(self.key(x)), self.split(self.value(x))  # (B, H, N, K)
        if state is not None:
            keys, values = torch.cat([state[0], keys], dim=2), torch.cat([state[1], values], dim=2)
        return keys, values

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        keys, values = self.prefill(x, state)
        queries = self.split(self.query(x))
        if state is None:
            mixed = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        else:
            seen = torch.ones(x.shape[1], keys.shape[2], dtype=torch.bool, device=x.device)
            mask = seen.tril(keys.shape[2] - x.shape[1])
            mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
        return self.merge(mixed), (keys, values)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y = self.decode(state, x[:, None])[:, 0]
        return y, self.prefill(x[:, None], state)

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        keys, values = state
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))  # (B, H, Q, K)
        scale = self.head_width**-0.5
        past = q @ keys.transpose(-1, -2) * scale  # (B, H, Q, N)
        own = (q * k).sum(-1, keepdim=True) * scale  # each query also sees itself, and no other query
        weights = torch.softmax(torch.cat([past, own], dim=-1), dim=-1)
        return self.merge(weights[..., :-1] @ values + weights[..., -1:] * v)


class Transformer(SequenceModel):
    """Causal Transformer."""

    Config = TransformerConfig

    config: TransformerConfig

    def build_mixer(self, layer: int) -> Mixer:
        return Attention(self.config.width, self.config.heads, self.config.head_width, self.config.bias)
