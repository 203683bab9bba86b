"""RG-LRU: the real-gated linear recurrent unit of Griffin and Hawk, in its block (De et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import SwiGLUBlocks
from separatrix.models.heads import check_heads
from separatrix.models.mamba import inverse_softplus
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.alternatives import spread
from separatrix.ops.convolution import convolution_shares, last_inputs

RATE = 8.0
"""The constant c of the paper: a token's gate of 1 decays as much as 8 of softplus(Lambda)."""


class RGLRUConfig(SwiGLUBlocks):
    """Blocks as in the paper: RMS norm, recurrent block, residual, RMS norm, gated MLP, residual."""

    name: Literal["rg-lru"] = "rg-lru"
    heads: int = Field(1, ge=1, description="blocks of the gates' weights, which are block diagonal")
    expand: int = Field(1, ge=1, description="width of the recurrence as a multiple of width")
    taps: int = Field(4, ge=1, description="length of the convolution; the state holds taps - 1 inputs of it")

    @model_validator(mode="after")
    def _divisible(self) -> RGLRUConfig:
        check_heads(self.expand * self.width, self.heads)
        return self


class RGLRUMixer(SharedMixer):
    """h' = a h + sqrt(1 - a^2) (i x), a = exp(-8 r softplus(Lambda)); gates r and i of the convolved token.

    State: the convolution's last inputs and h, taps * expand * width numbers.
    """

    transitions = "nonnegative"

    def __init__(self, width: int, heads: int = 1, expand: int = 1, taps: int = 4) -> None:
        super().__init__()
        self.heads, self.inner, self.taps = heads, expand * width, taps
        self.enter, self.gate = nn.Linear(width, self.inner), nn.Linear(width, self.inner)
        self.conv = nn.Conv1d(self.inner, self.inner, taps, groups=self.inner)
        block = self.inner // heads
        self.gates = nn.Parameter(torch.randn(2, heads, block, block) * block**-0.5)  # of inputs, of the recurrence
        self.gate_bias = nn.Parameter(torch.zeros(2, heads, block))
        rates = -torch.log(torch.empty(self.inner).uniform_(0.9, 0.999)) / RATE
        self.rates = nn.Parameter(inverse_softplus(rates))  # Lambda
        self.out = nn.Linear(self.inner, width)

    def recurrence(self, x: Float[Tensor, "*B I"]) -> tuple[Float[Tensor, "*B I"], Float[Tensor, "*B I"]]:
        """(a, what is added) of the convolved token."""
        split = x.unflatten(-1, (self.heads, -1))
        enter, forget = (
            torch.sigmoid(torch.einsum("...hi,hij->...hj", split, weight) + bias).flatten(-2)
            for weight, bias in zip(self.gates, self.gate_bias, strict=True)
        )
        log_a = -RATE * forget * F.softplus(self.rates)
        return torch.exp(log_a), torch.sqrt(-torch.expm1(2 * log_a)) * (enter * x)

    def finish(self, h: Float[Tensor, "*B I"], gate: Float[Tensor, "*B I"]) -> Float[Tensor, "*B D"]:
        """The gate, then the output projection."""
        return self.out(h * F.gelu(gate, approximate="tanh"))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        entering = self.enter(x)
        window, before = (None, entering.new_zeros(x.shape[0], self.inner)) if state is None else state
        mixed = ops.causal_convolution(entering, self.conv.weight[:, 0], self.conv.bias, window, silu=False)
        h = ops.linear_recurrence(*self.recurrence(mixed), before)
        after = h[:, -1].clone() if x.shape[1] else before
        return self.finish(h, self.gate(x)), (last_inputs(entering, window, self.taps), after)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        entering = self.enter(x)
        own, past = convolution_shares(entering, self.conv.weight[:, 0], self.conv.bias, state[0])
        keep, new = self.recurrence(own + past)
        h = keep * state[1] + new
        return self.finish(h, self.gate(x)), (last_inputs(entering[:, None], state[0], self.taps), h)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        own, past = convolution_shares(self.enter(x), self.conv.weight[:, 0], self.conv.bias, state[0])
        keep, new = self.recurrence(spread(own, which) + past[:, None])
        return self.finish(keep * state[1][:, None] + new, spread(self.gate(x), which))


class RGLRU(SequenceModel):
    """RG-LRU: a real diagonal recurrence whose decay and input are gated by the token."""

    Config = RGLRUConfig
    state_formula = "taps * expand * width"
    parallel = "scan"
    kernel = "native"
    source = "De et al. 2024, arXiv 2402.19427"

    @classmethod
    def build_mixer(cls, config: RGLRUConfig, layer: int) -> Mixer:
        return RGLRUMixer(config.width, config.heads, config.expand, config.taps)
