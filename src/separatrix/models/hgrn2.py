"""HGRN2: a gated linear RNN, its state expanded by outer products with what is forgotten (Qin et al. 2024)."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.config import SwiGLUBlocks
from separatrix.models.heads import check_heads, head_norm
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.linear_attention import GATED_CHUNK, gated_attention, gated_state, gated_step
from separatrix.ops.memory_read import Layout, memory_read


class HGRN2Config(SwiGLUBlocks):
    """Blocks as in the paper: RMS norm, mixer, residual, RMS norm, SwiGLU MLP, residual."""

    name: Literal["hgrn2"] = "hgrn2"
    heads: int = Field(4, ge=1, description="heads H; each expands its width / heads numbers as often")
    chunk: int = Field(GATED_CHUNK, ge=1, le=GATED_CHUNK, description="tokens computed in parallel at a time")

    @model_validator(mode="after")
    def _divisible(self) -> HGRN2Config:
        check_heads(self.width, self.heads)
        return self


class HGRN2Mixer(SharedMixer):
    """S' = diag(f) S + (1 - f) v^T, read by silu(q). State: S, width * (width / heads) numbers.

    f = floor + (1 - floor) sigmoid(W x). The floor is 0 in the first layer; in layer l of L it starts at (l - 1) / L,
    as in the paper, so that deeper layers remember longer, and is learned for every coordinate.
    """

    transitions = "nonnegative"

    floor: nn.Parameter | None

    def __init__(self, width: int, heads: int = 4, floor: float = 0.0, chunk: int = GATED_CHUNK) -> None:
        super().__init__()
        self.heads, self.chunk = heads, chunk
        self.query, self.forget, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.norm, self.out = nn.Parameter(torch.ones(width)), nn.Linear(width, width, bias=False)
        start = torch.full((width,), math.log(floor / (1 - floor))) if floor else None
        self.floor = None if start is None else nn.Parameter(start)

    def asked(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B H K"]:
        """Queries."""
        return F.silu(self.query(x)).unflatten(-1, (self.heads, -1))

    def written(self, x: Float[Tensor, "*B D"]) -> tuple[Tensor, Tensor, Tensor]:
        """Keys, values and log decays, one row of numbers a head."""
        forget = self.forget(x)
        if self.floor is None:
            k, log_decay = torch.sigmoid(-forget), F.logsigmoid(forget)
        else:  # 1 - f = (1 - floor) (1 - sigmoid)
            k = torch.sigmoid(-self.floor) * torch.sigmoid(-forget)
            log_decay = torch.log1p(-k)
        k, v, log_decay = (part.unflatten(-1, (self.heads, -1)) for part in (k, self.value(x), log_decay))
        return k, v, log_decay

    def finish(self, y: Float[Tensor, "*B H V"]) -> Float[Tensor, "*B D"]:
        """All heads normalised together, then the output projection."""
        return self.out(head_norm(y.flatten(-2)) * self.norm)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        y, after = gated_attention(self.asked(x), *self.written(x), None if state is None else state[0], self.chunk)
        return self.finish(y), (after,)

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        return (gated_state(*self.written(x), None if state is None else state[0], self.chunk),)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y, after = gated_step(self.asked(x), *self.written(x), state[0])
        return self.finish(y), (after,)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        q, (k, v, log_decay) = self.asked(x), self.written(x)
        own = (q * k).sum(-1, keepdim=True) * v
        rows = torch.cat([(q * torch.exp(log_decay)).flatten(-2), own.flatten(-2)], dim=-1)
        layout = Layout(groups=self.heads, q=0, k=0, v=self.query.out_features, keyed=False)
        return self.finish(memory_read(rows, which, state[0], layout))


class HGRN2(SequenceModel):
    """HGRN2: an outer-product memory in which what is written and what is forgotten add up to 1."""

    Config = HGRN2Config
    state_formula = "width * width / heads"
    parallel = "chunks"
    kernel = "native"
    source = "Qin et al. 2024, arXiv 2404.07904"

    @classmethod
    def build_mixer(cls, config: HGRN2Config, layer: int) -> Mixer:
        return HGRN2Mixer(config.width, config.heads, layer / config.layers, config.chunk)
