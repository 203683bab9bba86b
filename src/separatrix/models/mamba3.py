"""Mamba-3: a state space discretised by the trapezoidal rule, turned by angles of the token (Lahoti et al. 2026)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.block import RMSNorm
from separatrix.models.config import SwiGLUBlocks
from separatrix.models.heads import check_heads, rotate
from separatrix.models.mamba import inverse_softplus, log_uniform
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel
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
    rank: int = Field(
        1,
        ge=1,
        le=64,
        description="inputs and outputs of each head (MIMO from 2 on)",
        exclude_if=lambda rank: rank == 1,  # configurations older than the field keep their identities
    )

    @model_validator(mode="after")
    def _divisible(self) -> Mamba3Config:
        check_heads(self.expand * self.width, self.heads)
        if int(self.state * self.turned) < 2:
            raise ValueError(f"turned: a pair of states at least is turned, got {self.turned} of {self.state}")
        return self


class Mamba3Mixer(Mixer):
    """h' = a R h + (1 - l) D a R b_- x_-^T + l D b x^T, read by c: a = exp(D A), the input before (b_-, x_-) and this.

    l, the step size D, the rate A and the angles of the rotation R are of the token. With a rank r of 2 or more (many
    inputs and outputs, MIMO) a head writes r of b, each with x scaled coordinate by coordinate, and reads with r of c;
    what is read is gated, scaled so and added up. State: h, the b and x of the last token, inner * (state + 1) +
    r * state numbers with inner = expand * width. h is kept as the last token sees it: no angle is part of the state.
    """

    transitions = "rotating"

    def __init__(
        self,
        width: int,
        state: int = 64,
        expand: int = 2,
        heads: int = 1,
        turned: float = 0.5,
        chunk: int = CHUNK,
        rank: int = 1,
    ) -> None:
        super().__init__()
        inner = expand * width
        self.heads, self.chunk, self.angles, self.rank = heads, chunk, int(state * turned) // 2, rank
        self.sizes = [inner, inner, rank * state, rank * state, heads, heads, heads, self.angles]
        self.enter = nn.Linear(width, sum(self.sizes), bias=False)  # gate, x, b, c, step, rate, share, angles
        self.dt_bias = nn.Parameter(inverse_softplus(log_uniform(heads)))
        many = (rank,) if rank > 1 else ()
        self.b_bias, self.c_bias = (nn.Parameter(torch.ones(heads, *many, state)) for _ in range(2))
        self.b_norm, self.c_norm = RMSNorm(state), RMSNorm(state)
        self.D = nn.Parameter(torch.ones(heads))
        self.out = nn.Linear(inner, width, bias=False)
        self.x_scale, self.gate_scale, self.y_scale = (
            nn.Parameter(torch.full((heads, rank, inner // heads), size)) if rank > 1 else None
            for size in (1 / rank, 1.0, 1 / rank)
        )

    def parts(self, x: Float[Tensor, "*B D"]) -> tuple[Tensor, ...]:
        """Gate, input (*B, H, P), b and c (*B, R, S), step size, log decay, share (*B, H), angles (*B, H, A)."""
        gate, x, b, c, step, rate, share, angles = self.enter(x).split(self.sizes, dim=-1)
        step = F.softplus(step + self.dt_bias)
        # 1 + r above 0 and 1 / (1 - r) below it: grows no faster than its input
        a = (-(rate.clamp_min(0) + torch.reciprocal(1 - rate.clamp_max(0)))).clamp_max(SLOWEST)
        turns = torch.pi * torch.tanh(angles)[..., None, :] * step[..., None]
        b, c = (norm(part.unflatten(-1, (self.rank, -1))) for norm, part in ((self.b_norm, b), (self.c_norm, c)))
        x = x.unflatten(-1, (self.heads, -1))
        return gate, x, b, c, step, a * step, torch.sigmoid(share), turns

    def of_heads(self, b: Float[Tensor, "*B R S"], bias: Tensor) -> Float[Tensor, "*B R H S"]:
        """What all heads share, with the bias of each."""
        return b[..., None, :] + bias.unflatten(0, (self.heads, 1)).flatten(1, -2).transpose(0, 1)

    def scaled(self, x: Float[Tensor, "*B H P"], scale: Tensor | None) -> Float[Tensor, "*B R H P"]:
        """The numbers of each head once for each rank."""
        return x[..., None, :, :] if scale is None else x[..., None, :, :] * scale.transpose(0, 1)

    def turn(self, x: Float[Tensor, "... S"], angles: Float[Tensor, "... A"]) -> Float[Tensor, "... S"]:
        """The first pairs of states turned by the angles."""
        pairs, rest = x[..., : 2 * self.angles], x[..., 2 * self.angles :]
        return torch.cat([rotate(pairs, angles), rest], dim=-1)

    def finish(self, y: Float[Tensor, "*B R H P"], x: Tensor, gate: Tensor) -> Float[Tensor, "*B D"]:
        """The input's own way past the state, the gate, and the output projection."""
        gated = (y + self.D[:, None] * x) * F.silu(self.scaled(gate.unflatten(-1, (self.heads, -1)), self.gate_scale))
        if self.y_scale is not None:
            gated = gated * self.y_scale.transpose(0, 1)
        return self.out(gated.sum(-3).flatten(-2))

    def begin(self, x: Tensor) -> State:
        """The state before the first token."""
        inner, _, states, *_ = self.sizes
        states //= self.rank
        empty = x.new_zeros(x.shape[0], self.heads, states, inner // self.heads)
        return empty, x.new_zeros(x.shape[0], self.rank, states), empty[:, :, 0]

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        h, b_before, x_before = self.begin(x) if state is None else state
        gate, own, b, c, step, log_decay, share, turns = self.parts(x)
        angles = F.pad(turns.cumsum(1), (0, 0, 0, 0, 1, 0))[:, :, None]  # (B, N + 1, 1, H, A), from the token before
        b, inputs = torch.cat([b_before[:, None], b], dim=1), torch.cat([x_before[:, None], own], dim=1)
        keys = self.turn(self.of_heads(b, self.b_bias), angles)  # (B, N + 1, R, H, S)
        asked = self.turn(self.of_heads(c, self.c_bias), angles[:, 1:])
        values = self.scaled(inputs, self.x_scale)  # (B, N + 1, R, H, P)
        fresh = F.pad(share * step, (0, 0, 1, 0))  # (B, N + 1, H): 0, for what the state holds of the one before
        # before a token is written, what the one before it wrote fades, and is written again with this one's step
        late = fresh[:, :-1] * torch.exp(log_decay) + (1 - share) * step * torch.exp(log_decay)
        y, h = self.carried(asked, keys[:, :-1], late[:, :, None, :, None] * values[:, :-1], log_decay, h)
        y = y + self.read(asked, keys[:, 1:], fresh[:, 1:, None, :, None] * values[:, 1:])
        last = (fresh[:, :, None, :, None] * keys)[:, 1:][:, -1:]  # (B, 1, R, H, S), none where no token is read
        h = h + torch.einsum("bnrhs,bnrhp->bhsp", last, values[:, 1:][:, -1:])
        h = self.turn(h.transpose(-1, -2), -angles[:, -1, 0, :, None]).transpose(-1, -2)
        return self.finish(y, values[:, 1:], gate), (h, b[:, -1].clone(), inputs[:, -1].clone())

    def carried(
        self, asked: Tensor, keys: Tensor, values: Tensor, log_decay: Float[Tensor, "B N H"], h: Tensor
    ) -> tuple[Float[Tensor, "B N R H P"], Tensor]:
        """What is read of the state after the writings of each token, and the state after the last.

        The ranks of a token are written and read as tokens one after the other, of which the first alone fades. What
        the later ones write is added to what the earlier ones read.
        """
        between = F.pad(log_decay[:, :, None], (0, 0, 0, self.rank - 1)).flatten(1, 2)  # (B, N R, H)
        q, k, v = (part.flatten(1, 2) for part in (asked, keys, values))
        y, h = decayed_attention(q, k, v, between, h, self.chunk)
        y = y.unflatten(1, (asked.shape[1], self.rank))
        return (y + self.read(asked, keys, values, later=True) if self.rank > 1 else y), h

    def read(self, asked: Tensor, keys: Tensor, values: Tensor, later: bool = False) -> Float[Tensor, "B N R H P"]:
        """What each rank reads of its own token's writings: of all ranks, or of those after it."""
        if self.rank == 1 and not later:
            return (asked * keys).sum(-1, keepdim=True) * values
        scores = torch.einsum("bnrhs,bnkhs->bnhrk", asked, keys)
        return torch.einsum("bnhrk,bnkhp->bnrhp", scores.triu(1) if later else scores, values)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y, after = self.scan(x[:, None], state)
        return y[:, 0], after

    def decode(self, state: State, x: Float[Tensor, "B Q D"]) -> Float[Tensor, "B Q D"]:
        gate, own, b, c, step, log_decay, share, turns = self.parts(x)
        h, b_before, x_before = (part.to(c.dtype) for part in state)
        c = self.of_heads(c, self.c_bias)
        asked = self.turn(c, turns[:, :, None])  # turning what is asked spares turning the state
        past = torch.einsum("bqrhs,bhsp->bqrhp", asked, h)
        scores = torch.einsum("bqrhs,bkhs->bqrkh", asked, self.of_heads(b_before, self.b_bias))
        before = torch.einsum("bqrkh,bkhp->bqrhp", scores, self.scaled(x_before, self.x_scale))
        late, faded = ((1 - share) * step)[:, :, None, :, None], torch.exp(log_decay)[:, :, None, :, None]
        values = self.scaled(own, self.x_scale)  # (B, Q, R, H, P)
        itself = torch.einsum("bqrhs,bqkhs->bqrkh", c, self.of_heads(b, self.b_bias)) * (share * step)[:, :, None, None]
        y = faded * (past + late * before) + torch.einsum("bqrkh,bqkhp->bqrhp", itself, values)
        return self.finish(y, values, gate)


class Mamba3(SequenceModel):
    """Mamba-3: a state space that each token turns, its input weighed with the one before."""

    Config = Mamba3Config
    state_formula = "expand * width * (state + 1) + rank * state"
    parallel = "chunks"
    kernel = "native"
    source = "Lahoti et al. 2026, Mamba-3 (ICLR 2026)"

    @classmethod
    def build_mixer(cls, config: Mamba3Config, layer: int) -> Mixer:
        c = config
        return Mamba3Mixer(c.width, c.state, c.expand, c.heads, c.turned, c.chunk, c.rank)
