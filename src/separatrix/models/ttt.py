"""TTT-Linear: the state is a linear model, and reading is training it (Sun et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.config import ModelConfig
from separatrix.models.heads import check_heads
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.trained_memory import normalised, trained_memory


class TTTConfig(ModelConfig):
    """Blocks of RMS norm, mixer, residual, RMS norm, SwiGLU MLP, residual."""

    name: Literal["ttt"] = "ttt"
    norm: Literal["none", "layer", "rms"] = "rms"
    mlp: int | None = Field(None, ge=0, description="hidden width of each MLP; 0 for no MLP, None for 8/3 * width")
    activation: Literal["relu", "gelu", "swiglu"] = "swiglu"
    heads: int = Field(1, ge=1, description="heads H, each with a model of its own")
    batch: int = Field(16, ge=1, description="tokens of a mini-batch, whose gradients are taken at one model")
    rate: float = Field(1.0, gt=0, description="largest learning rate of a token")

    @model_validator(mode="after")
    def _divisible(self) -> TTTConfig:
        check_heads(self.width, self.heads)
        return self


class TTTMixer(Mixer):
    """y = q + norm(W^T q + b), W and b trained to make v - k of k, each token with a learning rate of its own.

    State: W and b, width * (width / heads + 1) numbers, and the tokens of the mini-batch that is not whole yet,
    2 * width + heads numbers each: keys, values and rates.
    """

    transitions = "nonlinear"

    def __init__(self, width: int, heads: int = 1, batch: int = 16, rate: float = 1.0) -> None:
        super().__init__()
        self.heads, self.batch = heads, batch
        each = width // heads
        self.most, self.reach = rate / each, each**-0.5
        self.query, self.key, self.value, self.out = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.rate = nn.Linear(width, heads)
        self.weight = nn.Parameter(0.02 * torch.randn(heads, each, each))  # the model that every text begins with
        self.bias = nn.Parameter(torch.zeros(heads, each))
        self.scale, self.shift = nn.Parameter(torch.ones(heads, each)), nn.Parameter(torch.zeros(heads, each))
        self.norm = nn.LayerNorm(width)

    def asked(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B H N K"]:
        """Queries."""
        return self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) * self.reach

    def written(self, x: Float[Tensor, "B N D"]) -> tuple[Tensor, Tensor, Float[Tensor, "B H N"]]:
        """Keys, values and learning rates."""
        k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.key, self.value))
        return k, v, self.most * torch.sigmoid(self.rate(x)).transpose(1, 2)

    def begin(self, x: Tensor) -> State:
        """The state before the first token."""
        each, empty = x.shape[0], x.new_zeros(x.shape[0], self.heads, 0, self.bias.shape[1])
        weight, bias = (part.to(x.dtype).expand(each, *part.shape) for part in (self.weight, self.bias))
        return weight, bias, empty, empty, empty[..., 0]

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        weight, bias, *waiting = self.begin(x) if state is None else state
        early = waiting[0].shape[2]
        k, v, rate = (torch.cat(pair, dim=2) for pair in zip(waiting, self.written(x), strict=True))
        q = torch.cat([torch.zeros_like(k[:, :, :early]), self.asked(x)], dim=2)  # those waiting are not asked again
        y, weight, bias = trained_memory(q, k, v, rate, self.scale, self.shift, weight, bias, self.batch)
        whole = k.shape[2] // self.batch * self.batch
        y = (q + normalised(y, self.scale, self.shift))[:, :, early:]
        rest = (part[:, :, whole:].clone() for part in (k, v, rate))
        return self.out(self.norm(y.transpose(1, 2).flatten(-2))), (weight.clone(), bias.clone(), *rest)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        y, after = self.scan(x[:, None], state)
        return y[:, 0], after


class TTT(SequenceModel):
    """TTT-Linear: a linear model in every head, trained on each token as it is read."""

    Config = TTTConfig
    state_formula = "width * (width / heads + 1) + (N mod batch) * (2 * width + heads)"
    parallel = "chunks"
    source = "Sun et al. 2024, arXiv 2407.04620"

    @classmethod
    def build_mixer(cls, config: TTTConfig, layer: int) -> Mixer:
        return TTTMixer(config.width, config.heads, config.batch, config.rate)
