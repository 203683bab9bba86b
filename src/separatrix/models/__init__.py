"""What learns: one file per architecture, and the SequenceModel that stacks their mixers."""

from separatrix.models.config import ModelConfig
from separatrix.models.mixer import Mixer
from separatrix.models.registry import architecture, configure, create, names
from separatrix.models.sequence import SequenceModel, initialised, parameter_count
from separatrix.models.state import map_state, state_bits, state_numbers

__all__ = [
    "Mixer",
    "ModelConfig",
    "SequenceModel",
    "architecture",
    "configure",
    "create",
    "initialised",
    "map_state",
    "names",
    "parameter_count",
    "state_bits",
    "state_numbers",
]
