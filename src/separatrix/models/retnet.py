"""RetNet: multi-scale retention (Sun et al. 2023)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.computed import Computed
from separatrix.models.config import ModelConfig
from separatrix.models.heads import check_heads, head_norm, rotate
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.gated_norm import gated_norm
from separatrix.ops.linear_attention import CHUNK, decayed_attention, decayed_state, decayed_step
from separatrix.ops.memory_read import Layout, memory_read


class RetNetConfig(ModelConfig):
    """Blocks as in the paper: norm, retention, residual, norm, MLP of twice the width, residual."""

    name: Literal["retnet"] = "retnet"
    mlp: int | None = Field(None, ge=0, description="hidden width of each MLP; 0 for no MLP, None for 2 * width")
    heads: int = Field(4, ge=1, description="heads H, each with its own decay")
    expand: int = Field(2, ge=1, description="width of the values as a multiple of width")
    key_width: int | None = Field(None, ge=2, description="width of one head's keys; None for width / heads")
    chunk: int = Field(CHUNK, ge=1, description="tokens computed in parallel at a time")

    @property
    def mlp_width(self) -> int:
        """Hidden width of each MLP, 0 for none."""
        return 2 * self.width if self.mlp is None else self.mlp

    @model_validator(mode="after")
    def _divisible(self) -> RetNetConfig:
        check_heads(self.width, self.heads)
        if (keys := self.key_width or self.width // self.heads) % 2:
            raise ValueError(f"key_width must be even because rotations turn pairs, got {keys}")
        return self


class Retention(Computed, SharedMixer):
    """S' = gamma R S + k v^T, read by q. State: S, heads * key_width * value width numbers.

    R turns pairs of key coordinates by a fixed angle. Turning the state itself, and not queries and keys by their
    absolute positions, gives the same products and spares the state a position.
    """

    transitions = "rotating"

    log_decay: Tensor
    angles: Tensor

    def __init__(
        self, width: int, heads: int = 4, expand: int = 2, key_width: int | None = None, chunk: int = CHUNK
    ) -> None:
        super().__init__()
        self.heads, self.key_width, self.chunk = heads, key_width or width // heads, chunk
        keys, values = heads * self.key_width, expand * width
        self.query, self.key = nn.Linear(width, keys, bias=False), nn.Linear(width, keys, bias=False)
        self.value, self.gate = nn.Linear(width, values, bias=False), nn.Linear(width, values, bias=False)
        self.out = nn.Linear(values, width, bias=False)
        for layer in (self.query, self.key, self.value, self.gate):
            nn.init.xavier_uniform_(layer.weight, gain=2**-2.5)
        nn.init.xavier_uniform_(self.out.weight, gain=2**-1)
        self.compute()

    def tables(self) -> dict[str, Tensor]:
        decay = 1 - 2.0 ** (-5 - torch.arange(self.heads, dtype=torch.float64))
        angles = 10000.0 ** -torch.linspace(0, 1, self.key_width // 2, dtype=torch.float64)
        return {"log_decay": torch.log(decay).float(), "angles": angles.float()}

    def project(self, x: Float[Tensor, "*B D"]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, one row of numbers a head."""
        return self.query(x).unflatten(-1, (self.heads, -1)), *self.written(x)

    def written(self, x: Float[Tensor, "*B D"]) -> tuple[Tensor, Tensor]:
        """Keys and values."""
        k, v = (f(x).unflatten(-1, (self.heads, -1)) for f in (self.key, self.value))
        return k * self.key_width**-0.5, v

    def finish(self, y: Float[Tensor, "*B H V"], x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Each head normalised, then the gate and the output projection."""
        return self.out(head_norm(y).flatten(-2) * F.silu(self.gate(x)))

    def angles_for(self, x: Tensor) -> Float[Tensor, " A"]:
        """The angles in the format that x is turned in: float64 models multiply them in float64."""
        return self.angles.to(torch.promote_types(x.dtype, torch.float32))

    def turn(self, state: Float[Tensor, "B H K V"], steps: int) -> Float[Tensor, "B H K V"]:
        """R^steps S."""
        return rotate(state.transpose(-1, -2), steps * self.angles_for(state)).transpose(-1, -2)

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        q, k, v = self.project(x)
        back, log_decay = self.places(x)
        y, after = decayed_attention(
            rotate(q, back), rotate(k, back), v, log_decay, None if state is None else state[0], self.chunk
        )
        return self.finish(y, x), (self.turn(after, x.shape[1]),)

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        k, v = self.written(x)
        back, log_decay = self.places(x)
        after = decayed_state(rotate(k, back), v, log_decay, None if state is None else state[0], self.chunk)
        return (self.turn(after, x.shape[1]),)

    def places(self, x: Float[Tensor, "B N D"]) -> tuple[Float[Tensor, "N 1 A"], Float[Tensor, "1 N H"]]:
        """The angles each token is turned back by, and its log decays."""
        length = x.shape[1]
        back = -torch.arange(1, length + 1, device=x.device)[:, None, None] * self.angles_for(x)
        return back, self.log_decay.to(torch.promote_types(x.dtype, torch.float32)).expand(1, length, -1)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        q, k, v = self.project(x)
        log_decay = self.log_decay.to(torch.promote_types(x.dtype, torch.float32))[None]
        y, after = decayed_step(q, k, v, log_decay, self.turn(state[0], 1))
        return self.finish(y, x), (after,)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        q, k, v = self.project(x)
        own = (q * k).sum(-1, keepdim=True) * v
        # turning the queries back spares turning every state: q · R S = R^-1 q · S
        asking = rotate(q, -self.angles_for(q)) * torch.exp(self.log_decay.to(x.dtype))[:, None]
        rows = torch.cat([asking.flatten(-2), own.flatten(-2)], dim=-1)
        layout = Layout(groups=self.heads, q=0, k=0, v=self.heads * self.key_width, keyed=False)
        return self.out(gated_norm(memory_read(rows, which, state[0], layout), which, None, self.gate(x)))


class RetNet(SequenceModel):
    """RetNet: retention with one fixed decay a head."""

    Config = RetNetConfig
    state_formula = "key_width * expand * width"
    parallel = "chunks"
    kernel = "native"
    source = "Sun et al. 2023, arXiv 2307.08621"

    @classmethod
    def build_mixer(cls, config: RetNetConfig, layer: int) -> Mixer:
        c = config
        return Retention(c.width, c.heads, c.expand, c.key_width, c.chunk)
