"""What a reader takes on trust: each test here fails when one stated rule of measuring is bent."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from scipy import stats
from torch import nn

import separatrix as sx
from separatrix import atomic
from separatrix.bounds.growth import DECISIVE, growth_law
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.measure.capacity import bits_recalled, mean_and_margin
from separatrix.experiments.search.frontier import FrontierCell, FrontierPlan, Tried
from separatrix.experiments.search.halving import Contest
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial import trainer as trainers
from separatrix.experiments.trial.checkpoint import read_progress
from separatrix.experiments.trial.config import TrialConfig
from separatrix.experiments.trial.evaluation import evaluate
from separatrix.experiments.trial.initial_weights import perturbed
from separatrix.experiments.trial.result import Measurement
from separatrix.experiments.trial.seal import Damaged
from separatrix.experiments.trial.seeds import TUNING_SEEDS


def measurement(accuracy: float, loss: float = 0.5) -> Measurement:
    return Measurement(
        accuracy=accuracy, loss_bits=loss, answers=9, accuracy_by_group={}, loss_bits_by_group={}
    )  # fmt: skip


# intervals -----------------------------------------------------------------------------------------------------------
def test_a_95_percent_interval_has_student_s_97_5_percent_quantile():
    values = torch.tensor([1.0, 2.0, 4.0, 9.0], dtype=torch.float64)
    mean, margin = mean_and_margin(values, 0.95)
    assert mean == 4.0
    assert margin == pytest.approx(3.182446305 * float(values.std()) / 2)  # t(0.975, 3)


def test_the_interval_of_recalled_bits_is_the_95_percent_one_unless_asked_otherwise():
    task = sx.tasks.create("index-lookup", length=6, alphabet=4)
    model = sx.models.create("lstm", task, width=4)
    assert bits_recalled(model, task, seed=0, contexts=8).confidence == 0.95


def test_the_interval_of_an_exponent_is_student_s_95_percent():
    lengths, sizes = [4, 8, 16, 32, 64], [4, 9, 15, 35, 60]
    found = growth_law(lengths, sizes)
    line = stats.linregress([math.log(n) for n in lengths], [math.log(s) for s in sizes])
    margin = 3.182446305 * line.stderr  # t(0.975, 5 - 2)
    assert found.interval == (pytest.approx(line.slope - margin), pytest.approx(line.slope + margin))
    assert found.confidence == 0.95


def test_a_law_is_decided_by_a_bic_six_lower_and_not_by_two():
    assert DECISIVE == 6
    found = growth_law([4, 8, 16, 32, 64], [4, 6, 8, 12, 48])
    best, second = sorted(found.bic.values())[:2]
    assert 2 < second - best < 6  # evidence, and not strong
    assert found.law == "undecided"


# bits recalled -------------------------------------------------------------------------------------------------------
class TwoHalves(nn.Module):
    """Knows the tokens of the positions in `first` while it reads the first batch, in `later` from then on."""

    def __init__(self, first: range, later: range) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))
        self.known, self.calls = (first, later), 0

    def prefill(self, context):
        return (context.float(),)

    def forward(self, context, queries):
        known = self.known[min(self.calls, 1)]
        self.calls += 1
        right = nn.functional.one_hot(context.gather(1, queries), 8).float()
        inside = ((queries >= known.start) & (queries < known.stop))[..., None]
        return torch.where(inside, (right + 1e-9).log(), torch.zeros_like(right))


@pytest.mark.parametrize(
    ("first", "later", "bits"),
    [
        (range(12), range(0), 0),  # chosen where all is known, measured where nothing is
        (range(6), range(12), 18),  # chosen six, measured where all twelve are known
        (range(0), range(12), 0),  # chosen none
    ],
)
def test_positions_are_chosen_on_one_half_and_measured_on_the_other(first, later, bits):
    task = sx.tasks.create("index-lookup", length=12, alphabet=8)
    assert bits_recalled(TwoHalves(first, later), task, seed=0, contexts=128).recalled_bits == pytest.approx(
        bits, abs=1e-4
    )


def test_a_result_s_ceiling_is_that_of_the_bits_of_its_state(tiny, tmp_path):
    trial = tiny(steps=10).replace(
        task={"name": "index-lookup", "length": 60, "alphabet": 4}, model={"name": "elman", "width": 1}
    )
    result = run_trial(Store(tmp_path), trial)
    assert (result.state_numbers, result.state_bits) == (1, 32)
    assert result.accuracy_ceiling == sx.bounds.accuracy_ceiling(length=60, alphabet=4, bits=32)
    assert result.accuracy_ceiling < 0.75


# training and evaluation ---------------------------------------------------------------------------------------------
def test_every_chunk_of_an_evaluation_has_contexts_of_its_own():
    task = sx.tasks.create("index-lookup", length=12, alphabet=8)
    seen: list[tuple] = []
    model = sx.models.create("lstm", task, width=2)
    model.register_forward_pre_hook(lambda _, given: seen.extend(map(tuple, given[0].tolist())))
    evaluate(model, task, seed=0, split="test", contexts=160, queries=2, device="cpu")
    assert len(seen) == len(set(seen)) == 160


def test_gradients_are_clipped(tiny):
    """AdamW does not see a gradient's size until it is as small as its epsilon."""
    moved = {}
    for clip in (1.0, 1e-12):
        trainer = trainers.Trainer(tiny(clip=clip, warmup=0))
        before = [weight.detach().clone() for weight in trainer.model.parameters()]
        trainer.train_to(1)
        after = [weight.detach() for weight in trainer.model.parameters()]
        moved[clip] = max(float((a - b).abs().max()) for a, b in zip(before, after, strict=True))
    assert moved[1.0] == pytest.approx(tiny().training.learning_rate, rel=0.1)
    assert moved[1e-12] < 1e-3 * moved[1.0]


