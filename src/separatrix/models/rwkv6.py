"""RWKV-6 (Finch): linear attention with decays and token shifts that the token chooses (Peng et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.config import ModelConfig
from separatrix.models.heads import check_heads
from separatrix.models.mixer import Mixer
from separatrix.models.rwkv7 import LowRank
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.convolution import last_inputs
from separatrix.ops.linear_attention import GATED_CHUNK, gated_attention, gated_step

PARTS = ("receptance", "decay", "key", "value", "gate")
"""What the token and the one before it are mixed for, each with shares of its own."""


class RWKV6Config(ModelConfig):
    """Blocks of layer norm, time mixing, residual, and an MLP in the place of channel mixing."""

    name: Literal["rwkv6"] = "rwkv6"
    mlp: int | None = Field(None, ge=0, description="hidden width of each MLP; 0 for no MLP, None for 4 * width")
    heads: int = Field(1, ge=1, description="heads H")
    rank: int = Field(16, ge=1, description="rank of the projections of shifts and decays")
    chunk: int = Field(GATED_CHUNK, ge=1, le=GATED_CHUNK, description="tokens computed in parallel at a time")

    @model_validator(mode="after")
    def _divisible(self) -> RWKV6Config:
        check_heads(self.width, self.heads)
        return self


class RWKV6Mixer(Mixer):
    """y = r^T (S + diag(u) k v^T), then S' = diag(w) S + k v^T, w = exp(-exp(d)) of the token.

    Receptance, decay, key, value and gate are each made of x + (before - x) * (share + a projection of low rank).
    State: the last token, width numbers, and S, width * width / heads.
    """

    transitions = "nonnegative"
    taps = 2  # the last token is a window of one

    def __init__(self, width: int, heads: int = 1, rank: int = 16, chunk: int = GATED_CHUNK) -> None:
        super().__init__()
        self.heads, self.rank, self.chunk = heads, rank, chunk
        place = torch.arange(width) / max(1, width - 1)
        self.shares = nn.Parameter((1 - place).repeat(1 + len(PARTS), 1))  # the first mixes what the others are made of
        self.enter = nn.Linear(width, len(PARTS) * rank, bias=False)
        self.leave = nn.Parameter(0.01 * torch.randn(len(PARTS), rank, width))
        self.receptance, self.key, self.value, self.gate, self.out = (
            nn.Linear(width, width, bias=False) for _ in range(5)
        )
        self.decay = LowRank(width, rank, nn.Tanh())
        self.bonus = nn.Parameter((0.5 * (1 - place) + 0.1 * torch.randn(width)).view(heads, -1))  # u
        self.norm = nn.GroupNorm(heads, width, eps=64e-5)
        with torch.no_grad():
            self.decay.leave.bias.copy_(-6 + 5 * place)

    def parts(self, x: Float[Tensor, "*B D"], before: Float[Tensor, "*B D"]) -> tuple[Tensor, ...]:
        """Receptance, key, value and log decay, one row of numbers a head, and the gate."""
        apart = before - x
        own = torch.tanh(self.enter(x + apart * self.shares[0])).unflatten(-1, (len(PARTS), -1))  # (*B, 5, R)
        more = torch.einsum("...pr,prd->...pd", own, self.leave.to(own.dtype))
        mixed = x[..., None, :] + apart[..., None, :] * (self.shares[1:] + more)
        r, w, k, v, g = mixed.unbind(-2)
        parts = self.receptance(r), self.key(k), self.value(v), -torch.exp(self.decay(w))
        r, k, v, log_decay = (part.unflatten(-1, (self.heads, -1)) for part in parts)
        return r, k, v, log_decay, F.silu(self.gate(g))

    def finish(self, y: Float[Tensor, "*B H V"], gate: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Each head normalised, the gate, and the output projection."""
        flat = y.flatten(-2)
        return self.out(self.norm(flat.reshape(-1, flat.shape[-1])).view(flat.shape) * gate)

    def read(self, r: Tensor, k: Tensor, v: Tensor, past: Tensor) -> Float[Tensor, "*B H V"]:
        """What the past gives, and the token's own share with its bonus."""
        return past + (r * self.bonus * k).sum(-1, keepdim=True) * v

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        last, memory = (x.new_zeros(x.shape[0], 1, x.shape[2]), None) if state is None else state
        r, k, v, log_decay, gate = self.parts(x, torch.cat([last, x], dim=1)[:, : x.shape[1]])
        # a token is answered before it is written: it reads what the one before it has left
        keys, values, decays = (F.pad(part, (0, 0, 0, 0, 1, 0)) for part in (k, v, log_decay))
        past, after = gated_attention(F.pad(r, (0, 0, 0, 0, 0, 1)), keys, values, decays, memory, self.chunk)
        return self.finish(self.read(r, k, v, past[:, :-1]), gate), (last_inputs(x, last, 2), after)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        r, k, v, log_decay, gate = self.parts(x, state[0][:, 0])
        past = torch.einsum("bhk,bhkv->bhv", r, state[1].to(r.dtype))
        _, after = gated_step(r, k, v, log_decay, state[1])
        return self.finish(self.read(r, k, v, past), gate), (x[:, None], after)

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        r, k, v, _, gate = self.parts(x, state[0].expand(-1, x.shape[1], -1))
        past = torch.einsum("bqhk,bhkv->bqhv", r, state[1].to(r.dtype))
        return self.finish(self.read(r, k, v, past), gate)


class RWKV6(SequenceModel):
    """RWKV-6: linear attention with a decay for every key coordinate, and a bonus for the present token."""

    Config = RWKV6Config
    state_formula = "width * width / heads + width"
    parallel = "chunks"
    kernel = "native"
    source = "Peng et al. 2024, arXiv 2404.05892"

    @classmethod
    def build_mixer(cls, config: RWKV6Config, layer: int) -> Mixer:
        return RWKV6Mixer(config.width, config.heads, config.rank, config.chunk)
