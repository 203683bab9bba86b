"""Multi-head latent attention: keys and values of all heads from one short vector a token (DeepSeek-AI 2024)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.block import RMSNorm
from separatrix.models.config import SwiGLUBlocks
from separatrix.models.heads import check_heads, rotate
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.alternatives import spread
from separatrix.ops.precision import in_full_precision


class MLAConfig(SwiGLUBlocks):
    """Blocks as in DeepSeek-V2: RMS norm, attention, residual, RMS norm, SwiGLU MLP, residual."""

    name: Literal["mla"] = "mla"
    embedding_std: float = Field(0.02, gt=0, description="standard deviation of initial embeddings")
    heads: int = Field(4, ge=1, description="attention heads H")
    latent: int | None = Field(None, ge=1, description="width of what is kept of a token; None for width / 4")
    rotated: int = Field(8, ge=2, multiple_of=2, description="width of the rotated key that all heads share")

    @model_validator(mode="after")
    def _divisible(self) -> MLAConfig:
        check_heads(self.width, self.heads)
        return self


class LatentAttention(SharedMixer):
    """Softmax attention to keys [W_k c, R k'] and values W_v c of one latent c and one rotated key k' a token.

    Queries meet the latents themselves where that is less work, q^T W_k against c. State: the cache of latents and
    shared keys, latent + rotated numbers a token, keys as they were before they are turned by their place.
    """

    transitions = "attention"

    def __init__(self, width: int, heads: int = 4, latent: int | None = None, rotated: int = 8) -> None:
        super().__init__()
        self.heads, self.head_width = heads, width // heads
        self.latent, self.rotated = latent or max(1, width // 4), rotated
        self.scale = (self.head_width + rotated) ** -0.5
        self.query = nn.Linear(width, heads * (self.head_width + rotated), bias=False)
        self.enter = nn.Linear(width, self.latent + rotated, bias=False)
        self.norm = RMSNorm(self.latent)
        self.expand = nn.Linear(self.latent, 2 * width, bias=False)  # each head's keys, then its values
        self.out = nn.Linear(width, width, bias=False)

    def written(self, x: Float[Tensor, "*B D"]) -> tuple[Float[Tensor, "*B L"], Float[Tensor, "*B R"]]:
        """Latents and shared keys."""
        c, shared = self.enter(x).split([self.latent, self.rotated], dim=-1)
        return self.norm(c), shared.contiguous()  # a view would keep the whole projection in memory

    def asked(self, x: Float[Tensor, "*B D"]) -> tuple[Float[Tensor, "*B H K"], Float[Tensor, "*B H R"]]:
        """Each head's query of its keys, and that of the shared key."""
        own, shared = self.query(x).unflatten(-1, (self.heads, -1)).split([self.head_width, self.rotated], dim=-1)
        return own, shared

    def angles(self, places: Int[Tensor, " N"]) -> Float[Tensor, "N A"]:
        """What keys and queries at these places are turned by."""
        steps = torch.arange(0, self.rotated, 2, dtype=torch.float64) / self.rotated
        return places[:, None] * (10000.0**-steps).to(places.device)

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        own = self.written(x)
        return own if state is None else tuple(torch.cat(pair, dim=1) for pair in zip(state, own, strict=True))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        after = self.prefill(x, state)
        latents, shared = after
        tokens, count = x.shape[1], latents.shape[1]
        past, places = count - tokens, torch.arange(count, device=x.device)
        keys, values = self.expand(latents).unflatten(-1, (self.heads, -1)).chunk(2, dim=-1)  # (B, M, H, K)
        turned = rotate(shared, self.angles(places))[:, :, None].expand(-1, -1, self.heads, -1)  # (B, M, H, R)
        own, asking = self.asked(x)
        asking = rotate(asking, self.angles(places[past:])[:, None])  # (B, N, H, R)
        y = F.scaled_dot_product_attention(
            torch.cat([own, asking], dim=-1).transpose(1, 2),
            torch.cat([keys, turned], dim=-1).transpose(1, 2),
            F.pad(values, (0, self.rotated)).transpose(1, 2),  # of the keys' width, as fast attention wants it
            attn_mask=torch.ones(tokens, count, dtype=torch.bool, device=x.device).tril(past) if past else None,
            is_causal=not past and tokens > 0,
            scale=self.scale,
        )
        return self.out(y[..., : self.head_width].transpose(1, 2).flatten(-2)), after

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        return self.decode(state, x[:, None])[:, 0], self.prefill(x[:, None], state)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        (own, shared), (latent, key) = self.asked(x), self.written(x)
        to_keys, to_values = self.expand.weight.unflatten(0, (self.heads, -1)).chunk(2, dim=1)  # (H, K, L)
        asking = torch.cat([torch.einsum("rhk,hkl->rhl", own, to_keys), shared], dim=-1)  # (R, H, L + R)
        itself = torch.einsum("rhk,rk->rh", asking, torch.cat([latent, key], dim=-1)) * self.scale
        count = state[0].shape[1]
        back = rotate(state[1], self.angles(torch.arange(-count, 0, device=x.device)))  # as the query sees them
        read = latent_read(asking, itself, latent, which, state[0], torch.cat([state[0], back], dim=-1), self.scale)
        return self.out(torch.einsum("bqhl,hkl->bqhk", read, to_values).flatten(-2))


@in_full_precision
def latent_read(
    asking: Float[Tensor, "R H K"],
    own: Float[Tensor, "R H"],
    latent: Float[Tensor, "R L"],
    which: Int[Tensor, "B Q"],
    latents: Float[Tensor, "B N L"],
    keys: Float[Tensor, "B N K"],
    scale: float,
) -> Float[Tensor, "B Q H L"]:
    """Latents of the past and of the query itself, mixed by softmax of scale asking · keys and of `own`."""
    heads = asking.shape[1]
    q = spread(asking.flatten(1), which).unflatten(-1, (heads, -1)).flatten(1, 2)  # (B, Q H, K)
    scores = torch.cat([q @ keys.mT * scale, spread(own, which).flatten(1)[..., None]], dim=-1)  # (B, Q H, N + 1)
    shares = torch.softmax(scores, dim=-1).unflatten(1, (-1, heads))  # (B, Q, H, N + 1)
    past = (shares[..., :-1].flatten(1, 2) @ latents).unflatten(1, (-1, heads))
    return past + shares[..., -1:] * spread(latent, which)[:, :, None]


class MLA(SequenceModel):
    """Multi-head latent attention: every head reads keys and values out of one latent a token."""

    Config = MLAConfig
    state_formula = "(latent + rotated) * N"
    parallel = "attention"
    source = "DeepSeek-AI 2024, arXiv 2405.04434"

    @classmethod
    def build_mixer(cls, config: MLAConfig, layer: int) -> Mixer:
        return LatentAttention(config.width, config.heads, config.latent, config.rotated)
