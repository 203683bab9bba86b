from __future__ import annotations

import json
import math
import re

import pytest
import synthetic_cards
import torch
from hypothesis import given
from hypothesis import strategies as st

from separatrix.errors import InputError
from separatrix.experiments.card import make, make_card, read_card, references, same_conditions, speed, write_card
from separatrix.experiments.card.compare import compared
from separatrix.experiments.card.plan import Costs, fitting
from separatrix.experiments.card.probes import Battery, Planned, load, resized, standard
from separatrix.experiments.card.reference import families, reference
from separatrix.experiments.card.running import Clock, Watcher
from separatrix.experiments.card.state import measure_state
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.models import architecture, measured_numbers, names
from separatrix.models.own import WholePast
from separatrix.tasks import StreamTask, create

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


def makespan(costs, workers: int) -> float:
    """Seconds until so many workers, each taking the next one when free, have done them all."""
    loads = [0.0] * workers
    for cost in costs:
        loads[loads.index(min(loads))] += cost
    return max(loads)


def battery(*probes: dict, seeds: tuple[int, ...] = (0, 1), **training) -> Battery:
    return Battery(seeds=list(seeds), training={**TRAINING, **training}, probes=list(probes or (RECALL, PARITY, EQUAL)))


class Ends(Watcher):
    """Counts the trials that were run."""

    def __init__(self) -> None:
        self.identities: list[str] = []

    def ends(self, trial, result) -> None:
        self.identities.append(result.identity)


# the battery ---------------------------------------------------------------------------------------------------------
def test_first_lengths_of_all_probes_come_first_then_second_ones_then_other_seeds():
    trials = battery().trials(LSTM)
    order = [(planned.probe.id, planned.length, planned.config.seed) for planned in trials]
    first = [("recall", 6), ("parity", 6), ("equal", 6), ("recall", 3)]
    assert order == [(*question, seed) for seed in (0, 1) for question in first]


def test_settings_do_not_depend_on_the_place_in_the_battery():
    by_question: dict = {}
    for planned in standard().trials(LSTM):
        by_question.setdefault(planned.key, set()).add(planned.config.replace(seed=0).identity())
    assert all(len(identities) == 1 for identities in by_question.values())


@pytest.mark.parametrize("name", names())
def test_equal_state_is_the_least_width_that_holds_it(name):
    probe = next(probe for probe in standard().probes if probe.state_numbers)
    width = resized({"name": name}, probe)["width"]
    task = create(**probe.task, length=probe.lengths[0])
    assert measured_numbers(name, task, width=width) >= probe.state_numbers
    heads = getattr(architecture(name).Config(), "heads", 1)
    for smaller in range(width - heads, 0, -heads):
        try:
            numbers = measured_numbers(name, task, width=smaller)
        except InputError:  # some architectures need even heads
            continue
        assert numbers < probe.state_numbers
        break


def test_a_size_no_width_reaches_is_not_run_and_says_so(tmp_path):
    sizeless = tmp_path / "sizeless.py"
    sizeless.write_text(
        "import torch\n\nclass Counts(torch.nn.Module):\n    def __init__(self, width):\n        super().__init__()\n\n"
        "    def step(self, state, x):\n        state = x.new_zeros(len(x), 1) if state is None else state\n"
        "        return x, state + 1\n"
    )
    trials = battery(PARITY, EQUAL).trials({"name": f"{sizeless}:Counts", "width": 8})
    assert [bool(planned.impossible) for planned in trials] == [False, True] * 2
    assert "does not change the size of its state" in trials[1].impossible


def test_wrong_batteries_are_one_line(tmp_path):
    with pytest.raises(InputError, match="cannot read"):
        load(tmp_path / "none.toml")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("seeds = [0")
    with pytest.raises(InputError, match="not valid TOML"):
        load(wrong)
    wrong.write_text("seeds = [0]\nprobes = []\n")
    with pytest.raises(InputError, match="probes"):
        load(wrong)


# the plan ------------------------------------------------------------------------------------------------------------
TRIALS = battery(seeds=(0, 1, 2)).trials(LSTM)


