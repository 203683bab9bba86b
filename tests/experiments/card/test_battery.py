"""The battery in its order, and what of it fits into the time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_batteries import EQUAL, LSTM, PARITY, battery

from separatrix.errors import InputError
from separatrix.experiments.card.plan import Costs, fitting
from separatrix.experiments.card.probes import Planned, load, resized, standard
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Store
from separatrix.models import architecture, measured_numbers, names
from separatrix.tasks import create


def makespan(costs, workers: int) -> float:
    """Seconds until so many workers, each taking the next one when free, have done them all."""
    loads = [0.0] * workers
    for cost in costs:
        loads[loads.index(min(loads))] += cost
    return max(loads)


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


def test_planned_trials_know_their_question():
    planned = standard().trials(LSTM)[0]
    assert isinstance(planned, Planned)
    assert planned.key == (planned.probe.id, planned.config.task.length)


@pytest.mark.parametrize("name", names())
def test_the_standard_battery_fits_every_family(name):
    asked = standard()
    trials = asked.trials({"name": name, "width": 64})
    assert not any(planned.impossible for planned in trials)
    assert asked.tuning is not None and len(trials) == len(asked.seeds) * len(list(asked.questions()))
    assert {planned.probe.ability for planned in trials} == {"recall", "state tracking", "brackets"}


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
