from __future__ import annotations

import pytest
import torch
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # how long an example takes depends on what else is running
settings.load_profile("untimed")
torch.set_num_threads(1)  # trials run with one thread; so do their tests, and fixtures of any scope


@pytest.fixture(autouse=True)
def as_at_the_start():
    """Each test finds torch as the first one did."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