@given(st.lists(st.integers(1, 50), max_size=len(TRIALS)), st.integers(1, 4), st.integers(0, 120))
def test_what_is_taken_fits_and_what_is_left_does_not(costs, workers, seconds):
    trials = TRIALS[: len(costs)]
    waiting = list(zip(trials, map(float, costs), strict=True))
    taken = fitting(waiting, workers, float(seconds))
    assert taken == [planned for planned in trials if planned in taken]
    spent = [cost for planned, cost in waiting if planned in taken]
    assert makespan(spent or [0.0], workers) <= seconds
    for place, (planned, cost) in enumerate(waiting):
        if planned not in taken:
            before = [c for p, c in waiting[:place] if p in taken]
            assert makespan([*before, cost], workers) > seconds


def test_costs_are_put_right_by_finished_trials(tmp_path):
    costs, store = Costs(), Store(tmp_path)
    planned = battery(PARITY).trials(LSTM)[0]
    result = run_trial(store, planned.config).replace(seconds=60.0, steps=30)
    costs.learn(planned, result)
    fresh = Store(tmp_path / "fresh")
    assert costs.seconds(planned, fresh) == pytest.approx(2.0 * (30 + 0.5 * (16 * 3 + 32) / 8))
    assert costs.seconds(planned, store) == pytest.approx(2.0 * 0.5 * 32 / 8)  # all steps are behind its checkpoint


# making one ----------------------------------------------------------------------------------------------------------
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


OWN = '''
import torch

class Past(torch.nn.Module):
    """Averages all it has seen."""

    def __init__(self, width):
        super().__init__()
        self.mix = torch.nn.Linear(width, width)

    def forward(self, x):
        count = torch.arange(1, x.shape[1] + 1, device=x.device)[:, None]
        return self.mix(x).cumsum(1) / count

class Stepped(torch.nn.Module):
    """Adds up what it sees."""

    def __init__(self, width):
        super().__init__()

    def step(self, state, x):
        state = x if state is None else state + x
        return state, state

class Short(torch.nn.Module):
    """Reads no more than so many tokens."""

    def __init__(self, width, most=40):
        super().__init__()
        self.most = most

    def step(self, state, x):
        state = (x, torch.zeros(len(x), 1)) if state is None else (x, state[1] + 1)
        if state[1].max() >= self.most:
            raise RuntimeError("too long")
        return x, state

class Ahead(torch.nn.Module):
    """Reads the context backwards."""

    def __init__(self, width):
        super().__init__()

    def forward(self, x):
        return x.flip(1)
'''


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN)
    return path


def state_of(name: str, **options):
    task = {"name": "index-lookup", "length": 512, "alphabet": 16}
    return measure_state(TrialConfig(task=task, model={"name": name, "width": 8, **options}))


def test_ones_own_module_without_a_step_has_the_whole_past_for_a_state(own):
    past = state_of(f"{own}:Past")
    assert (past.whole_past, past.growth, past.bits_per_token) == (True, "linear", 8 * 32)
    stepped = state_of(f"{own}:Stepped")
    assert (stepped.whole_past, stepped.growth, stepped.bits) == (False, "constant", [8 * 32] * 6)


def test_growth_is_named_by_what_is_measured(own):
    assert state_of("transformer").growth == "linear"
    windowed = state_of("transformer", window=33)
    assert (windowed.growth, windowed.bits[-1]) == ("windowed", 2 * 8 * 32 * 32)
    short = state_of(f"{own}:Short")
    assert short.lengths == [16, 32]
    with pytest.raises(InputError, match="failed on a context of 16 tokens"):
        state_of(f"{own}:Short", most=15)


def test_a_module_that_looks_ahead_is_refused(own, tmp_path):
    with pytest.raises(InputError, match="looks ahead"):
        make_card({"name": f"{own}:Ahead", "width": 8}, Store(tmp_path / "store"), battery=battery(PARITY))


# the file ------------------------------------------------------------------------------------------------------------
def test_a_card_comes_back_from_its_file_as_it_was(tmp_path):
    card = synthetic_cards.card(LSTM, run=7)
    path = write_card(card, tmp_path / "new" / "card.json")
    assert read_card(path) == card
    assert len(list(path.parent.iterdir())) == 1


