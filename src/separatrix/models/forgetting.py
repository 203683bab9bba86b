"""Forgetting attention: softmax attention whose scores fade with forget gates (Lin et al. 2025)."""

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
from separatrix.ops.attention_read import attention_read
from separatrix.ops.precision import in_full_precision


class ForgettingConfig(SwiGLUBlocks):
    """Blocks of RMS norm, attention, residual, RMS norm, SwiGLU MLP, residual; no positions are needed."""

    name: Literal["forgetting"] = "forgetting"
    embedding_std: float = Field(0.02, gt=0, description="standard deviation of initial embeddings")
    heads: int = Field(1, ge=1, description="attention heads H, each with a forget gate")

    @model_validator(mode="after")
    def _divisible(self) -> ForgettingConfig:
        check_heads(self.width, self.heads)
        return self


@in_full_precision
def faded_attention(
    q: Float[Tensor, "B H N K"],
    k: Float[Tensor, "B H M K"],
    v: Float[Tensor, "B H M K"],
    forget: Float[Tensor, "B H M"],
    scale: float,
) -> Float[Tensor, "B H N K"]:
    """Causal softmax attention of the last N tokens, to scores q_i · k_j + the log gates `forget` after j up to i.

    The sums of gates are two coordinates more of queries and keys, so that no scores are kept for the backward pass.
    """
    tokens, past = q.shape[2], k.shape[2] - q.shape[2]
    total = forget.cumsum(-1)[..., None] / scale  # (B, H, M, 1)
    one = torch.ones_like(total)
    y = F.scaled_dot_product_attention(
        torch.cat([q, total[:, :, past:], one[:, :, past:]], dim=-1),
        torch.cat([k, one, -total], dim=-1),
        F.pad(v, (0, 2)),
        attn_mask=torch.ones(tokens, past + tokens, dtype=torch.bool, device=q.device).tril(past) if past else None,
        is_causal=not past and tokens > 0,
        scale=scale,
    )
    return y[..., :-2]


class ForgettingAttention(SharedMixer):
    """Multi-head softmax attention; a score loses the log forget gates of the tokens since, -log sigmoid(w x + b).

    State: the cache of keys, values and log gates, heads * (2 * width / heads + 1) numbers a token.
    """

    transitions = "attention"

    def __init__(self, width: int, heads: int = 1) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.forget = nn.Linear(width, heads)

    def asked(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B H K"]:
        """Queries."""
        return self.query(x).unflatten(-1, (self.heads, -1))

    def written(self, x: Float[Tensor, "*B D"]) -> tuple[Tensor, Tensor, Float[Tensor, "*B H"]]:
        """Keys, values and log gates."""
        k, v = (f(x).unflatten(-1, (self.heads, -1)) for f in (self.key, self.value))
        return k, v, F.logsigmoid(self.forget(x))

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        own = tuple(part.transpose(1, 2) for part in self.written(x))  # (B, H, N, ·)
        return own if state is None else tuple(torch.cat(pair, dim=2) for pair in zip(state, own, strict=True))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        keys, values, gates = self.prefill(x, state)
        y = faded_attention(self.asked(x).transpose(1, 2), keys, values, gates, self.scale)
        return self.out(y.transpose(1, 2).flatten(-2)), (keys, values, gates)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y, after = self.scan(x[:, None], state)
        return y[:, 0], after

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        q, (k, v, forget) = self.asked(x), self.written(x)  # (R, H, K), (R, H)
        keys, values, gates = state
        since = gates.flip(-1).cumsum(-1).flip(-1) - gates  # (B, H, N): the log gates after each token
        faded = torch.cat([keys, since[..., None] / self.scale, torch.ones_like(since)[..., None] / self.scale], dim=-1)
        asking = torch.cat([q, torch.ones_like(forget)[..., None], forget[..., None]], dim=-1)
        y = attention_read(
            asking.flatten(1), (q * k).sum(-1) * self.scale, F.pad(v, (0, 2)).flatten(1), which, faded,
            F.pad(values, (0, 2)), self.scale,
        )  # fmt: skip
        return self.out(y.unflatten(-1, (self.heads, -1))[..., :-2].flatten(-2))


class Forgetting(SequenceModel):
    """Forgetting Transformer: attention to everything, fading at a rate that each token chooses."""

    Config = ForgettingConfig
    state_formula = "(2 * width + heads) * N"
    parallel = "attention"
    source = "Lin et al. 2025, arXiv 2503.02130"

    @classmethod
    def build_mixer(cls, config: ForgettingConfig, layer: int) -> Mixer:
        return ForgettingAttention(config.width, config.heads)
