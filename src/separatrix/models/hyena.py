"""Hyena: gates around a convolution as long as the text, its filter a small network of the lag (Poli et al. 2023)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.alternatives import spread
from separatrix.ops.convolution import convolution_shares, last_inputs
from separatrix.ops.long_convolution import BLOCK, long_convolution

SLOW, FAST = math.log(1e-2) / 1.5, math.log(1e-2) / 0.3
"""Log decays of the slowest and the fastest filter over `length` tokens."""


class HyenaConfig(ModelConfig):
    """Blocks of layer norm, Hyena operator of order 2, residual, layer norm, MLP, residual."""

    name: Literal["hyena"] = "hyena"
    mlp: int | None = Field(None, ge=0, description="hidden width of each MLP; 0 for no MLP, None for 4 * width")
    activation: Literal["relu", "gelu", "swiglu"] = "gelu"
    taps: int = Field(3, ge=1, description="length of the short convolution; the state holds taps - 1 inputs of it")
    hidden: int = Field(64, ge=1, description="width of the filters' network")
    length: int = Field(1024, ge=1, description="tokens over which filters fade")
    chunk: int = Field(BLOCK, ge=1, description="tokens computed in parallel at a time")


class Sine(nn.Module):
    """sin(frequency x), frequencies trained."""

    def __init__(self, width: int, frequency: float = 10.0) -> None:
        super().__init__()
        self.frequency = nn.Parameter(torch.full((width,), frequency))

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        return torch.sin(self.frequency * x)


class HyenaMixer(SharedMixer):
    """y = q * (filter over all tokens of (k * v) + D k v), q, k and v after a short convolution.

    No finite state reproduces such a filter, so the state is the past: the short convolution's last inputs,
    3 * (taps - 1) * width numbers, and k * v of every token, width numbers each.
    """

    transitions = "attention"  # everything is kept

    def __init__(self, width: int, taps: int = 3, hidden: int = 64, length: int = 1024, chunk: int = BLOCK) -> None:
        super().__init__()
        self.taps, self.length, self.chunk = taps, length, chunk
        self.enter, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.conv = nn.Conv1d(3 * width, 3 * width, taps, groups=3 * width)
        self.filter = nn.Sequential(
            nn.Linear(3, hidden), Sine(hidden), nn.Linear(hidden, hidden), Sine(hidden), nn.Linear(hidden, width)
        )
        self.skip = nn.Parameter(torch.randn(width))

    def taps_of(self, count: int, like: Tensor) -> Float[Tensor, "count D"]:
        """The filter at lags 0 to count - 1; it fades exponentially, every channel at a rate of its own."""
        time = torch.arange(count, device=like.device, dtype=torch.promote_types(like.dtype, torch.float32))
        time = time[:, None] / self.length
        wave = 2 * math.pi * time
        seen = torch.cat([time, torch.cos(wave), -torch.sin(wave)], dim=-1).to(self.skip.dtype)
        rates = torch.linspace(SLOW, FAST, self.skip.shape[0], device=like.device, dtype=time.dtype)
        return (self.filter(seen) * (torch.exp(rates * time) + 0.05)).to(like.dtype)

    def enters(self, x: Float[Tensor, "B N D"], window: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """The gate q, what the filter reads, and the short convolution's last inputs."""
        entering = self.enter(x)
        mixed = ops.causal_convolution(entering, self.conv.weight[:, 0], self.conv.bias, window, silu=False)
        q, k, v = mixed.chunk(3, dim=-1)
        return q, k * v, last_inputs(entering, window, self.taps)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        window, past = (None, None) if state is None else state
        q, own, window = self.enters(x, window)
        whole = own if past is None else torch.cat([past, own], dim=1)
        y = long_convolution(whole, self.taps_of(whole.shape[1], whole), x.shape[1], self.chunk)
        return self.out(q * (y + self.skip * own)), (window, whole)

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        window, past = (None, None) if state is None else state
        _, own, window = self.enters(x, window)
        return window, own if past is None else torch.cat([past, own], dim=1)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        return self.decode(state, x[:, None])[:, 0], self.prefill(x[:, None], state)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        window, past = state
        own, before = convolution_shares(self.enter(x), self.conv.weight[:, 0], self.conv.bias, window)
        q, k, v = (spread(own, which) + before[:, None]).chunk(3, dim=-1)
        taps = self.taps_of(past.shape[1] + 1, past)
        held = torch.einsum("bnd,nd->bd", past, taps[1:].flip(0))  # the same for every query
        return self.out(q * (held[:, None] + (taps[0] + self.skip) * (k * v)))


class Hyena(SequenceModel):
    """Hyena: a gated convolution with filters as long as the text; its state is the text."""

    Config = HyenaConfig
    state_formula = "width * N + 3 * (taps - 1) * width"
    parallel = "convolution"
    source = "Poli et al. 2023, arXiv 2302.10866"

    @classmethod
    def build_mixer(cls, config: HyenaConfig, layer: int) -> Mixer:
        c = config
        return HyenaMixer(c.width, c.taps, c.hidden, c.length, c.chunk)
