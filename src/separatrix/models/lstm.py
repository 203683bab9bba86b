"""Long short-term memory (Hochreiter and Schmidhuber 1997), with forget gates."""

from __future__ import annotations

from typing import Literal

from separatrix.models.mixer import Mixer
from separatrix.models.recurrent import CellMixer, RecurrentConfig
from separatrix.models.sequence import SequenceModel


class LSTMConfig(RecurrentConfig):
    """Size of a stack of LSTM layers."""

    name: Literal["lstm"] = "lstm"


class LSTMMixer(CellMixer):
    """State: h and c, 2 * `width` numbers."""

    def __init__(self, width: int) -> None:
        super().__init__(width, "lstm")


class LSTM(SequenceModel):
    """Stack of LSTM layers."""

    Config = LSTMConfig
    state_formula = "2 * width"
    parallel = "no (token by token)"
    kernel = "native"
    source = "Hochreiter and Schmidhuber 1997"

    @classmethod
    def build_mixer(cls, config: LSTMConfig, layer: int) -> Mixer:
        return LSTMMixer(config.width)
