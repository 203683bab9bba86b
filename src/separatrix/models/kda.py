"""Kimi delta attention: the delta rule with a decay for every key coordinate (Kimi Team 2025)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.deltanet import DeltaConfig
from separatrix.models.heads import head_norm
from separatrix.models.mamba import inverse_softplus, log_uniform
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.alternatives import activate, spread
from separatrix.ops.channel_delta import CHUNK, channel_delta, channel_delta_step
from separatrix.ops.convolution import convolution_shares, convolution_step, last_inputs
from separatrix.ops.delta_queries import delta_queries


class KDAConfig(DeltaConfig):
    """Size of a stack of Kimi delta attention."""

    name: Literal["kda"] = "kda"
    chunk: int = Field(CHUNK, ge=1, le=CHUNK, description="tokens computed in parallel at a time")


class KDAMixer(SharedMixer):
    """S' = (I - beta k k^T) diag(alpha) S + beta k v^T, read by q, with a gate of low rank on what is read.

    alpha = exp(-A softplus(W x + b)) for every key coordinate, W of rank width / heads. State: the convolution's last
    inputs, (taps - 1) * (2 * heads * key_width + width) numbers, and S, key_width * width.
    """

    transitions = "matrix"

    def __init__(
        self,
        width: int,
        heads: int = 1,
        key_width: int | None = None,
        taps: int = 4,
        chunk: int = CHUNK,
        negative_eigenvalues: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.key_width, self.taps, self.chunk = heads, key_width or width // heads, taps, chunk
        self.most, rank, keys = 2 if negative_eigenvalues else 1, width // heads, heads * (key_width or width // heads)
        self.sizes = [keys, keys, width]
        self.enter = nn.Linear(width, sum(self.sizes), bias=False)  # queries, keys, values
        self.conv = nn.Conv1d(sum(self.sizes), sum(self.sizes), taps, groups=sum(self.sizes), bias=False)
        self.strength = nn.Linear(width, heads, bias=False)
        self.forget = nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, keys, bias=False))
        self.A_log = nn.Parameter(torch.log(torch.empty(heads).uniform_(1, 16)))
        self.dt_bias = nn.Parameter(inverse_softplus(log_uniform(keys)))
        self.gate = nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width))
        self.norm = nn.Parameter(torch.ones(width // heads))
        self.out = nn.Linear(width, width, bias=False)

    def parts(
        self, mixed: Float[Tensor, "*B I"], x: Float[Tensor, "*B D"]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Queries, keys, values, betas and log decays, one row of numbers a head."""
        q, k, v = (part.unflatten(-1, (self.heads, -1)) for part in mixed.split(self.sizes, dim=-1))
        q, k = F.normalize(q, dim=-1, eps=1e-6) * self.key_width**-0.5, F.normalize(k, dim=-1, eps=1e-6)
        rates = F.softplus(self.forget(x) + self.dt_bias).unflatten(-1, (self.heads, -1))
        return q, k, v, self.most * torch.sigmoid(self.strength(x)), -torch.exp(self.A_log)[:, None] * rates

    def finish(self, y: Float[Tensor, "*B H V"], gate: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Each head normalised, then the gate and the output projection."""
        return self.out((head_norm(y) * self.norm).flatten(-2) * torch.sigmoid(gate))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        window, before = (None, None) if state is None else state
        entering = self.enter(x)
        mixed = ops.causal_convolution(entering, self.conv.weight[:, 0], None, window)
        y, after = channel_delta(*self.parts(mixed, x), before, self.chunk)
        return self.finish(y, self.gate(x)), (last_inputs(entering, window, self.taps), after)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        mixed, window = convolution_step(self.enter(x), self.conv.weight[:, 0], None, state[0])
        y, after = channel_delta_step(*self.parts(mixed, x), state[1])
        return self.finish(y, self.gate(x)), (window, after)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        rows, past = convolution_shares(self.enter(x), self.conv.weight[:, 0], None, state[0])
        q, k, v, beta, log_decay = self.parts(activate(rows, which, past), spread(x, which))
        one = k[:, :, None], v[:, :, None], beta[:, :, None]  # a single step
        y = delta_queries(q, *one, state[1], torch.exp(log_decay))
        return self.finish(y, spread(self.gate(x), which))


class KDA(SequenceModel):
    """Kimi delta attention: a matrix memory that overwrites, and forgets each key coordinate at its own rate."""

    Config = KDAConfig
    state_formula = "width * key_width + (taps - 1) * (2 * heads * key_width + width)"
    parallel = "chunks"
    source = "Kimi Team 2025, arXiv 2510.26692"

    @classmethod
    def build_mixer(cls, config: KDAConfig, layer: int) -> Mixer:
        c = config
        return KDAMixer(c.width, c.heads, c.key_width, c.taps, c.chunk, c.negative_eigenvalues)
