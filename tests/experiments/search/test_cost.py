"""The estimate of what trials cost: grows as the trials do, and does not train them."""

from __future__ import annotations

import pytest

from separatrix.experiments.search import cost
from separatrix.experiments.search.cost import Cost, estimated_cost
from separatrix.experiments.trial.trainer import Trainer

FIXED, PER_TOKEN = 0.5, 0.001


@pytest.fixture
def even_pace(monkeypatch):
    """A machine whose steps take exactly a fixed time and one for each token."""
    monkeypatch.setattr(cost, "_step", lambda trial, length, contexts: FIXED + PER_TOKEN * contexts * length)


def test_the_cost_is_in_proportion_to_steps_tokens_and_trials(tiny, even_pace):
    long = tiny(steps=10_000).replace(task={"name": "index-lookup", "length": 100_000, "alphabet": 4})
    training = long.training
    checks = -(-training.steps // training.validate_every) * training.validation_contexts + training.test_contexts
    mean_length = 100_000 if training.lengths == "full" else 50_000
    steps = training.steps * (FIXED + PER_TOKEN * training.batch_size * mean_length)
    once = estimated_cost([long])
    assert once.seconds == pytest.approx(steps + PER_TOKEN * checks * 100_000 / 3)
    thrice = estimated_cost([long.replace(seed=seed) for seed in range(3)])
    assert (thrice.trials, thrice.seconds) == (3, pytest.approx(3 * once.seconds))


def test_short_contexts_are_not_charged_a_step_s_own_cost_for_every_token(tiny, even_pace):
    short = tiny(steps=1000, batch_size=64)
    checks = -(-1000 // short.training.validate_every) * 32 + 64
    steps = 1000 * (FIXED + PER_TOKEN * 64 * 6)
    assert estimated_cost([short]).seconds == pytest.approx(steps + PER_TOKEN * checks * 6 / 3)


def test_long_contexts_are_estimated_from_short_ones(tiny, monkeypatch):
    tried = []

    class Watched(Trainer):
        def __init__(self, config):
            tried.append(config.task.length)
            super().__init__(config)

    monkeypatch.setattr(cost, "Trainer", Watched)
    task = {"name": "index-lookup", "length": 100_000, "alphabet": 4}
    assert estimated_cost([tiny(steps=1_000_000).replace(task=task)]).seconds > 0
    assert tried == list(cost.PROBES)


@pytest.mark.parametrize(("seconds", "words"), [(600, "10 core minutes"), (36_000, "10 core hours")])
def test_it_is_said_how_the_cost_was_come_by(seconds, words):
    assert f"at most about {words}" in str(Cost(1, seconds))
    assert "in proportion to the tokens" in str(Cost(1, seconds))
