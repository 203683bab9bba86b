"""The estimate of what trials cost: grows as the trials do, and does not train them."""

from __future__ import annotations

import pytest

from separatrix.experiments import cost
from separatrix.experiments.cost import Cost, estimated_cost
from separatrix.experiments.trainer import Trainer


def test_the_cost_grows_with_steps_and_trials(tiny):
    short, long = tiny(steps=100), tiny(steps=10_000)
    once = estimated_cost([long])
    assert estimated_cost([short]).seconds < once.seconds
    thrice = estimated_cost([long.replace(seed=seed) for seed in range(3)])
    assert thrice.trials == 3
    assert once.seconds < thrice.seconds


def test_long_contexts_are_estimated_from_short_ones(tiny, monkeypatch):
    tried = []

    class Watched(Trainer):
        def __init__(self, config):
            tried.append(config.task.length)
            super().__init__(config)

    monkeypatch.setattr(cost, "Trainer", Watched)
    task = {"name": "index-lookup", "length": 100_000, "alphabet": 4}
    assert estimated_cost([tiny(steps=1_000_000).replace(task=task)]).hours > 100
    assert tried == list(cost.PROBES)


@pytest.mark.parametrize(("seconds", "words"), [(600, "10 core minutes"), (36_000, "10 core hours")])
def test_it_is_said_how_the_cost_was_come_by(seconds, words):
    assert f"at most about {words}" in str(Cost(1, seconds))
    assert "in proportion to the tokens" in str(Cost(1, seconds))
