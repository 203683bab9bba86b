"""Trials of tasks with answers on the way: as of any other task, and counted by their labels."""

from __future__ import annotations

import json
import math

import pytest
import torch

import separatrix as sx
from separatrix import InputError
from separatrix.experiments.engines.run_trial import load_trained, run_trial
from separatrix.experiments.search.tuning import tokens_per_step
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial import trainer as trainers
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.trainer import Trainer
from separatrix.tasks import UNLABELLED, stream

TRAINING = {
    "steps": 60,
    "warmup": 5,
    "batch_size": 16,
    "validate_every": 20,
    "validation_contexts": 32,
    "test_contexts": 80,
}


def trial(name: str = "state-tracking", model: str = "lstm", training: dict | None = None, **task) -> TrialConfig:
    task = {"length": 8, **task}
    return TrialConfig(
        task={"name": name, **task}, model={"name": model, "width": 16}, training={**TRAINING, **(training or {})}
    )


@pytest.mark.parametrize("model", ["lstm", "transformer", "deltanet"])
def test_a_stream_is_trained_stored_and_read_back(tmp_path, model):
    config, store = trial("mqar", model, length=16, pairs=2, vocabulary_size=16), Store(tmp_path)
    result = run_trial(store, config)
    assert result.status == "finished"
    assert result.test is not None and result.test.answers == 80 * 2
    assert result.tokens == 60 * 16 * 16
    assert result.recurrent_bits == pytest.approx(math.log2(8 * 7))
    assert TrialConfig(**json.loads(config.model_dump_json())).identity() == config.identity()
    trained = load_trained(store, config.identity())
    drawn = config.task.sample(4, stream(0, "test"))
    assert trained.read(drawn.inputs).shape == (4, 16, 16)
    assert sx.results(tmp_path)["task"].to_list() == ["mqar"]


def test_what_is_measured_is_the_labels_alone():
    """Accuracy and loss of the test, against each label of each stream by prefill and decode."""
    config = trial("flip-flop", length=10)
    trainer = Trainer(config)
    trainer.train_to(20)
    measured, right, bits = trainer.test(), [], []
    with torch.no_grad():
        for chunk, count in enumerate((64, 16)):
            drawn = config.task.sample(count, stream(0, "test", chunk))
            for row, place in (drawn.labels != UNLABELLED).nonzero().tolist():
                past, now = drawn.inputs[row : row + 1, :place], drawn.inputs[row : row + 1, place : place + 1]
                if place == 0:
                    continue
                logits = trainer.model.decode(trainer.model.prefill(past), now, start=place)[0, 0]
                label = int(drawn.labels[row, place])
                right.append(int(logits.argmax()) == label)
                bits.append(-float(logits.log_softmax(-1)[label]) / math.log(2))
    assert measured.answers == len(right)
    assert measured.accuracy == pytest.approx(sum(right) / len(right))
    assert measured.loss_bits == pytest.approx(sum(bits) / len(bits), rel=1e-5)


def test_training_learns_what_can_be_learnt():
    config = trial(machine="parity", length=4, training={"steps": 300, "learning_rate": 0.02})
    trainer = Trainer(config)
    trainer.train_to(300)
    assert trainer.test().accuracy > 0.99


def test_lengths_may_be_random():
    trainer = Trainer(trial("flip-flop", length=12, training={"lengths": "random"}))
    assert {trainer.batch(step).inputs.shape[1] for step in range(60)} == {4, 6, 8, 10, 12}


def test_a_budget_in_tokens_counts_the_stream_alone():
    config = trial(training={"queries": 128, "batch_size": 16})
    assert tokens_per_step(config) == 16 * 8
    trainer = Trainer(config)
    trainer.train_to(3)
    assert trainer.progress.tokens == 3 * tokens_per_step(config)


# lengths beyond those trained on -------------------------------------------------------------------------------------
def test_a_trial_may_train_and_validate_on_shorter_streams_than_it_is_tested_on(monkeypatch):
    config = trial(length=24, training={"longest": 8, "steps": 20})
    trainer = Trainer(config)
    assert {trainer.batch(step).inputs.shape[1] for step in range(5)} == {8}
    assert tokens_per_step(config) == 16 * 8
    read: dict[str, set[int]] = {}
    measure = trainers.evaluate
    monkeypatch.setattr(
        trainers, "evaluate", lambda *given: read.setdefault(given[3], set()).add(given[1].length) or measure(*given)
    )
    list(trainer.run())
    measured = trainer.test()
    assert read == {"validation": {8}, "test": {24}}
    assert measured.answers == 80 * 24 and list(measured.accuracy_by_group) == [f"position {i}" for i in range(24)]


def test_random_lengths_end_at_the_longest_trained_on():
    trainer = Trainer(trial(length=24, training={"longest": 5, "lengths": "random"}))
    assert {trainer.batch(step).inputs.shape[1] for step in range(60)} == {1, 2, 3, 4, 5}


def test_the_task_s_own_length_is_trained_on_unless_another_is_asked_for():
    config = trial(length=8)
    assert config.trained is config.task
    assert "longest" not in config.model_dump(mode="json")["training"]  # identities of older trials stay


@pytest.mark.parametrize(
    ("name", "longest", "message"),
    [
        ("state-tracking", 9, "training.longest must be a length of the task up to 8, got 9"),
        ("mqar", 7, "training.longest must be a length of the task up to 8, got 7"),
    ],
)
def test_other_longest_lengths_are_one_clear_line(name, longest, message):
    options = {"pairs": 1} if name == "mqar" else {}
    with pytest.raises(InputError, match=message) as caught:
        trial(name, training={"longest": longest}, **options)
    assert "\n" not in str(caught.value)
