from __future__ import annotations

import pytest
import torch
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # how long an example takes depends on what else is running
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def one_thread():
    """Trials run with one thread; so do their tests."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
