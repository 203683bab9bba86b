"""Mamba: selective state space with a short convolution (Gu and Dao 2023)."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.alternatives import activate
from separatrix.ops.convolution import convolution_shares, convolution_step, last_inputs
from separatrix.ops.selective_read import selective_read
from separatrix.ops.selective_scan import selective_state


class MambaConfig(ModelConfig):
    """Blocks as in the paper: RMS norm, mixer, residual, no MLP."""

    name: Literal["mamba"] = "mamba"
    norm: Literal["none", "layer", "rms"] = "rms"
    state: int = Field(16, ge=1, description="states S behind each inner channel")
    expand: int = Field(2, ge=1, description="inner width as a multiple of width")
    taps: int = Field(4, ge=1, description="length of the convolution; the state holds taps - 1 inputs of it")
    rank: int | None = Field(None, ge=1, description="rank of the step sizes' projection; None for width / 16")


class MambaMixer(SharedMixer):
    """State: the convolution's last inputs and h, inner * (taps - 1 + state) numbers with inner = expand * width."""

    transitions = "nonnegative"

    def __init__(self, width: int, state: int = 16, expand: int = 2, taps: int = 4, rank: int | None = None) -> None:
        super().__init__()
        inner = expand * width
        self.rank, self.states, self.taps = rank or math.ceil(width / 16), state, taps
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv1d = nn.Conv1d(inner, inner, taps, groups=inner)
        self.x_proj = nn.Linear(inner, self.rank + 2 * state, bias=False)
        self.dt_proj = nn.Linear(self.rank, inner)
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, state + 1)).repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=False)
        with torch.no_grad():  # steps start log-uniform between 0.001 and 0.1
            nn.init.uniform_(self.dt_proj.weight, -(self.rank**-0.5), self.rank**-0.5)
            self.dt_proj.bias.copy_(inverse_softplus(log_uniform(inner)))

    def selection(self, u: Float[Tensor, "*B I"]) -> tuple[Tensor, Tensor, Tensor]:
        """What each token does to the state: step sizes before bias and softplus (*B, I), b and c (*B, S)."""
        step, b, c = self.x_proj(u).split([self.rank, self.states, self.states], dim=-1)
        return F.linear(step, self.dt_proj.weight), b, c

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        window, before = (None, None) if state is None else state
        x, z = self.in_proj(x).chunk(2, dim=-1)  # (B, N, I)
        u = ops.causal_convolution(x, self.conv1d.weight[:, 0], self.conv1d.bias, window)
        delta, b, c = self.selection(u)
        a = -torch.exp(self.A_log)
        y, after = ops.selective_scan(u, delta, a, b, c, self.D, z, self.dt_proj.bias, before, softplus=True)
        return self.out_proj(y), (last_inputs(x, window, self.taps), after)

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        window, before = (None, None) if state is None else state
        x = F.linear(x, self.in_proj.weight[: self.in_proj.out_features // 2])  # (B, N, I)
        u = ops.causal_convolution(x, self.conv1d.weight[:, 0], self.conv1d.bias, window)
        delta, b, _ = self.selection(u)
        after = selective_state(u, delta, -torch.exp(self.A_log), b, self.dt_proj.bias, before, softplus=True)
        return last_inputs(x, window, self.taps), after

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        window, h = state
        x, z = self.in_proj(x).chunk(2, dim=-1)  # (B, I)
        u, window = convolution_step(x, self.conv1d.weight[:, 0], self.conv1d.bias, window)
        raw, b, c = self.selection(u)
        delta = F.softplus(raw + self.dt_proj.bias)
        h = torch.exp(delta[..., None] * -torch.exp(self.A_log)) * h + (delta * u)[..., None] * b[:, None]
        y = (h * c[:, None]).sum(-1) + self.D * u
        return self.out_proj(y * F.silu(z)), (window, h)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        window, h = state
        x, z = self.in_proj(x).chunk(2, dim=-1)  # (R, I)
        rows, past = convolution_shares(x, self.conv1d.weight[:, 0], self.conv1d.bias, window)
        u = activate(rows, which, past)  # (B, Q, I)
        delta, b, c = self.selection(u)
        a = -torch.exp(self.A_log)
        y = selective_read(u, delta, a, b, c, self.D, z, which, self.dt_proj.bias, h, softplus=True)
        return self.out_proj(y)


def log_uniform(count: int, low: float = 0.001, high: float = 0.1) -> Float[Tensor, " {count}"]:
    """Step sizes drawn uniformly in their logarithm."""
    return torch.exp(torch.rand(count) * (math.log(high) - math.log(low)) + math.log(low))


def inverse_softplus(y: Tensor) -> Tensor:
    """X with softplus(x) = y."""
    return y + torch.log(-torch.expm1(-y))


class Mamba(SequenceModel):
    """Mamba: selective state space, with a short convolution before it and a gate after it."""

    Config = MambaConfig
    state_formula = "expand * width * (state + taps - 1)"
    parallel = "scan"
    kernel = "native"
    source = "Gu and Dao 2023, arXiv 2312.00752"

    @classmethod
    def build_mixer(cls, config: MambaConfig, layer: int) -> Mixer:
        c = config
        return MambaMixer(c.width, c.state, c.expand, c.taps, c.rank)
