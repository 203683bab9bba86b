"""The best setting of a sweep, and sweeps that tune."""

from __future__ import annotations

import pytest

from separatrix import InputError
from separatrix.experiments.search.best import best_settings
from separatrix.experiments.search.sweep import Sweep
from separatrix.experiments.trial.result import Measurement, Result


def result(trial, accuracy: float | None) -> Result:
    test = None if accuracy is None else Measurement(
        accuracy=accuracy, loss_bits=0.1, answers=9, accuracy_by_group={}, loss_bits_by_group={}
    )  # fmt: skip
    return Result(identity=trial.identity(), config=trial.model_dump(mode="json"), status="finished", test=test)


def test_the_best_is_by_the_median_over_seeds(tiny):
    lucky = [result(tiny(seed=s, learning_rate=1e-2), a) for s, a in enumerate((1.0, 0.2, 0.3))]
    steady = [result(tiny(seed=s, learning_rate=1e-3), a) for s, a in enumerate((0.6, 0.5, 0.4))]
    failed = [result(tiny(seed=0, learning_rate=1.0), None)]
    (best,) = best_settings([*lucky, *steady, *failed])
    assert (best["rate"], best["accuracy"], best["lowest"], best["highest"], best["seeds"]) == (1e-3, 0.5, 0.4, 0.6, 3)


def test_a_sweep_that_tunes_leaves_rates_out_of_its_grid():
    tuning = {"rates": [1e-3, 1e-2]}
    assert Sweep(tuning=tuning).tuning.rates == [1e-3, 1e-2]
    with pytest.raises(InputError, match="leave them out of the grid"):
        Sweep(tuning=tuning, grid={"training.learning_rate": [1e-3]})
