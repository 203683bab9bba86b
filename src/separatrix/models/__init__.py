"""What learns: one file per architecture, and the SequenceModel that stacks their mixers."""

from separatrix.models.config import ModelConfig
from separatrix.models.files import load, save
from separatrix.models.mixer import Mixer
from separatrix.models.registry import architecture, configure, create, names
from separatrix.models.sequence import SequenceModel, initialised, parameter_count
from separatrix.models.sizing import measured_numbers, size_for_state
from separatrix.models.state import map_state, state_bits, state_numbers

__all__ = [
    "Mixer",
    "ModelConfig",
    "SequenceModel",
    "architecture",
    "configure",
    "create",
    "initialised",
    "load",
    "map_state",
    "measured_numbers",
    "names",
    "parameter_count",
    "save",
    "size_for_state",
    "state_bits",
    "state_numbers",
]
