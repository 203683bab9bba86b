"""Rates are chosen on seeds that are never reported, and no rate is given up while all of them are at chance."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save

from separatrix import InputError
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.search.tuning import (
    Race,
    Tuning,
    at_rate,
    choose_rates,
    known_choice,
    tokens_at_most,
    tokens_per_step,
    tune_all,
    tuned,
)
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.checkpoint import Progress
from separatrix.experiments.trial.result import Measurement, Result
from separatrix.experiments.trial.seeds import TUNING_SEEDS

RATES = [1e-3, 3e-3, 1e-2, 3e-2]


class Scripted:
    """Trains nothing: loss and accuracy of a trial at any step are what a rule says, and so is when it is solved."""

    def __init__(self, store: Store, rule) -> None:
        self.store, self.rule, self.asked = store, rule, []

    def __call__(self, trials, until=None):
        results = []
        for trial in trials:
            end = min(until or trial.training.steps, trial.training.steps)
            self.asked.append((trial.training.learning_rate, trial.seed, end))
            rows, solved = [], None
            for step in range(10, end + 1, 10):
                loss, accuracy = self.rule(trial, step)
                rows.append({"step": step, "loss_bits": loss, "accuracy": accuracy})
                if accuracy >= 0.999:
                    solved = step
                    break
            words = json.dumps(asdict(Progress(step=rows[-1]["step"], tokens=10 * rows[-1]["step"], history=rows)))
            data = save({"none": torch.zeros(1)}, metadata={"progress": words})
            self.store.write(f"trials/{trial.identity()}/checkpoint.safetensors", data)
            status = "solved" if solved else "finished" if end == trial.training.steps else "paused"
            test = Measurement(
                accuracy=rows[-1]["accuracy"], loss_bits=0.1, answers=9, accuracy_by_group={}, loss_bits_by_group={}
            )
            result = Result(
                identity=trial.identity(), config=trial.model_dump(mode="json"), status=status, test=test,
                steps=solved or end,
            )  # fmt: skip
            if status != "paused":
                self.store.write_result(result)
            results.append(result)
        return results


def test_tuning_seeds_and_reported_seeds_are_disjoint(tiny, tmp_path):
    """By construction: the ones begin where the others must not reach."""
    tuning = Tuning(rates=RATES, seeds=3, first=10)
    seeds = {trial.seed for trial in Race(tiny(), tuning).trials()}
    assert seeds == {TUNING_SEEDS, TUNING_SEEDS + 1, TUNING_SEEDS + 2}
    with pytest.raises(InputError, match="choose rates and are not reported"):
        Race(tiny(seed=TUNING_SEEDS), tuning)
    store = Store(tmp_path)
    train = Scripted(store, lambda trial, step: (1.0 - trial.training.learning_rate, 0.6))
    reported = tune_all(store, [tiny(seed=seed) for seed in range(3)], tuning, train)
    assert [trial.seed for trial in reported] == [0, 1, 2]
    assert not {seed for _, seed, _ in train.asked} & {trial.seed for trial in reported}
    assert {trial.training.learning_rate for trial in reported} == {3e-2}


def test_the_better_half_goes_on_and_the_best_wins(tiny, tmp_path):
    store = Store(tmp_path)
    losses = {1e-3: 0.9, 3e-3: 0.5, 1e-2: 0.3, 3e-2: 0.6}
    train = Scripted(store, lambda t, step: (losses[t.training.learning_rate], 0.98 - losses[t.training.learning_rate]))
    (choice,) = choose_rates(store, [tiny()], Tuning(rates=RATES, first=10), train)
    assert choice.rate == 1e-2
    assert [(rate, end) for rate, _, end in train.asked] == [(r, 10) for r in RATES] + [(3e-3, 20), (1e-2, 20)]
    assert {seen.rate: seen.step for seen in choice.tried} == {1e-3: 10, 3e-3: 20, 1e-2: 20, 3e-2: 10}
    assert choice.window == [1e-2] and not choice.at_edge
    assert choice.tokens == tokens_per_step(tiny()) * (10 + 20 + 20 + 10)


def test_a_choice_counts_what_it_cost_though_another_search_has_trained_on(tiny, tmp_path):
    store, tuning = Store(tmp_path), Tuning(rates=[1e-3, 1e-2], first=10)
    train = Scripted(store, lambda trial, step: (0.9 - trial.training.learning_rate, 0.6))
    (choice,) = choose_rates(store, [tiny()], tuning, train)
    train(Race(tiny(), tuning).trials([choice.rate]))  # to its end, as a frontier does
    (record,) = tmp_path.glob("tuning/*.json")
    record.unlink()
    assert choose_rates(store, [tiny()], tuning, train) == [choice]


def test_no_cut_is_made_on_the_plateau(tiny, tmp_path):
    """At chance the order of the losses means nothing: the rate that is last there learns first."""
    store = Store(tmp_path)

    def rule(trial, step):
        slow = trial.training.learning_rate == 1e-3
        return (0.2, 0.95) if slow and step >= 40 else (2.01 if slow else 1.99, 0.25)  # chance is 2 bits

    train = Scripted(store, rule)
    (choice,) = choose_rates(store, [tiny()], Tuning(rates=RATES, first=10), train)
    assert choice.rate == 1e-3 and choice.at_edge
    assert [sum(end == at for _, _, end in train.asked) for at in (10, 20, 40, 60)] == [4, 4, 4, 2]


def test_an_odd_number_of_rates_is_halved_upwards(tiny, tmp_path):
    store = Store(tmp_path)
    train = Scripted(store, lambda trial, step: (trial.training.learning_rate, 0.5))
    choose_rates(store, [tiny()], Tuning(rates=[1e-3, 3e-3, 1e-2], first=10), train)
    assert [rate for rate, _, end in train.asked if end == 20] == [1e-3, 3e-3]


def test_the_rate_that_solves_first_ends_the_race(tiny, tmp_path):
    store = Store(tmp_path)
    when = {1e-3: 1000, 3e-3: 20, 1e-2: 10, 3e-2: 1000}

    def rule(trial, step):
        return (0.3, 1.0) if step >= when[trial.training.learning_rate] else (0.1, 0.9)

    train = Scripted(store, rule)
    (choice,) = choose_rates(store, [tiny()], Tuning(rates=RATES, first=20), train)
    assert choice.rate == 1e-2  # not the lowest loss: the fewest steps
    assert max(end for _, _, end in train.asked) == 20
    assert choice.window == [3e-3, 1e-2]


@pytest.mark.parametrize(("accuracy", "inside"), [(0.7801, True), (0.7799, False)])
def test_the_window_is_two_points_wide(tiny, tmp_path, accuracy, inside):
    store = Store(tmp_path)
    found = {1e-3: (0.4, 0.8), 3e-3: (0.5, accuracy)}
    train = Scripted(store, lambda trial, step: found[trial.training.learning_rate])
    (choice,) = choose_rates(store, [tiny()], Tuning(rates=[1e-3, 3e-3], first=10), train)
    assert (3e-3 in choice.window) == inside


def test_the_score_is_the_median_over_the_tuning_seeds(tiny, tmp_path):
    store = Store(tmp_path)
    losses = {1e-3: [0.1, 0.9, 0.9], 3e-3: [0.5, 0.5, 0.5]}
    train = Scripted(store, lambda t, step: (losses[t.training.learning_rate][t.seed - TUNING_SEEDS], 0.5))
    (choice,) = choose_rates(store, [tiny()], Tuning(rates=[1e-3, 3e-3], first=10, seeds=3), train)
    assert choice.rate == 3e-3


def test_asked_again_it_trains_nothing_and_says_the_same(tiny, tmp_path):
    store, tuning = Store(tmp_path), Tuning(rates=RATES, first=10)
    train = Scripted(store, lambda trial, step: (abs(trial.training.learning_rate - 3e-3), 0.5))
    first = choose_rates(store, [tiny(seed=4)], tuning, train)
    train.asked.clear()
    assert choose_rates(store, [tiny(seed=5, learning_rate=0.7)], tuning, train) == first  # the same cell
    assert not train.asked
    assert known_choice(store, tiny(), tuning) == first[0]
    assert known_choice(store, tiny(batch_size=8), tuning) is None  # another cell
    assert known_choice(store, tiny(), tuning.replace(seeds=2)) is None


def test_a_budget_in_tokens_cuts_the_steps(tiny):
    trial = tiny(steps=60, batch_size=16)  # 16 contexts of 6 tokens and 6 queries
    assert tokens_at_most(trial) == 60 * 16 * 12
    short = Tuning(tokens=20 * 16 * 12).budgeted(trial)
    assert short.training.steps == 20 and short.training.warmup < 20
    assert Tuning(tokens=10**9).budgeted(trial) == trial


def test_a_tuned_trial_is_a_plain_trial(tiny, tmp_path):
    """What is stored knows nothing of the search: its identity is that of the same trial asked for by hand."""
    store, tuning = Store(tmp_path), Tuning(rates=[1e-3, 1e-2], first=10)

    def train(trials, until=None):
        return [run_trial(store, trial, until=until) for trial in trials]

    (choice,) = choose_rates(store, [tiny()], tuning, train)
    assert tuned(tiny(), choice) == tiny(learning_rate=choice.rate)
    assert at_rate(tiny(), 1e-2).identity() == tiny(learning_rate=1e-2).identity()


def test_wrong_rates_are_one_clear_line():
    with pytest.raises(InputError, match="learning rates must be positive, got -1"):
        Tuning(rates=[1e-3, -1.0])
