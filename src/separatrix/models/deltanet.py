"""DeltaNet: linear attention with the delta rule (Schlag et al. 2021; parallel form of Yang et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import SwiGLUBlocks
from separatrix.models.heads import check_heads, head_norm
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.convolution import convolution_shares, convolution_step, last_inputs
from separatrix.ops.delta_rule import CHUNK, delta_rule, delta_state, delta_step
from separatrix.ops.gated_norm import gated_norm
from separatrix.ops.memory_read import Layout, memory_read


class DeltaConfig(SwiGLUBlocks):
    """Blocks as in the papers: RMS norm, mixer, residual, RMS norm, SwiGLU MLP, residual."""

    heads: int = Field(1, ge=1, description="heads H")
    key_width: int | None = Field(None, ge=1, description="width of one head's keys; None for width / heads")
    taps: int = Field(4, ge=1, description="length of the convolutions; the state holds taps - 1 inputs of them")
    chunk: int = Field(CHUNK, ge=1, description="tokens computed in parallel at a time")
    negative_eigenvalues: bool = Field(
        False,
        description="beta up to 2, so that a token may turn a key's memory around (Grazzi et al. 2025)",
        exclude_if=lambda negative: not negative,  # configurations older than the field keep their identities
    )

    @model_validator(mode="after")
    def _divisible(self) -> DeltaConfig:
        check_heads(self.width, self.heads)
        return self


class DeltaNetConfig(DeltaConfig):
    """Size of a DeltaNet."""

    name: Literal["deltanet"] = "deltanet"


class DeltaMixer(SharedMixer):
    """S' = S + beta k (v - S^T k)^T, read by q; queries, keys and values pass a short convolution.

    beta is in (0, 1), or in (0, 2) with negative eigenvalues: those of I - beta k k^T are 1 and 1 - beta.
    State: the convolution's last inputs, (taps - 1) * (2 * heads * key_width + heads * value width) numbers, and S,
    heads * key_width * value width. Subclasses add a decay and a gate.
    """

    transitions = "matrix"

    def __init__(
        self,
        width: int,
        heads: int = 1,
        key_width: int | None = None,
        taps: int = 4,
        chunk: int = CHUNK,
        expand: int = 1,
        negative_eigenvalues: bool = False,
    ) -> None:
        super().__init__()
        self.most = 2 if negative_eigenvalues else 1
        self.heads, self.key_width, self.taps, self.chunk = heads, key_width or width // heads, taps, chunk
        keys, self.values = heads * self.key_width, expand * width
        self.sizes = [keys, keys, self.values]
        self.enter = nn.Linear(width, sum(self.sizes), bias=False)  # queries, keys, values
        self.conv = nn.Conv1d(sum(self.sizes), sum(self.sizes), taps, groups=sum(self.sizes), bias=False)
        self.strength = nn.Linear(width, heads, bias=False)
        self.norm = nn.Parameter(torch.ones(self.values // heads))
        self.out = nn.Linear(self.values, width, bias=False)

    def parts(
        self, mixed: Float[Tensor, "*B I"], x: Float[Tensor, "*B D"]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None]:
        """Queries, keys, values, beta and log decay from the convolved projections and the token itself."""
        q = mixed[..., : self.sizes[0]].unflatten(-1, (self.heads, -1))
        return F.normalize(q, dim=-1, eps=1e-6) * self.key_width**-0.5, *self.written(mixed[..., self.sizes[0] :], x)

    def written(
        self, mixed: Float[Tensor, "*B I"], x: Float[Tensor, "*B D"]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Keys, values, beta and log decay, from the convolved projections of keys and values."""
        k, v = (part.unflatten(-1, (self.heads, -1)) for part in mixed.split(self.sizes[1:], dim=-1))
        return F.normalize(k, dim=-1, eps=1e-6), v, self.beta(x), self.log_decay(x)

    def beta(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B H"]:
        """How much of what a key held is replaced."""
        beta = torch.sigmoid(self.strength(x))
        return beta if self.most == 1 else self.most * beta

    def log_decay(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B H"] | None:
        """The logarithm of each head's decay, None where nothing is forgotten."""
        return None

    def finish(self, y: Float[Tensor, "*B H V"], x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Each head normalised, then the output projection."""
        return self.out((head_norm(y) * self.norm).flatten(-2))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        window, before = (None, None) if state is None else state
        entering = self.enter(x)
        mixed = ops.causal_convolution(entering, self.conv.weight[:, 0], None, window)
        y, after = delta_rule(*self.parts(mixed, x), before, self.chunk)
        return self.finish(y, x), (last_inputs(entering, window, self.taps), after)

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        window, before = (None, None) if state is None else state
        keys, weight = self.sizes[0], self.conv.weight[:, 0]
        asked = F.linear(
            x[:, max(0, x.shape[1] - self.taps + 1) :], self.enter.weight[:keys]
        )  # none but the last are held
        entering = F.linear(x, self.enter.weight[keys:])
        past = (None, None) if window is None else (window[..., :keys], window[..., keys:])
        mixed = ops.causal_convolution(entering, weight[keys:], None, past[1])
        held = [last_inputs(part, old, self.taps) for part, old in zip((asked, entering), past, strict=True)]
        return torch.cat(held, dim=-1), delta_state(*self.written(mixed, x), before, self.chunk)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        mixed, window = convolution_step(self.enter(x), self.conv.weight[:, 0], None, state[0])
        y, after = delta_step(*self.parts(mixed, x), state[1])
        return self.finish(y, x), (window, after)

    def gates(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B I"] | None:
        """What the heads' outputs are multiplied by once silu is taken, None for nothing."""
        return None

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        rows, past = convolution_shares(self.enter(x), self.conv.weight[:, 0], None, state[0])
        keys, scale, log_decay = self.sizes[0], self.key_width**-0.5, self.log_decay(x)
        layout = Layout(groups=self.heads, q=0, k=keys, v=2 * keys, delta=True, scale=scale)
        decay = None if log_decay is None else torch.exp(log_decay)
        y = memory_read(rows, which, state[1], layout, past, decay, self.beta(x))
        return self.out(gated_norm(y, which, self.norm, self.gates(x)))


class DeltaNet(SequenceModel):
    """DeltaNet: a matrix memory that overwrites what a key held before."""

    Config = DeltaNetConfig
    state_formula = "width * key_width + (taps - 1) * (2 * heads * key_width + width)"
    parallel = "chunks"
    kernel = "native"
    source = "Schlag et al. 2021, arXiv 2102.11174; Yang et al. 2024, arXiv 2406.06484"

    @classmethod
    def build_mixer(cls, config: DeltaNetConfig, layer: int) -> Mixer:
        c = config
        return DeltaMixer(c.width, c.heads, c.key_width, c.taps, c.chunk, negative_eigenvalues=c.negative_eigenvalues)
