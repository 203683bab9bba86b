from __future__ import annotations

import json

import pytest

from separatrix import InputError
from separatrix.experiments.engines.base import Engine, Outstanding, Resources, create
from separatrix.experiments.engines.local import LocalEngine
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Store


def test_engines_by_name():
    engine: Engine = create("local", workers=3)
    assert isinstance(engine, LocalEngine)
    assert engine.workers == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "loca"}, "unknown engine 'loca': did you mean 'local'"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"address": "auto"}, "the local engine has no address, got 'auto'"),
        ({"resources": Resources(cpus=1000.0)}, "a trial asks for 1000 cores, and this machine has"),
        ({"resources": Resources(gpus=1000.0)}, "a trial asks for 1000 GPUs, and this machine has"),
    ],
)
def test_bad_options_are_one_line(options, message):
    with pytest.raises(InputError, match=message):
        create(**options)


@pytest.mark.parametrize(("cpus", "gpus"), [(-1.0, 0.0), (0.0, 0.0), (1.0, -0.5)])
def test_a_trial_needs_something_to_run_on(cpus, gpus):
    with pytest.raises(InputError, match="a trial needs cores or GPUs"):
        Resources(cpus, gpus)


def test_fractions_of_a_core_make_room_for_more_trials():
    assert LocalEngine(resources=Resources(cpus=0.5)).workers == 2 * LocalEngine().workers


def test_a_trial_that_gets_on_between_losses_is_not_given_up(tiny, tmp_path):
    store, ended = Store(tmp_path), []
    outstanding = Outstanding(store, [tiny()], lambda config, result: ended.append(result))
    for step in [0, 10, 10, 20, 20, 30, 30]:
        if step:
            said = json.dumps({"step": step, "steps": 60, "accuracy": 0.0})
            store.write(f"trials/{tiny().identity()}/progress.json", said.encode())
        outstanding.lose(outstanding.waiting.pop())
        assert outstanding.waiting == [tiny()]
    outstanding.lose(outstanding.waiting.pop())
    assert not outstanding.waiting
    assert outstanding.results() == ended
    assert "its worker was lost 3 times" in ended[0].error


def test_a_result_lost_on_its_way_is_taken_from_the_store(tiny, tmp_path):
    store = Store(tmp_path)
    outstanding = Outstanding(store, [tiny()], None)
    result = run_trial(store, outstanding.waiting.pop())
    outstanding.lose(tiny())
    assert outstanding.results() == [result]
