from __future__ import annotations

import json

import pytest

from separatrix import InputError
from separatrix.experiments.trial.config import TrialConfig, trial_config


def test_identity_is_a_function_of_the_content(tiny):
    assert tiny().identity() == tiny().identity()
    assert len({tiny().identity(), tiny(seed=1).identity(), tiny(learning_rate=0.01).identity()}) == 3


def test_defaults_spelt_out_are_the_same_trial(tiny):
    stored = json.loads(tiny().model_dump_json())
    assert trial_config(stored) == tiny()
    assert trial_config(stored).identity() == tiny().identity()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"training": {"stepz": 3}}, r"unknown key .*stepz.*did you mean 'steps'"),
        ({"training": {"steps": 0}}, r"steps.*greater than or equal to 1, got 0"),
        ({"training": {"steps": 10, "warmup": 10}}, "warmup must be shorter than steps, got 10 and 10"),
        ({"model": {"name": "lsmt"}}, "unknown model 'lsmt': did you mean 'lstm'"),
        ({"task": {"name": "index-lokup", "length": 4}}, "unknown task 'index-lokup': did you mean 'index-lookup'"),
        ({"task": {"name": "bounded-dyck", "length": 5}}, "length must be even .*, got 5"),
        (
            {"task": {"name": "index-lookup", "length": 4, "alphabet": 1}},
            "alphabet.*equal to 2, got 1",
        ),
        ({"model": {"name": "transformer", "width": 6, "heads": 4}}, "width must be divisible by heads, got width 6"),
        ({"seed": -1}, r"seed.*greater than or equal to 0, got -1"),
        ({"sede": 1}, "unknown key 'sede': did you mean 'seed'"),
    ],
)
def test_bad_values_are_one_clear_line(change, message):
    good = {"task": {"name": "index-lookup", "length": 4}, "model": {"name": "lstm"}}
    with pytest.raises(InputError, match=message) as caught:
        TrialConfig(**{**good, **change})
    assert "\n" not in str(caught.value)
