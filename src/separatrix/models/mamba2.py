"""Mamba-2: state space duality (Dao and Gu 2024)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import ModelConfig
from separatrix.models.mamba import inverse_softplus, log_uniform
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.convolution import convolution_shares, convolution_step, last_inputs
from separatrix.ops.gated_norm import gated_norm
from separatrix.ops.linear_attention import CHUNK, decayed_attention, decayed_state, decayed_step
from separatrix.ops.memory_read import Layout, memory_read


class Mamba2Config(ModelConfig):
    """Blocks as in the paper: RMS norm, mixer, residual, no MLP."""

    name: Literal["mamba2"] = "mamba2"
    norm: Literal["none", "layer", "rms"] = "rms"
    state: int = Field(64, ge=1, description="states S behind each inner channel")
    expand: int = Field(2, ge=1, description="inner width as a multiple of width")
    head_width: int | None = Field(None, ge=1, description="inner channels that share a decay; None for at most 64")
    taps: int = Field(4, ge=1, description="length of the convolution; the state holds taps - 1 inputs of it")
    chunk: int = Field(CHUNK, ge=1, description="tokens computed in parallel at a time")

    @model_validator(mode="after")
    def _divisible(self) -> Mamba2Config:
        if self.inner % self.channels:
            raise ValueError(f"head_width must divide expand * width = {self.inner}, got {self.channels}")
        return self

    @property
    def inner(self) -> int:
        """Inner width."""
        return self.expand * self.width

    @property
    def channels(self) -> int:
        """Inner channels of one head."""
        return self.head_width or min(64, self.inner)


class Mamba2Mixer(SharedMixer):
    """State: the convolution's last inputs, (taps - 1) * (inner + 2 * state) numbers, and h, inner * state."""

    transitions = "nonnegative"

    def __init__(
        self,
        width: int,
        state: int = 64,
        expand: int = 2,
        head_width: int = 64,
        taps: int = 4,
        chunk: int = CHUNK,
    ) -> None:
        super().__init__()
        inner = expand * width
        self.heads, self.taps, self.chunk = inner // head_width, taps, chunk
        self.sizes = [inner, state, state]
        mixed = sum(self.sizes)
        self.in_proj = nn.Linear(width, inner + mixed + self.heads, bias=False)  # gate, x, b, c, step
        self.conv1d = nn.Conv1d(mixed, mixed, taps, groups=mixed)
        self.dt_bias = nn.Parameter(inverse_softplus(log_uniform(self.heads)))
        self.A_log = nn.Parameter(torch.log(torch.empty(self.heads).uniform_(1, 16)))
        self.D = nn.Parameter(torch.ones(self.heads))
        self.norm = nn.RMSNorm(inner, eps=1e-5)
        self.out_proj = nn.Linear(inner, width, bias=False)

    def enter(self, x: Float[Tensor, "*B D"]) -> tuple[Tensor, Tensor, Tensor]:
        """Gate, what the convolution takes, and step sizes."""
        z, mixed, raw = self.in_proj(x).split([self.sizes[0], sum(self.sizes), self.heads], dim=-1)
        return z, mixed, F.softplus(raw + self.dt_bias)

    def parts(self, mixed: Float[Tensor, "*B M"], step: Float[Tensor, "*B H"]) -> tuple[Tensor, ...]:
        """Queries c, keys b (shared by the heads), values step * x and log decays; and x itself."""
        x, b, c = mixed.split(self.sizes, dim=-1)
        x = x.unflatten(-1, (self.heads, -1))
        return c.unsqueeze(-2), b.unsqueeze(-2), x * step[..., None], -torch.exp(self.A_log) * step, x

    def finish(self, y: Float[Tensor, "*B H V"], x: Float[Tensor, "*B H V"], z: Tensor) -> Tensor:
        """Skip, gate, norm and output projection."""
        return self.out_proj(self.norm((y + self.D[:, None] * x).flatten(-2) * F.silu(z)))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        window, before = (None, None) if state is None else state
        z, entering, step = self.enter(x)
        mixed = ops.causal_convolution(entering, self.conv1d.weight[:, 0], self.conv1d.bias, window)
        c, b, v, log_decay, u = self.parts(mixed, step)
        y, after = decayed_attention(c, b, v, log_decay, before, self.chunk)
        return self.finish(y, u, z), (last_inputs(entering, window, self.taps), after)

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        window, before = (None, None) if state is None else state
        inner, states, _ = self.sizes
        written, weight = inner + states, self.in_proj.weight
        entering = F.linear(x, weight[inner : inner + written])  # (B, N, I + S): what c is read by is needed at the end
        asked = F.linear(x[:, max(0, x.shape[1] - self.taps + 1) :], weight[inner + written : inner + written + states])
        step = F.softplus(F.linear(x, weight[-self.heads :]) + self.dt_bias)
        past = (None, None) if window is None else window.split([written, states], dim=-1)
        taps, bias = self.conv1d.weight[:written, 0], self.conv1d.bias
        assert bias is not None
        mixed = ops.causal_convolution(entering, taps, bias[:written], past[0])
        u, b = mixed.split([inner, states], dim=-1)
        v = u.unflatten(-1, (self.heads, -1)) * step[..., None]
        after = decayed_state(b.unsqueeze(-2), v, -torch.exp(self.A_log) * step, before, self.chunk)
        held = [last_inputs(part, old, self.taps) for part, old in zip((entering, asked), past, strict=True)]
        return torch.cat(held, dim=-1), after

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        z, entering, step = self.enter(x)
        mixed, window = convolution_step(entering, self.conv1d.weight[:, 0], self.conv1d.bias, state[0])
        c, b, v, log_decay, u = self.parts(mixed, step)
        y, after = decayed_step(c, b, v, log_decay, state[1])
        return self.finish(y, u, z), (window, after)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        z, entering, step = self.enter(x)
        rows, past = convolution_shares(entering, self.conv1d.weight[:, 0], self.conv1d.bias, state[0])
        inner, states, _ = self.sizes
        layout = Layout(groups=1, q=inner + states, k=inner, v=0)
        decay = torch.exp(-torch.exp(self.A_log) * step)
        y = memory_read(rows, which, state[1], layout, past, decay, step, self.D)
        return self.out_proj(gated_norm(y.flatten(2)[:, :, None], which, self.norm.weight, z, before=True))


class Mamba2(SequenceModel):
    """Mamba-2: selective state space with one decay a head."""

    Config = Mamba2Config
    state_formula = "expand * width * state + (taps - 1) * (expand * width + 2 * state)"
    parallel = "chunks"
    kernel = "native"
    source = "Dao and Gu 2024, arXiv 2405.21060"

    @classmethod
    def build_mixer(cls, config: Mamba2Config, layer: int) -> Mixer:
        c = config
        return Mamba2Mixer(c.width, c.state, c.expand, c.channels, c.taps, c.chunk)
