"""Batteries of tiny probes, for tests of cards."""

from __future__ import annotations

from separatrix.experiments.card.probes import Battery
from separatrix.experiments.card.running import Watcher

RECALL = {
    "id": "recall", "title": "Recall", "about": "", "ability": "recall", "recalled": True,
    "task": {"name": "index-lookup", "alphabet": 4}, "lengths": [6, 3],
}  # fmt: skip
PARITY = {
    "id": "parity", "title": "Parity", "about": "", "ability": "state tracking", "task": {"name": "parity"},
    "lengths": [6],
}  # fmt: skip
EQUAL = {**RECALL, "id": "equal", "lengths": [6], "state_numbers": 24}
TRAINING = {
    "steps": 30, "warmup": 5, "batch_size": 8, "validate_every": 10, "validation_contexts": 16, "test_contexts": 32,
}  # fmt: skip
LSTM = {"name": "lstm", "width": 8}


def battery(*probes: dict, seeds: tuple[int, ...] = (0, 1), **training) -> Battery:
    return Battery(seeds=list(seeds), training={**TRAINING, **training}, probes=list(probes or (RECALL, PARITY, EQUAL)))


class Ends(Watcher):
    """Counts the trials that were run."""

    def __init__(self) -> None:
        self.identities: list[str] = []

    def ends(self, trial, result) -> None:
        self.identities.append(result.identity)
