"""Elman network: h' = tanh(W x + U h + b), or ReLU (Elman 1990)."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from separatrix.models.mixer import Mixer
from separatrix.models.recurrent import CellMixer, RecurrentConfig
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State


class ElmanConfig(RecurrentConfig):
    """Size of a stack of Elman layers."""

    name: Literal["elman"] = "elman"
    nonlinearity: Literal["tanh", "relu"] = Field("tanh", description="the cell's nonlinearity")


class ElmanMixer(CellMixer):
    """State: h, `width` numbers."""

    def __init__(self, width: int, nonlinearity: Literal["tanh", "relu"] = "tanh") -> None:
        super().__init__(nn.RNN(width, width, nonlinearity=nonlinearity, batch_first=True))
        self.nonlinearity = torch.tanh if nonlinearity == "tanh" else torch.relu

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        h = self.nonlinearity(self.inputs(x) + self.recurrence(state[0]))
        return h, (h,)


class Elman(SequenceModel):
    """Stack of Elman layers."""

    Config = ElmanConfig
    config: ElmanConfig

    def build_mixer(self, layer: int) -> Mixer:
        return ElmanMixer(self.config.width, self.config.nonlinearity)