def test_cards_that_cannot_be_read_are_one_line(tmp_path):
    path = write_card(synthetic_cards.card(LSTM, run=3), tmp_path / "card.json")
    text = path.read_text()
    data = json.loads(text)

    def message(content: str | bytes) -> str:
        (path.write_bytes if isinstance(content, bytes) else path.write_text)(content)
        with pytest.raises(InputError) as error:
            read_card(path)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "is damaged (not JSON)" in message(text[: len(text) // 2])
    assert "got binary data" in message(b"\xff\xfe\x00")
    assert "is no card" in message('{"trials": []}')
    assert "is no card" in message("[1]")
    assert "(card format 99); this version reads format 1" in message(json.dumps(data | {"format": 99}))
    assert "was changed after it was written" in message(json.dumps(data | {"parameters": 1}))
    assert "is damaged" in message(json.dumps({key: value for key, value in data.items() if key != "state"}))
    path.unlink()
    with pytest.raises(InputError, match="cannot read"):
        read_card(path)


# beside one another --------------------------------------------------------------------------------------------------
def test_only_like_is_compared_with_like():
    one, other = synthetic_cards.card(LSTM), synthetic_cards.card({"name": "gru", "width": 16})
    assert all(row.like for row in compared([one, other]))
    question = other.questions[0]
    longer = question.replace(training={**question.training, "steps": 9999})
    changed = other.replace(questions=[longer, *other.questions[1:]])
    rows = compared([one, changed])
    assert [row.like for row in rows] == [False] + [True] * (len(rows) - 1)
    assert reference(longer, one) is None
    assert reference(question, one) == one.questions[0]


def test_a_setting_that_another_version_lacks_is_left_aside():
    question = synthetic_cards.card(LSTM).questions[0]
    older = {key: value for key, value in question.training.items() if key != "clip"}
    assert same_conditions(question, question.replace(training=older))
    assert not same_conditions(question, question.replace(training={**older, "warmup": 1}))
    assert not same_conditions(question, question.replace(resized=True))


def test_references_of_every_family_stand_beside_the_battery_as_it_is_now():
    """Fails when probes.toml has changed since `make references`."""
    stored = {(card.model["name"], card.model["layers"]): card for card in references()}
    assert set(stored) == {(model["name"], model["layers"]) for model in families()}
    current = {(question.probe, question.length): question for question in synthetic_cards.card(LSTM).questions}
    for card in stored.values():
        answered = [question for question in card.questions if question.measured]
        assert all(same_conditions(current[question.probe, question.length], question) for question in answered)
        assert all(trial.fingerprint for question in answered for trial in question.measured)
        assert card.environment["torch"]
        assert all(reference(question, card) for question in current.values())
        assert all(len(question.measured) == len(standard().seeds) for question in card.questions)


def test_planned_trials_know_their_question():
    planned = standard().trials(LSTM)[0]
    assert isinstance(planned, Planned)
    assert planned.key == (planned.probe.id, planned.config.task.length)


def test_a_module_that_keeps_its_past_is_timed_while_it_computes(own, monkeypatch):
    computed, scan = [], WholePast.scan

    def watched(self, x, state=None):
        computed.append(x.shape[1] + (0 if state is None else state[0].shape[1]))
        return scan(self, x, state)

    monkeypatch.setattr(WholePast, "scan", watched)
    jobs = speed._jobs({"name": f"{own}:Past", "width": 8}, 16, torch.device("cpu"))
    computed.clear()
    jobs["prefill"]()
    assert max(computed) == 16 + 1


# learning rates ------------------------------------------------------------------------------------------------------
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
    plain = references()[0].questions[0]
    choice = {"rate": 0.01, "window": [0.01], "tried": [], "tuning": TUNED, "seeds": [10**12]}
    low = plain.replace(choice=choice, training={**plain.training, "learning_rate": 0.01})
    high = plain.replace(choice={**choice, "rate": 0.03}, training={**plain.training, "learning_rate": 0.03})
    assert same_conditions(low, high) and not same_conditions(low, plain) and not same_conditions(plain, high)
    other = low.replace(choice={**choice, "tuning": {**TUNED, "first": 20}})
    assert not same_conditions(low, other)
    assert not same_conditions(low, high.replace(training={**high.training, "steps": 1}))


# streams -------------------------------------------------------------------------------------------------------------
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


@pytest.mark.parametrize("name", names())
def test_the_battery_of_streams_fits_every_family(name):
    asked = load("streams")
    trials = asked.trials({"name": name, "width": 16})
    assert all(isinstance(planned.config.task, StreamTask) for planned in trials)
    assert asked.tuning is not None and len(trials) == len(asked.seeds) * len(list(asked.questions()))
    assert {planned.probe.ability for planned in trials} == {"recall", "state tracking", "brackets"}
