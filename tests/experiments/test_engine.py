from __future__ import annotations

import pytest

from separatrix import InputError
from separatrix.experiments.engine import Engine, Resources, create
from separatrix.experiments.local import LocalEngine


def test_engines_by_name():
    engine: Engine = create("local", workers=3)
    assert isinstance(engine, LocalEngine)
    assert engine.workers == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "locall"}, "unknown engine 'locall': did you mean 'local'"),
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
