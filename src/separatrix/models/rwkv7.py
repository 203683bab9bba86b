"""RWKV-7: a matrix memory with vector-valued decay, erasing and writing rates (Peng et al. 2025)."""

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
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.convolution import last_inputs
from separatrix.ops.dplr import dplr, dplr_step
from separatrix.ops.linear_attention import GATED_CHUNK

FASTEST = -0.6065306597126334
"""The least log decay of a token, -exp(-1/2): no coordinate loses more than 46 % at once."""

PARTS = ("receptance", "decay", "key", "value", "rate", "gate")
"""What the token and the one before it are mixed for, each with shares of its own."""

Parts = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
"""Receptance, key, value, what is erased, what is put in its place, log decay."""


class RWKV7Config(ModelConfig):
    """Blocks of layer norm, time mixing, residual, and an MLP in the place of channel mixing."""

    name: Literal["rwkv7"] = "rwkv7"
    mlp: int | None = Field(None, ge=0, description="hidden width of each MLP; 0 for no MLP, None for 4 * width")
    heads: int = Field(1, ge=1, description="heads H")
    rank: int = Field(16, ge=1, description="rank of the projections of decay, rate and gate")
    chunk: int = Field(GATED_CHUNK, ge=1, le=GATED_CHUNK, description="tokens computed in parallel at a time")

    @model_validator(mode="after")
    def _divisible(self) -> RWKV7Config:
        check_heads(self.width, self.heads)
        return self


class LowRank(nn.Module):
    """Two projections through few numbers, with an activation between them."""

    def __init__(self, width: int, rank: int, activation: nn.Module, bias: bool = True) -> None:
        super().__init__()
        self.enter, self.activation = nn.Linear(width, rank, bias=False), activation
        self.leave = nn.Linear(rank, width, bias=bias)

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return self.leave(self.activation(self.enter(x)))


class RWKV7Mixer(Mixer):
    """S' = (diag(w) - (a * c) c^T) S + k v^T, c the key times xi, normalised; read by r, with a bonus for the token.

    w, a: the decay and the rate of erasing, of each key coordinate. Values are not mixed with the first layer's, as
    deeper layers of the paper's do. State: the last token, width numbers, and S, width * width / heads.
    """

    transitions = "matrix"

    def __init__(self, width: int, heads: int = 1, rank: int = 16, chunk: int = GATED_CHUNK) -> None:
        super().__init__()
        self.heads, self.chunk = heads, chunk
        place = torch.arange(width) / width
        powers = torch.tensor([0.2, 0.9, 0.7, 0.7, 0.9, 0.2])[:, None]
        self.shares = nn.Parameter(1 - place**powers)  # (6, D): how much of the token before
        self.receptance, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.decay, self.rate = LowRank(width, rank, nn.Tanh()), LowRank(width, rank, nn.Identity())
        self.gate = LowRank(width, rank, nn.Sigmoid(), bias=False)
        self.erasing = nn.Parameter(torch.full((width,), 0.71))  # xi, k_k in the authors' code
        self.writing = nn.Parameter(torch.full((width,), 1.02))  # alpha, k_a there
        self.bonus = nn.Parameter(torch.full((heads, width // heads), -0.04))  # rho, r_k there
        self.norm = nn.GroupNorm(heads, width, eps=1e-5 * width / heads)
        with torch.no_grad():
            self.decay.leave.bias.copy_(-5.5 + 6 * place)

    def parts(self, x: Float[Tensor, "*B D"], before: Float[Tensor, "*B D"]) -> tuple[Parts, Tensor]:
        """A token's parts, one row of numbers a head, and its gate."""
        mixed = x[..., None, :] + self.shares * (before - x)[..., None, :]  # (*B, 6, D)
        r, w, k, v, a, g = mixed.unbind(-2)
        r, k, v = self.receptance(r), self.key(k), self.value(v)
        log_decay, rate = FASTEST * torch.sigmoid(self.decay(w)), torch.sigmoid(self.rate(a))
        erased, k = k * self.erasing, k * (1 + (rate - 1) * self.writing)
        r, k, v, erased, rate, log_decay = (
            part.unflatten(-1, (self.heads, -1)) for part in (r, k, v, erased, rate, log_decay)
        )
        erased = F.normalize(erased, dim=-1, eps=1e-6)
        # what is erased is read before the decay; the decay has a least value, so it can be taken out again
        return (r, k, v, erased * torch.exp(-log_decay), rate * erased, log_decay), self.gate(g)

    def finish(self, y: Float[Tensor, "*B H V"], parts: Parts, gate: Tensor) -> Float[Tensor, "*B D"]:
        """Each head normalised, the token's own bonus, the gate, and the output projection."""
        r, k, v, *_ = parts
        flat = y.flatten(-2)
        y = self.norm(flat.reshape(-1, flat.shape[-1])).view(flat.shape)
        own = ((r * k * self.bonus).sum(-1, keepdim=True) * v).flatten(-2)
        return self.out((y + own) * gate)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        last, before = (x.new_zeros(x.shape[0], 1, x.shape[2]), None) if state is None else state
        parts, gate = self.parts(x, torch.cat([last, x], dim=1)[:, : x.shape[1]])
        y, after = dplr(*parts, before, self.chunk)
        return self.finish(y, parts, gate), (last_inputs(x, last, 2), after)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        parts, gate = self.parts(x, state[0][:, 0])
        y, after = dplr_step(*parts, state[1])
        return self.finish(y, parts, gate), (x[:, None], after)

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        parts, gate = self.parts(x, state[0].expand(-1, x.shape[1], -1))
        r, k, v, erase, put, log_decay = parts
        read = torch.stack([r, erase], dim=2) * torch.exp(log_decay)[:, :, None]  # (B, Q, 2, H, K)
        y, erased = torch.einsum("bqnhk,bhkv->bqnhv", read, state[1].to(read.dtype)).unbind(2)
        y = y - (r * put).sum(-1, keepdim=True) * erased + (r * k).sum(-1, keepdim=True) * v
        return self.finish(y, parts, gate)


class RWKV7(SequenceModel):
    """RWKV-7: erases at a rate, and forgets at another, for every key coordinate."""

    Config = RWKV7Config
    state_formula = "width * width / heads + width"
    parallel = "chunks"
    source = "Peng et al. 2025, arXiv 2503.14456"

    @classmethod
    def build_mixer(cls, config: RWKV7Config, layer: int) -> Mixer:
        return RWKV7Mixer(config.width, config.heads, config.rank, config.chunk)
