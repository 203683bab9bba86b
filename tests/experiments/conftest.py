from __future__ import annotations

import pytest

from separatrix.experiments.engines.run_trial import CHECKPOINT_SECONDS
from separatrix.experiments.trial.config import TrialConfig


@pytest.fixture(autouse=True)
def a_checkpoint_at_every_validation(monkeypatch):
    """Tests cut trials off that last no longer than the usual time between two checkpoints."""
    monkeypatch.setenv(CHECKPOINT_SECONDS, "0")


@pytest.fixture
def tiny():
    """A trial that trains in about a second, with several validations and a learning-rate schedule."""

    def make(seed: int = 0, **training) -> TrialConfig:
        settings = {"steps": 60, "warmup": 5, "validate_every": 10, "validation_contexts": 32, "test_contexts": 64}
        return TrialConfig(
            task={"name": "index-lookup", "length": 6, "alphabet": 4},
            model={"name": "lstm", "width": 8},
            training={**settings, "batch_size": 16, **training},
            seed=seed,
        )

    return make
