"""Making a card: everything asked is there, within the time, at chosen rates."""

from __future__ import annotations

import math
import re

import pytest
from small_batteries import LSTM, PARITY, RECALL, Ends, battery

from separatrix.experiments.card import make, make_card, read_card, references, same_conditions, write_card
from separatrix.experiments.card.running import Clock, Watcher
from separatrix.experiments.store.folder import Store


@pytest.fixture
def untimed(monkeypatch):
    """Leaves out the speed, which takes seconds."""
    monkeypatch.setattr(make, "measure_speed", lambda model, seconds: None)


def test_a_card_holds_every_trial_and_a_second_one_runs_none(tmp_path):
    store, watcher = Store(tmp_path / "store"), Ends()
    card = make_card(LSTM, store, minutes=5.0, workers=1, battery=battery(), watcher=watcher)
    planned = {one.config.identity(): one for one in battery().trials(LSTM)}
    shown = {trial.identity: (question, trial) for question in card.questions for trial in question.trials}
    assert set(shown) == set(planned) == set(watcher.identities)
    for identity, (question, trial) in shown.items():
        result = store.result(identity)
        assert (trial.accuracy, trial.steps, trial.fingerprint) == (
            result.test.accuracy, result.steps, result.fingerprint,
        )  # fmt: skip
        assert question.state_bits == result.state_bits
        assert (trial.recalled is not None) == (question.ability == "recall")
    equal = card.question("equal", 6)
    assert (equal.resized, equal.model["width"], equal.state_bits) == (True, 12, 24 * 32)
    assert card.state.bits == [2 * 8 * 32] * 6
    assert (card.state.growth, card.missing) == ("constant", 0)
    assert [at.length for at in card.speed.at] == [128, 512]

    again = Ends()
    second = make_card(LSTM, store, minutes=5.0, workers=1, battery=battery(), watcher=again)
    assert again.identities == []
    assert second.questions == card.questions


def test_a_card_never_refuses_for_lack_of_time(tmp_path, untimed):
    """What does not fit is listed, with the reason."""
    card = make_card(LSTM, Store(tmp_path), minutes=0.1, workers=1, battery=battery(steps=100_000))
    assert card.missing == sum(len(question.trials) for question in card.questions) > 0
    assert {trial.why for question in card.questions for trial in question.trials} == {"did not fit into the time"}


class Stops(Watcher):
    """Lets the time be up as soon as a trial has made some progress."""

    def __init__(self, store: Store) -> None:
        self.store, self.stopped = store, False

    def runs(self, trials) -> None:
        self.stopped = any(self.store.progress(trial.identity()) for trial in trials)


def test_when_time_is_up_trials_stop_and_are_named(tmp_path, monkeypatch, untimed):
    asked, store = battery(PARITY, seeds=(0,), steps=5000, solved=1.0), Store(tmp_path)
    watcher = Stops(store)
    with monkeypatch.context() as patch:
        patch.setattr(Clock, "left", property(lambda self: -1.0 if watcher.stopped else 1000.0))
        card = make_card(LSTM, store, minutes=20.0, workers=1, battery=asked, watcher=watcher)
    (trial,) = card.questions[0].trials
    assert trial.status == "not run"
    assert re.fullmatch(r"the time was up at step \d+ of 5000", trial.why)
    assert (card.missing, card.questions[0].state_bits) == (1, None)


TUNED = {"rates": [1e-7, 3e-2], "first": 10}


def test_rates_are_chosen_for_each_question_on_other_seeds(tmp_path, untimed):
    """A question is run at its rate before the next one is taken up, and says how the rate was come by."""
    store, ends = Store(tmp_path), Ends()
    asked = battery(PARITY, RECALL, seeds=(0,)).replace(tuning=TUNED)
    card = make_card(LSTM, store, minutes=None, workers=1, battery=asked, watcher=ends)
    assert [question.choice.rate for question in card.questions] == [3e-2] * 3
    assert all(question.training["learning_rate"] == 3e-2 for question in card.questions)
    assert {trial.seed for question in card.questions for trial in question.trials} == {0}
    assert all(seed >= 10**12 for question in card.questions for seed in question.choice.seeds)
    assert all(trial.ending for question in card.questions for trial in question.trials)
    assert read_card(write_card(card, tmp_path / "card.json")) == card
    again = make_card(LSTM, store, minutes=0.0, workers=1, battery=asked)
    assert [q.trials for q in again.questions] == [q.trials for q in card.questions]


def test_without_time_no_rate_is_chosen_and_the_card_says_so(tmp_path):
    card = make_card(LSTM, Store(tmp_path), minutes=0.0, battery=battery(PARITY).replace(tuning=TUNED))
    assert [(trial.status, trial.why) for trial in card.questions[0].trials] == [
        ("not run", "the time was up before its learning rate was chosen")
    ] * 2


def test_a_tuned_question_is_like_another_whatever_the_rates_chosen_and_unlike_an_untuned_one():
    plain = references()[0].questions[0].replace(choice=None)
    choice = {"rate": 0.01, "window": [0.01], "tried": [], "tuning": TUNED, "seeds": [10**12]}
    low = plain.replace(choice=choice, training={**plain.training, "learning_rate": 0.01})
    high = plain.replace(choice={**choice, "rate": 0.03}, training={**plain.training, "learning_rate": 0.03})
    assert same_conditions(low, high) and not same_conditions(low, plain) and not same_conditions(plain, high)
    other = low.replace(choice={**choice, "tuning": {**TUNED, "first": 20}})
    assert not same_conditions(low, other)
    assert not same_conditions(low, high.replace(training={**high.training, "steps": 1}))


RUNNING = {
    "id": "running", "title": "Running product", "about": "", "ability": "state tracking",
    "task": {"name": "state-tracking", "machine": "S3"}, "lengths": [8], "training": {"longest": 4},
}  # fmt: skip


def test_a_card_asks_streams_too(tmp_path, untimed):
    card = make_card(LSTM, Store(tmp_path), minutes=5.0, workers=1, battery=battery(RUNNING, seeds=(0,)))
    (question,) = card.questions
    assert question.chance == pytest.approx(1 / 6) and question.recurrent_bits == pytest.approx(math.log2(6))
    assert question.trials[0].answers == 32 * 8  # every token of the test, twice as long as what was trained on
    assert not card.missing
    assert read_card(write_card(card, tmp_path / "card.json")) == card
