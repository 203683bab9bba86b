"""The same trial gives the same bits whoever runs it; what a batch is cut into changes no more than rounding."""

from __future__ import annotations

import pytest
import torch

from separatrix import models, tasks
from separatrix.experiments.engines.local import LocalEngine
from separatrix.experiments.engines.run_trial import run_trial
from separatrix.experiments.store.folder import Store
from separatrix.tasks.randomness import stream


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def bits(store: Store) -> list:
    """What every trial of a store came to, with the hash of its weights."""
    return sorted((result.identity, result.fingerprint, result.weights_sha256) for result in store.results())


def test_threads_and_workers_change_no_bit(tiny, tmp_path, threads):
    trials = [tiny(steps=30).replace(model={"name": name, "width": 8}) for name in ("gru", "gla")]
    stores = [Store(tmp_path / name) for name in ("one", "two", "local")]
    for store, count in zip(stores, (1, 2), strict=False):
        threads(count)
        for trial in trials:
            run_trial(store, trial)
    LocalEngine(workers=2).run(stores[2], trials[::-1])
    first, *others = [bits(store) for store in stores]
    assert len(first) == 2 and all(hashed for *_, hashed in first)
    assert all(other == first for other in others)


@pytest.mark.parametrize("name", ["transformer", "lstm", "mamba", "gated-deltanet"])
def test_a_batch_in_parts_is_the_same_up_to_rounding(name):
    task = tasks.create("index-lookup", length=9, alphabet=4)
    torch.manual_seed(0)
    model = models.create(name, task, width=16).double().eval()
    batch = task.sample(12, stream(0, "test"), queries=5)
    whole = model(batch.context, batch.queries)
    for parts in (2, 3, 12):
        pieces = zip(batch.context.chunk(parts), batch.queries.chunk(parts), strict=True)
        torch.testing.assert_close(torch.cat([model(*piece) for piece in pieces]), whole, rtol=0, atol=1e-12)
