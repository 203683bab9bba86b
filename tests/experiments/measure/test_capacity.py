from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import separatrix as sx
from separatrix import InputError
from separatrix.experiments.measure import capacity
from separatrix.experiments.measure.capacity import bits_recalled
from separatrix.experiments.measure.recall import asked_of
from separatrix.experiments.presets import Preset
from separatrix.experiments.search.frontier_search import find_frontier
from separatrix.experiments.store.folder import Store
from separatrix.experiments.trial import size
from separatrix.experiments.trial.result import Measurement, Result


class Remembers(nn.Module):
    """Knows the first `held` tokens with certainty (up to `slack`), and nothing of the others."""

    def __init__(self, held: int, alphabet: int, slack: float = 1e-9) -> None:
        super().__init__()
        self.held, self.alphabet, self.slack = held, alphabet, slack
        self.unused = nn.Parameter(torch.zeros(1))

    def prefill(self, context):
        return (context[:, : self.held],)

    def forward(self, context, queries):
        right = nn.functional.one_hot(context.gather(1, queries), self.alphabet).float()
        known = (right + self.slack).log()
        return torch.where((queries < self.held)[..., None], known, torch.zeros_like(known))


@pytest.fixture
def task():
    return sx.tasks.create("index-lookup", length=12, alphabet=8)


@pytest.mark.parametrize("held", [0, 5, 12])
def test_a_model_that_holds_k_tokens_recalls_k_log_s_bits(task, held):
    measured = bits_recalled(Remembers(held, 8), task, seed=0, contexts=64)
    assert measured.recalled_bits == pytest.approx(3 * held, abs=1e-4)
    assert measured.low <= measured.recalled_bits <= measured.high
    assert measured.context_bits == 36


def test_a_model_that_guesses_recalls_nothing(task):
    class Guesses(Remembers):
        def forward(self, context, queries):
            generator = torch.Generator().manual_seed(int(context.sum()))
            return torch.randn(*queries.shape, self.alphabet, generator=generator)

    assert bits_recalled(Guesses(0, 8), task, seed=0, contexts=256).recalled_bits == 0


def test_the_interval_covers_the_truth(task):
    """A model that is right with probability 3/4 and knows it: its gain per position is known exactly."""

    class Hedges(Remembers):
        def forward(self, context, queries):
            right = context.gather(1, queries)
            wrong = torch.rand(right.shape, generator=torch.Generator().manual_seed(int(context.sum()))) < 0.25
            said = torch.where(wrong, (right + 1) % 8, right)
            chance = torch.full((*said.shape, 8), 0.25 / 7).scatter(-1, said[..., None], 0.75)
            return chance.log()

    gain = 3 + 0.75 * math.log2(0.75) + 0.25 * math.log2(0.25 / 7)
    covered = 0
    for seed in range(40):
        measured = bits_recalled(Hedges(0, 8), task, seed=seed, contexts=64)
        covered += measured.low <= 12 * gain <= measured.high
    assert covered >= 33


def test_other_tasks_are_refused():
    with pytest.raises(InputError, match="defined for index-lookup and associative-recall"):
        bits_recalled(Remembers(0, 2), sx.tasks.create("equality", length=4), seed=0)


def test_associative_recall_counts_the_values_of_its_pairs():
    """A model that knows the values of the first three pairs, by their keys, recalls three values."""

    class Pairs(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(1))

        def prefill(self, context):
            return (context[:, :6],)

        def forward(self, context, queries):
            keys, values = context[:, 0:6:2], context[:, 1:6:2] - 16
            found = queries[..., None] == keys[:, None]
            right = (found * (values[:, None] + 1)).sum(-1) - 1
            known = (nn.functional.one_hot(right.clamp(min=0), 5).float() + 1e-9).log()
            unknown = torch.tensor([0.25, 0.25, 0.25, 0.25, 1e-9]).log().expand_as(known)
            return torch.where((right >= 0)[..., None], known, unknown)

    task = sx.tasks.create("associative-recall", pairs=8, keys=16, values=4, absent=0.5)
    measured = bits_recalled(Pairs(), task, seed=0, contexts=64)
    assert measured.context_bits == 8 * 2
    assert measured.recalled_bits == pytest.approx(3 * 2, abs=1e-4)


def test_contexts_that_do_not_fit_are_refused_before_any_is_drawn(task, monkeypatch):
    monkeypatch.setattr(size, "memory", lambda: 16 * 100 * task.length - 1)
    monkeypatch.setattr(capacity, "memory", size.memory)
    with pytest.raises(InputError, match=r"100 contexts need .*: 99 would fit"):
        capacity.bits_recalled(None, task, seed=0, contexts=100)


def test_what_a_preset_asks_for_of_its_searches_is_measured():
    """The trials of every width of the lengths under `wall`, at the rates chosen; of other lengths none."""
    settings = {"id": "a", "title": "A", "task": {"name": "index-lookup", "alphabet": 4}, "models": [{"name": "lstm"}],
                "lengths": [4, 8], "widths": [2, 4], "seeds": [0, 1], "wall": [8]}  # fmt: skip
    preset, store = Preset(name="p", about="", frontiers=[settings]), Store("memory://asked")

    def run(trials, until=None):
        for config in trials:
            test = Measurement(accuracy=1.0, loss_bits=0.1, answers=9, accuracy_by_group={}, loss_bits_by_group={})
            store.write_result(
                Result(identity=config.identity(), config=config.model_dump(mode="json"), status="solved", test=test)
            )
            store.write(f"trials/{config.identity()}/checkpoint.safetensors", b"")
        return [store.result(config.identity()) for config in trials]

    find_frontier(preset.plans()[0], store, run)
    found = {(result.config["task"]["length"], result.config["seed"]) for result in asked_of(preset, store)}
    assert found == {(8, 0), (8, 1)}
