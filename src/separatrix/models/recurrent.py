"""What Elman, GRU and LSTM share: classic stacks of cells, without residuals or norms unless asked for."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer
from separatrix.models.state import State


class RecurrentConfig(ModelConfig):
    """Defaults of the classic recurrent networks: cells stacked directly on one another."""

    residual: bool = False
    norm: Literal["none", "layer", "rms"] = "none"


class CellMixer(Mixer):
    """A mixer around one of PyTorch's recurrent layers, whose fused loop is its `scan`."""

    cell: nn.RNNBase

    def __init__(self, cell: nn.RNNBase) -> None:
        super().__init__()
        self.cell = cell

    def inputs(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B G"]:
        """The gates' share of the input: W_ih x + b_ih."""
        return nn.functional.linear(x, *self.cell.all_weights[0][0:4:2])

    def recurrence(self, h: Float[Tensor, "B D"]) -> Float[Tensor, "B G"]:
        """The gates' share of the hidden state: W_hh h + b_hh."""
        return nn.functional.linear(h, *self.cell.all_weights[0][1:4:2])

    def scan(self, x: Float[Tensor, "B N D"], state: State | None = None) -> tuple[Float[Tensor, "B N D"], State]:
        y, h = self.cell(x, None if state is None else state[0][None].contiguous())
        return y, (h[0],)
