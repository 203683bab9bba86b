"""Gated recurrent unit (Cho et al. 2014), in PyTorch's form."""

from __future__ import annotations

from typing import Literal

from separatrix.models.mixer import Mixer
from separatrix.models.recurrent import CellMixer, RecurrentConfig
from separatrix.models.sequence import SequenceModel


class GRUConfig(RecurrentConfig):
    """Size of a stack of GRU layers."""

    name: Literal["gru"] = "gru"


class GRUMixer(CellMixer):
    """State: h, `width` numbers."""

    def __init__(self, width: int) -> None:
        super().__init__(width, "gru")


class GRU(SequenceModel):
    """Stack of GRU layers."""

    Config = GRUConfig
    state_formula = "width"
    parallel = "no (token by token)"
    kernel = "native"
    source = "Cho et al. 2014, arXiv 1406.1078"

    @classmethod
    def build_mixer(cls, config: GRUConfig, layer: int) -> Mixer:
        return GRUMixer(config.width)
