"""Trials that start from a construction, and attention compared head by head."""

from __future__ import annotations

import json

import pytest
import torch

from separatrix import constructions, models, tasks
from separatrix.cli.main import main
from separatrix.errors import InputError
from separatrix.experiments.measure.attention_overlap import likeness
from separatrix.experiments.trial.config import Start, TrialConfig
from separatrix.experiments.trial.initial_weights import finetuning, start

PARAMETERS = {"length": 12, "kinds": 2, "depth": 2}
SAMPLES = {"batch_size": 4, "validation_contexts": 8, "test_contexts": 16}
TRAINING = {"steps": 4, "warmup": 1, "validate_every": 2, **SAMPLES}


def noisy(noise: float, seed: int = 0):
    return finetuning("bounded-dyck-stack", PARAMETERS, noise, seed, TRAINING)


def test_without_noise_the_trial_starts_from_the_constructions_own_weights():
    trial = noisy(0.0)
    built = constructions.create("bounded-dyck-stack", **PARAMETERS).model
    for (name, weight), own in zip(start(trial).named_parameters(), built.parameters(), strict=True):
        assert torch.equal(weight, own), name


def test_noise_is_a_share_of_each_tensors_size_and_a_function_of_the_seed():
    built = constructions.create("bounded-dyck-stack", **PARAMETERS).model
    one, again, other = (start(noisy(0.1, seed)) for seed in (0, 0, 1))
    name = "blocks.0.mixer.cell.weight_hh_l0"
    weights = [model.get_parameter(name).detach() for model in (built, one, again, other)]
    assert torch.equal(weights[1], weights[2]) and not torch.equal(weights[1], weights[3])
    moved = (weights[1] - weights[0]).square().mean().sqrt() / weights[0].square().mean().sqrt()
    assert 0.07 < float(moved) < 0.13


def test_a_trial_says_its_start_and_one_without_keeps_its_old_identity():
    trial = noisy(0.1)
    dumped = trial.model_dump(mode="json")
    assert dumped["start"] == {"construction": "bounded-dyck-stack", "options": {}, "noise": 0.1}
    assert TrialConfig(**dumped) == trial
    plain = trial.replace(start=None)
    assert "start" not in plain.model_dump(mode="json") and plain.identity() != trial.identity()


def test_a_construction_of_another_model_is_refused():
    task = tasks.create("bounded-dyck", **PARAMETERS)
    trial = TrialConfig(task=task, model={"name": "lstm"}, start=Start(construction="bounded-dyck-stack"))
    with pytest.raises(InputError, match="constructs another model"):
        start(trial)


def test_finetune_reports_accuracy_before_and_after(tmp_path, capsys):
    arguments = ["finetune", "bounded-dyck-stack", "--noise", "0,0.3", "--seeds", "5", "--json", "--workers", "1"]
    for name, value in {**PARAMETERS, **TRAINING}.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--output", str(tmp_path / "runs")])
    rows = json.loads(capsys.readouterr().out)["trials"]
    assert ended.value.code == 0
    assert [(row["noise"], row["seed"]) for row in rows] == [(0.0, 5), (0.3, 5)]
    assert rows[0]["accuracy before"] == 1.0 > rows[1]["accuracy before"]


def test_likeness_finds_the_same_head_wherever_it_is():
    task = tasks.create("index-lookup", length=8, alphabet=4)
    ours = models.create("transformer", task, width=8, layers=1, embedding_std=3.0)
    theirs = models.create("transformer", task, width=8, layers=1, embedding_std=3.0)
    (same,) = likeness(ours, ours)
    assert same.overlap == pytest.approx(1.0) and same.same_place == 1.0 and same.queries == 64 * 8
    (other,) = likeness(theirs, ours)
    assert other.overlap < 0.95
    with pytest.raises(InputError, match="two models with attention"):
        likeness(models.create("lstm", task, width=8), ours)
    with pytest.raises(InputError, match="two models of one task"):
        likeness(models.create("transformer", task.at_length(9), width=8), ours)
