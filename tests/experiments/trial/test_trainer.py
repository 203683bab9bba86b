from __future__ import annotations

import math

import pytest
import torch

from separatrix.experiments.trial.config import TrainingConfig, TrialConfig
from separatrix.experiments.trial.evaluation import NotFinite
from separatrix.experiments.trial.trainer import Trainer, rate


def test_the_learning_rate_warms_up_and_decays_to_zero():
    training = TrainingConfig(steps=100, warmup=10, learning_rate=1.0, decay="cosine")
    rates = [rate(training, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.5)
    assert 0 <= rates[-1] < 0.001
    assert rate(training.replace(decay="constant"), 99) == 1.0


def test_a_solved_trial_stops_early(tiny):
    trainer = Trainer(tiny(steps=3000, solved=0.3))
    list(trainer.run())
    assert trainer.progress.stopped == "solved"
    assert trainer.progress.step < 3000


def test_a_trial_on_a_plateau_stops_early(tiny):
    trainer = Trainer(tiny(steps=3000, learning_rate=1e-12, patience=3))
    list(trainer.run())
    assert trainer.progress.stopped == "plateau"
    assert trainer.progress.step == 40


def test_random_lengths_are_admissible_and_differ(tiny):
    config = TrialConfig(
        task={"name": "bounded-dyck", "length": 12}, model={"name": "lstm"}, training={"lengths": "random"}
    )
    trainer = Trainer(config)
    lengths = {trainer.batch(step).context.shape[1] for step in range(60)}
    assert lengths == {2, 4, 6, 8, 10, 12}


def test_validation_is_always_the_same_examples_at_full_length(tiny):
    trainer = Trainer(tiny())
    first, second = trainer._validate(), trainer._validate()
    assert first == second
    assert set(first.accuracy_by_group) == {f"position {i}" for i in range(6)}


def test_an_untrained_model_has_the_loss_of_chance(tiny):
    measured = Trainer(tiny()).test()
    assert measured.loss_bits == pytest.approx(math.log2(4), abs=0.2)


def test_a_loss_that_is_no_number_stops_the_validation(tiny):
    trainer = Trainer(tiny())
    torch.nn.init.constant_(trainer.model.head.bias, math.nan)
    with pytest.raises(NotFinite, match="the validation loss was not finite"):
        trainer._validate()
