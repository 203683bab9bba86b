"""minGRU and minLSTM: gates that see the token alone, so that a layer is a linear recurrence (Feng et al. 2024)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from separatrix import ops
from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer, SharedMixer
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State
from separatrix.ops.alternatives import spread


class MinimalConfig(ModelConfig):
    """What minGRU and minLSTM share; blocks are norm, mixer, residual."""

    norm: Literal["none", "layer", "rms"] = "rms"
    expand: int = Field(1, ge=1, description="width of the state as a multiple of width")
    positive: bool = Field(True, description="candidates above 0, as in the form with logarithms; else linear ones")


class MinGRUConfig(MinimalConfig):
    """Size of a minGRU."""

    name: Literal["mingru"] = "mingru"


class MinLSTMConfig(MinimalConfig):
    """Size of a minLSTM."""

    name: Literal["minlstm"] = "minlstm"


class MinimalMixer(SharedMixer):
    """h' = keep h + new, both of the token alone; the output is h, projected where it is wider than the stream.

    State: h, expand * width numbers.
    """

    gates: int

    def __init__(self, width: int, expand: int = 1, positive: bool = True) -> None:
        super().__init__()
        self.positive, self.inner = positive, expand * width
        self.enter = nn.Linear(width, (self.gates + 1) * self.inner)  # gates, candidate
        self.out = nn.Linear(self.inner, width, bias=False) if expand > 1 else nn.Identity()

    @abstractmethod
    def recurrence(self, x: Float[Tensor, "*B D"]) -> tuple[Float[Tensor, "*B I"], Float[Tensor, "*B I"]]:
        """(keep, new)."""

    def candidate(self, x: Float[Tensor, "*B I"]) -> Float[Tensor, "*B I"]:
        """Of x: x + 1/2 above 0 and sigmoid(x) below, which is continuous and positive; or x itself."""
        return torch.where(x >= 0, x + 0.5, torch.sigmoid(x)) if self.positive else x

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        keep, new = self.recurrence(x)
        before = new.new_zeros(x.shape[0], self.inner) if state is None else state[0]
        h = ops.linear_recurrence(keep, new, before)
        return self.out(h), (h[:, -1].clone() if x.shape[1] else before,)

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        keep, new = self.recurrence(x)
        h = keep * state[0] + new
        return self.out(h), (h,)

    def alternatives(self, state: State, x: Float[Tensor, "R D"], which: Int[Tensor, "B Q"]) -> Float[Tensor, "B Q D"]:
        keep, new = (spread(part, which) for part in self.recurrence(x))
        return self.out(keep * state[0][:, None] + new)


class MinGRUMixer(MinimalMixer):
    """h' = (1 - z) h + z g(W x), z = sigmoid of the token."""

    transitions = "nonnegative"
    gates = 1

    def recurrence(self, x: Float[Tensor, "*B D"]) -> tuple[Tensor, Tensor]:
        update, candidate = self.enter(x).chunk(2, dim=-1)
        return torch.sigmoid(-update), torch.sigmoid(update) * self.candidate(candidate)


class MinLSTMMixer(MinimalMixer):
    """h' = f' h + i' g(W x), f' = f / (f + i) and i' = i / (f + i) of sigmoids of the token."""

    transitions = "nonnegative"
    gates = 2

    def recurrence(self, x: Float[Tensor, "*B D"]) -> tuple[Tensor, Tensor]:
        forget, enter, candidate = self.enter(x).chunk(3, dim=-1)
        apart = F.softplus(-forget) - F.softplus(-enter)  # log i / f, so that neither share overflows
        return torch.sigmoid(-apart), torch.sigmoid(apart) * self.candidate(candidate)


class MinGRU(SequenceModel):
    """minGRU: a GRU without its dependence on the past, trained in parallel."""

    Config = MinGRUConfig
    state_formula = "expand * width"
    parallel = "scan"
    kernel = "native"
    source = "Feng et al. 2024, arXiv 2410.01201"

    @classmethod
    def build_mixer(cls, config: Any, layer: int) -> Mixer:
        return MinGRUMixer(config.width, config.expand, config.positive)


class MinLSTM(SequenceModel):
    """minLSTM: an LSTM without its dependence on the past, with gates that add up to 1."""

    Config = MinLSTMConfig
    state_formula, parallel, kernel, source = MinGRU.state_formula, MinGRU.parallel, MinGRU.kernel, MinGRU.source

    @classmethod
    def build_mixer(cls, config: Any, layer: int) -> Mixer:
        return MinLSTMMixer(config.width, config.expand, config.positive)
