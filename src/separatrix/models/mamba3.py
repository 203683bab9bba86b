"""Mamba-3: a state space discretised by the trapezoidal rule, turned by angles of the token (Lahoti et al. 2026)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.config import SwiGLUBlocks
from separatrix.models.heads import check_heads, rotate
from separatrix.models.mamba import inverse_softplus, log_uniform
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import RMSNorm, SequenceModel
from separatrix.models.state import State
from separatrix.ops.linear_attention import CHUNK, decayed_attention

SLOWEST = -1e-4
"""The rate A that no head's is above, A_floor in the authors' code."""


class Mamba3Config(SwiGLUBlocks):
    """Blocks as in the paper: RMS norm, mixer, residual, RMS norm, SwiGLU MLP, residual."""

    name: Literal["mamba3"] = "mamba3"
    state: int = Field(64, ge=2, description="states S behind each inner channel")
    expand: int = Field(2, ge=1, description="inner width as a multiple of width")
    heads: int = Field(2, ge=1, description="heads H, each with a step size, a rate and a share of its own")
    turned: float = Field(0.5, gt=0, le=1, description="share of the states that are turned, in pairs")
    chunk: int = Field(CHUNK, ge=1, description="tokens computed in parallel at a time")

    @model_validator(mode="after")
    def _divisible(self) -> Mamba3Config:
        check_heads(self.expand * self.width, self.heads)
        if int(self.state * self.turned) < 2:
            raise ValueError(f"turned: a pair of states at least is turned, got {self.turned} of {self.state}")
        return self


class Mamba3Mixer(Mixer):
    """h' = a R h + (1 - l) D a R b_- x_-^T + l D b x^T, read by c: a = exp(D A), the input before (b_-, x_-) and this.

    l, the step size D, the rate A and the angles of the rotation R are of the token. Single input and output (SISO):
    what the authors call MIMO is left out. State: h, b and x of the last token, inner * (state + 1) + state numbers
    with inner = expand * width. h is kept as the last token sees it, so that no angle is part of the state.
    """

    transitions = "rotating"

    def __init__(
        self, width: int, state: int = 64, expand: int = 2, heads: int = 1, turned: float = 0.5, chunk: int = CHUNK
    ) -> None:
        super().__init__()
        inner = expand * width
        self.heads, self.chunk, self.angles = heads, chunk, int(state * turned) // 2
        self.sizes = [inner, inner, state, state, heads, heads, heads, self.angles]
        self.enter = nn.Linear(width, sum(self.sizes), bias=False)  # gate, x, b, c, step, rate, share, angles
        self.dt_bias = nn.Parameter(inverse_softplus(log_uniform(heads)))
        self.b_bias, self.c_bias = (nn.Parameter(torch.ones(heads, state)) for _ in range(2))
        self.b_norm, self.c_norm = RMSNorm(state), RMSNorm(state)
        self.D = nn.Parameter(torch.ones(heads))
        self.out = nn.Linear(inner, width, bias=False)

    def parts(self, x: Float[Tensor, "*B D"]) -> tuple[Tensor, ...]:
        """Gate, input (*B, H, P), b (*B, S), c (*B, H, S), step size, log decay, share (*B, H), angles (*B, H, A)."""
        gate, x, b, c, step, rate, share, angles = self.enter(x).split(self.sizes, dim=-1)
        step = F.softplus(step + self.dt_bias)
        # 1 + r above 0 and 1 / (1 - r) below it: grows no faster than its input
        a = (-(rate.clamp_min(0) + torch.reciprocal(1 - rate.clamp_max(0)))).clamp_max(SLOWEST)
        turns = torch.pi * torch.tanh(angles)[..., None, :] * step[..., None]
        c = self.c_norm(c)[..., None, :] + self.c_bias
        x = x.unflatten(-1, (self.heads, -1))
        return gate, x, self.b_norm(b), c, step, a * step, torch.sigmoid(share), turns

    def turn(self, x: Float[Tensor, "... S"], angles: Float[Tensor, "... A"]) -> Float[Tensor, "... S"]:
        """The first pairs of states turned by the angles."""
        pairs, rest = x[..., : 2 * self.angles], x[..., 2 * self.angles :]
        return torch.cat([rotate(pairs, angles), rest], dim=-1)

    def finish(self, y: Float[Tensor, "*B H P"], x: Tensor, gate: Tensor) -> Float[Tensor, "*B D"]:
        """The input's own way past the state, the gate, and the output projection."""
        return self.out((y + self.D[:, None] * x).flatten(-2) * F.silu(gate))

    def begin(self, x: Tensor) -> State:
        """The state before the first token."""
        inner, _, state, *_ = self.sizes
        empty = x.new_zeros(x.shape[0], self.heads, state, inner // self.heads)
        return empty, empty[:, 0, :, 0], empty[:, :, 0]

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        h, b_before, x_before = self.begin(x) if state is None else state
        gate, own, b, c, step, log_decay, share, turns = self.parts(x)
        angles = F.pad(turns.cumsum(1), (0, 0, 0, 0, 1, 0))  # (B, N + 1, H, A), from the token before the first
        b, inputs = torch.cat([b_before[:, None], b], dim=1), torch.cat([x_before[:, None], own], dim=1)
        keys = self.turn(b[:, :, None] + self.b_bias, angles)  # (B, N + 1, H, S)
        asked = self.turn(c, angles[:, 1:])
        fresh = F.pad(share * step, (0, 0, 1, 0))  # (B, N + 1, H): 0, for what the state holds of the one before
        # before a token is written, what the one before it wrote fades, and is written again with this one's step
        late = fresh[:, :-1] * torch.exp(log_decay) + (1 - share) * step * torch.exp(log_decay)
        y, h = decayed_attention(asked, keys[:, :-1], late[..., None] * inputs[:, :-1], log_decay, h, self.chunk)
        y = y + (fresh[:, 1:] * (asked * keys[:, 1:]).sum(-1))[..., None] * own
        last = (fresh[..., None] * keys)[:, 1:][:, -1:]  # (B, 1, H, S), none where no token is read
        h = h + torch.einsum("bnhs,bnhp->bhsp", last, own[:, -1:])
        h = self.turn(h.transpose(-1, -2), -angles[:, -1, :, None]).transpose(-1, -2)
        return self.finish(y, own, gate), (h, b[:, -1].clone(), inputs[:, -1].clone())

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y, after = self.scan(x[:, None], state)
        return y[:, 0], after

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        gate, own, b, c, step, log_decay, share, turns = self.parts(x)
        h, b_before, x_before = (part.to(c.dtype) for part in state)
        asked = self.turn(c, turns)  # turning what is asked spares turning the state
        past = torch.einsum("bqhs,bhsp->bqhp", asked, h)
        before = torch.einsum("bqhs,bhs->bqh", asked, b_before[:, None] + self.b_bias)[..., None] * x_before[:, None]
        past = torch.exp(log_decay)[..., None] * (past + ((1 - share) * step)[..., None] * before)
        itself = share * step * (c * (b[:, :, None] + self.b_bias)).sum(-1)
        return self.finish(past + itself[..., None] * own, own, gate)


class Mamba3(SequenceModel):
    """Mamba-3: a state space that each token turns, its input weighed with the one before."""

    Config = Mamba3Config
    state_formula = "expand * width * (state + 1) + state"
    parallel = "chunks"
    kernel = "native"
    source = "Lahoti et al. 2026, Mamba-3 (ICLR 2026)"

    @classmethod
    def build_mixer(cls, config: Mamba3Config, layer: int) -> Mixer:
        c = config
        return Mamba3Mixer(c.width, c.state, c.expand, c.heads, c.turned, c.chunk)
