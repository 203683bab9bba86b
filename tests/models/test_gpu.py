"""The same models on a GPU: run where there is one."""

from __future__ import annotations

import copy

import pytest
import torch

import separatrix as sx
from separatrix import models

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine"),
    pytest.mark.filterwarnings("ignore:RNN module weights"),
]
TASK = sx.tasks.create("index-lookup", length=40, alphabet=8)
BATCH = TASK.sample(3, torch.Generator().manual_seed(0), queries=4)
NAMES = [*models.names(), "mamba+attention"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_the_same_on_a_gpu(name: str, dtype: torch.dtype) -> None:
    there = models.create(name, TASK, width=32).to("cuda", dtype)
    here = copy.deepcopy(there).to("cpu", torch.float32)
    batch = BATCH.to(torch.device("cuda"))
    wanted = here(BATCH.context, BATCH.queries)
    logits = there(batch.context, batch.queries)
    state = there.prefill(batch.context[:, 11:], there.prefill(batch.context[:, :11]), start=11)
    for ours in (logits, there.decode(state, batch.queries)):
        assert ours.dtype == dtype
        error = (ours.float().cpu() - wanted).norm() / wanted.norm()
        assert float(error.detach()) < (2e-3 if dtype == torch.float32 else 0.1)
    logits.float().sum().backward()
    assert all(p.grad.isfinite().all() for p in there.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", NAMES)
def test_autocast_on_a_gpu(name: str) -> None:
    model = models.create(name, TASK, width=32).to("cuda")
    batch = BATCH.to(torch.device("cuda"))
    wanted = model(batch.context, batch.queries)
    with torch.autocast("cuda", torch.bfloat16):
        ours = model(batch.context, batch.queries).float()
    assert float(((ours - wanted).norm() / wanted.norm()).detach()) < 0.1
