"""Elman network: h' = tanh(W x + U h + b), or ReLU (Elman 1990)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from separatrix.models.mixer import Mixer
from separatrix.models.recurrent import CellMixer, RecurrentConfig
from separatrix.models.sequence import SequenceModel


class ElmanConfig(RecurrentConfig):
    """Size of a stack of Elman layers."""

    name: Literal["elman"] = "elman"
    nonlinearity: Literal["tanh", "relu"] = Field("tanh", description="the cell's nonlinearity")


class ElmanMixer(CellMixer):
    """State: h, `width` numbers."""

    def __init__(self, width: int, nonlinearity: Literal["tanh", "relu"] = "tanh") -> None:
        super().__init__(width, "elman_tanh" if nonlinearity == "tanh" else "elman_relu")


class Elman(SequenceModel):
    """Stack of Elman layers."""

    Config = ElmanConfig
    state_formula = "width"
    parallel = "no (token by token)"
    kernel = "native"
    source = "Elman 1990"

    @classmethod
    def build_mixer(cls, config: ElmanConfig, layer: int) -> Mixer:
        return ElmanMixer(config.width, config.nonlinearity)
