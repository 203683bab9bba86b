"""DeltaProduct: several delta rule steps a token, a product of generalised reflections (Siems et al. 2025)."""

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
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.alternatives import activate, spread
from separatrix.ops.convolution import convolution_shares, convolution_step, last_inputs
from separatrix.ops.delta_queries import delta_queries
from separatrix.ops.delta_rule import CHUNK, delta_rule, delta_state, delta_step


class DeltaProductConfig(DeltaConfig):
    """Size of a DeltaProduct."""

    name: Literal["deltaproduct"] = "deltaproduct"
    reflections: int = Field(2, ge=1, description="keys and values that each token writes, one after the other")
    negative_eigenvalues: bool = Field(
        True, description="beta up to 2, so that a token may turn a key's memory around (Grazzi et al. 2025)"
    )


class DeltaProductMixer(SharedMixer):
    """S' = S + sum_i k_i u_i^T, u_i = beta_i (v_i - S_i^T k_i), S_i after i - 1 of the n steps of a token; read by q.

    The token's transition is the product of I - beta_i k_i k_i^T: any orthogonal matrix where n is the key width.
    State: the convolution's last inputs, (taps - 1) * (heads * key_width * (1 + n) + n * width) numbers, and S,
    key_width * width.
    """

    transitions = "matrix"

    def __init__(
        self,
        width: int,
        heads: int = 1,
        key_width: int | None = None,
        taps: int = 4,
        chunk: int = CHUNK,
        reflections: int = 2,
        negative_eigenvalues: bool = True,
    ) -> None:
        super().__init__()
        self.heads, self.key_width, self.taps, self.chunk = heads, key_width or width // heads, taps, chunk
        self.reflections, self.most = reflections, 2 if negative_eigenvalues else 1
        keys, n = heads * self.key_width, reflections
        self.sizes = [keys, n * keys, n * width]
        self.enter = nn.Linear(width, sum(self.sizes), bias=False)  # queries, keys, values
        self.conv = nn.Conv1d(sum(self.sizes), sum(self.sizes), taps, groups=sum(self.sizes), bias=False)
        self.strength = nn.Linear(width, n * heads, bias=False)
        self.norm = nn.Parameter(torch.ones(width // heads))
        self.out = nn.Linear(width, width, bias=False)

    def parts(
        self, mixed: Float[Tensor, "*B I"], x: Float[Tensor, "*B D"]
    ) -> tuple[Float[Tensor, "*B H K"], Float[Tensor, "*B n H K"], Float[Tensor, "*B n H V"], Float[Tensor, "*B n H"]]:
        """The query, and the keys, values and betas of a token's n steps."""
        q, k, v = mixed.split(self.sizes, dim=-1)
        q = q.unflatten(-1, (self.heads, -1))
        k, v = (part.unflatten(-1, (self.reflections, self.heads, -1)) for part in (k, v))
        beta = self.most * torch.sigmoid(self.strength(x)).unflatten(-1, (self.reflections, self.heads))
        return F.normalize(q, dim=-1, eps=1e-6) * self.key_width**-0.5, F.normalize(k, dim=-1, eps=1e-6), v, beta

    def finish(self, y: Float[Tensor, "*B H V"]) -> Float[Tensor, "*B D"]:
        """Each head normalised, then the output projection."""
        return self.out((head_norm(y) * self.norm).flatten(-2))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        window, before = (None, None) if state is None else state
        entering = self.enter(x)
        q, k, v, beta = self.parts(ops.causal_convolution(entering, self.conv.weight[:, 0], None, window), x)
        q = q.repeat_interleave(self.reflections, dim=1)  # only the last step's answer is read
        y, after = delta_rule(q, k.flatten(1, 2), v.flatten(1, 2), beta.flatten(1, 2), None, before, self.chunk)
        y = y[:, self.reflections - 1 :: self.reflections]
        return self.finish(y), (last_inputs(entering, window, self.taps), after)

    def prefill(self, x: Float[Tensor, "B N D"], state: State | None = None) -> State:
        window, before = (None, None) if state is None else state
        entering = self.enter(x)
        _, k, v, beta = self.parts(ops.causal_convolution(entering, self.conv.weight[:, 0], None, window), x)
        after = delta_state(k.flatten(1, 2), v.flatten(1, 2), beta.flatten(1, 2), None, before, self.chunk)
        return last_inputs(entering, window, self.taps), after

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        mixed, window = convolution_step(self.enter(x), self.conv.weight[:, 0], None, state[0])
        q, k, v, beta = self.parts(mixed, x)
        memory = state[1]
        for i in range(self.reflections):
            y, memory = delta_step(q, k[:, i], v[:, i], beta[:, i], None, memory)
        return self.finish(y), (window, memory)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        rows, past = convolution_shares(self.enter(x), self.conv.weight[:, 0], None, state[0])
        q, k, v, beta = self.parts(activate(rows, which, past), spread(x, which))
        return self.finish(delta_queries(q, k, v, beta, state[1]))


class DeltaProduct(SequenceModel):
    """DeltaProduct: a matrix memory that each token overwrites several times, which reflects and so permutes."""

    Config = DeltaProductConfig
    state_formula = "width * key_width + (taps - 1) * (heads * key_width * (1 + reflections) + reflections * width)"
    parallel = "chunks"
    kernel = "native"
    source = "Siems et al. 2025, arXiv 2502.10297"

    @classmethod
    def build_mixer(cls, config: DeltaProductConfig, layer: int) -> Mixer:
        c = config
        return DeltaProductMixer(c.width, c.heads, c.key_width, c.taps, c.chunk, c.reflections, c.negative_eigenvalues)
