"""Long short-term memory (Hochreiter and Schmidhuber 1997), with forget gates."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from separatrix.models.mixer import Mixer
from separatrix.models.recurrent import CellMixer, RecurrentConfig
from separatrix.models.sequence import SequenceModel
from separatrix.models.state import State


class LSTMConfig(RecurrentConfig):
    """Size of a stack of LSTM layers."""

    name: Literal["lstm"] = "lstm"


class LSTMMixer(CellMixer):
    """State: h and c, 2 * `width` numbers."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.LSTM(width, width, batch_first=True))

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        before = None if state is None else (state[0][None].contiguous(), state[1][None].contiguous())
        y, (h, c) = self.cell(x, before)
        return y, (h[0], c[0])

    def step(self, state: State, x: Float[Tensor, "B D"]) -> tuple[Float[Tensor, "B D"], State]:
        h, c = state
        enter, forget, new, leave = (self.inputs(x) + self.recurrence(h)).chunk(4, dim=-1)
        c = torch.sigmoid(forget) * c + torch.sigmoid(enter) * torch.tanh(new)
        h = torch.sigmoid(leave) * torch.tanh(c)
        return h, (h, c)


class LSTM(SequenceModel):
    """Stack of LSTM layers."""

    Config = LSTMConfig

    def build_mixer(self, layer: int) -> Mixer:
        return LSTMMixer(self.config.width)
