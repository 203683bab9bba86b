"""mLSTM of xLSTM: matrix memories with exponential input gates (Beck et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.alternatives import activate, spread
from separatrix.ops.convolution import convolution_shares, convolution_step, last_inputs
from separatrix.ops.linear_attention import CHUNK
from separatrix.ops.normalised_attention import normalised, normalised_attention, normalised_memory, normalised_step


class MLSTMConfig(ModelConfig):
    """Blocks as in the paper: layer norm, mixer, residual, no MLP."""

    name: Literal["mlstm"] = "mlstm"
    heads: int = Field(4, ge=1, description="heads H")
    expand: int = Field(2, ge=1, description="inner width as a multiple of width")
    taps: int = Field(4, ge=1, description="length of the convolution; the state holds taps - 1 inputs of it")
    chunk: int = Field(CHUNK, ge=1, description="tokens computed in parallel at a time")

    @model_validator(mode="after")
    def _divisible(self) -> MLSTMConfig:
        if self.expand * self.width % self.heads:
            raise ValueError(f"heads must divide expand * width = {self.expand * self.width}, got {self.heads}")
        return self


class MLSTMMixer(SharedMixer):
    """C' = f C + i k v^T, n' = f n + i k, read as C^T q / max(|n · q|, 1), kept in range by a running maximum m.

    State: the convolution's last inputs, (taps - 1) * inner numbers, and for each head of K = inner / heads channels
    C (K * K), n (K) and m (1).
    """

    transitions = "nonnegative"
    stages = 2  # memories follow the running maximum

    def __init__(self, width: int, heads: int = 4, expand: int = 2, taps: int = 4, chunk: int = CHUNK) -> None:
        super().__init__()
        inner = expand * width
        self.heads, self.taps, self.chunk, self.per_head = heads, taps, chunk, inner // heads
        self.up = nn.Linear(width, 2 * inner, bias=False)
        self.conv = nn.Conv1d(inner, inner, taps, groups=inner)
        block = 4 if inner % 4 == 0 else 1  # projections in blocks of four channels
        self.query, self.key, self.value = (
            nn.Parameter(torch.randn(inner // block, block, block) * (2 / (5 * block)) ** 0.5) for _ in range(3)
        )
        self.gates = nn.Linear(3 * inner, 2 * heads)
        nn.init.zeros_(self.gates.weight)
        with torch.no_grad():  # input gates near 1, forget gates between 0.95 and 0.998
            self.gates.bias.copy_(torch.cat([torch.randn(heads) * 0.1, torch.linspace(3, 6, heads)]))
        self.norm, self.skip = nn.Parameter(torch.ones(inner)), nn.Parameter(torch.ones(inner))
        self.down = nn.Linear(inner, width, bias=False)

    def project(self, mixed: Float[Tensor, "*B I"], x: Float[Tensor, "*B I"]) -> tuple[Tensor, ...]:
        """Queries, keys, values, log input gates and log forget gates of each head."""
        q, k, v, enter, forget = self.gated(mixed, blockwise(x, self.value))
        return q, k * self.per_head**-0.5, v, enter, forget

    def gated(self, mixed: Float[Tensor, "*B I"], v: Float[Tensor, "*B I"]) -> tuple[Tensor, ...]:
        """The same from the values, with keys not yet scaled."""
        parts = blockwise(mixed, self.query), blockwise(mixed, self.key), v
        weights = self.gates.weight.chunk(3, dim=1)  # so that the parts need not be joined
        read = sum((F.linear(part, w) for part, w in zip(parts, weights, strict=True)), self.gates.bias)
        enter, forget = read.chunk(2, dim=-1)  # (*B, H)
        q, k, v = (part.unflatten(-1, (self.heads, -1)) for part in parts)
        return q, k, v, enter, F.logsigmoid(forget)

    def finish(self, y: Float[Tensor, "*B H V"], mixed: Tensor, gate: Tensor) -> Float[Tensor, "*B D"]:
        """Each head normalised, then skip, gate and projection."""
        y = F.layer_norm(y, y.shape[-1:]).flatten(-2) * self.norm
        return self.down((y + self.skip * mixed) * gate)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        window, memory = (None, None) if state is None else (state[0], tuple(state[1:]))
        x, z = self.up(x).chunk(2, dim=-1)  # (B, N, I)
        mixed = ops.causal_convolution(x, self.conv.weight[:, 0], self.conv.bias, window)
        q, k, v, enter, forget = self.project(mixed, x)
        y, after = normalised_attention(q, k, v, enter, forget, memory, self.chunk)
        return self.finish(y, mixed, F.silu(z)), (last_inputs(x, window, self.taps), *after)

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        window, memory = (None, None) if state is None else (state[0], tuple(state[1:]))
        x = F.linear(x, self.up.weight[: self.up.out_features // 2])  # (B, N, I)
        mixed = ops.causal_convolution(x, self.conv.weight[:, 0], self.conv.bias, window)
        _, k, v, enter, forget = self.project(mixed, x)
        return last_inputs(x, window, self.taps), *normalised_memory(k, v, enter, forget, memory, self.chunk)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        x, z = self.up(x).chunk(2, dim=-1)  # (B, I)
        mixed, window = convolution_step(x, self.conv.weight[:, 0], self.conv.bias, state[0])
        q, k, v, enter, forget = self.project(mixed, x)
        y, after = normalised_step(q, k, v, enter, forget, tuple(state[1:]))
        return self.finish(y, mixed, F.silu(z)), (window, *after)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        window, memory, total, top = state
        x, z = self.up(x).chunk(2, dim=-1)  # (R, I)
        rows, past = convolution_shares(x, self.conv.weight[:, 0], self.conv.bias, window)
        mixed = activate(rows, which, past)  # (B, Q, I)
        q, k, v, enter, forget = self.gated(mixed, spread(blockwise(x, self.value), which))
        m = torch.maximum(forget + top[:, None], enter)
        keep, add = torch.exp(forget + top[:, None] - m), torch.exp(enter - m) * (q * k).sum(-1) * self.per_head**-0.5
        y = keep[..., None] * torch.einsum("bqhk,bhkv->bqhv", q, memory) + add[..., None] * v
        weight = keep * torch.einsum("bqhk,bhk->bqh", q, total) + add
        return self.finish(normalised(y, weight, m), mixed, spread(F.silu(z), which))


def blockwise(x: Float[Tensor, "*B I"], weight: Float[Tensor, "G O W"]) -> Float[Tensor, "*B I"]:
    """A linear map of each group of neighbouring channels."""
    return torch.einsum("...gi,goi->...go", x.unflatten(-1, (weight.shape[0], -1)), weight).flatten(-2)


class MLSTM(SequenceModel):
    """mLSTM: matrix memories with exponential input gates and a normaliser."""

    Config = MLSTMConfig
    state_formula = "inner * (inner / heads + 1) + heads + (taps - 1) * inner, inner = expand * width"
    parallel = "chunks"
    kernel = "native"
    source = "Beck et al. 2024, arXiv 2405.04517"

    @classmethod
    def build_mixer(cls, config: MLSTMConfig, layer: int) -> Mixer:
        return MLSTMMixer(config.width, config.heads, config.expand, config.taps, config.chunk)
