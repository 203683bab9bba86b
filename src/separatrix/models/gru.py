"""Gated recurrent unit (Cho et al. 2014), in PyTorch's form."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from separatrix.models.mixer import Mixer
from separatrix.models.recurrent import CellMixer, RecurrentConfig
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State


class GRUConfig(RecurrentConfig):
    """Size of a stack of GRU layers."""

    name: Literal["gru"] = "gru"


class GRUMixer(CellMixer):
    """State: h, `width` numbers."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.GRU(width, width, batch_first=True))

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        (h,) = state
        reset_x, update_x, new_x = self.inputs(x).chunk(3, dim=-1)
        reset_h, update_h, new_h = self.recurrence(h).chunk(3, dim=-1)
        update = torch.sigmoid(update_x + update_h)
        new = torch.tanh(new_x + torch.sigmoid(reset_x + reset_h) * new_h)
        h = (1 - update) * new + update * h
        return h, (h,)


class GRU(SequenceModel):
    """Stack of GRU layers."""

    Config = GRUConfig

    def build_mixer(self, layer: int) -> Mixer:
        return GRUMixer(self.config.width)
