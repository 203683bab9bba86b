"""Solved, plateau or cut off: the stated test on the validation loss."""

from __future__ import annotations

import pytest

from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.ending import IMPROVING, ending


def history(*losses: float) -> list[dict[str, float]]:
    return [{"step": 10 * (i + 1), "loss_bits": loss} for i, loss in enumerate(losses)]


@pytest.mark.parametrize(
    ("status", "losses", "ended"),
    [
        ("solved", [0.9, 0.1], "solved"),
        ("finished", [0.9, 0.5, 0.4, 0.3], "cut off"),  # the second half brought 40 %
        ("finished", [0.6, 0.5, 0.49, 0.48], "plateau"),  # 4 %
        ("finished", [0.5, 0.3, 0.4, 0.4], "plateau"),  # what was best before is what counts
        ("plateau", [0.5, 0.4, 0.2, 0.2], "plateau"),  # its patience ended it
        ("plateau", [1.0, 1.0, 1.0, 1.0], "cut off"),  # never left chance
        ("finished", [1.0, 1.0, 0.99, 0.99], "cut off"),
        ("failed", [0.5, 0.4], None),
        ("paused", [0.5, 0.4], None),
        ("finished", [], None),
    ],
)
def test_the_ending_is_decided_by_the_validation_loss(status, losses, ended):
    assert ending(status, history(*losses), answers=2) == ended


def test_the_threshold_is_the_stated_one():
    before = 0.5
    just = before * (1 - IMPROVING)
    assert ending("finished", history(before, before, just + 1e-9, 0.6), 2) == "plateau"
    assert ending("finished", history(before, before, just - 1e-9, 0.6), 2) == "cut off"


def test_results_say_it_and_keep_their_fingerprint(tiny, tmp_path):
    result = run_trial(Store(tmp_path), tiny())
    assert result.ending in ("plateau", "cut off")
    assert result.replace(ending=None).fingerprint == result.fingerprint