def test_solved_means_twice_running_and_at_least_as_good_as_asked(tiny, monkeypatch):
    said = iter([0.9, 0.89, 0.9, 0.9, 0.1])
    trainer = trainers.Trainer(tiny(solved=0.9))
    monkeypatch.setattr(trainer, "_evaluate", lambda split, contexts: measurement(next(said)))
    list(trainer.run())
    assert (trainer.progress.stopped, trainer.progress.step) == ("solved", 40)


def test_patience_counts_validations_that_did_not_improve(tiny, monkeypatch):
    said = iter([1.0, 0.9, 0.9, 0.8991, 0.7, 0.7])
    trainer = trainers.Trainer(tiny(patience=2))
    monkeypatch.setattr(trainer, "_evaluate", lambda split, contexts: measurement(0.3, next(said)))
    list(trainer.run())
    assert (trainer.progress.stopped, trainer.progress.step) == ("plateau", 40)  # better by less than 0.001 is stale


def test_every_tensor_has_noise_of_its_own():
    task = sx.tasks.create("index-lookup", length=4, alphabet=2)
    model = sx.models.create("lstm", task, width=8)
    names = [f"blocks.0.mixer.cell.weight_{which}_l0" for which in ("ih", "hh")]
    before = [model.get_parameter(name).detach().clone() for name in names]
    moved = [model.get_parameter(name).detach() for name in names] if perturbed(model, 0.5, seed=0) else []
    one, other = ((new - old) / old.square().mean().sqrt() for new, old in zip(moved, before, strict=True))
    assert one.shape == other.shape and float(one.std()) == pytest.approx(0.5, rel=0.2)
    assert not torch.allclose(one, other, atol=1e-3)


def test_a_tuning_seed_is_none_that_anybody_reports():
    assert TUNING_SEEDS == 1_000_000_000_000


def test_what_was_not_measured_is_nothing_and_not_less(tiny):
    result = sx.experiments.Result(identity="0", config=tiny().model_dump(mode="json"), status="failed")
    assert (result.seconds, result.steps, result.tokens, result.state_bits, result.test) == (0.0, 0, 0, 0, None)


# searches ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("settings", "left"), [(2, 1), (3, 2), (4, 2), (5, 3), (7, 4)])
def test_halving_rounds_the_survivors_up(tiny, tmp_path, settings, left):
    contest = Contest({"training": {"steps": 60}}, {str(i): [tiny(seed=i)] for i in range(settings)})
    contest.cut(Store(tmp_path), step=10, factor=2)
    assert len(contest.settings) == left


def cell(start: int | None = None) -> FrontierCell:
    plan = FrontierPlan(
        task={"name": "index-lookup", "alphabet": 2}, models=[{"name": "lstm"}], lengths=[4],
        widths=[2, 3, 4, 6, 8, 12, 16, 24, 32], seeds=[0, 1, 2], needed=2, target=0.9,
    )  # fmt: skip
    return FrontierCell(plan, {"name": "lstm"}, 4, start)


def course(frontier: FrontierCell, enough: int) -> list[int]:
    tried = []
    while (width := frontier.next()) is not None:
        tried.append(width)
        frontier.tried[width] = Tried(
            width=width, reached=3 if width >= enough else 0, seeds=3, accuracies=[], state_bits=0
        )
    return tried


@pytest.mark.parametrize(
    ("start", "enough", "tried"),
    [
        (None, 16, [2, 4, 8, 16, 12]),  # doubling, then halfway
        (None, 99, [2, 4, 8, 16, 32]),
        (12, 12, [12, 8]),  # a right prediction costs two widths
        (12, 2, [12, 8, 4, 2]),
        (12, 3, [12, 8, 4, 2, 3]),
        (8, 32, [8, 12, 24, 32]),
        (12, 99, [12, 16, 32]),
    ],
)
def test_the_widths_tried_are_those_of_the_stated_course(start, enough, tried):
    assert course(cell(start), enough) == tried


def test_an_accuracy_equal_to_the_target_reaches_it():
    one = cell()
    trials = one.trials(8)
    results = [
        sx.experiments.Result(
            identity=t.identity(), config=t.model_dump(mode="json"), status="finished", test=measurement(a)
        )
        for t, a in zip(trials, (0.9, 0.9, 0.8999), strict=True)
    ]
    one.learn(8, results)
    assert one.tried[8].reached == 2 and one.enough(8)
    one.learn(8, [results[2], results[2], results[0]])
    assert not one.enough(8)
    assert isinstance(trials[0], TrialConfig)


# what is written -----------------------------------------------------------------------------------------------------
def test_a_result_and_its_name_are_on_the_disk_before_anything_relies_on_them(tiny, tmp_path, monkeypatch):
    store = Store(tmp_path)
    result = run_trial(store, tiny(steps=10))
    flushed: list[str] = []
    monkeypatch.setattr(atomic, "flush", lambda path: flushed.append(Path(path).name))
    store.write_result(result)
    assert flushed == ["result.json", result.identity]


@pytest.mark.parametrize("step", [5, 15])
def test_a_checkpoint_whose_history_ends_at_another_step_is_damaged(tiny, step):
    trainer = trainers.Trainer(tiny())
    next(iter(trainer.run()))
    assert read_progress(trainer.checkpoint()).step == 10
    trainer.progress.step = step
    with pytest.raises(Damaged, match="its progress contradicts itself"):
        read_progress(trainer.checkpoint())
