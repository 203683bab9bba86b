"""Sending a state in fewer bits: bits are exact, accuracy is measured, and it never passes the proved ceiling."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import separatrix as sx
from separatrix import InputError
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.measure.rate_accuracy import SCHEMES, rate_curve, send
from separatrix.experiments.measure.recall import recall, recallable, stored
from separatrix.experiments.store.folder import Store


class Keeps(nn.Module):
    """Hands over the first `held` tokens as numbers, and answers from what arrives; guesses 0 elsewhere."""

    def __init__(self, held: int, alphabet: int) -> None:
        super().__init__()
        self.held, self.alphabet = held, alphabet
        self.unused = nn.Parameter(torch.zeros(1))

    def prefill(self, context):
        return (context[:, : self.held].float(),)

    def decode(self, state, queries):
        known = state[0].round().long().clamp(0, self.alphabet - 1)
        asked = known.gather(1, queries.clamp(max=self.held - 1))
        return nn.functional.one_hot(asked.where(queries < self.held, torch.zeros_like(asked)), self.alphabet).float()

    def forward(self, context, queries):
        return self.decode(self.prefill(context), queries)


@pytest.fixture
def task():
    return sx.tasks.create("index-lookup", length=12, alphabet=8)


def test_bits_are_counted_exactly_and_the_whole_state_is_right(task):
    curve = rate_curve(Keeps(12, 8), task, seed=0, contexts=64)
    by_scheme = {point.scheme: point for point in curve.points}
    assert set(by_scheme) == set(SCHEMES)
    assert by_scheme["stored"].bits == 12 * 32
    assert by_scheme["bf16"].bits == by_scheme["fp16"].bits == 12 * 16
    assert by_scheme["e4m3"].bits == 12 * 8
    assert by_scheme["3"].bits == 12 * 3 + 64  # the range of the tensor, 32 bits each end
    assert by_scheme["3"].bits_per_scalar == pytest.approx(3 + 64 / 12)
    for exact in ("stored", "bf16", "fp16", "e4m3", "12"):  # numbers below 8 are values of all of these
        assert by_scheme[exact].accuracy == 1
    assert by_scheme["1"].accuracy < 0.6
    assert [point.bits for point in curve.points] == sorted(point.bits for point in curve.points)


@pytest.mark.parametrize("held", [1, 3, 8])
@pytest.mark.parametrize("alphabet", [2, 8, 64])
def test_no_code_passes_the_ceiling(held, alphabet):
    """Not only these: the bound is a theorem. Here a code comes close to it, so that a wrong ceiling would show."""
    task = sx.tasks.create("index-lookup", length=10, alphabet=alphabet)
    for point in rate_curve(Keeps(held, alphabet), task, seed=1, contexts=256).points:
        assert point.low <= point.accuracy <= point.high
        assert point.low <= point.ceiling


def test_formats_saturate_rather_than_overflow():
    state = (torch.tensor([[1e9, -1e9, 0.1]]),)
    received, bits = send(state, "e4m3")
    assert bits == 24
    assert received[0].isfinite().all()
    assert received[0][0, 0] == 448
    assert received[0].dtype == torch.float32


@pytest.mark.parametrize("scheme", ["bf16", "fp16", "e5m2"])
def test_formats_are_those_of_pytorch(scheme):
    values = torch.randn(5, 40, generator=torch.Generator().manual_seed(0))
    received, _ = send((values,), scheme)
    assert torch.equal(received[0], values.to(sx.numerics.TORCH[scheme]).float())


def test_unknown_schemes_and_other_tasks_are_one_line(task):
    with pytest.raises(InputError, match="unknown number format 'bf61'"):
        rate_curve(Keeps(2, 8), task, seed=0, schemes=["bf61"])
    with pytest.raises(InputError, match="precision must be in 1 … 24 bits, got 0"):
        rate_curve(Keeps(2, 8), task, seed=0, schemes=["0"])
    with pytest.raises(InputError, match="got equality"):
        rate_curve(Keeps(2, 2), sx.tasks.create("equality", length=4), seed=0)


def test_a_trained_model_is_measured_once_and_kept_beside_its_trial(tiny, tmp_path):
    store = Store(tmp_path / "run")
    result = run_trial(store, tiny())
    (chosen,) = recallable(store.results(), [6])
    assert recallable(store.results(), [7]) == []
    assert stored(store, result) is None
    measured = recall(store, chosen, contexts=32)
    assert stored(store, result) == measured
    assert measured.capacity.state_bits == result.state_bits
    path = tmp_path / "run" / "trials" / result.identity / "recall.json"
    before = path.stat().st_mtime_ns
    assert recall(store, chosen, contexts=32) == measured
    assert path.stat().st_mtime_ns == before
    assert recall(store, chosen, contexts=16).capacity.contexts == 16
