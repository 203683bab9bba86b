"""The state and the speed of a module, measured."""

from __future__ import annotations

import pytest
import torch
from small_batteries import PARITY, battery

from separatrix.errors import InputError
from separatrix.experiments.card import make_card, speed
from separatrix.experiments.card.state import measure_state
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial.config import TrialConfig
from separatrix.models.own import WholePast

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
