from __future__ import annotations

import json
from dataclasses import asdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from separatrix import InputError
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.search.halving import Halving, halve
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.checkpoint import Progress

RATE = "training.learning_rate"


def scripted(store: Store, losses):
    """Trains nothing: at any step the loss of a trial is what `losses` says, and is on record."""
    asked = []

    def advance(trials, step: int) -> None:
        asked.append((step, [(trial.training.learning_rate, trial.seed) for trial in trials]))
        for trial in trials:
            history = [{"step": at, "loss_bits": losses(trial, at)} for at in range(10, step + 1, 10)]
            words = json.dumps(asdict(Progress(step=step, history=history)))
            data = save({"none": torch.zeros(1)}, metadata={"progress": words})
            store.write(f"trials/{trial.identity()}/checkpoint.safetensors", data)

    return advance, asked


def test_the_better_half_goes_on_by_the_median_of_its_seeds(tiny, tmp_path):
    trials = [tiny(seed=seed, learning_rate=rate) for rate in (1e-4, 1e-3, 1e-2, 1e-1) for seed in range(3)]
    # one lucky seed of the worst rate must not save it
    losses = {1e-4: [0.1, 9.0, 9.0], 1e-3: [2.0, 2.0, 2.0], 1e-2: [3.0, 1.0, 1.0], 1e-1: [5.0, 5.0, 5.0]}
    store = Store(tmp_path)
    advance, asked = scripted(store, lambda trial, step: losses[trial.training.learning_rate][trial.seed])
    left = halve(store, trials, Halving(over=[RATE], first=10), advance)
    assert {trial.training.learning_rate for trial in left} == {1e-2}
    assert [trial.seed for trial in left] == [0, 1, 2]
    assert [(step, len(some)) for step, some in asked] == [(10, 12), (20, 6)]
    (contest,) = store.read_json("halving.json")["contests"]
    assert [cut["step"] for cut in contest["cuts"]] == [10, 20]
    assert [len(cut["go_on"]) for cut in contest["cuts"]] == [2, 1]
    assert list(contest["left"].values()) == [[trial.identity() for trial in left]]
    assert contest["common"]["model"]["name"] == "lstm"


def test_run_again_it_trains_nothing_and_decides_the_same(tiny, tmp_path):
    trials = [tiny(learning_rate=rate) for rate in (1e-4, 1e-3, 1e-2, 1e-1)]
    store, rule = Store(tmp_path), Halving(over=[RATE], first=10)
    advance, asked = scripted(store, lambda trial, step: abs(trial.training.learning_rate - 1e-3))
    first = halve(store, trials, rule, advance)
    written = store.read("halving.json")
    asked.clear()
    assert halve(store, trials, rule, advance) == first
    assert not asked
    assert store.read("halving.json") == written


def test_what_was_trained_further_before_is_judged_where_the_others_are(tiny, tmp_path):
    early, late = tiny(learning_rate=1e-3), tiny(learning_rate=1e-2)
    store = Store(tmp_path)
    advance, _ = scripted(store, lambda trial, step: step if trial == early else 40.0 - step)
    advance([late], 30)  # by now it would win, at step 10 it does not
    assert halve(store, [early, late], Halving(over=[RATE], first=10, factor=4), advance) == [early]


@settings(max_examples=60, deadline=None)
@given(competitors=st.integers(1, 40), steps=st.integers(1, 300), first=st.integers(1, 80), factor=st.integers(2, 5))
def test_the_steps_promised_are_those_of_a_walk_through_the_rungs(competitors, steps, first, factor):
    rule = Halving(over=[RATE], first=first, factor=factor)
    left, trained, at = competitors, 0, first
    for step in range(steps):
        if step == at:
            if left > 1:
                left = -(-left // factor)
            at *= factor
        trained += left
    assert rule.trained_steps(competitors, steps) == trained
    assert trained <= competitors * steps


def test_trials_that_were_paused_end_with_the_same_bits_and_failed_ones_lose(tiny, tmp_path):
    fails = {"weight_decay": 1e30, "learning_rate": 1.0}
    trials = [tiny(**fails), tiny(learning_rate=1e-2), tiny(learning_rate=1e-3), tiny(learning_rate=1e-12)]
    store, paused = Store(tmp_path / "runs"), []

    def advance(some, step: int) -> None:
        paused.append([run_trial(store, trial, until=step) for trial in some])

    left = halve(store, trials, Halving(over=[RATE, "training.weight_decay"], first=20), advance)
    assert sorted(result.status for result in paused[0]) == ["failed", "paused", "paused", "paused"]
    assert [result.steps for result in paused[1]] == [40, 40]
    assert left == [tiny(learning_rate=1e-2)]
    ended = run_trial(store, left[0])
    assert ended.fingerprint == run_trial(Store(tmp_path / "alone"), left[0]).fingerprint
    assert {result.status for result in store.results()} == {"finished", "failed"}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"over": ["seed"], "first": 10}, "seeds and numbers of steps do not compete, got seed"),
        ({"over": ["training.lr"], "first": 10}, "no two trials differ in training.lr alone"),
        ({"over": [RATE], "first": 0}, "first.*greater than or equal to 1, got 0"),
        ({"over": [RATE], "first": 10, "factor": 1}, "factor.*greater than or equal to 2, got 1"),
        ({"over": [], "first": 10}, "over"),
    ],
)
def test_wrong_rules_are_one_clear_line(tiny, tmp_path, rule, message):
    trials = [tiny(learning_rate=1e-3), tiny(learning_rate=1e-2)]
    with pytest.raises(InputError, match=message) as caught:
        halve(Store(tmp_path), trials, Halving(**rule), lambda some, step: None)
    assert "\n" not in str(caught.value)
