"""TTT-Linear: the state is a linear model, and reading is training it (Sun et al. 2024)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from separatrix.models.config import SwiGLUBlocks
from separatrix.models.heads import check_heads
from separatrix.models.mini_batch import MiniBatchMixer
from separatrix.models.mixer import Mixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.trained_memory import normalised, trained_memory, trained_read


class TTTConfig(SwiGLUBlocks):
    """Blocks of RMS norm, mixer, residual, RMS norm, SwiGLU MLP, residual."""

    name: Literal["ttt"] = "ttt"
    heads: int = Field(1, ge=1, description="heads H, each with a model of its own")
    batch: int = Field(16, ge=1, description="tokens of a mini-batch, whose gradients are taken at one model")
    rate: float = Field(1.0, gt=0, description="largest learning rate of a token")

    @model_validator(mode="after")
    def _divisible(self) -> TTTConfig:
        check_heads(self.width, self.heads)
        return self


class TTTMixer(MiniBatchMixer):
    """y = q + norm(W^T q + b), W and b trained to make v - k of k, each token with a learning rate of its own.

    State: W and b, width * (width / heads + 1) numbers, and the tokens of the mini-batch that is not whole yet,
    2 * width + heads numbers each: keys, values and rates.
    """

    transitions = "nonlinear"

    def __init__(self, width: int, heads: int = 1, batch: int = 16, rate: float = 1.0) -> None:
        super().__init__(width, heads, batch)
        each = width // heads
        self.most, self.reach = rate / each, each**-0.5
        self.rate = nn.Linear(width, heads)
        self.weight = nn.Parameter(0.02 * torch.randn(heads, each, each))  # the model that every text begins with
        self.bias = nn.Parameter(torch.zeros(heads, each))
        self.scale, self.shift = nn.Parameter(torch.ones(heads, each)), nn.Parameter(torch.zeros(heads, each))
        self.norm = nn.LayerNorm(width)

    def asked(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B H N K"]:
        return self.by_head(self.query(x)) * self.reach

    def written(self, x: Float[Tensor, "B N D"]) -> tuple[Tensor, ...]:
        k, v = (self.by_head(f(x)) for f in (self.key, self.value))
        return k, v, self.most * torch.sigmoid(self.rate(x)).transpose(1, 2)

    def begin(self, x: Float[Tensor, "B N D"]) -> tuple[Tensor, Tensor]:
        weight, bias = (part.to(x.dtype).expand(x.shape[0], *part.shape) for part in (self.weight, self.bias))
        return weight, bias

    def train_on(
        self, q: Float[Tensor, "B H N K"], written: tuple[Tensor, ...], model: tuple[Tensor, Tensor]
    ) -> tuple[Float[Tensor, "B H N K"], Tensor, Tensor]:
        k, v, rate = written
        y, weight, bias = trained_memory(q, k, v, rate, self.scale, self.shift, model[0], model[1], self.batch)
        return q + normalised(y, self.scale, self.shift), weight, bias

    def answer(self, q: Float[Tensor, "B H Q K"], own: tuple[Tensor, ...], state: State) -> Float[Tensor, "B H Q K"]:
        weight, bias, *waiting = state
        y = trained_read(q, own, tuple(waiting), self.scale, self.shift, weight, bias)
        return q + normalised(y, self.scale, self.shift)

    def finish(self, y: Float[Tensor, "B H N K"], x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        return self.out(self.norm(y.transpose(1, 2).flatten(-2)))


class TTT(SequenceModel):
    """TTT-Linear: a linear model in every head, trained on each token as it is read."""

    Config = TTTConfig
    state_formula = "width * (width / heads + 1) + (N mod batch) * (2 * width + heads)"
    parallel = "chunks"
    source = "Sun et al. 2024, arXiv 2407.04620"

    @classmethod
    def build_mixer(cls, config: TTTConfig, layer: int) -> Mixer:
        return TTTMixer(config.width, config.heads, config.batch, config.rate)
